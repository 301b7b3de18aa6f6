/* SPDX-License-Identifier: MIT */
#include "tests/oracle/host32.h"

#include <asm/ldt.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The page of code, then the page of state. */
#define CODE         0x20000000
#define SMALL_OFFSET 0x400
#define AFTER        0x20000800
#define BACK         0x20000c00
#define STATE        0x20001000

/* Selectors: Linux's flat user segments; entries 0 and 1 of the LDT. */
enum { FLAT_CODE = 0x23, FLAT_DATA = 0x2b, LONG_CODE = 0x33, SMALL_CODE = 0x07, SMALL_DATA = 0x0f };

typedef struct {
    Host32State in, out;
    uint32_t out_flags_stack[16]; /* PUSHFD writes its last entry */
    uint64_t rsp, rip;            /* of the 64-bit caller */
} Page;

#define FIELD(member) ((uint32_t)(STATE + offsetof(Page, member)))

void host32_enter(void *rsp, void *rip);

/* rdi, rsi: where to leave RSP and the way back. 0x23: the 32-bit user code segment. */
asm(".text\n"
    ".globl host32_enter\n"
    "host32_enter:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, (%rdi)\n"
    "lea 1f(%rip), %rax\n"
    "mov %rax, (%rsi)\n"
    "pushq $0x23\n"
    "pushq $0x20000000\n"
    "lretq\n"
    "1: pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n");

typedef struct {
    uint8_t *at;
} Code;

static void put(Code *c, const char *bytes, unsigned count)
{
    memcpy(c->at, bytes, count);
    c->at += count;
}

static void put32(Code *c, const char *bytes, unsigned count, uint32_t value)
{
    put(c, bytes, count);
    memcpy(c->at, &value, 4);
    c->at += 4;
}

static bool set_ldt(unsigned entry, uint32_t base, unsigned contents)
{
    enum { WRITE_NEW = 0x11 };
    struct user_desc desc = {.entry_number = entry,
                             .base_addr = base,
                             .limit = 0xffff,
                             .contents = contents,
                             .useable = 1};
    return syscall(SYS_modify_ldt, WRITE_NEW, &desc, sizeof desc) == 0;
}

static bool map_pages(void)
{
    void *page = mmap((void *)CODE, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page != (void *)CODE)
        return false;
    Code back = {(uint8_t *)BACK}; /* 64-bit: mov rsp, [rsp field]; jmp [rip field] */
    put32(&back, "\x48\x8b\x24\x25", 4, FIELD(rsp));
    put32(&back, "\xff\x24\x25", 3, FIELD(rip));
    return true;
}

static void put_far_jump(Code *c, uint32_t offset, uint16_t selector)
{
    put32(c, "\xea", 1, offset);
    put(c, (const char *)&selector, 2);
}

/* mov eax, selector; mov ds, ax; mov es, ax; mov ss, ax */
static void put_load_segments(Code *c, uint32_t selector)
{
    put32(c, "\xb8", 1, selector);
    put(c, "\x8e\xd8\x8e\xc0\x8e\xd0", 6);
}

/* Registers reach the state page through GS, which 64-bit programs leave alone. */
static void put_prologue(Code *c, bool small)
{
    put32(c, "\xb8", 1, FLAT_DATA);
    put(c, "\x8e\xe8", 2);                /* mov gs, ax */
    put32(c, "\xbc", 1, FIELD(in.flags)); /* mov esp, &flags */
    put(c, "\x9d", 1);                    /* popfd */
    put_load_segments(c, small ? SMALL_DATA : FLAT_DATA);
    for (unsigned k = 0; k < 8; k++) /* mov reg, gs:[field] */
        put32(c, (char[]){0x65, (char)0x8b, (char)(5 | k << 3)}, 3, FIELD(in.gpr) + 4 * k);
}

static void put_epilogue(Code *c)
{
    for (unsigned k = 0; k < 8; k++)
        put32(c, (char[]){0x65, (char)0x89, (char)(5 | k << 3)}, 3, FIELD(out.gpr) + 4 * k);
    put_load_segments(c, FLAT_DATA);
    put32(c, "\xbc", 1, FIELD(out_flags_stack) + sizeof((Page *)0)->out_flags_stack);
    put(c, "\x9c\xfc", 2); /* pushfd; cld */
    put_far_jump(c, BACK, LONG_CODE);
}

void host32_run(const uint8_t *insns, unsigned size, bool small, const Host32State *in,
                Host32State *out)
{
    Page *page = (Page *)STATE;
    Code c = {(uint8_t *)CODE};
    page->in = *in;
    put_prologue(&c, small);
    if (small) {
        put_far_jump(&c, SMALL_OFFSET, SMALL_CODE);
        c.at = (uint8_t *)CODE + SMALL_OFFSET;
    }
    put(&c, (const char *)insns, size);
    if (small) {
        put(&c, "\x66", 1);
        put_far_jump(&c, AFTER, FLAT_CODE);
        c.at = (uint8_t *)AFTER;
    }
    put_epilogue(&c);
    host32_enter(&page->rsp, &page->rip);
    *out = page->out;
    out->flags = page->out_flags_stack[15];
}

/* ---- does this host run such code? ---- */

static sigjmp_buf probe_failed;

static void on_probe_fault(int sig)
{
    siglongjmp(probe_failed, sig);
}

/* One NOP. Some hosts, virtual machines mostly, refuse the far jump. */
static bool runs(bool small)
{
    static const uint8_t nop = 0x90;
    Host32State in = {.flags = 2}, out;
    if (sigsetjmp(probe_failed, 1))
        return false;
    host32_run(&nop, 1, small, &in, &out);
    return true;
}

static bool probe(bool small)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL};
    enum { COUNT = sizeof signals / sizeof signals[0], STACK_SIZE = 65536 };
    struct sigaction action = {.sa_handler = on_probe_fault, .sa_flags = SA_ONSTACK}, old[COUNT];
    stack_t stack = {.ss_sp = malloc(STACK_SIZE), .ss_size = STACK_SIZE}, old_stack;
    sigaltstack(&stack, &old_stack);
    for (unsigned i = 0; i < COUNT; i++)
        sigaction(signals[i], &action, &old[i]);
    bool ok = runs(small);
    for (unsigned i = 0; i < COUNT; i++)
        sigaction(signals[i], &old[i], NULL);
    sigaltstack(&old_stack, NULL);
    free(stack.ss_sp);
    return ok;
}

const char *host32_init(bool small, uint32_t data_base)
{
    enum { CONTENTS_DATA = 0, CONTENTS_CODE = 2 };
    if (!map_pages())
        return "no memory at fixed addresses for code and state";
    if (small && !(set_ldt(0, CODE, CONTENTS_CODE) && set_ldt(1, data_base, CONTENTS_DATA)))
        return "the kernel grants no local descriptor table";
    if (!probe(small))
        return small ? "this host runs no 16-bit code segment"
                     : "this host runs no 32-bit code segment";
    return NULL;
}
