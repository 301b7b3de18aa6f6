/* SPDX-License-Identifier: MIT
 * A byte pipe to the host: stdio, file, pty, socket... Back end of UARTs, the
 * monitor and debug ports. Output never blocks its writer: what the host does not
 * take at once is queued and drained by the main loop. Who can wait does so while the
 * queue is full; a guest that cannot is held. Input arrives on the main-loop thread
 * with the io lock held. */
#ifndef HW_CHAR_CHARDEV_H
#define HW_CHAR_CHARDEV_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Chardev Chardev;

typedef enum {
    CHARDEV_OPENED,
    CHARDEV_CLOSED, /* no more input; output goes on where the back end can (stdio) */
    CHARDEV_BREAK,
    CHARDEV_FOCUS,   /* this mux front end now has the keyboard */
    CHARDEV_DRAINED, /* it was full and is so no more */
} ChardevEvent;

typedef struct {
    size_t (*can_receive)(void *opaque); /* how many bytes it takes now; NULL: any */
    void (*receive)(void *opaque, const uint8_t *bytes, size_t count);
    void (*event)(void *opaque, ChardevEvent event); /* may be NULL */
    /* A line, not a session: what somebody has sent is for it also when somebody else is there. */
    bool line;
} ChardevHandler;

/* spec: QEMU's: stdio, mon:stdio (see chardev_make_mux), null, none, file:P, pty, pipe:P,
 * tcp:H:P[,server][,nowait], unix:P[,server][,nowait]. lock/unlock is the io lock.
 * "none" gives a chardev that swallows output, like null. */
Chardev *chardev_open(const char *spec, void (*lock)(void *), void (*unlock)(void *),
                      void *lock_opaque, GError **error);
/* The spec it was opened with, or "pty:/dev/pts/0" where that does not say which. */
const char *chardev_filename(const Chardev *chardev, const char *spec);
/* Tells on stdout which pty it is, if it is one, in the words that scripts for QEMU look for. */
void chardev_announce(const Chardev *chardev, const char *label);
/* Two front ends share one back end: Ctrl-A c switches, Ctrl-A x calls quit, Ctrl-A b is break,
 * Ctrl-A Ctrl-A a literal, Ctrl-A h help, Ctrl-A t timestamps. escape: the Ctrl key's code (1 = A).
 */
typedef void (*ChardevQuit)(void *opaque);
void chardev_make_mux(Chardev *chardev, int escape, ChardevQuit quit, void *quit_opaque);
void chardev_free(Chardev *chardev);

/* A front end attaches; a second one only on a mux. handler NULL: output only. Returns the
 * front's number for write. */
int chardev_attach(Chardev *chardev, const ChardevHandler *handler, void *opaque);
/* Any thread, io lock held. Bytes of an unfocused mux front end are still written. */
void chardev_write(Chardev *chardev, int front, const uint8_t *bytes, size_t count);
/* The host is behind with reading. Nothing is lost yet, but who can wait with writing should:
 * CHARDEV_DRAINED comes. */
bool chardev_is_full(const Chardev *chardev);
/* A guest writes to it. It is held when it goes on although the queue is full, and let go when the
 * host has read or has closed the other side; then nothing it writes is lost. Any thread, io lock
 * held. Without this, output that nobody reads is dropped in the end. */
typedef void (*ChardevHold)(void *opaque, bool hold);
void chardev_set_hold(Chardev *chardev, ChardevHold hold, void *opaque);
bool chardev_holds(const Chardev *chardev); /* for tests; it is full then, too */
/* Give front 0 bytes as if they came from the other side; how many it took. Io lock held. */
size_t chardev_inject(Chardev *chardev, const uint8_t *bytes, size_t count);

/* A terminal's keys for signals (Ctrl-C) send them, or are input. Without this they send them if
 * there is no mux. */
void chardev_keep_signals(Chardev *chardev, bool keep);
/* A copy of what all fronts write, in a file. */
bool chardev_keep_log(Chardev *chardev, const char *path, bool append, GError **error);

/* Keep what front 0 writes (the serial port's output), the last CHARDEV_TAP_BYTES of it, for those
 * who wait for a text. Io lock held. */
enum { CHARDEV_TAP_BYTES = 65536 };
void chardev_keep_tap(Chardev *chardev);
bool chardev_is_tapped(const Chardev *chardev);
/* Bytes written since, those that fell out too. */
uint64_t chardev_tap_total(const Chardev *chardev);
/* The bytes from position *from on that are still kept; *from becomes that of the first one.
 * Caller frees. */
GString *chardev_tap_read(const Chardev *chardev, uint64_t *from);

/* The front end can take input again. */
void chardev_accept_input(Chardev *chardev);

/* Somebody is at the other side. */
bool chardev_is_open(const Chardev *chardev);

/* Restore the terminal; safe in atexit and from fatal-signal handlers. */
void chardev_restore_terminal(void);

/* In-memory back end for tests: what the front end wrote, and feeding it. */
Chardev *chardev_new_memory(void);
GString *chardev_memory_output(Chardev *chardev);
void chardev_memory_feed(Chardev *chardev, const uint8_t *bytes, size_t count);

#endif
