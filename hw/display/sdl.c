/* SPDX-License-Identifier: MIT
 * The guest's screen in a window. SDL and its window belong to the main thread; a
 * GLib timeout pumps events and redraws. */
#include "hw/display/display.h"

#include <SDL.h>
#include <string.h>

#include "base/error.h"
#include "hw/display/sdl-keys.h"

#define TICK_MS       11 /* input */
#define TICKS_A_FRAME 3  /* pictures: 30 a second */
#define FIRST_WIDTH   720
#define FIRST_HEIGHT  400

struct SdlDisplay {
    DisplayHost host;
    char *title;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture; /* of the size of `shown` */
    Surface drawn, shown;
    guint timeout;
    unsigned tick;
    bool initialised; /* SDL itself */
    bool stale;       /* the window lost its content */
    bool grabbed;
    unsigned buttons;             /* now held: bit 0 left, 1 right, 2 middle */
    bool keys[SDL_NUM_SCANCODES]; /* the guest believes them down */
};

/* Picture */

static bool resize_picture(SdlDisplay *d)
{
    unsigned width = d->drawn.width, height = d->drawn.height;
    SDL_Texture *texture = SDL_CreateTexture(d->renderer, SDL_PIXELFORMAT_RGB888,
                                             SDL_TEXTUREACCESS_STREAMING, (int)width, (int)height);
    if (!texture)
        return false; /* out of video memory: keep the old picture */
    if (d->texture)
        SDL_DestroyTexture(d->texture);
    d->texture = texture;
    SDL_RenderSetLogicalSize(d->renderer, (int)width, (int)height);
    if (!(SDL_GetWindowFlags(d->window) & (SDL_WINDOW_FULLSCREEN | SDL_WINDOW_MAXIMIZED)))
        SDL_SetWindowSize(d->window, (int)width, (int)height);
    surface_resize(&d->shown, width, height);
    return true;
}

static void present(SdlDisplay *d)
{
    SDL_UpdateTexture(d->texture, NULL, d->shown.pixels, (int)d->shown.width * 4);
    SDL_SetRenderDrawColor(d->renderer, 0, 0, 0, 255);
    SDL_RenderClear(d->renderer);
    SDL_RenderCopy(d->renderer, d->texture, NULL, NULL);
    SDL_RenderPresent(d->renderer);
    d->stale = false;
}

static void draw(SdlDisplay *d)
{
    d->host.lock(d->host.opaque);
    d->host.render(d->host.opaque, &d->drawn);
    d->host.unlock(d->host.opaque);
    bool resized = d->drawn.width != d->shown.width || d->drawn.height != d->shown.height;
    if (resized && !resize_picture(d))
        return;
    size_t bytes = (size_t)d->drawn.width * d->drawn.height * sizeof(uint32_t);
    if (!resized && !d->stale && memcmp(d->drawn.pixels, d->shown.pixels, bytes) == 0)
        return;
    memcpy(d->shown.pixels, d->drawn.pixels, bytes);
    present(d);
}

/* Keys and mouse */

static void send_key(SdlDisplay *d, SDL_Scancode key, bool down)
{
    unsigned scancode = sdl_key_to_set1(key);
    if (!scancode || (!down && !d->keys[key]))
        return;
    d->keys[key] = down;
    d->host.lock(d->host.opaque);
    d->host.key(d->host.opaque, scancode, down);
    d->host.unlock(d->host.opaque);
}

/* The host swallows key releases that happen in another window. */
static void release_keys(SdlDisplay *d)
{
    for (unsigned key = 0; key < SDL_NUM_SCANCODES; key++)
        if (d->keys[key])
            send_key(d, key, false);
}

static void send_mouse(SdlDisplay *d, int dx, int dy, int dz)
{
    d->host.lock(d->host.opaque);
    d->host.mouse(d->host.opaque, dx, dy, dz, d->buttons);
    d->host.unlock(d->host.opaque);
}

static void show_title(SdlDisplay *d)
{
    g_autofree char *title =
        g_strdup_printf("%s%s", d->title, d->grabbed ? " - Ctrl-Alt-G releases the mouse" : "");
    SDL_SetWindowTitle(d->window, title);
}

static void set_grab(SdlDisplay *d, bool grab)
{
    if (d->grabbed == grab)
        return;
    d->grabbed = grab;
    SDL_SetRelativeMouseMode(grab);
    SDL_SetWindowGrab(d->window, grab);
    if (!grab && d->buttons) {
        d->buttons = 0;
        send_mouse(d, 0, 0, 0);
    }
    show_title(d);
}

static void key_toggle_grab(SdlDisplay *d)
{
    set_grab(d, !d->grabbed);
}

static void key_full_screen(SdlDisplay *d)
{
    bool full = SDL_GetWindowFlags(d->window) & SDL_WINDOW_FULLSCREEN;
    SDL_SetWindowFullscreen(d->window, full ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
    set_grab(d, !full);
    d->stale = true;
}

static void key_native_size(SdlDisplay *d)
{
    SDL_RestoreWindow(d->window);
    SDL_SetWindowSize(d->window, (int)d->shown.width, (int)d->shown.height);
}

/* With Ctrl-Alt; by letter, as the user reads them, not by position. */
static const struct {
    SDL_Keycode key;
    void (*run)(SdlDisplay *d);
} hot_keys[] = {
    {SDLK_g, key_toggle_grab},
    {SDLK_f, key_full_screen},
    {SDLK_u, key_native_size},
};

static bool run_hot_key(SdlDisplay *d, const SDL_KeyboardEvent *event)
{
    if (!(event->keysym.mod & KMOD_CTRL) || !(event->keysym.mod & KMOD_ALT))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(hot_keys); i++) {
        if (hot_keys[i].key != event->keysym.sym)
            continue;
        if (!event->repeat) {
            release_keys(d); /* the guest has seen Ctrl and Alt go down */
            hot_keys[i].run(d);
        }
        return true;
    }
    return false;
}

