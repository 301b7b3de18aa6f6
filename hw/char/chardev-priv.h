/* SPDX-License-Identifier: MIT
 * Between the chardev core, the mux and the back ends; nobody else includes it. */
#ifndef HW_CHAR_CHARDEV_PRIV_H
#define HW_CHAR_CHARDEV_PRIV_H

#include <stdio.h>

#include "hw/char/chardev.h"

#define CHARDEV_FRONTS     4
#define CHARDEV_READ_CHUNK 4096

/* Output waiting for the host: from here on who can wait should; a guest that does not is held;
 * more is dropped (but what is written in one piece). What DRAINED waits for is half of the first.
 */
#define CHARDEV_QUEUE_FULL (64 * 1024)
#define CHARDEV_QUEUE_HOLD (CHARDEV_QUEUE_FULL + 4096)
#define CHARDEV_QUEUE_MAX  (1024 * 1024)

/* One kind of back end. Called with the io lock held, except open. */
typedef struct {
    const char *name;
    bool takes_argument;                                                  /* "name:argument" */
    bool (*open)(Chardev *chardev, const char *argument, GError **error); /* NULL: nothing to do */
    void (*write)(Chardev *chardev, const uint8_t *bytes, size_t count);
    void (*accept_input)(Chardev *chardev); /* room has appeared; NULL: no input */
    void (*muxed)(Chardev *chardev);        /* now behind a mux; may be NULL */
    void (*close)(Chardev *chardev);        /* may be NULL */
} ChardevBackend;

extern const ChardevBackend chardev_backend_stdio;
extern const ChardevBackend chardev_backend_file;
extern const ChardevBackend chardev_backend_pty;
extern const ChardevBackend chardev_backend_pipe;
extern const ChardevBackend chardev_backend_tcp;
extern const ChardevBackend chardev_backend_unix;

typedef struct {
    const ChardevHandler *handler;
    void *opaque;
} ChardevFront;

typedef struct ChardevMux ChardevMux;

struct Chardev {
    const ChardevBackend *backend;
    void *state;    /* the back end's */
    char *filename; /* where it is if the spec does not say; NULL: it does */
    void (*lock)(void *opaque);
    void (*unlock)(void *opaque);
    void *lock_opaque;
    ChardevHold hold; /* NULL: no guest that could be held */
    void *hold_opaque;
    bool full, holding;
    ChardevFront fronts[CHARDEV_FRONTS];
    unsigned front_count;
    ChardevMux *mux; /* NULL: one front end */
    uint8_t *tap;    /* CHARDEV_TAP_BYTES, a ring; NULL: not kept */
    uint64_t tap_total;
    FILE *log;        /* unbuffered; NULL: none */
    bool open;        /* somebody is at the other side */
    bool interactive; /* a person types: keys are never left waiting in the host */
};

/* The core, for back ends. lock/unlock do nothing without an io lock. */
void chardev_lock(Chardev *chardev);
void chardev_unlock(Chardev *chardev);
/* How many bytes may be delivered now; the back end leaves the others with the host. */
size_t chardev_room(Chardev *chardev);
void chardev_deliver(Chardev *chardev, const uint8_t *bytes, size_t count);
void chardev_notify(Chardev *chardev, ChardevEvent event);
/* So many bytes wait for the host now. It may write anew, if they have become fewer. */
void chardev_note_queue(Chardev *chardev, size_t bytes);

/* One front end, for the mux. */
size_t chardev_front_room(Chardev *chardev, unsigned front);
void chardev_front_receive(Chardev *chardev, unsigned front, const uint8_t *bytes, size_t count);
void chardev_front_event(Chardev *chardev, unsigned front, ChardevEvent event);

/* The mux, for the core. */
size_t chardev_mux_room(Chardev *chardev);
void chardev_mux_deliver(Chardev *chardev, const uint8_t *bytes, size_t count);
void chardev_mux_accept_input(Chardev *chardev);
void chardev_mux_write(Chardev *chardev, const uint8_t *bytes, size_t count);
void chardev_mux_free(ChardevMux *mux);

/* A pair of descriptors watched by the main loop; used by every back end of the host's.
 * out_fd need not be non-blocking, but then it is asked before each write.
 * closed: the other side is gone (io lock held); the stream has stopped reading.
 * hung_up: the same, at most once, while there is no room for what it has sent; may be NULL. */
typedef struct ChardevStream ChardevStream;
ChardevStream *chardev_stream_new(Chardev *chardev, int in_fd, int out_fd,
                                  void (*closed)(Chardev *chardev),
                                  void (*hung_up)(Chardev *chardev));
void chardev_stream_write(ChardevStream *stream, const uint8_t *bytes, size_t count);
void chardev_stream_accept_input(ChardevStream *stream);
/* Appends what has come and was not read, up to max bytes in rest. */
void chardev_stream_take_rest(ChardevStream *stream, GByteArray *rest, size_t max);
/* At the end: waits for what is queued to be written, as long as there is a reader who reads. True:
 * all of it is. */
bool chardev_stream_flush(ChardevStream *stream);
/* For who waits for a reader at the end: longest since he last took something, and in all. */
enum { CHARDEV_FLUSH_IDLE_MS = 1000, CHARDEV_FLUSH_MS = 20000 };
void chardev_stream_free(ChardevStream *stream); /* does not close the descriptors */

/* The process's controlling terminal on stdin. */
bool chardev_terminal_set_raw(bool keep_signals);
/* Input came from it, so we are in the foreground. A job that went on in the background (bg) is
 * told of the foreground (fg) by nothing else. */
void chardev_terminal_was_read(void);
/* Has the process been continued since this was called last? */
bool chardev_terminal_take_continued(void);

#endif
