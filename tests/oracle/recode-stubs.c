/* SPDX-License-Identifier: MIT
 * What has an implicit 4-byte stack access or a branch target in memory, said in
 * 64-bit mode by other instructions. Whatever may fault comes before the
 * first change of the snippet's state; the branch comes last. R8 and R9 are scratch. None
 * touches the flags but POPF. */
#include "tests/oracle/recode-priv.h"

/* opcode reg, [base + disp8] with 32-bit registers */
static void put_based(Out *out, unsigned opcode, unsigned reg, unsigned base, int disp)
{
    PUT(out, ADDRESS_SIZE);
    if (reg >= 8)
        PUT(out, 0x44); /* REX.R */
    PUT(out, (uint8_t)opcode, (uint8_t)(0x40 | (reg & 7) << 3 | base));
    if (base == ESP)
        PUT(out, 0x24);
    PUT(out, (uint8_t)disp);
}

static void put_lea(Out *out, unsigned reg, unsigned base, int disp)
{
    put_based(out, LEA, reg, base, disp);
}

/* mov reg, reg: one of them R8D */
static void put_to_r8(Out *out, unsigned reg)
{
    PUT(out, 0x41, MOV_STORE, (uint8_t)(0xc0 | reg << 3));
}

static void put_from_r8(Out *out, unsigned reg)
{
    PUT(out, 0x44, MOV_STORE, (uint8_t)(0xc0 | reg));
}

/* opcode reg, r/m of the instruction; reg: R8 or R9 */
static void put_rm(Out *out, const Insn *in, unsigned opcode, unsigned reg)
{
    if (in->memory && in->segment && opcode != LEA)
        PUT(out, in->segment);
    if (in->memory)
        PUT(out, ADDRESS_SIZE);
    PUT(out, 0x44, (uint8_t)opcode);
    recode_put_operand(out, in, reg);
}

/* To where `target` runs. */
static void put_jump(Out *out, const Insn *in, uint32_t target)
{
    PUT(out, 0xe9);
    recode_put32(out, target + in->shift - (out->at + out->count + 4));
}

/* lea r8d, [r8 + disp32]; jmp r8 */
static void put_jump_r8(Out *out, const Insn *in)
{
    PUT(out, 0x45, LEA, 0x80);
    recode_put32(out, in->shift);
    PUT(out, 0x41, 0xff, 0xe0);
}

/* The immediate lies at the instruction's end. */
static uint32_t immediate(const Insn *in, unsigned size)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)in->bytes[in->size - size + i] << (8 * i);
    return size == 1 ? (uint32_t)(int8_t)value : value;
}

static void push_register(Out *out, unsigned reg)
{
    put_based(out, MOV_STORE, reg, ESP, -4);
    put_lea(out, ESP, ESP, -4);
}

static void push_value(Out *out, uint32_t value)
{
    put_based(out, MOV_STORE_IMM, 0, ESP, -4);
    recode_put32(out, value);
    put_lea(out, ESP, ESP, -4);
}

void recode_stub_push_reg(Out *out, const Insn *in)
{
    push_register(out, in->opcode & 7);
    put_jump(out, in, in->next);
}

void recode_stub_pop_reg(Out *out, const Insn *in)
{
    put_based(out, MOV_LOAD, R8, ESP, 0);
    put_lea(out, ESP, ESP, 4);
    put_from_r8(out, in->opcode & 7);
    put_jump(out, in, in->next);
}

void recode_stub_push_imm(Out *out, const Insn *in)
{
    push_value(out, immediate(in, in->opcode == 0x6a ? 1 : 4));
    put_jump(out, in, in->next);
}

void recode_stub_push_rm(Out *out, const Insn *in)
{
    put_rm(out, in, MOV_LOAD, R8);
    push_register(out, R8);
    put_jump(out, in, in->next);
}

static bool based_on_esp(const Insn *in)
{
    return in->memory && (in->modrm & 7) == 4 && (in->bytes[in->tail + 1] & 7) == ESP;
}

/* SDM 2B "POP": ESP is incremented before it takes part in the address. */
void recode_stub_pop_rm(Out *out, const Insn *in)
{
    put_based(out, MOV_LOAD, R8, ESP, 0);
    if (!in->memory) {
        put_lea(out, ESP, ESP, 4);
        put_from_r8(out, in->modrm & 7);
    } else if (based_on_esp(in)) {
        put_rm(out, in, LEA, R9);
        if (in->segment)
            PUT(out, in->segment);
        PUT(out, ADDRESS_SIZE, 0x45, MOV_STORE, 0x41, 4); /* mov [r9d + 4], r8d */
        put_lea(out, ESP, ESP, 4);
    } else {
        put_rm(out, in, MOV_STORE, R8);
        put_lea(out, ESP, ESP, 4);
    }
    put_jump(out, in, in->next);
}

