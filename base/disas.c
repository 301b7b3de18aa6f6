/* SPDX-License-Identifier: MIT */
#include "base/disas.h"

#include <capstone/capstone.h>

static cs_mode disas_mode(int bits)
{
    return bits == 16 ? CS_MODE_16 : bits == 32 ? CS_MODE_32 : CS_MODE_64;
}

static void append_line(GString *out, uint64_t address, const uint8_t *bytes, size_t count,
                        const char *text, const char *operands)
{
    g_string_append_printf(out, "0x%08" PRIx64 ":  ", address);
    for (size_t i = 0; i < count; i++)
        g_string_append_printf(out, "%02x", bytes[i]);
    for (size_t i = count; i < 10; i++)
        g_string_append(out, "  ");
    g_string_append_printf(out, "  %s %s\n", text, operands);
}

void disas_append(GString *out, const uint8_t *code, size_t count, uint64_t address, int bits)
{
    csh handle;
    if (cs_open(CS_ARCH_X86, disas_mode(bits), &handle) != CS_ERR_OK) {
        g_string_append(out, "(no disassembler)\n");
        return;
    }
    cs_insn *insn = cs_malloc(handle);
    const uint8_t *p = code;
    size_t left = count;
    uint64_t pc = address;
    while (left > 0) {
        if (cs_disasm_iter(handle, &p, &left, &pc, insn)) {
            append_line(out, insn->address, insn->bytes, insn->size, insn->mnemonic, insn->op_str);
        } else {
            char text[8];
            g_snprintf(text, sizeof text, "0x%02x", *p);
            append_line(out, pc, p, 1, ".byte", text);
            p++;
            pc++;
            left--;
        }
    }
    cs_free(insn, 1);
    cs_close(&handle);
}

unsigned disas_length(const uint8_t *code, size_t count, int bits)
{
    csh handle;
    if (cs_open(CS_ARCH_X86, disas_mode(bits), &handle) != CS_ERR_OK)
        return 1;
    cs_insn *insn = cs_malloc(handle);
    uint64_t pc = 0;
    unsigned length = cs_disasm_iter(handle, &code, &count, &pc, insn) ? insn->size : 1;
    cs_free(insn, 1);
    cs_close(&handle);
    return length;
}
