/* SPDX-License-Identifier: MIT
 * Work for the main loop. */
#ifndef BASE_MAIN_LOOP_H
#define BASE_MAIN_LOOP_H

#include <glib.h>

/* Has the main loop call fn(opaque) as soon as it comes to it, until it returns G_SOURCE_REMOVE.
 * Any thread; calls keep their order. Unlike g_idle_add's, whose turn never comes while a socket is
 * busy. The source's id. */
guint main_loop_post(GSourceFunc fn, gpointer opaque);

#endif
