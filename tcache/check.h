/* SPDX-License-Identifier: MIT
 * --check: every so many blocks the IR interpreter executes the block first, on a copy of the
 * registers and a write log (softmmu/shadow.h); then the translated block runs, for one pass, and
 * both must have done the same. Private to tcache. */
#ifndef TCACHE_CHECK_H
#define TCACHE_CHECK_H

#include "tcache/engine-priv.h"

Check *check_new(Engine *engine);
void check_free(Check *check);
/* Is it this block's turn? */
bool check_is_due(Engine *engine, const TranslationBlock *tb);
/* Before the block is entered. True: check_after is to be called with why the block ended; the io
 * lock is held until then. */
bool check_before(Engine *engine, const TranslationBlock *tb);
/* EXIT_CHECK if the two differ, else the reason. */
ExitReason check_after(Engine *engine, const TranslationBlock *tb, ExitReason reason);

/* What a block works on, besides memory. */
enum { CHECK_FP_BYTES = 288 }; /* of the FXSAVE image: up to XMM7 */
typedef struct {
    uint64_t gpr[VCPU_GPRS];
    uint64_t pc;
    uint32_t flags;
    bool halted;
    uint64_t seg_base[8];
    int64_t dir[4];
    uint8_t fp[CHECK_FP_BYTES];
    uint8_t guest[1024]; /* GuestOps.fields, by offset from the first */
    ExitReason reason;
    Fault fault;
} CheckState;

void check_save(const VCpu *vcpu, CheckState *state);
void check_restore(VCpu *vcpu, const CheckState *state);
/* Arithmetic flags that the manuals leave undefined after `block` and that depend on how the host
 * instruction is encoded. */
uint32_t check_undefined_flags(const IrBlock *block);
/* Append a line for each register and so on that differs; true if none does. undefined: flags that
 * do not count. */
bool check_compare(const GuestOps *guest, const CheckState *wanted, const CheckState *found,
                   uint32_t undefined, GString *out);
/* full: the guest's fields, too. */
void check_print(const GuestOps *guest, const CheckState *state, bool full, GString *out);

#endif
