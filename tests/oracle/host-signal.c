/* SPDX-License-Identifier: MIT
 * Signals of snippets: faults as outcomes, ticks that end what hangs, single
 * steps. Leaves without sigreturn. */
#include <asm/prctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/oracle/host-priv.h"

#define KERNEL_SA_RESTORER 0x04000000ul

enum { TRAP_PAGE_FAULT = 14, ERROR_FETCH = 16 };

/* ---- FS and GS of 64-bit snippets ---- */

/* arch_prctl without errno. */
static long set_base(int code, uint64_t base)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_arch_prctl), "D"((long)code), "S"(base)
                     : "rcx", "r11", "memory");
    return result;
}

void host_give_segments(HostControl *ctl)
{
    set_base(ARCH_GET_FS, (uintptr_t)&ctl->host_fs);
    set_base(ARCH_GET_GS, (uintptr_t)&ctl->host_gs);
    set_base(ARCH_SET_GS, ORACLE_GS_BASE);
    set_base(ARCH_SET_FS, ORACLE_FS_BASE);
}

void host_take_segments_back(const HostControl *ctl)
{
    set_base(ARCH_SET_FS, ctl->host_fs);
    set_base(ARCH_SET_GS, ctl->host_gs);
}

/* ---- signals ---- */

static _Noreturn void die_of_own_fault(int sig, const ucontext_t *uc)
{
    char text[160];
    if (host_control()->long_mode)
        host_take_segments_back(host_control());
    int n =
        snprintf(text, sizeof text,
                 "oracle: signal %d in 64-bit code at rip %llx, address %llx, snippet at %llx\n",
                 sig, (unsigned long long)uc->uc_mcontext.gregs[REG_RIP],
                 (unsigned long long)uc->uc_mcontext.gregs[REG_CR2],
                 (unsigned long long)host_control()->iret[0]);
    (void)!write(STDERR_FILENO, text, (size_t)n);
    _exit(99);
}

static bool lies_in(uint64_t rip, uint64_t start, uint64_t size)
{
    return rip - start < size;
}

static bool in_snippet(const HostControl *ctl, const greg_t *regs)
{
    uint64_t rip = (uint64_t)regs[REG_RIP];
    if (!ctl->outcome)
        return false;
    if (ctl->long_mode)
        return rip <= UINT32_MAX && !lies_in(rip, HOST_LANDING, 4096);
    return ((uint64_t)regs[REG_CSGSFS] & 0xffff) != HOST_USER_CS64;
}

uint32_t host_shift(const HostControl *ctl)
{
    return ctl->long_mode ? recode_shift(ctl->running) : 0;
}

/* A stub stands for its instruction. */
static uint32_t snippet_eip(const HostControl *ctl, uint64_t rip)
{
    if (!lies_in(rip, HOST_STUBS, HOST_STUBS_SIZE))
        return (uint32_t)rip - host_shift(ctl);
    return ctl->running->code_at + ctl->running->insn_at[(rip - HOST_STUBS) / RECODE_STUB];
}

static void save_fault_state(OracleOutcome *o, const greg_t *regs, const ucontext_t *uc)
{
    static const int order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX,
                                 REG_RSP, REG_RBP, REG_RSI, REG_RDI};
    for (unsigned i = 0; i < 8; i++)
        o->out.gpr[i] = (uint32_t)regs[order[i]];
    o->out.eflags = (uint32_t)regs[REG_EFL];
    o->out.eip = snippet_eip(host_control(), (uint64_t)regs[REG_RIP]);
    memcpy(o->out.fx, uc->uc_mcontext.fpregs, sizeof o->out.fx);
}

static bool begins_insn(const OracleCase *oc, uint32_t eip)
{
    uint32_t offset = eip - oc->code_at;
    bool begins = offset == oc->code_size || /* the end, or HLT, or not code at all */
                  offset >= oc->code_size + ORACLE_END_SIZE;
    for (unsigned i = 0; i < oc->insn_count; i++)
        begins |= offset == oc->insn_at[i];
    return begins;
}

/* A step of host_strays. */
static void on_trace(HostControl *ctl, uint64_t rip)
{
    if (lies_in(rip, HOST_LANDING, 4096) || begins_insn(ctl->running, snippet_eip(ctl, rip)))
        return;
    ctl->outcome->end = END_OPEN;
    host_leave();
}

void host_on_signal(int sig, const siginfo_t *info, const ucontext_t *uc)
{
    HostControl *ctl = host_control();
    const greg_t *regs = uc->uc_mcontext.gregs;
    OracleOutcome *o = ctl->outcome;
    bool inside = in_snippet(ctl, regs);
    if (sig == SIGTRAP && ctl->tracing) {
        on_trace(ctl, (uint64_t)regs[REG_RIP]);
        return;
    }
    if (sig == SIGPROF) {
        bool again = ctl->tick_seen == ctl->runs;
        ctl->tick_seen = ctl->runs;
        if (!inside || !again)
            return;
        o->end = END_HANG;
    } else if (sig == SIGTRAP && lies_in((uint64_t)regs[REG_RIP], HOST_LANDING, 4096)) {
        /* POPF set TF and was the last: the step over the end marker trapped */
        o->end = END_NORMAL;
        save_fault_state(o, regs, uc);
        memcpy(ctl->gpr_out, o->out.gpr, sizeof ctl->gpr_out);
        memcpy(ctl->fx_out, o->out.fx, sizeof ctl->fx_out);
        ctl->eflags_out = o->out.eflags;
        host_leave();
    } else if (!inside) {
        if (!ctl->probing)
            die_of_own_fault(sig, uc);
        o->end = END_HANG;
        host_leave();
    } else if (sig == SIGSYS) {
        o->end = END_SYSCALL;
    } else if (sig == SIGTRAP && lies_in((uint64_t)regs[REG_RIP], HOST_STUBS, HOST_STUBS_SIZE)) {
        o->end = END_OPEN;
    } else {
        o->end = END_FAULT;
        o->vector = (uint32_t)regs[REG_TRAPNO];
        o->error = (uint32_t)regs[REG_ERR];
        o->cr2 = o->vector == TRAP_PAGE_FAULT ? (uint32_t)regs[REG_CR2] : 0;
        if (o->vector == TRAP_PAGE_FAULT && (o->error & ERROR_FETCH))
            o->cr2 -= host_shift(ctl);
    }
    save_fault_state(o, regs, uc);
    host_leave();
}

/* The kernel's own struct: libc's sigaction would bring its own restorer, outside the range that
 * the system call filter lets through. */
typedef struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
} KernelSigaction;

void host_take_signals(const Host *host)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGPROF};
    KernelSigaction action = {
        .handler = host_signal_entry,
        .flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART | KERNEL_SA_RESTORER,
        .restorer = host_restorer,
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++)
        syscall(SYS_rt_sigaction, signals[i], &action, NULL, sizeof action.mask);
    stack_t stack = {.ss_sp = host->signal_stack, .ss_size = host->signal_stack_size};
    sigaltstack(&stack, NULL);
}
