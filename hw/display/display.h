/* SPDX-License-Identifier: MIT
 * A picture of the guest's screen, and what shows it. The video adapter draws into
 * a Surface on request; SDL, screendump and tests ask. Input goes the other way. */
#ifndef HW_DISPLAY_DISPLAY_H
#define HW_DISPLAY_DISPLAY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    unsigned width, height;
    uint32_t *pixels; /* XRGB8888, width*height, owned */
    unsigned capacity;
} Surface;

void surface_resize(Surface *surface, unsigned width, unsigned height);
void surface_clear(Surface *surface); /* frees the pixels */
/* PNG by libpng, or PPM. */
bool surface_write_png(const Surface *surface, const char *path, GError **error);
bool surface_write_ppm(const Surface *surface, const char *path, GError **error);

/* What a display needs of the machine; all called with the io lock taken by the caller
 * through lock/unlock. */
typedef struct {
    void *opaque;
    void (*lock)(void *opaque);
    void (*unlock)(void *opaque);
    /* Draw the screen as it is now. */
    void (*render)(void *opaque, Surface *surface);
    /* Key by PS/2 set 1 make code; e0-prefixed keys are 0xe0xx. */
    void (*key)(void *opaque, unsigned scancode, bool down);
    void (*mouse)(void *opaque, int dx, int dy, int dz, unsigned buttons);
    void (*quit)(void *opaque);
} DisplayHost;

typedef struct SdlDisplay SdlDisplay;
/* Opens a window and polls it from the GLib main loop (main thread). NULL and *error if there
 * is no display. */
SdlDisplay *sdl_display_new(const DisplayHost *host, const char *title, GError **error);
void sdl_display_free(SdlDisplay *display);

#endif
