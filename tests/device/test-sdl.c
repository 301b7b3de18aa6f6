/* SPDX-License-Identifier: MIT
 * The window on SDL's dummy video driver: events are pushed, the test plays the machine. */
#include <criterion/criterion.h>

#include "hw/display/display.h"
#include "hw/display/sdl-keys.h"

typedef struct {
    SdlDisplay *display;
    SDL_Window *window;
    int locked;
    unsigned width, height, frames, quits;
    uint32_t color;
    GString *keys;  /* "+1e -1e " */
    GString *mouse; /* "dx,dy,dz,buttons " */
} Screen;

static void screen_lock(void *opaque)
{
    ((Screen *)opaque)->locked++;
}

static void screen_unlock(void *opaque)
{
    ((Screen *)opaque)->locked--;
}

static void screen_render(void *opaque, Surface *surface)
{
    Screen *s = opaque;
    cr_assert_eq(s->locked, 1);
    surface_resize(surface, s->width, s->height);
    for (unsigned i = 0; i < s->width * s->height; i++)
        surface->pixels[i] = s->color;
    s->frames++;
}

static void screen_key(void *opaque, unsigned scancode, bool down)
{
    Screen *s = opaque;
    cr_assert_eq(s->locked, 1);
    g_string_append_printf(s->keys, "%c%x ", down ? '+' : '-', scancode);
}

static void screen_mouse(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    Screen *s = opaque;
    cr_assert_eq(s->locked, 1);
    g_string_append_printf(s->mouse, "%d,%d,%d,%u ", dx, dy, dz, buttons);
}

static void screen_quit(void *opaque)
{
    ((Screen *)opaque)->quits++;
}

/* Until another picture has been drawn: all events pushed before are handled by then. */
static void run(Screen *s)
{
    for (unsigned until = s->frames + 1; s->frames < until;)
        g_main_context_iteration(NULL, TRUE);
}

static void screen_open(Screen *s)
{
    g_setenv("SDL_VIDEODRIVER", "dummy", TRUE);
    *s = (Screen){.width = 640, .height = 480, .color = 0x102030};
    s->keys = g_string_new(NULL);
    s->mouse = g_string_new(NULL);
    const DisplayHost host = {s,          screen_lock,  screen_unlock, screen_render,
                              screen_key, screen_mouse, screen_quit};
    g_autoptr(GError) error = NULL;
    s->display = sdl_display_new(&host, "dbtvm", &error);
    cr_assert_not_null(s->display, "%s", error ? error->message : "");
    run(s);
    for (Uint32 id = 1; !s->window && id < 16; id++)
        s->window = SDL_GetWindowFromID(id);
    cr_assert_not_null(s->window);
}

static void screen_close(Screen *s)
{
    sdl_display_free(s->display);
    g_string_free(s->keys, TRUE);
    g_string_free(s->mouse, TRUE);
}

static void push_key(SDL_Scancode scancode, SDL_Keycode sym, unsigned mod, bool down)
{
    SDL_Event event = {.type = down ? SDL_KEYDOWN : SDL_KEYUP};
    event.key.state = down ? SDL_PRESSED : SDL_RELEASED;
    event.key.keysym = (SDL_Keysym){.scancode = scancode, .sym = sym, .mod = (Uint16)mod};
    SDL_PushEvent(&event);
}

static void push_hot_key(SDL_Scancode scancode, SDL_Keycode sym)
{
    push_key(scancode, sym, KMOD_LCTRL | KMOD_LALT, true);
}

static void push_button(unsigned button, bool down)
{
    SDL_Event event = {.type = down ? SDL_MOUSEBUTTONDOWN : SDL_MOUSEBUTTONUP};
    event.button.state = down ? SDL_PRESSED : SDL_RELEASED;
    event.button.button = (Uint8)button;
    SDL_PushEvent(&event);
}

static void push_motion(int dx, int dy)
{
    SDL_Event event = {.type = SDL_MOUSEMOTION};
    event.motion.xrel = dx;
    event.motion.yrel = dy;
    SDL_PushEvent(&event);
}

static void push_wheel(int y)
{
    SDL_Event event = {.type = SDL_MOUSEWHEEL};
    event.wheel.y = y;
    SDL_PushEvent(&event);
}

static void push_window(unsigned what)
{
    SDL_Event event = {.type = SDL_WINDOWEVENT};
    event.window.event = (Uint8)what;
    SDL_PushEvent(&event);
}

/* What the renderer holds in the middle of the picture. */
static uint32_t shown_color(Screen *s)
{
    uint32_t pixel = 0;
    SDL_Rect at = {(int)s->width / 2, (int)s->height / 2, 1, 1};
    cr_assert_eq(
        SDL_RenderReadPixels(SDL_GetRenderer(s->window), &at, SDL_PIXELFORMAT_RGB888, &pixel, 4),
        0);
    return pixel & 0xffffff;
}

Test(sdl, window_follows_the_picture)
{
    Screen s;
    int width, height;
    screen_open(&s);
    SDL_GetWindowSize(s.window, &width, &height);
    cr_assert(width == 640 && height == 480, "%dx%d", width, height);
    cr_assert_eq(shown_color(&s), 0x102030);
    s.width = 320;
    s.height = 200;
    s.color = 0xfedcba;
    run(&s);
    SDL_GetWindowSize(s.window, &width, &height);
    cr_assert(width == 320 && height == 200, "%dx%d", width, height);
    cr_assert_eq(shown_color(&s), 0xfedcba);
    screen_close(&s);
}

