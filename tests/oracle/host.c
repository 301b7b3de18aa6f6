/* SPDX-License-Identifier: MIT
 * Runs snippets on the host CPU. No system call a case: the snippet ends with a
 * jump to code of ours, faults arrive as signals whose handler leaves without
 * sigreturn. See host-entry.S for the two ways.
 *
 * In 64-bit mode FS belongs to the snippets for a whole host_run: nothing in there may use
 * thread-local storage, a stack protector or lazy binding (meson.build). */
#include "tests/oracle/host.h"

#include <asm/prctl.h>
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/oracle/recode.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF          0
#define PR_SYS_DISPATCH_ON           1
#endif
#define HWCAP2_HAS_FSGSBASE 2u
#define KERNEL_SA_RESTORER  0x04000000ul

enum {
    TICK_US = 10000,
    TRAP_PAGE_FAULT = 14,
    ERROR_FETCH = 16,
    TRAP_FLAG = 0x100,
    FILE_STUBS = ORACLE_CODE_SIZE,            /* offsets in the code memfd; code itself is at 0 */
    FILE_READ = FILE_STUBS + HOST_STUBS_SIZE, /* what recoded read-only code reads of itself */
    FILE_SIZE = FILE_READ + ORACLE_CODE_RW,
    JMP_REL32 = 0xe9,
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

#define CHECK_OFFSET(field, offset) static_assert(offsetof(HostControl, field) == (offset), #field)
CHECK_OFFSET(long_mode, CTL_LONG);
CHECK_OFFSET(mxcsr, CTL_MXCSR);
CHECK_OFFSET(host_rsp, CTL_HOST_RSP);
CHECK_OFFSET(host_fs, CTL_HOST_FS);
CHECK_OFFSET(host_gs, CTL_HOST_GS);
CHECK_OFFSET(fs_base, CTL_FS_BASE);
CHECK_OFFSET(gs_base, CTL_GS_BASE);
CHECK_OFFSET(sel, CTL_SEL);
CHECK_OFFSET(iret, CTL_IRET);
CHECK_OFFSET(gpr_in, CTL_GPR_IN);
CHECK_OFFSET(gpr_out, CTL_GPR_OUT);
CHECK_OFFSET(eflags_out, CTL_EFLAGS_OUT);
CHECK_OFFSET(fx_in, CTL_FX_IN);
CHECK_OFFSET(fx_out, CTL_FX_OUT);
static_assert(sizeof(HostControl) < CTL_STACK_TOP - 64, "room for the stack in the control block");

struct Host {
    HostMode mode;
    HostControl *ctl;
    int code_fd;
    uint8_t *file; /* view of the code memfd: what runs, stubs, code as it is read (CodeFile) */
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

void host_on_signal(int sig, const siginfo_t *info, const ucontext_t *uc);

static HostControl *control(void)
{
    return (HostControl *)(uintptr_t)HOST_CTL;
}

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

static void give_segments(HostControl *ctl)
{
    set_base(ARCH_GET_FS, (uintptr_t)&ctl->host_fs);
    set_base(ARCH_GET_GS, (uintptr_t)&ctl->host_gs);
    set_base(ARCH_SET_GS, ORACLE_GS_BASE);
    set_base(ARCH_SET_FS, ORACLE_FS_BASE);
}

static void take_segments_back(const HostControl *ctl)
{
    set_base(ARCH_SET_FS, ctl->host_fs);
    set_base(ARCH_SET_GS, ctl->host_gs);
}

/* ---- signals ---- */

static _Noreturn void die_of_own_fault(int sig, const ucontext_t *uc)
{
    char text[160];
    if (control()->long_mode)
        take_segments_back(control());
    int n = snprintf(
        text, sizeof text,
        "oracle: signal %d in 64-bit code at rip %llx, address %llx, snippet at %llx\n", sig,
        (unsigned long long)uc->uc_mcontext.gregs[REG_RIP],
        (unsigned long long)uc->uc_mcontext.gregs[REG_CR2], (unsigned long long)control()->iret[0]);
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

static uint32_t shift(const HostControl *ctl)
{
    return ctl->long_mode ? recode_shift(ctl->running) : 0;
}

/* A stub stands for its instruction. */
static uint32_t snippet_eip(const HostControl *ctl, uint64_t rip)
{
    if (!lies_in(rip, HOST_STUBS, HOST_STUBS_SIZE))
        return (uint32_t)rip - shift(ctl);
    return ctl->running->code_at + ctl->running->insn_at[(rip - HOST_STUBS) / RECODE_STUB];
}

static void save_fault_state(OracleOutcome *o, const greg_t *regs, const ucontext_t *uc)
{
    static const int order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX,
                                 REG_RSP, REG_RBP, REG_RSI, REG_RDI};
    for (unsigned i = 0; i < 8; i++)
        o->out.gpr[i] = (uint32_t)regs[order[i]];
    o->out.eflags = (uint32_t)regs[REG_EFL];
    o->out.eip = snippet_eip(control(), (uint64_t)regs[REG_RIP]);
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
    HostControl *ctl = control();
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
            o->cr2 -= shift(ctl);
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

static void take_signals(const Host *host)
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

static void set_timer(unsigned interval_us)
{
    struct itimerval timer = {.it_interval = {0, interval_us}, .it_value = {0, interval_us}};
    setitimer(ITIMER_PROF, &timer, NULL);
}

/* ---- set-up ---- */

static void *map_at(uintptr_t address, size_t size, int prot, int flags, int fd, off_t offset,
                    GError **error)
{
    void *p = mmap((void *)address, size, prot, flags | MAP_FIXED_NOREPLACE, fd, offset);
    if (p == (void *)address)
        return p;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST, "no memory at 0x%lx for snippets: %s",
                (unsigned long)address, g_strerror(errno));
    return NULL;
}

static bool map_file(const Host *host, uintptr_t address, size_t size, int prot, off_t offset,
                     GError **error)
{
    return map_at(address, size, prot, MAP_SHARED | MAP_POPULATE, host->code_fd, offset, error);
}

/* Recoded code runs apart from the addresses that the snippet knows it by; data, which does not
 * run, is there too, for the faults. Where a snippet may write, it runs in place: SDM 3A "Handling
 * Self- and Cross-Modifying Code" asks for one linear address. */
static bool map_code(const Host *host, GError **error)
{
    const int run = PROT_READ | PROT_EXEC;
    const size_t rw_size = ORACLE_CODE_SIZE - ORACLE_CODE_RW;
    const uintptr_t rw = ORACLE_CODE + ORACLE_CODE_RW;
    if (!map_file(host, rw, rw_size, run | PROT_WRITE, ORACLE_CODE_RW, error))
        return false;
    if (host->mode == HOST_COMPAT)
        return map_file(host, ORACLE_CODE, ORACLE_CODE_RW, run, 0, error);
    return map_file(host, ORACLE_CODE, ORACLE_CODE_RW, PROT_READ, FILE_READ, error) &&
           map_file(host, ORACLE_CODE + HOST_SHIFT, ORACLE_CODE_SIZE, run, 0, error) &&
           map_file(host, ORACLE_DATA + HOST_SHIFT, ORACLE_DATA_SIZE, PROT_READ, 0, error) &&
           map_file(host, HOST_STUBS, HOST_STUBS_SIZE, run, FILE_STUBS, error);
}

static bool map_memory(Host *host, GError **error)
{
    const int private = MAP_PRIVATE | MAP_ANONYMOUS;
    host->ctl = map_at(HOST_CTL, HOST_CTL_SIZE, PROT_READ | PROT_WRITE, private, -1, 0, error);
    uint8_t *landing =
        host->ctl ? map_at(HOST_LANDING, 4096, PROT_READ | PROT_WRITE, private, -1, 0, error)
                  : NULL;
    host->data = landing ? map_at(ORACLE_DATA, ORACLE_DATA_SIZE, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0, error)
                         : NULL;
    if (!host->data)
        return false;
    /* jmp *[rip+2], and the pointer, aligned since EFLAGS.AC may be on */
    static const uint8_t jump[8] = {0xff, 0x25, 2, 0, 0, 0};
    void (*target)(void) = host_exit;
    memcpy(landing, jump, sizeof jump);
    memcpy(landing + sizeof jump, &target, sizeof target);
    mprotect(landing, 4096, PROT_READ | PROT_EXEC);
    host->code_fd = memfd_create("oracle-code", MFD_CLOEXEC);
    if (host->code_fd < 0 || ftruncate(host->code_fd, FILE_SIZE) < 0) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST, "no memfd for snippets: %s",
                    g_strerror(errno));
        return false;
    }
    host->file = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, host->code_fd, 0);
    return host->file != MAP_FAILED && map_code(host, error);
}