static void on_key(SdlDisplay *d, const SDL_KeyboardEvent *event)
{
    bool down = event->state == SDL_PRESSED;
    if (down && run_hot_key(d, event))
        return;
    send_key(d, event->keysym.scancode, down);
}

static void on_button(SdlDisplay *d, const SDL_MouseButtonEvent *event)
{
    static const uint8_t bits[] = {
        [SDL_BUTTON_LEFT] = 1, [SDL_BUTTON_RIGHT] = 2, [SDL_BUTTON_MIDDLE] = 4,
        [SDL_BUTTON_X1] = 8,   [SDL_BUTTON_X2] = 16,
    };
    bool down = event->state == SDL_PRESSED;
    if (!d->grabbed) {
        if (down && event->button == SDL_BUTTON_LEFT)
            set_grab(d, true);
        return;
    }
    unsigned bit = event->button < sizeof(bits) ? bits[event->button] : 0;
    unsigned buttons = down ? d->buttons | bit : d->buttons & ~bit;
    if (buttons == d->buttons)
        return;
    d->buttons = buttons;
    send_mouse(d, 0, 0, 0);
}

static void on_window(SdlDisplay *d, const SDL_WindowEvent *event)
{
    switch (event->event) {
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_SIZE_CHANGED:
        d->stale = true;
        break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
        release_keys(d);
        set_grab(d, false);
        break;
    case SDL_WINDOWEVENT_CLOSE:
        d->host.lock(d->host.opaque);
        d->host.quit(d->host.opaque);
        d->host.unlock(d->host.opaque);
        break;
    default:
        break;
    }
}

static void on_event(SdlDisplay *d, const SDL_Event *event)
{
    switch (event->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        on_key(d, &event->key);
        break;
    case SDL_MOUSEMOTION:
        if (d->grabbed)
            send_mouse(d, event->motion.xrel, event->motion.yrel, 0);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        on_button(d, &event->button);
        break;
    case SDL_MOUSEWHEEL:
        if (d->grabbed)
            send_mouse(d, 0, 0, event->wheel.y);
        break;
    case SDL_WINDOWEVENT:
        on_window(d, &event->window);
        break;
    case SDL_RENDER_TARGETS_RESET:
        d->stale = true;
        break;
    default:
        break;
    }
}

static gboolean on_tick(gpointer opaque)
{
    SdlDisplay *d = opaque;
    SDL_Event event;
    while (SDL_PollEvent(&event))
        on_event(d, &event);
    if (d->tick++ % TICKS_A_FRAME == 0)
        draw(d);
    return G_SOURCE_CONTINUE;
}

/* Life */

/* SDL falls back to drivers that show nothing; only a user who names one wants that. */
static bool find_screen(void)
{
    if (SDL_InitSubSystem(SDL_INIT_VIDEO) < 0)
        return false;
    const char *driver = SDL_GetCurrentVideoDriver();
    bool shows = g_strcmp0(driver, "offscreen") != 0 && g_strcmp0(driver, "dummy") != 0;
    if (shows || g_getenv("SDL_VIDEODRIVER"))
        return true;
    SDL_QuitSubSystem(SDL_INIT_VIDEO);
    SDL_SetError("there is no display here");
    return false;
}

static bool open_window(SdlDisplay *d)
{
    if (!find_screen())
        return false;
    d->initialised = true;
    d->window = SDL_CreateWindow(d->title, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED,
                                 FIRST_WIDTH, FIRST_HEIGHT, SDL_WINDOW_RESIZABLE);
    if (!d->window)
        return false;
    d->renderer = SDL_CreateRenderer(d->window, -1, 0);
    if (!d->renderer)
        d->renderer = SDL_CreateRenderer(d->window, -1, SDL_RENDERER_SOFTWARE);
    return d->renderer != NULL;
}

SdlDisplay *sdl_display_new(const DisplayHost *host, const char *title, GError **error)
{
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1"); /* Ctrl-C is ours */
    SDL_SetHint(SDL_HINT_QUIT_ON_LAST_WINDOW_CLOSE, "0");
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    SDL_SetHint(SDL_HINT_GRAB_KEYBOARD, "1"); /* Alt-Tab goes to the guest while grabbed */
    SdlDisplay *d = g_new0(SdlDisplay, 1);
    d->host = *host;
    d->title = g_strdup(title);
    if (!open_window(d)) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST,
                    "cannot open a window: %s; use -display none", SDL_GetError());
        sdl_display_free(d);
        return NULL;
    }
    d->timeout = g_timeout_add(TICK_MS, on_tick, d);
    return d;
}

void sdl_display_free(SdlDisplay *display)
{
    if (!display)
        return;
    if (display->timeout)
        g_source_remove(display->timeout);
    if (display->texture)
        SDL_DestroyTexture(display->texture);
    if (display->renderer)
        SDL_DestroyRenderer(display->renderer);
    if (display->window)
        SDL_DestroyWindow(display->window);
    if (display->initialised)
        SDL_QuitSubSystem(SDL_INIT_VIDEO);
    surface_clear(&display->drawn);
    surface_clear(&display->shown);
    g_free(display->title);
    g_free(display);
}
