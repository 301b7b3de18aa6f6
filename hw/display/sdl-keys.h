/* SPDX-License-Identifier: MIT
 * Host keys to PS/2 keys, by position: the guest's own layout decides the letters. */
#ifndef HW_DISPLAY_SDL_KEYS_H
#define HW_DISPLAY_SDL_KEYS_H

#include <SDL.h>

/* Set 1 make code, e0xxh extended, e11d45h Pause; 0: no such key on a PC. */
unsigned sdl_key_to_set1(SDL_Scancode key);

#endif