void recode_stub_pusha(Out *out, const Insn *in)
{
    for (int r = 0; r < 8; r++)
        put_based(out, MOV_STORE, (unsigned)r, ESP, -4 - 4 * r);
    put_lea(out, ESP, ESP, -32);
    put_jump(out, in, in->next);
}

void recode_stub_popa(Out *out, const Insn *in)
{
    for (int r = 7; r >= 0; r--) {
        if (r != ESP)
            put_based(out, MOV_LOAD, (unsigned)r, ESP, 28 - 4 * r);
    }
    put_lea(out, ESP, ESP, 32);
    put_jump(out, in, in->next);
}

/* Keeps ESP in R8. */
static void put_own_stack(Out *out)
{
    put_to_r8(out, ESP);
    PUT(out, 0xb8 | ESP); /* mov esp, imm32 */
    recode_put32(out, HOST_CTL + CTL_STACK_TOP);
}

void recode_stub_pushf(Out *out, const Insn *in)
{
    put_own_stack(out);
    PUT(out, 0x9c, 0x41, 0x59); /* pushfq; pop r9 */
    put_from_r8(out, ESP);
    push_register(out, R9);
    put_jump(out, in, in->next);
}

/* By IRETQ, so that a TF that is set has its effect after the next instruction, as behind POPF; NT
 * must be off then. */
void recode_stub_popf(Out *out, const Insn *in)
{
    put_based(out, MOV_LOAD, R9, ESP, 0);
    put_lea(out, ESP, ESP, 4);
    put_own_stack(out);
    PUT(out, 0x6a, 2, 0x9d);              /* push 2; popfq */
    PUT(out, 0x6a, HOST_USER_DS);         /* SS RSP RFLAGS CS RIP */
    PUT(out, 0x41, 0x50, 0x41, 0x51);     /* push r8; push r9 */
    PUT(out, 0x6a, HOST_USER_CS64, 0x68); /* push imm8; push imm32 */
    recode_put32(out, in->next + in->shift);
    PUT(out, 0x48, 0xcf); /* iretq */
}

void recode_stub_ret(Out *out, const Insn *in)
{
    put_based(out, MOV_LOAD, R8, ESP, 0);
    PUT(out, ADDRESS_SIZE, LEA, 0xa4, 0x24); /* lea esp, [esp + disp32] */
    recode_put32(out, 4 + (in->opcode == 0xc2 ? immediate(in, 2) : 0));
    put_jump_r8(out, in);
}

void recode_stub_leave(Out *out, const Insn *in)
{
    put_based(out, MOV_LOAD, R8, EBP, 0);
    put_lea(out, ESP, EBP, 4);
    put_from_r8(out, EBP);
    put_jump(out, in, in->next);
}

/* opcode reg, [esp + disp32] */
static void put_on_stack(Out *out, unsigned opcode, unsigned reg, uint32_t disp)
{
    PUT(out, ADDRESS_SIZE, (uint8_t)(reg >= 8 ? 0x44 : 0x40), (uint8_t)opcode,
        (uint8_t)(0x84 | (reg & 7) << 3), 0x24);
    recode_put32(out, disp);
}

/* SDM 2A "ENTER": faults too if the new top of the stack cannot be written; exchanging a byte twice
 * tries that. */
void recode_stub_enter(Out *out, const Insn *in)
{
    enum { XCHG8 = 0x86, MAX_LEVEL = 6 };
    const uint8_t *operands = in->bytes + in->size - 3;
    int level = operands[2] & 31;
    uint32_t top = 0u - 4u - 4u * (uint32_t)level - (operands[0] | (uint32_t)operands[1] << 8);
    if (level > MAX_LEVEL)
        return;
    put_based(out, MOV_STORE, EBP, ESP, -4);
    for (int i = 1; i < level; i++) {
        put_based(out, MOV_LOAD, R9, EBP, -4 * i);
        put_based(out, MOV_STORE, R9, ESP, -4 - 4 * i);
    }
    put_lea(out, R8, ESP, -4);
    if (level)
        put_based(out, MOV_STORE, R8, ESP, -4 - 4 * level);
    put_on_stack(out, XCHG8, R9, top);
    put_on_stack(out, XCHG8, R9, top);
    put_from_r8(out, EBP);
    put_on_stack(out, LEA, ESP, top);
    put_jump(out, in, in->next);
}

void recode_stub_call_rel(Out *out, const Insn *in)
{
    push_value(out, in->next);
    put_jump(out, in, in->next + immediate(in, 4));
}

void recode_stub_call_rm(Out *out, const Insn *in)
{
    put_rm(out, in, MOV_LOAD, R8);
    push_value(out, in->next);
    put_jump_r8(out, in);
}

void recode_stub_jmp_rm(Out *out, const Insn *in)
{
    put_rm(out, in, MOV_LOAD, R8);
    put_jump_r8(out, in);
}
