/* SPDX-License-Identifier: MIT */
#include "base/main-loop.h"

guint main_loop_post(GSourceFunc fn, gpointer opaque)
{
    return g_idle_add_full(G_PRIORITY_DEFAULT, fn, opaque, NULL);
}
