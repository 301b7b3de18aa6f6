/* SPDX-License-Identifier: MIT
 * Signals that translated code raises: the poll page, accesses that an address
 * window has no page for, a full return stack, and instructions that fault on the
 * host as they would in the guest (#DE, #MF, #XM, alignment). The handler takes no lock and calls no library: it classifies and redirects RIP. */
#include "tcache/engine-priv.h"

#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <ucontext.h>
#include <unistd.h>

/* The one mutable that is neither on the stack nor in the machine: which engine this thread runs. */
static __thread Engine *current_engine;

/* Signals belong to the process, and so does who had them before us. */
static const int host_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction previous[G_N_ELEMENTS(host_signals)];

enum { TRAP_DE = 0, TRAP_UD = 6, TRAP_GP = 13, TRAP_PF = 14, TRAP_MF = 16, TRAP_AC = 17, TRAP_XM = 19 };

/* Where translated code has the guest's stack pointer. */
enum { REG_STACK = REG_R12 };

static bool in_poll_page(const VCpu *vcpu, uintptr_t address)
{
    return address - (uintptr_t)vcpu->poll_page < sizeof vcpu->poll_page;
}

/* The guest fault that a host trap in translated code stands for. */
static bool guest_fault(unsigned trap, Fault *fault)
{
    switch (trap) {
    case TRAP_DE:
    case TRAP_UD:
    case TRAP_MF:
    case TRAP_XM:
        *fault = (Fault){.vector = (uint8_t)trap};
        return true;
    case TRAP_GP: /* misaligned SSE operand, reserved MXCSR bits */
    case TRAP_AC:
        *fault = (Fault){.vector = TRAP_GP, .has_error = true};
        return true;
    default:
        return false;
    }
}

/* The instruction at RIP is abandoned: the guest is where that began. */
static void abandon(VCpu *vcpu, greg_t *regs)
{
    uint64_t sp = (uint64_t)regs[REG_STACK];
    vcpu->pc = vcpu->pc_of_host(vcpu, (const void *)regs[REG_RIP], &sp);
    regs[REG_STACK] = (greg_t)sp;
}

static void leave_with(greg_t *regs, ExitReason reason)
{
    regs[REG_R8] = reason;
    regs[REG_RIP] = (greg_t)(uintptr_t)codegen_stub_exit_reason;
}

/* An access through the address window found no page there, or no right. */
static bool window_trap(Engine *engine, greg_t *regs, gva_t gva)
{
    VCpu *vcpu = engine->vcpu;
    const void *rip = (const void *)regs[REG_RIP];
    const bool write = regs[REG_ERR] & 2;
    vcpu->return_sp = (void *)regs[REG_RSP];
    WindowOutcome outcome = window_fault(engine->windows, engine->window, gva, write, &vcpu->fault);
    regs[REG_RSP] = (greg_t)(uintptr_t)vcpu->return_sp; /* the walk may have written to code */
    if (outcome != WINDOW_FILLED && codegen_is_repeat(rip)) {
        regs[REG_RSI] &= WINDOW_ALIGN - 1;
        regs[REG_RDI] &= WINDOW_ALIGN - 1;
    }
    switch (outcome) {
    case WINDOW_FILLED:
        return true;
    case WINDOW_FAULT:
        abandon(vcpu, regs);
        engine->trapped_fault = gva;
        leave_with(regs, EXIT_FAULT);
        return true;
    case WINDOW_CODE:
        abandon(vcpu, regs);
        engine->trapped_store = gva;
        leave_with(regs, EXIT_SMC);
        return true;
    case WINDOW_DEMOTE:
        abandon(vcpu, regs);
        leave_with(regs, EXIT_DEMOTE);
        return true;
    }
    return false;
}

static bool redirect(Engine *engine, ucontext_t *uc, uintptr_t address)
{
    VCpu *vcpu = engine->vcpu;
    greg_t *regs = uc->uc_mcontext.gregs;
    const void *rip = (const void *)regs[REG_RIP];
    bool native = code_buf_contains_rx(&engine->native_buf, rip);
    if (!native && !code_buf_contains_rx(&engine->cache.buf, rip))
        return false;
    unsigned trap = (unsigned)regs[REG_TRAPNO];
    if (!native)
        vcpu->host_pc = rip; /* where it is left, if it is */
    engine->cache.counters.host_faults++;
    if (trap == TRAP_PF && in_poll_page(vcpu, address) && !native) {
        abandon(vcpu, regs);
        regs[REG_RIP] = (greg_t)(uintptr_t)codegen_stub_poll_exit;
        return true;
    }
    if (trap == TRAP_PF && !native &&
        codegen_returns_overflowed(vcpu, (const void *)address, (uint64_t *)&regs[REG_RSP]))
        return true;
    Fault fault;
    gva_t gva;
    if (trap == TRAP_PF && !native && engine->window && window_contains(engine->window, address, &gva))
        return window_trap(engine, regs, gva);
    if (!guest_fault(trap, &fault))
        return false;
    if (!native)
        abandon(vcpu, regs);
    vcpu->fault = fault;
    regs[REG_RIP] = (greg_t)(uintptr_t)codegen_stub_fault_exit;
    return true;
}

static void print_hex(const char *name, uint64_t value)
{
    char text[40];
    unsigned n = 0;
    while (name[n]) {
        text[n] = name[n];
        n++;
    }
    for (int shift = 60; shift >= 0; shift -= 4)
        text[n++] = "0123456789abcdef"[(value >> shift) & 15];
    text[n++] = '\n';
    (void)!write(STDERR_FILENO, text, n);
}

/* Whoever had the signal first ends the process: the instruction faults again, or, if somebody sent
 * the signal, it is raised again. */
static void give_back(int sig, bool sent)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(host_signals); i++)
        if (host_signals[i] == sig)
            sigaction(sig, &previous[i], NULL);
    if (sent)
        raise(sig);
}

static void report_own_fault(int sig, siginfo_t *info, ucontext_t *uc)
{
    static const char message[] = "dbtvm: internal error: a host fault outside the guest\n";
    (void)!write(STDERR_FILENO, message, sizeof message - 1);
    print_hex(" signal  ", (uint64_t)sig);
    print_hex(" trap    ", (uint64_t)uc->uc_mcontext.gregs[REG_TRAPNO]);
    print_hex(" rip     ", (uint64_t)uc->uc_mcontext.gregs[REG_RIP]);
    print_hex(" address ", (uint64_t)(uintptr_t)info->si_addr);
    if (current_engine)
        print_hex(" guest pc", current_engine->vcpu->pc);
    give_back(sig, info->si_code <= 0);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    Engine *engine = current_engine;
    if (!engine || !redirect(engine, uc, (uintptr_t)info->si_addr))
        report_own_fault(sig, info, uc);
}

void host_fault_attach(Engine *engine)
{
    size_t size = getauxval(AT_MINSIGSTKSZ) + 64 * 1024;
    engine->signal_stack = g_malloc(size);
    stack_t stack = {.ss_sp = engine->signal_stack, .ss_size = size};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSEGV);
    for (unsigned i = 0; i < G_N_ELEMENTS(host_signals); i++) {
        struct sigaction before;
        sigaction(host_signals[i], &action, &before);
        if (!(before.sa_flags & SA_SIGINFO) || before.sa_sigaction != on_signal)
            previous[i] = before;
    }
    current_engine = engine;
}

void host_fault_detach(Engine *engine)
{
    current_engine = NULL;
    stack_t stack = {.ss_flags = SS_DISABLE};
    sigaltstack(&stack, NULL);
    g_free(engine->signal_stack);
    engine->signal_stack = NULL;
}
