/* SPDX-License-Identifier: MIT
 * Key names as in sendkey, the keys of an US keyboard that type a character, and the queue
 * that gives them to the guest one by one. */
#ifndef MONITOR_KEYS_H
#define MONITOR_KEYS_H

#include "monitor/machine.h"

enum { KEYS_AT_ONCE = 8 };

typedef struct {
    unsigned scancode[KEYS_AT_ONCE]; /* PS/2 set 1 as i8042_key takes it */
    unsigned count;
} KeyCombination;

/* "ctrl-alt-f1", "0x1c". */
bool keys_parse(const char *text, KeyCombination *keys, GError **error);
/* The names that keys_parse knows; NULL: no more. */
const char *keys_name(unsigned index);
/* One ASCII character. false: no key types it. */
bool keys_for_character(char c, KeyCombination *keys);

/* Each key goes out when the guest has read the one before: no key is lost, however slow the
 * guest. Main-loop thread, io lock not held. One queue a machine, made when first needed. */
typedef struct KeyQueue KeyQueue;
/* false: too many wait already. */
bool key_queue_push(Machine *machine, const KeyCombination *keys, unsigned hold_ms);
typedef enum {
    KEYS_READ,    /* by the guest, all of them */
    KEYS_WAITING, /* for the guest, or for the machine to run */
    KEYS_DROPPED, /* the guest has stopped reading them; until the next push */
} KeyQueueState;
KeyQueueState key_queue_state(const Machine *machine);
void key_queue_free(KeyQueue *queue);

#endif