/* The read-only page is filled before it becomes so. */
static bool fill_pages(Host *host)
{
    oracle_fill_background(host->background);
    memcpy(host->data, host->background, ORACLE_DATA_SIZE);
    memset(host->file, ORACLE_FILLER, FILE_SIZE);
    return mprotect(host->data + ORACLE_DATA_RW, ORACLE_DATA_SIZE - ORACLE_DATA_RW, PROT_READ) == 0;
}

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

/* One NOP: does 32-bit code run at all? */
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
    if (map_memory(host, error) && fill_pages(host) && set_filter(host, error)) {
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
    munmap((void *)(uintptr_t)HOST_CTL, HOST_CTL_SIZE);
    munmap((void *)(uintptr_t)HOST_LANDING, 4096);
    munmap((void *)(uintptr_t)HOST_STUBS, HOST_STUBS_SIZE);
    munmap((void *)(uintptr_t)(ORACLE_CODE + HOST_SHIFT), ORACLE_CODE_SIZE);
    munmap((void *)(uintptr_t)(ORACLE_DATA + HOST_SHIFT), ORACLE_DATA_SIZE);
    munmap((void *)(uintptr_t)ORACLE_CODE, ORACLE_CODE_SIZE);
    munmap((void *)(uintptr_t)ORACLE_DATA, ORACLE_DATA_SIZE);
    if (host->file && host->file != MAP_FAILED)
        munmap(host->file, FILE_SIZE);
    if (host->code_fd >= 0)
        close(host->code_fd);
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
    ctl->iret[0] = in->eip + shift(ctl);
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

bool host_strays(Host *host, const OracleCase *oc, OracleOutcome *scratch)
{
    OracleCase traced = *oc;
    traced.in.eflags |= TRAP_FLAG;
    host->ctl->tracing = oc->recoded;
    host_run(host, &traced, 1, scratch);
    host->ctl->tracing = false;
    return oc->recoded && scratch->end == END_OPEN;
}

void host_run(Host *host, const OracleCase *cases, unsigned count, OracleOutcome *outcomes)
{
    take_signals(host);
    set_timer(TICK_US);
    if (host->mode == HOST_LONG)
        give_segments(host->ctl);
    for (unsigned i = 0; i < count; i++)
        run_one(host, &cases[i], &outcomes[i]);
    if (host->mode == HOST_LONG)
        take_segments_back(host->ctl);
    set_timer(0);
}
