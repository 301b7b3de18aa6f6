/* SPDX-License-Identifier: MIT */
#include "tests/oracle/host32.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

/* The page of code, then the page of state. */
#define CODE  0x20000000
#define BACK  0x20000800
#define STATE 0x20001000

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

bool host32_init(void)
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

void host32_run(const uint8_t *insn, unsigned size, const Host32State *in, Host32State *out)
{
    Page *page = (Page *)STATE;
    Code c = {(uint8_t *)CODE};
    page->in = *in;
    put(&c, "\xb8\x2b\0\0\0\x8e\xd8\x8e\xc0", 9); /* DS = ES = the flat data segment */
    put32(&c, "\xbc", 1, FIELD(in.flags));        /* mov esp, &flags */
    put(&c, "\x9d", 1);                           /* popfd */
    for (unsigned k = 0; k < 8; k++)              /* mov reg, [field] */
        put32(&c, (char[]){(char)0x8b, (char)(5 | k << 3)}, 2, FIELD(in.gpr) + 4 * k);
    put(&c, (const char *)insn, size);
    for (unsigned k = 0; k < 8; k++)
        put32(&c, (char[]){(char)0x89, (char)(5 | k << 3)}, 2, FIELD(out.gpr) + 4 * k);
    put32(&c, "\xbc", 1, FIELD(out_flags_stack) + sizeof page->out_flags_stack);
    put(&c, "\x9c\xfc", 2);     /* pushfd; cld */
    put32(&c, "\xea", 1, BACK); /* far jump to 64-bit code */
    put(&c, "\x33\0", 2);
    host32_enter(&page->rsp, &page->rip);
    *out = page->out;
    out->flags = page->out_flags_stack[15];
}