Test(sdl, keys_by_position)
{
    Screen s;
    screen_open(&s);
    push_key(SDL_SCANCODE_Y, SDLK_z, 0, true); /* a German keyboard */
    push_key(SDL_SCANCODE_Y, SDLK_z, 0, false);
    push_key(SDL_SCANCODE_AUDIOPLAY, 0, 0, true);       /* not on a PC */
    push_key(SDL_SCANCODE_RIGHT, SDLK_RIGHT, 0, false); /* went down in another window */
    run(&s);
    cr_assert_str_eq(s.keys->str, "+15 -15 ");
    cr_assert_eq(sdl_key_to_set1(SDL_SCANCODE_PAUSE), 0xe11d45);
    cr_assert_eq(sdl_key_to_set1(SDL_NUM_SCANCODES), 0);
    screen_close(&s);
}

Test(sdl, lost_focus_releases_keys_and_mouse)
{
    Screen s;
    screen_open(&s);
    push_key(SDL_SCANCODE_LALT, SDLK_LALT, 0, true);
    push_button(SDL_BUTTON_LEFT, true); /* this click only grabs */
    push_button(SDL_BUTTON_RIGHT, true);
    push_window(SDL_WINDOWEVENT_FOCUS_LOST);
    push_motion(9, 9);
    run(&s);
    cr_assert_str_eq(s.keys->str, "+38 -38 ");
    cr_assert_str_eq(s.mouse->str, "0,0,0,2 0,0,0,0 ");
    screen_close(&s);
}

Test(sdl, mouse_while_grabbed)
{
    Screen s;
    screen_open(&s);
    push_motion(1, 1);
    push_wheel(1);
    push_button(SDL_BUTTON_RIGHT, true);
    run(&s);
    cr_assert_str_eq(s.mouse->str, "");
    push_button(SDL_BUTTON_LEFT, true);
    push_button(SDL_BUTTON_LEFT, false);
    run(&s);
    cr_assert_not_null(strstr(SDL_GetWindowTitle(s.window), "Ctrl-Alt-G"));
    g_string_truncate(s.mouse, 0); /* grabbing may warp the pointer */
    push_motion(3, -4);
    push_wheel(-1);
    push_button(SDL_BUTTON_MIDDLE, true);
    push_button(SDL_BUTTON_MIDDLE, true); /* twice is once */
    push_button(SDL_BUTTON_LEFT, true);
    push_button(SDL_BUTTON_MIDDLE, false);
    push_button(200, true);
    run(&s);
    cr_assert_str_eq(s.mouse->str, "3,-4,0,0 0,0,-1,0 0,0,0,4 0,0,0,5 0,0,0,1 ");
    screen_close(&s);
}

Test(sdl, hot_keys_are_not_the_guests)
{
    Screen s;
    screen_open(&s);
    push_key(SDL_SCANCODE_LCTRL, SDLK_LCTRL, 0, true);
    push_key(SDL_SCANCODE_LALT, SDLK_LALT, KMOD_LCTRL, true);
    push_hot_key(SDL_SCANCODE_G, SDLK_g);
    run(&s);
    cr_assert_str_eq(s.keys->str, "+1d +38 -1d -38 ");
    cr_assert_not_null(strstr(SDL_GetWindowTitle(s.window), "Ctrl-Alt-G"));
    push_hot_key(SDL_SCANCODE_G, SDLK_g);
    run(&s);
    cr_assert_str_eq(SDL_GetWindowTitle(s.window), "dbtvm");
    push_hot_key(SDL_SCANCODE_F, SDLK_f);
    run(&s);
    cr_assert(SDL_GetWindowFlags(s.window) & SDL_WINDOW_FULLSCREEN);
    push_hot_key(SDL_SCANCODE_F, SDLK_f);
    run(&s);
    cr_assert(!(SDL_GetWindowFlags(s.window) & SDL_WINDOW_FULLSCREEN));
    SDL_SetWindowSize(s.window, 1000, 700);
    push_hot_key(SDL_SCANCODE_U, SDLK_u);
    run(&s);
    int width, height;
    SDL_GetWindowSize(s.window, &width, &height);
    cr_assert(width == 640 && height == 480, "%dx%d", width, height);
    g_string_truncate(s.keys, 0);
    push_hot_key(SDL_SCANCODE_DELETE, SDLK_DELETE);
    run(&s);
    cr_assert_str_eq(s.keys->str, "+e053 ");
    screen_close(&s);
}

Test(sdl, draws_again_what_the_window_lost)
{
    Screen s;
    screen_open(&s);
    static const unsigned lost[] = {SDL_WINDOWEVENT_EXPOSED, SDL_WINDOWEVENT_SIZE_CHANGED};
    for (unsigned i = 0; i < G_N_ELEMENTS(lost); i++) {
        SDL_SetRenderDrawColor(SDL_GetRenderer(s.window), 255, 0, 0, 255);
        SDL_RenderClear(SDL_GetRenderer(s.window));
        cr_assert_eq(shown_color(&s), 0xff0000);
        push_window(lost[i]);
        run(&s);
        cr_assert_eq(shown_color(&s), 0x102030);
    }
    screen_close(&s);
}

Test(sdl, closing_the_window_quits)
{
    Screen s;
    screen_open(&s);
    push_window(SDL_WINDOWEVENT_CLOSE);
    run(&s);
    cr_assert_eq(s.quits, 1);
    cr_assert_eq(s.locked, 0);
    screen_close(&s);
}

Test(sdl, no_display_is_an_error)
{
    const DisplayHost host = {0};
    g_autoptr(GError) error = NULL;
    g_setenv("SDL_VIDEODRIVER", "no-such-driver", TRUE);
    cr_assert_null(sdl_display_new(&host, "dbtvm", &error));
    cr_assert_not_null(strstr(error->message, "use -display none"), "%s", error->message);
}
