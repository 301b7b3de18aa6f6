/* SPDX-License-Identifier: MIT
 * Instructions that an address window cannot serve: MMIO, user copies by the
 * kernel, stores beside code. They are named by the RAM offset of their bytes and
 * take the TLB in every later translation. */
#include "tcache/engine-priv.h"

#include <string.h>

#include "base/trace.h"
#include "translator/ir/ir.h"

enum { MAX_DEMOTED = 65536, TRAPS_BEFORE_DEMOTION = 16, FAULTS_BEFORE_DEMOTION = 16 };

/* An instruction that faults at one page after the other (an allocator writes the header of a new page) is
 * demoted if so few executions come to a fault that the TLB, at some 3 ns each, costs less than signals, of
 * which none is cheaper than 3 us. Not a repeated string instruction: it would lose the host's own, and where
 * one faults at many pages it copies much. */
enum { FAULTS_BEFORE_TRIAL = 16, FAULTS_OF_TRIAL = 16, EXECUTIONS_PER_FAULT = 1000, PATIENCE = 64 };

void demote_init(Engine *engine)
{
    engine->demoted = g_hash_table_new(g_direct_hash, g_direct_equal);
    engine->tried = g_hash_table_new(g_direct_hash, g_direct_equal);
    engine->demoted_page = g_new0(uint8_t, engine->cache.page_count);
    engine->smc_traps = g_new0(uint8_t, engine->cache.page_count);
}

void demote_destroy(Engine *engine)
{
    g_hash_table_unref(engine->demoted);
    g_hash_table_unref(engine->tried);
    g_free(engine->demoted_page);
    g_free(engine->smc_traps);
}

static void forget_all(Engine *engine)
{
    g_hash_table_remove_all(engine->demoted);
    memset(engine->demoted_page, 0, engine->cache.page_count);
}

/* The first bytes of what is demoted: its page may get other code. Two, because immediates are patched; of a
 * page's last byte just that. Not NULL. */
static void *code_at(const Engine *engine, ram_off_t at)
{
    const uint8_t *code = ram_hva(address_space_ram(engine->cache.as), at);
    const bool last = (at & ~GUEST_PAGE_MASK) == GUEST_PAGE_SIZE - 1;
    return GUINT_TO_POINTER(1u << 16 | code[0] | (last ? 0 : code[1] << 8));
}

static bool is_demoted(Engine *engine, ram_off_t at)
{
    const void *code = g_hash_table_lookup(engine->demoted, GSIZE_TO_POINTER(at));
    if (code && code != code_at(engine, at)) {
        g_hash_table_remove(engine->demoted, GSIZE_TO_POINTER(at));
        return false;
    }
    return code != NULL;
}

void demote_instruction(Engine *engine)
{
    ram_off_t at = engine_ram_of_pc(engine);
    if (at == RAM_OFF_NONE)
        return;
    if (g_hash_table_size(engine->demoted) >= MAX_DEMOTED)
        forget_all(engine);
    g_hash_table_insert(engine->demoted, GSIZE_TO_POINTER(at), code_at(engine, at));
    engine->demoted_page[at >> GUEST_PAGE_BITS] = 1;
    trace(demote, (uint64_t)at, engine->vcpu->pc);
    engine->cache.counters.demoted++;
    engine->cache.counters.invalidated_demoted += cache_invalidate(&engine->cache, at, 1);
}

void demote_note_trap(Engine *engine)
{
    gpa_t gpa;
    if (!mmu_translate_debug(&engine->vcpu->mmu, engine->trapped_store, &gpa))
        return;
    PhysTarget target = address_space_find(engine->cache.as, gpa);
    if (target.kind != REGION_RAM)
        return;
    uint8_t *traps = &engine->smc_traps[target.ram_offset >> GUEST_PAGE_BITS];
    if (*traps < TRAPS_BEFORE_DEMOTION)
        (*traps)++;
    else
        demote_instruction(engine);
}

/* ---- instructions that fault at many pages ---- */

