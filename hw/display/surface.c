/* SPDX-License-Identifier: MIT
 * A picture in memory and how it becomes a file. */
#include "hw/display/display.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

void surface_resize(Surface *surface, unsigned width, unsigned height)
{
    g_assert(width && height && width <= 16384 && height <= 16384);
    if (width * height > surface->capacity) {
        surface->capacity = width * height;
        surface->pixels = g_renew(uint32_t, surface->pixels, surface->capacity);
    }
    surface->width = width;
    surface->height = height;
}

void surface_clear(Surface *surface)
{
    g_free(surface->pixels);
    *surface = (Surface){0};
}

static uint8_t *surface_rgb(const Surface *surface)
{
    size_t count = (size_t)surface->width * surface->height;
    uint8_t *rgb = g_malloc(count * 3);
    for (size_t i = 0; i < count; i++) {
        rgb[i * 3] = (uint8_t)(surface->pixels[i] >> 16);
        rgb[i * 3 + 1] = (uint8_t)(surface->pixels[i] >> 8);
        rgb[i * 3 + 2] = (uint8_t)surface->pixels[i];
    }
    return rgb;
}

static bool set_write_error(GError **error, const char *path, const char *reason)
{
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "cannot write '%s': %s", path, reason);
    return false;
}

bool surface_write_png(const Surface *surface, const char *path, GError **error)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = surface->width,
                       .height = surface->height,
                       .format = PNG_FORMAT_RGB};
    FILE *file = fopen(path, "wb");
    if (!file)
        return set_write_error(error, path, g_strerror(errno));
    g_autofree uint8_t *rgb = surface_rgb(surface);
    bool done = png_image_write_to_stdio(&image, file, 0, rgb, 0, NULL);
    if (fclose(file) != 0 && done)
        return set_write_error(error, path, g_strerror(errno));
    return done || set_write_error(error, path, image.message);
}

bool surface_write_ppm(const Surface *surface, const char *path, GError **error)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return set_write_error(error, path, g_strerror(errno));
    g_autofree uint8_t *rgb = surface_rgb(surface);
    fprintf(file, "P6\n%u %u\n255\n", surface->width, surface->height);
    fwrite(rgb, 3, (size_t)surface->width * surface->height, file);
    bool failed = ferror(file);
    if (fclose(file) != 0 || failed)
        return set_write_error(error, path, g_strerror(errno));
    return true;
}
