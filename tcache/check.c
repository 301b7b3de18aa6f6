/* SPDX-License-Identifier: MIT */
#include "tcache/check.h"

#include <inttypes.h>

#include "softmmu/shadow.h"

enum { DIFFS_SHOWN = 16, WORDS_SHOWN = 64 };

struct Check {
    Shadow *shadow;
    uint64_t countdown;
    CheckState before, wanted, found;
    const TranslationBlock *tb; /* the one in the shadow run */
    GString *report;            /* NULL: no mismatch yet */
};

/* ---- what the shadow asks ---- */

static bool own_code(void *opaque, ram_off_t offset, unsigned size)
{
    const Engine *engine = opaque;
    return cache_overlaps(engine->check->tb, offset, size);
}

static bool cached_page(void *opaque, gva_t gva, bool write, ram_off_t *page)
{
    const Engine *engine = opaque;
    return (engine->check->tb->state.memory & MEMORY_WINDOW) && engine->window &&
           window_find(engine->window, gva, write, page);
}

Check *check_new(Engine *engine)
{
    Check *check = g_new0(Check, 1);
    const ShadowOps ops = {own_code, cached_page, engine};
    check->shadow = shadow_new(&engine->vcpu->mmu, &ops);
    check->countdown = engine->options.check_every;
    return check;
}

void check_free(Check *check)
{
    if (!check)
        return;
    shadow_free(check->shadow);
    if (check->report)
        g_string_free(check->report, TRUE);
    g_free(check);
}

const char *engine_check_report(const Engine *engine)
{
    return engine->check && engine->check->report ? engine->check->report->str : NULL;
}

bool check_is_due(Engine *engine, const TranslationBlock *tb)
{
    Check *check = engine->check;
    EngineCounters *counters = &engine->cache.counters;
    if (--check->countdown)
        return false;
    check->countdown = engine->options.check_every;
    if (tb->outside)
        counters->check_outside++;
    else if (engine->vcpu->mmu.watch_used)
        counters->check_watched++;
    return !tb->outside && !engine->vcpu->mmu.watch_used;
}

/* ---- the two runs ---- */

bool check_before(Engine *engine, const TranslationBlock *tb)
{
    static const bool stop = false;
    Check *check = engine->check;
    VCpu *vcpu = engine->vcpu;
    /* Nobody else writes RAM while this thread holds it: DMA and devices need it, too. */
    address_space_lock(engine->cache.as);
    const int64_t budget = vcpu->budget;
    const uint8_t boundary = vcpu->boundary;
    check->tb = tb;
    check_save(vcpu, &check->before);
    check->before.reason = EXIT_POLL;
    shadow_begin(check->shadow);
    const ExitReason reason = interp_run(&engine->interp_env, vcpu, tb->shadow_ir, &stop);
    shadow_end(check->shadow);
    check_save(vcpu, &check->wanted);
    check->wanted.reason = reason;
    check_restore(vcpu, &check->before);
    vcpu->budget = budget;
    vcpu->boundary = boundary;
    const ShadowVerdict verdict = shadow_verdict(check->shadow);
    if (verdict == SHADOW_FINE)
        return true;
    address_space_unlock(engine->cache.as);
    engine->cache.counters.check_device += verdict == SHADOW_DEVICE;
    engine->cache.counters.check_large += verdict == SHADOW_LARGE;
    return false;
}

/* ---- the report ---- */

static void append_memory(const Check *check, GString *out)
{
    ShadowDiff diffs[DIFFS_SHOWN];
    const unsigned count = shadow_compare(check->shadow, diffs, DIFFS_SHOWN);
    for (unsigned i = 0; i < MIN(count, (unsigned)DIFFS_SHOWN); i++)
        g_string_append_printf(
            out,
            "  RAM %08" PRIx64 " interpreter %016" PRIx64 "  translated %016" PRIx64
            "  (before %016" PRIx64 ", written %016" PRIx64 ")\n",
            diffs[i].offset, diffs[i].wanted, diffs[i].found, diffs[i].before, diffs[i].written);
    if (count > DIFFS_SHOWN)
        g_string_append_printf(out, "  and %u more\n", count - DIFFS_SHOWN);
}

static void append_writes(const Check *check, GString *out)
{
    ShadowDiff word;
    g_string_append(out, "\nWritten (RAM offset: before, interpreter, now; 8 bytes each):\n");
    for (unsigned i = 0; i < WORDS_SHOWN && shadow_list(check->shadow, i, &word); i++)
        g_string_append_printf(out,
                               "  %08" PRIx64 ": %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n",
                               word.offset, word.before, word.wanted, word.found);
}

