/* SPDX-License-Identifier: MIT
 * Inside the host side of the oracle: its memory (host-memory.c), the signals that
 * snippets raise (host-signal.c), and who runs them (host.c).
 *
 * In 64-bit mode FS belongs to the snippets for a whole host_run: nothing in there may use
 * thread-local storage, a stack protector or lazy binding (meson.build). */
#ifndef TESTS_ORACLE_HOST_PRIV_H
#define TESTS_ORACLE_HOST_PRIV_H

#include <signal.h>
#include <ucontext.h>

#include "tests/oracle/host.h"
#include "tests/oracle/recode.h"

/* Offsets in the code memfd. */
enum {
    FILE_CODE = 0, /* what runs */
    FILE_STUBS = ORACLE_CODE_SIZE,
    FILE_READ = FILE_STUBS + HOST_STUBS_SIZE, /* what recoded read-only code reads of itself */
    FILE_SIZE = FILE_READ + ORACLE_CODE_RW,
};

/* At HOST_CTL; assembly knows the offsets. */
typedef struct {
    uint8_t selector; /* of the system call filter: 1 blocks */
    uint8_t probing;  /* a fault in 64-bit code means "this host cannot", not a bug */
    uint8_t long_mode;
    uint8_t tracing; /* single steps are ours */
    uint32_t mxcsr;
    uint64_t host_rsp, host_fs, host_gs, fs_base, gs_base;
    uint16_t sel[4];
    uint64_t reserved;
    uint64_t iret[5];
    uint64_t reserved2;
    uint32_t gpr_in[8], gpr_out[8];
    uint32_t eflags_out;
    _Alignas(64) uint8_t fx_in[512];
    uint8_t fx_out[512];
    /* known to C only */
    const OracleCase *running;
    OracleOutcome *outcome;
    uint64_t runs, tick_seen; /* a tick that meets the same run twice ends it */
} HostControl;

struct Host {
    HostMode mode;
    HostControl *ctl;
    int code_fd;
    uint8_t *file; /* view of the code memfd: what runs, stubs, code as it is read */
    uint8_t *data;
    void *signal_stack;
    size_t signal_stack_size;
    uint8_t background[ORACLE_DATA_SIZE];
};

/* host-entry.S */
void host_enter(void);
void host_exit(void);
_Noreturn void host_leave(void);
void host_signal_entry(int sig);
void host_restorer(void);
extern const char host_restorer_end[];

static inline HostControl *host_control(void)
{
    return (HostControl *)(uintptr_t)HOST_CTL;
}

/* host-memory.c */
bool host_map_memory(Host *host, GError **error);
void host_unmap_memory(Host *host);

/* host-signal.c */
void host_take_signals(const Host *host);
/* Called by host_signal_entry. */
void host_on_signal(int sig, const siginfo_t *info, const ucontext_t *uc);
/* FS and GS bases of 64-bit snippets, and those of this thread. */
void host_give_segments(HostControl *ctl);
void host_take_segments_back(const HostControl *ctl);
/* From addresses that the running snippet knows to those it runs at. */
uint32_t host_shift(const HostControl *ctl);

#endif
