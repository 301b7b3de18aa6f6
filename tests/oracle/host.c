/* SPDX-License-Identifier: MIT
 * Runs snippets on the host CPU. No system call a case: the snippet ends with a
 * jump to code of ours, faults arrive as signals whose handler leaves without
 * sigreturn. See host-entry.S for the two ways. */
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/oracle/host-priv.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF          0
#define PR_SYS_DISPATCH_ON           1
#endif
#define HWCAP2_HAS_FSGSBASE 2u

enum { TICK_US = 10000, TRAP_FLAG = 0x100, JMP_REL32 = 0xe9 };

/* ---- set-up ---- */

static bool set_filter(Host *host, GError **error)
{
    uintptr_t start = (uintptr_t)host_restorer;
    uintptr_t size = (uintptr_t)host_restorer_end - start;
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, start, size,
              &host->ctl->selector) == 0)
        return true;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST, "no syscall user dispatch (Linux 5.11): %s",
                g_strerror(errno));
    return false;
}

/* One NOP: do snippets run at all? */
static bool probe(Host *host, GError **error)
{
    OracleCase oc = {
        .code_at = ORACLE_CODE, .code_size = 1, .code = {0x90}, .insn_count = 1, .insn_at = {0, 1}};
    OracleOutcome *outcome = g_new0(OracleOutcome, 1);
    oc.in.eip = ORACLE_CODE;
    host->ctl->probing = 1;
    host_run(host, &oc, 1, outcome);
    host->ctl->probing = 0;
    bool ok = outcome->end == END_NORMAL;
    g_free(outcome);
    if (!ok)
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST, "snippets do not run here (CS 0x%x)",
                    host->mode == HOST_LONG ? HOST_USER_CS64 : HOST_USER_CS32);
    return ok;
}

Host *host_new(HostMode mode, GError **error)
{
    if (mode == HOST_COMPAT && !(getauxval(AT_HWCAP2) & HWCAP2_HAS_FSGSBASE)) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST,
                    "no FSGSBASE instructions (CPU or kernel)");
        return NULL;
    }
    Host *host = g_new0(Host, 1);
    host->mode = mode;
    host->code_fd = -1;
    host->signal_stack_size = getauxval(AT_MINSIGSTKSZ) + 64 * 1024;
    host->signal_stack = g_malloc(host->signal_stack_size);
    if (host_map_memory(host, error) && set_filter(host, error)) {
        host->ctl->mxcsr = 0x1f80;
        host->ctl->long_mode = mode == HOST_LONG;
        if (probe(host, error))
            return host;
    }
    host_free(host);
    return NULL;
}
void host_free(Host *host)
{
    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
    host_unmap_memory(host);
    g_free(host->signal_stack);
    g_free(host);
}

/* ---- one case ---- */

static void write_recoded(Host *host, const OracleCase *oc)
{
    unsigned offset = oc->code_at - ORACLE_CODE, end = offset + oc->code_size;
    uint32_t distance = HOST_LANDING - (ORACLE_CODE + recode_shift(oc) + end + 5);
    recode_case(oc, host->file + offset, host->file + FILE_STUBS);
    host->file[end] = JMP_REL32;
    memcpy(host->file + end + 1, &distance, 4);
    if (offset < ORACLE_CODE_RW) {
        memcpy(host->file + FILE_READ + offset, oc->code, oc->code_size);
        oracle_fill_end(host->file + FILE_READ + end);
    }
}

static void write_code(Host *host, const OracleCase *oc)
{
    uint8_t *at = host->file + (oc->code_at - ORACLE_CODE);
    if (host->mode == HOST_LONG) {
        write_recoded(host, oc);
        return;
    }
    memcpy(at, oc->code, oc->code_size);
    oracle_fill_end(at + oc->code_size);
}

static void clear_code(Host *host, const OracleCase *oc)
{
    unsigned offset = oc->code_at - ORACLE_CODE, size = oc->code_size + ORACLE_END_SIZE;
    memset(host->file + offset, ORACLE_FILLER, size);
    if (offset < ORACLE_CODE_RW)
        memset(host->file + FILE_READ + offset, ORACLE_FILLER, size);
}

static void load_state(HostControl *ctl, const OracleState *in)
{
    for (unsigned i = 0; i < 4; i++)
        ctl->sel[i] = HOST_USER_DS;
    ctl->fs_base = ORACLE_FS_BASE;
    ctl->gs_base = ORACLE_GS_BASE;
    ctl->iret[0] = in->eip + host_shift(ctl);
    ctl->iret[1] = ctl->long_mode ? HOST_USER_CS64 : HOST_USER_CS32;
    ctl->iret[2] = in->eflags | 0x202;
    ctl->iret[3] = in->gpr[4];
    ctl->iret[4] = HOST_USER_DS;
    memcpy(ctl->gpr_in, in->gpr, sizeof ctl->gpr_in);
    memcpy(ctl->fx_in, in->fx, sizeof ctl->fx_in);
}

static void run_one(Host *host, const OracleCase *oc, OracleOutcome *o)
{
    HostControl *ctl = host->ctl;
    uint8_t *read_only = host->background + ORACLE_DATA_RW;
    memcpy(host->data, host->background, ORACLE_DATA_RW);
    for (unsigned i = 0; i < oc->patch_count; i++)
        memcpy(host->data + oc->patches[i].offset, oc->patches[i].bytes, oc->patches[i].size);
    write_code(host, oc);
    ctl->running = oc;
    load_state(ctl, &oc->in);
    o->end = END_NORMAL;
    o->vector = o->error = o->cr2 = 0;
    ctl->outcome = o;
    ctl->runs++;
    host_enter();
    ctl->outcome = NULL;
    clear_code(host, oc);
    if (o->end == END_NORMAL) {
        memcpy(o->out.gpr, ctl->gpr_out, sizeof o->out.gpr);
        memcpy(o->out.fx, ctl->fx_out, sizeof o->out.fx);
        o->out.eflags = ctl->eflags_out;
        o->out.eip = oc->code_at + oc->code_size;
    }
    memcpy(o->data, host->data, ORACLE_DATA_RW);
    memcpy(o->data + ORACLE_DATA_RW, read_only, ORACLE_DATA_SIZE - ORACLE_DATA_RW);
}
static void set_timer(unsigned interval_us)
{
    struct itimerval timer = {.it_interval = {0, interval_us}, .it_value = {0, interval_us}};
    setitimer(ITIMER_PROF, &timer, NULL);
}

bool host_strays(Host *host, const OracleCase *oc, OracleOutcome *scratch)
{
    if (!oc->recoded)
        return false;
    OracleCase traced = *oc;
    traced.in.eflags |= TRAP_FLAG;
    host->ctl->tracing = true;
    host_run(host, &traced, 1, scratch);
    host->ctl->tracing = false;
    return scratch->end == END_OPEN;
}

void host_run(Host *host, const OracleCase *cases, unsigned count, OracleOutcome *outcomes)
{
    host_take_signals(host);
    set_timer(TICK_US);
    if (host->mode == HOST_LONG)
        host_give_segments(host->ctl);
    for (unsigned i = 0; i < count; i++)
        run_one(host, &cases[i], &outcomes[i]);
    if (host->mode == HOST_LONG)
        host_take_segments_back(host->ctl);
    set_timer(0);
}