static void append_options(const EngineOptions *o, GString *out)
{
    const struct {
        bool on;
        const char *name;
    } names[] = {
        {o->one_insn, "--one-insn-per-tb"},
        {o->no_opt, "--no-opt"},
        {o->no_window, "--no-window"},
        {o->window_always, "--window-always"},
        {o->count, "--count"},
    };
    g_string_append_printf(out, "Engine: --check=%" PRIu64, o->check_every);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
        if (names[i].on)
            g_string_append_printf(out, " %s", names[i].name);
    g_string_append_c(out, '\n');
}

static void append_bytes(Engine *engine, const TranslationBlock *tb, GString *out)
{
    const uint8_t *code = ram_hva(address_space_ram(engine->cache.as), tb->phys);
    g_string_append(out, "\nGuest code (as it is in RAM now):\n");
    block_append_guest(tb, code, out);
    g_string_append(out, "\nIR (what the interpreter executed):\n");
    ir_print(tb->shadow_ir, out);
    g_string_append(out, "\nHost code:\n");
    block_append_host(tb, code, out);
}

static void write_report(Engine *engine, const TranslationBlock *tb, const GString *diff)
{
    Check *check = engine->check;
    const GuestOps *guest = engine->guest;
    GString *out = g_string_new(NULL);
    append_options(&engine->options, out);
    g_string_append_printf(
        out,
        "Block: eip %08" PRIx64 " cs base %08" PRIx64 " mode %08x, RAM offset %08" PRIx64
        ", %u bytes, %u instructions, %s\n\nDifferences:\n%s",
        tb->state.pc, tb->state.cs_base, tb->state.mode, tb->phys, tb->size, tb->insns,
        tb->state.memory & MEMORY_WINDOW ? "window" : "soft TLB", diff->str);
    append_bytes(engine, tb, out);
    g_string_append(out, "\nBefore:\n");
    check_print(guest, &check->before, true, out);
    g_string_append(out, "\nAfter, interpreter:\n");
    check_print(guest, &check->wanted, false, out);
    g_string_append(out, "\nAfter, translated:\n");
    check_print(guest, &check->found, false, out);
    append_writes(check, out);
    check->report = out;
}

/* ---- the verdict ---- */

/* The translated block stopped before an instruction that the interpreter has executed: a store
 * that a window traps, an access it cannot serve. The rest is executed otherwise. */
static bool left_early(const Check *check, ExitReason reason)
{
    const CheckState *wanted = &check->wanted;
    return (reason == EXIT_SMC || reason == EXIT_DEMOTE) &&
           (reason != wanted->reason || check->found.pc != wanted->pc);
}

/* A repeated string instruction goes on after 64 KiB in the interpreter; the host's own has no such
 * bounds. */
static bool has_more_to_do(const Check *check, const TranslationBlock *tb)
{
    const IrBlock *ir = tb->shadow_ir;
    uint64_t pc = 0;
    for (unsigned i = 0; i < ir->count; i++) {
        const IrInsn *insn = &ir->insns[i];
        if (insn->op == IR_INSN)
            pc = (uint64_t)insn->imm;
        if (insn->op == IR_EXIT_REPEAT && check->wanted.pc == pc && check->found.pc != pc &&
            check->wanted.reason == EXIT_LOOKUP)
            return true;
    }
    return false;
}

static bool runs_agree(Engine *engine, const TranslationBlock *tb, GString *diff)
{
    Check *check = engine->check;
    const bool untouched = check->found.reason == EXIT_POLL; /* the entry's poll */
    const CheckState *wanted = untouched ? &check->before : &check->wanted;
    bool same = check_compare(engine->guest, wanted, &check->found,
                              check_undefined_flags(tb->shadow_ir), diff);
    if (!untouched && shadow_compare(check->shadow, NULL, 0)) {
        append_memory(check, diff);
        same = false;
    }
    return same;
}

ExitReason check_after(Engine *engine, const TranslationBlock *tb, ExitReason reason)
{
    Check *check = engine->check;
    EngineCounters *counters = &engine->cache.counters;
    g_autoptr(GString) diff = g_string_new(NULL);
    check_save(engine->vcpu, &check->found);
    check->found.reason = reason;
    bool differs = false;
    if (left_early(check, reason)) {
        counters->check_early++;
    } else if (has_more_to_do(check, tb)) {
        counters->check_large++;
    } else if (runs_agree(engine, tb, diff)) {
        counters->check_compared++;
    } else if (shadow_ambiguous(check->shadow)) {
        counters->check_stale++;
    } else {
        differs = true;
        write_report(engine, tb, diff);
    }
    address_space_unlock(engine->cache.as);
    return differs ? EXIT_CHECK : reason;
}
