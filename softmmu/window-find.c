/* SPDX-License-Identifier: MIT */
#include "softmmu/window-priv.h"

bool window_find(const Window *window, gva_t gva, bool write, ram_off_t *page)
{
    const uint32_t entry = window->pages ? window->pages[(uint32_t)gva >> GUEST_PAGE_BITS] : 0;
    if (entry == 0 || (write && !window_is_writable(entry)))
        return false;
    *page = (ram_off_t)window_ram_page(entry) << GUEST_PAGE_BITS;
    return true;
}