/* Is the instruction of the trial, in the block in engine->ir, a repeated one? */
static bool is_repeat(const Engine *engine, const TranslationBlock *tb)
{
    bool inside = false;
    for (unsigned i = 0; i < engine->ir.count; i++) {
        const IrInsn *insn = &engine->ir.insns[i];
        if (insn->op == IR_INSN)
            inside = (uint64_t)insn->imm - tb->state.pc == engine->trial.at - tb->phys;
        else if (inside && insn->op == IR_EXIT_REPEAT)
            return true;
    }
    return false;
}

uint64_t *demote_trial_counter(Engine *engine, const TranslationBlock *tb)
{
    FaultTrial *trial = &engine->trial;
    const bool has_it = trial->runs && trial->at >= tb->phys && trial->at < tb->phys + tb->first_size;
    if (has_it)
        trial->repeats = is_repeat(engine, tb);
    return has_it ? &trial->executions : NULL;
}

/* Blocks with the instruction are made again, with or without a count. */
static void remake_blocks(Engine *engine, ram_off_t at)
{
    engine->cache.counters.invalidated_demoted += cache_invalidate(&engine->cache, at, 1);
}

static void end_trial(Engine *engine)
{
    engine->trial.runs = false;
    remake_blocks(engine, engine->trial.at);
}

static void begin_trial(Engine *engine, ram_off_t at)
{
    if (g_hash_table_contains(engine->tried, GSIZE_TO_POINTER(at)))
        return;
    if (engine->trial.runs) {
        if (++engine->trial.waiting < PATIENCE)
            return;
        end_trial(engine);
    }
    engine->trial = (FaultTrial){.at = at, .runs = true};
    remake_blocks(engine, at);
}

static void judge(Engine *engine)
{
    FaultTrial *trial = &engine->trial;
    if (++trial->faults < FAULTS_OF_TRIAL)
        return;
    end_trial(engine);
    if (!trial->repeats && trial->executions < (uint64_t)trial->faults * EXECUTIONS_PER_FAULT) {
        demote_instruction(engine);
        return;
    }
    if (g_hash_table_size(engine->tried) >= MAX_DEMOTED)
        g_hash_table_remove_all(engine->tried);
    g_hash_table_add(engine->tried, GSIZE_TO_POINTER(trial->at));
}

static void note_spread(Engine *engine, FaultSite *site)
{
    const bool tried_now = engine->trial.runs &&
                           (engine->trial.at & ~GUEST_PAGE_MASK) == (site->pc & ~GUEST_PAGE_MASK);
    if (++site->spread < FAULTS_BEFORE_TRIAL && !tried_now)
        return;
    const ram_off_t at = engine_ram_of_pc(engine);
    if (at == RAM_OFF_NONE)
        return;
    if (engine->trial.runs && engine->trial.at == at) {
        judge(engine);
    } else if (site->spread >= FAULTS_BEFORE_TRIAL) {
        site->spread = 0;
        begin_trial(engine, at);
    }
}

void demote_note_fault(Engine *engine)
{
    const Fault fault = engine->vcpu->fault; /* looking at the code must not replace it */
    const gva_t page = engine->trapped_fault & GUEST_PAGE_MASK, pc = engine->vcpu->pc;
    FaultSite *site = &engine->fault_sites[pc % FAULT_SITES];
    if (site->pc != pc) {
        *site = (FaultSite){pc, page, 0, 0};
    } else if (site->page != page) {
        site->page = page;
        site->same = 0;
        note_spread(engine, site);
    } else if (++site->same == FAULTS_BEFORE_DEMOTION) {
        demote_instruction(engine);
    }
    engine->vcpu->fault = fault;
}

/* Set `checked` on the instructions of engine->ir that were demoted. page: RAM offset of the block's
 * first page; an instruction of its second page is its last and is looked up there by its start. */
void demote_mark_block(Engine *engine, ram_off_t page)
{
    if (!engine->demoted_page[page >> GUEST_PAGE_BITS])
        return;
    BlockState state;
    engine->guest->block_state(engine->vcpu, &state);
    for (unsigned i = 0; i < engine->ir.count; i++) {
        IrInsn *insn = &engine->ir.insns[i];
        if (insn->op != IR_INSN)
            continue;
        ram_off_t at = page + ((state.cs_base + (uint64_t)insn->imm) & ~GUEST_PAGE_MASK);
        insn->checked = is_demoted(engine, at);
    }
}
