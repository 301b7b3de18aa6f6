/* SPDX-License-Identifier: MIT
 * Linear scan of block-local temps over R13 and, in blocks without a window, R14. A temp keeps one
 * place for its whole life (the cold code, emitted last, relies on it); what finds no register
 * lives in vcpu->temp[]. */
#include "codegen-x86_64/host-priv.h"

typedef struct {
    uint8_t n[8];
    unsigned count;
} TempSet;

static void add_temp(TempSet *set, IrOpd opd)
{
    if (opd.kind == IR_TEMP)
        set->n[set->count++] = opd.n;
}

static void insn_temps(const IrInsn *insn, TempSet *set)
{
    set->count = 0;
    add_temp(set, insn->d);
    add_temp(set, insn->a);
    add_temp(set, insn->b);
    add_temp(set, insn->mem.base);
    add_temp(set, insn->mem.index);
    for (unsigned i = 0; i < 3; i++)
        add_temp(set, insn->args[i]);
}

/* Places as bits: 0 and 1 are R13 and R14, the others slots. */
#define PLACE_REGS 2u
#define PLACES     (PLACE_REGS + VCPU_TEMPS)

static uint8_t place_name(unsigned place)
{
    return (uint8_t)(place < PLACE_REGS ? R13 + place : TEMP_SPILLED | (place - PLACE_REGS));
}

static unsigned place_of(uint8_t name)
{
    return temp_is_spilled(name) ? PLACE_REGS + (name & 7u) : name - (unsigned)R13;
}

/* The pc of an indirect exit is wanted in R8. It may be loaded there at once if nothing is between but
 * moves of the stack pointer: RET, JMP through memory. */
static bool is_exit_pc(const IrBlock *block, unsigned first, unsigned last)
{
    const IrInsn *load = &block->insns[first], *exit = &block->insns[last];
    if (load->mem.base.kind == IR_TEMP || load->mem.index.kind == IR_TEMP)
        return false;
    if (load->op != IR_MOV || load->d.kind != IR_TEMP || load->a.kind != IR_MEM ||
        exit->op != IR_EXIT_INDIRECT || load->width != exit->width)
        return false;
    for (const IrInsn *insn = load + 1; insn < exit; insn++)
        if (insn->op != IR_LEA || insn->d.n != IR_STACK_REG || ir_has_temps(insn) || insn->width < 4 ||
            insn->mem.addr_width < 4)
            return false; /* with 16 bits an LEA needs R8 itself */
    return true;
}

void regalloc_block(Codegen *c)
{
    const IrBlock *block = c->block;
    if (!block->temps)
        return;
    unsigned last[TEMP_COUNT];
    TempSet set;
    for (unsigned i = 0; i < block->count; i++) {
        if (!ir_has_temps(&block->insns[i]))
            continue;
        insn_temps(&block->insns[i], &set);
        for (unsigned k = 0; k < set.count; k++)
            last[set.n[k]] = i;
    }
    memset(c->temp, TEMP_NONE, sizeof(c->temp));
    unsigned free_places = (1u << PLACES) - 1;
    if (c->options->memory == MEM_WINDOW)
        free_places &= ~(1u << place_of(HOST_WINDOW_BASE));
    for (unsigned i = 0; i < block->count; i++) {
        if (!ir_has_temps(&block->insns[i]))
            continue;
        insn_temps(&block->insns[i], &set);
        for (unsigned k = 0; k < set.count; k++) {
            uint8_t *temp = &c->temp[set.n[k]];
            if (*temp)
                continue;
            if (is_exit_pc(block, i, last[set.n[k]])) {
                *temp = R8;
                continue;
            }
            g_assert(free_places);
            unsigned place = (unsigned)__builtin_ctz(free_places);
            free_places &= ~(1u << place);
            *temp = place_name(place);
        }
        for (unsigned k = 0; k < set.count; k++)
            if (last[set.n[k]] == i && c->temp[set.n[k]] != R8)
                free_places |= 1u << place_of(c->temp[set.n[k]]);
    }
}

unsigned regalloc_read(Codegen *c, IrOpd opd, unsigned scratch)
{
    if (opd.kind == IR_REG)
        return host_reg_of_gpr[opd.n & (VCPU_GPRS - 1)];
    if (opd.kind == IR_REGH) {
        emit_rorx(&c->e, false, scratch, opd.n & 3, 8);
        return scratch;
    }
    g_assert(opd.kind == IR_TEMP);
    uint8_t temp = c->temp[opd.n];
    if (!temp_is_spilled(temp))
        return temp;
    emit_load(&c->e, 8, scratch, temp_slot(temp));
    return scratch;
}
