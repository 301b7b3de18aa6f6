/* SPDX-License-Identifier: MIT
 * Reads back what print.c wrote: for tests, and for reducing a bug by editing a
 * block. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "translator/ir/ir.h"
#include "translator/ir/text.h"

typedef struct {
    const char *at;
    unsigned line;
    IrBlock *block;
    IrInsn *insn;
    GError **error;
} Parse;

static bool fail(Parse *p, const char *what)
{
    g_set_error(p->error, DBTVM_ERROR, DBTVM_ERROR_FILE, "IR line %u: %s at '%.20s'", p->line, what,
                p->at);
    return false;
}

static void skip_blanks(Parse *p)
{
    while (*p->at == ' ' || *p->at == ',')
        p->at++;
}

static bool take(Parse *p, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(p->at, text, n) != 0)
        return false;
    p->at += n;
    return true;
}

static bool take_number(Parse *p, int64_t *value)
{
    char *end;
    *value = (int64_t)g_ascii_strtoll(p->at, &end, 0);
    if (end == p->at)
        return fail(p, "a number is missing");
    p->at = end;
    return true;
}

static bool take_name(Parse *p, const char *const *names, unsigned count, uint8_t *index)
{
    for (unsigned i = 0; i < count; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(p->at, names[i], n) == 0 && !g_ascii_isalnum(p->at[n])) {
            p->at += n;
            *index = (uint8_t)i;
            return true;
        }
    }
    return false;
}

static bool parse_opd(Parse *p, IrOpd *opd, int64_t *imm);

static bool parse_mem(Parse *p)
{
    IrMem *m = &p->insn->mem;
    int64_t scale, disp, width, size;
    uint8_t use;
    if (!take_name(p, ir_seg_names, 8, &m->seg) || !take(p, ".") ||
        !take_name(p, ir_seg_use_names, 4, &use) || !take(p, "["))
        return fail(p, "no operand");
    m->seg_use = use;
    if (!parse_opd(p, &m->base, NULL) || !take(p, "+") || !parse_opd(p, &m->index, NULL) ||
        !take(p, "*") || !take_number(p, &scale) || !take_number(p, &disp) || !take(p, "]a") ||
        !take_number(p, &width))
        return p->error && *p->error ? false : fail(p, "malformed address");
    m->scale = (uint8_t)scale;
    m->disp = disp;
    m->addr_width = (uint8_t)width;
    if (take(p, "s")) {
        if (!take_number(p, &size))
            return false;
        m->size = (uint16_t)size;
    }
    m->user = take(p, "u");
    m->aligned = take(p, "A");
    m->waits = take(p, "W");
    return true;
}

/* imm: where an immediate goes; NULL: none may stand here. */
static bool parse_opd(Parse *p, IrOpd *opd, int64_t *imm)
{
    static const struct {
        char letter;
        uint8_t kind;
    } numbered[] = {{'r', IR_REG}, {'h', IR_REGH}, {'t', IR_TEMP}, {'n', IR_NREG}};
    if (take(p, "_")) {
        *opd = ir_none();
        return true;
    }
    if (imm && take(p, "$")) {
        *opd = ir_imm();
        return take_number(p, imm);
    }
    if (imm && take(p, "pc$")) {
        *opd = ir_pc();
        return take_number(p, imm);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(numbered); i++) {
        if (p->at[0] == numbered[i].letter && g_ascii_isdigit(p->at[1])) {
            int64_t n;
            p->at++;
            if (!take_number(p, &n))
                return false;
            *opd = (IrOpd){numbered[i].kind, (uint8_t)n};
            return true;
        }
    }
    if (!imm)
        return fail(p, "no register");
    *opd = ir_mem();
    return parse_mem(p);
}

static bool parse_call(Parse *p)
{
    IrInsn *insn = p->insn;
    const char *open = strchr(p->at, '(');
    unsigned id = 0;
    if (!open)
        return fail(p, "a call without arguments");
    while (id < p->block->helper_count &&
           !(strlen(p->block->helpers[id].name) == (size_t)(open - p->at) &&
             strncmp(p->block->helpers[id].name, p->at, (size_t)(open - p->at)) == 0))
        id++;
    if (id == p->block->helper_count)
        return fail(p, "no such helper");
    insn->aux = (uint16_t)id;
    p->at = open + 1;
    int64_t *imms[3] = {&insn->imm, &insn->imm2, &insn->imm3};
    for (unsigned k = 0; k < 3; k++) {
        skip_blanks(p);
        if (!parse_opd(p, &insn->args[k], imms[k]))
            return false;
    }
    return take(p, ")") || fail(p, "')' is missing");
}

