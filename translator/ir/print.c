/* SPDX-License-Identifier: MIT
 * IR as text, one op a line; parse.c reads it back. Only fields that are not zero
 * are shown, as name=value after the operands. */
#include <inttypes.h>

#include "translator/ir/ir.h"
#include "translator/ir/text.h"

const char *const ir_reg_names[VCPU_GPRS] = {"r0", "r1", "r2",  "r3",  "r4",  "r5",  "r6",  "r7",
                                             "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
const char *const ir_seg_names[8] = {"es", "cs", "ss", "ds", "fs", "gs", "-", "none"};
const char *const ir_seg_use_names[4] = {"flat", "base", "64k", "check"};

static void print_opd(const IrInsn *insn, IrOpd opd, int64_t imm, GString *out);

static void print_mem(const IrInsn *insn, GString *out)
{
    const IrMem *m = &insn->mem;
    g_string_append_printf(out, "%s.%s[", ir_seg_names[m->seg & 7],
                           ir_seg_use_names[m->seg_use & 3]);
    print_opd(insn, m->base, 0, out);
    g_string_append_c(out, '+');
    print_opd(insn, m->index, 0, out);
    g_string_append_printf(out, "*%u%+" PRId64 "]a%u", m->scale, m->disp, m->addr_width);
    if (m->size)
        g_string_append_printf(out, "s%u", m->size);
    if (m->user)
        g_string_append_c(out, 'u');
    if (m->aligned)
        g_string_append_c(out, 'A');
    if (m->waits)
        g_string_append_c(out, 'W');
}

static void print_opd(const IrInsn *insn, IrOpd opd, int64_t imm, GString *out)
{
    switch ((IrKind)opd.kind) {
    case IR_NONE:
        g_string_append_c(out, '_');
        break;
    case IR_REG:
        g_string_append(out, ir_reg_names[opd.n]);
        break;
    case IR_REGH:
        g_string_append_printf(out, "h%u", opd.n);
        break;
    case IR_TEMP:
        g_string_append_printf(out, "t%u", opd.n);
        break;
    case IR_IMM:
        g_string_append_printf(out, "$%" PRId64, imm);
        break;
    case IR_PC:
        g_string_append_printf(out, "pc$%" PRId64, imm);
        break;
    case IR_MEM:
        print_mem(insn, out);
        break;
    case IR_NREG:
        g_string_append_printf(out, "n%u", opd.n);
        break;
    }
}

static void print_field(GString *out, const char *name, int64_t value)
{
    if (value)
        g_string_append_printf(out, " %s=%" PRId64, name, value);
}

static void print_native(const IrNative *n, GString *out)
{
    g_string_append_printf(out, " native=%u:%u:%u:%u:%u:%u:%u:%u:%u:%u:%u:%u", n->map, n->opcode,
                           n->prefix, n->vex, n->w, n->has_imm, n->imm, n->modrm, n->mem_read,
                           n->mem_write, n->fpu, n->x87);
}

void ir_print_insn(const IrBlock *block, const IrInsn *insn, GString *out)
{
    g_string_append_printf(out, "%s.%u ", ir_op_info[insn->op].text, insn->width);
    print_opd(insn, insn->d, insn->imm, out);
    g_string_append(out, ", ");
    print_opd(insn, insn->a, insn->op == IR_STSTATE ? insn->imm2 : insn->imm, out);
    g_string_append(out, ", ");
    print_opd(insn, insn->b, insn->imm2, out);
    if (insn->op == IR_CALL) {
        const int64_t imms[3] = {insn->imm, insn->imm2, insn->imm3};
        g_string_append_printf(out, " @%s(", block->helpers[insn->aux].name);
        for (unsigned k = 0; k < 3; k++) {
            g_string_append(out, k ? ", " : "");
            print_opd(insn, insn->args[k], imms[k], out);
        }
        g_string_append_c(out, ')');
    }
    bool has_mem = insn->d.kind == IR_MEM || insn->a.kind == IR_MEM;
    if (!has_mem && insn->mem.addr_width) {
        g_string_append(out, " mem ");
        print_mem(insn, out);
    }
    print_field(out, "imm", insn->imm);
    print_field(out, "imm2", insn->imm2);
    print_field(out, "imm3", insn->imm3);
    print_field(out, "src", insn->src_width);
    print_field(out, "cond", insn->cond);
    print_field(out, "lock", insn->lock);
    if (insn->op != IR_CALL)
        print_field(out, "aux", insn->aux);
    if (insn->op == IR_NATIVE)
        print_native(&insn->native, out);
    g_string_append_c(out, '\n');
}

void ir_print(const IrBlock *block, GString *out)
{
    g_string_append_printf(out, "block 0x%" PRIx64 " next 0x%" PRIx64 " insns %u bytes %u%s\n",
                           block->pc, block->next_pc, block->guest_insns, block->guest_bytes,
                           block->solo ? " solo" : "");
    for (unsigned i = 0; i < block->count; i++)
        ir_print_insn(block, &block->insns[i], out);
}
