/* SPDX-License-Identifier: MIT */
#include "cli/window.h"

#include <stdio.h>

static void display_render(void *opaque, Surface *surface)
{
    vga_render(pc_vga(vm_machine(opaque)->pc), surface);
}

static void display_key(void *opaque, unsigned scancode, bool down)
{
    i8042_key(pc_keyboard(vm_machine(opaque)->pc), scancode, down);
}

static void display_mouse(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    i8042_mouse(pc_keyboard(vm_machine(opaque)->pc), dx, dy, dz, buttons);
}

static void display_lock(void *opaque)
{
    address_space_lock(vm_machine(opaque)->as);
}

static void display_unlock(void *opaque)
{
    address_space_unlock(vm_machine(opaque)->as);
}

SdlDisplay *window_open(Vm *vm, const Config *c)
{
    if (!c->vga || c->nographic || c->display == DISPLAY_NONE)
        return NULL;
    const DisplayHost host = {.opaque = vm,
                              .lock = display_lock,
                              .unlock = display_unlock,
                              .render = display_render,
                              .key = display_key,
                              .mouse = display_mouse,
                              .quit = vm_close};
    GError *error = NULL;
    SdlDisplay *display = sdl_display_new(&host, c->name ? c->name : "dbtvm", &error);
    if (!display) {
        fprintf(stderr, "dbtvm: no window (%s); going on as with -display none\n", error->message);
        g_error_free(error);
    }
    return display;
}