static bool parse_native(Parse *p)
{
    int64_t v[12];
    for (unsigned i = 0; i < G_N_ELEMENTS(v); i++)
        if ((i && !take(p, ":")) || !take_number(p, &v[i]))
            return fail(p, "malformed native encoding");
    p->insn->native = (IrNative){.map = (uint8_t)v[0],
                                 .opcode = (uint8_t)v[1],
                                 .prefix = (uint8_t)v[2],
                                 .vex = v[3],
                                 .w = v[4],
                                 .has_imm = v[5],
                                 .imm = (uint8_t)v[6],
                                 .modrm = v[7],
                                 .mem_read = v[8],
                                 .mem_write = v[9],
                                 .fpu = v[10],
                                 .x87 = v[11]};
    return true;
}

static bool parse_field(Parse *p)
{
    IrInsn *i = p->insn;
    int64_t value;
    if (take(p, "@"))
        return parse_call(p);
    if (take(p, "mem "))
        return parse_mem(p);
    if (take(p, "native="))
        return parse_native(p);
    if (take(p, "imm="))
        return take_number(p, &i->imm);
    if (take(p, "imm2="))
        return take_number(p, &i->imm2);
    if (take(p, "imm3="))
        return take_number(p, &i->imm3);
    const char *name = take(p, "src=")    ? "src"
                       : take(p, "cond=") ? "cond"
                       : take(p, "lock=") ? "lock"
                       : take(p, "aux=")  ? "aux"
                                          : NULL;
    if (!name || !take_number(p, &value))
        return p->error && *p->error ? false : fail(p, "unknown field");
    if (name[0] == 's')
        i->src_width = (uint8_t)value;
    else if (name[0] == 'c')
        i->cond = (uint8_t)value;
    else if (name[0] == 'l')
        i->lock = value != 0;
    else
        i->aux = (uint16_t)value;
    return true;
}

static void note_temps(IrBlock *block, const IrInsn *insn)
{
    const IrOpd opds[] = {insn->d,       insn->a,       insn->b,        insn->args[0],
                          insn->args[1], insn->args[2], insn->mem.base, insn->mem.index};
    for (unsigned i = 0; i < G_N_ELEMENTS(opds); i++)
        if (opds[i].kind == IR_TEMP)
            block->temps = MAX(block->temps, opds[i].n + 1u);
}

static bool parse_insn(Parse *p)
{
    unsigned op = 0;
    int64_t width;
    size_t n = 0;
    while (op < IR_OP_COUNT) {
        n = strlen(ir_op_info[op].text);
        if (strncmp(p->at, ir_op_info[op].text, n) == 0 && p->at[n] == '.')
            break;
        op++;
    }
    if (op == IR_OP_COUNT)
        return fail(p, "no such op");
    p->at += n + 1;
    if (!take_number(p, &width))
        return false;
    IrInsn *insn = p->insn = ir_append(p->block, (IrOp)op, (unsigned)width);
    int64_t *imm_a = op == IR_STSTATE ? &insn->imm2 : &insn->imm;
    skip_blanks(p);
    if (!parse_opd(p, &insn->d, &insn->imm))
        return false;
    skip_blanks(p);
    if (!parse_opd(p, &insn->a, imm_a))
        return false;
    skip_blanks(p);
    if (!parse_opd(p, &insn->b, &insn->imm2))
        return false;
    for (skip_blanks(p); *p->at && *p->at != '\n'; skip_blanks(p))
        if (!parse_field(p))
            return false;
    note_temps(p->block, insn);
    return true;
}

static bool parse_head(Parse *p)
{
    int64_t pc, next, insns, bytes;
    if (!take(p, "block ") || !take_number(p, &pc) || !take(p, " next ") || !take_number(p, &next) ||
        !take(p, " insns ") || !take_number(p, &insns) || !take(p, " bytes ") ||
        !take_number(p, &bytes))
        return p->error && *p->error ? false : fail(p, "the head of a block is missing");
    ir_block_reset(p->block, (uint64_t)pc);
    p->block->next_pc = (uint64_t)next;
    p->block->guest_insns = (unsigned)insns;
    p->block->guest_bytes = (unsigned)bytes;
    p->block->solo = take(p, " solo");
    return true;
}

bool ir_parse(IrBlock *block, const char *text, GError **error)
{
    g_autoptr(GError) own = NULL;
    Parse p = {.at = text, .line = 1, .block = block, .error = error ? error : &own};
    if (!parse_head(&p))
        return false;
    while (*p.at) {
        if (*p.at == '\n') {
            p.at++;
            p.line++;
        } else if (!parse_insn(&p)) {
            return false;
        }
    }
    return true;
}
