/* SPDX-License-Identifier: MIT
 * Blocks in the log, and as text for the monitor: guest code, IR, host code under the guest
 * instructions it stands for. */
#include "tcache/engine-priv.h"

#include <inttypes.h>

#include "base/disas.h"
#include "base/log.h"

static gva_t block_gva(const TranslationBlock *tb)
{
    return (uint32_t)(tb->state.cs_base + tb->state.pc);
}

static int code_bits(const TranslationBlock *tb)
{
    return (tb->state.mode & 1) ? 32 : 16;
}

/* One guest instruction of the block. code: its first page's bytes from the block's start on. */
static void append_guest(const TranslationBlock *tb, const uint8_t *code, uint32_t offset,
                         GString *out)
{
    const uint32_t left = offset < tb->first_size ? tb->first_size - offset : 0;
    if (left == 0) {
        g_string_append_printf(out, "0x%08" PRIx64 ":\n", block_gva(tb) + offset);
        return;
    }
    const unsigned size = disas_length(code + offset, left, code_bits(tb));
    disas_append(out, code + offset, MIN(size, left), block_gva(tb) + offset, code_bits(tb));
}

void block_append_host(const TranslationBlock *tb, const uint8_t *guest_code, GString *out)
{
    for (unsigned i = 0; i < tb->pcmap_count; i++) {
        const uint32_t from = tb->pcmap[i].host_offset;
        const uint32_t to = i + 1 < tb->pcmap_count ? tb->pcmap[i + 1].host_offset : tb->code_size;
        g_string_append(out, "-- ");
        append_guest(tb, guest_code, tb->pcmap[i].pc_offset, out);
        if (to > from)
            disas_append(out, tb->code + from, to - from, (uint64_t)(uintptr_t)tb->code + from, 64);
    }
}

void block_append_guest(const TranslationBlock *tb, const uint8_t *guest_code, GString *out)
{
    disas_append(out, guest_code, tb->first_size, block_gva(tb), code_bits(tb));
}

void log_block_ir(Engine *engine, uint32_t item, const char *title)
{
    BlockState state;
    if (!log_enabled(item))
        return;
    engine->guest->block_state(engine->vcpu, &state);
    if (!log_in_filter((uint32_t)(state.cs_base + state.pc)))
        return;
    g_autoptr(GString) text = g_string_new(title);
    ir_print(&engine->ir, text);
    log_printf(item, "%s", text->str);
}

void log_block_code(const Engine *engine, const TranslationBlock *tb, const uint8_t *guest_code)
{
    if (!log_enabled(LOG_IN_ASM | LOG_OUT_ASM) || !log_in_filter(block_gva(tb)))
        return;
    g_autoptr(GString) text = g_string_new(NULL);
    if (log_enabled(LOG_IN_ASM)) {
        g_string_append_printf(text, "IN: mode %08x cs_base %08" PRIx64 " ", tb->state.mode,
                               tb->state.cs_base);
        engine_append_name(engine, block_gva(tb), text);
        g_string_append_c(text, '\n');
        block_append_guest(tb, guest_code, text);
    }
    if (log_enabled(LOG_OUT_ASM) && tb->code_size) {
        g_string_append_printf(text, "OUT: [size=%u]\n", tb->code_size);
        block_append_host(tb, guest_code, text);
    }
    log_printf(LOG_IN_ASM | LOG_OUT_ASM, "%s", text->str);
}
