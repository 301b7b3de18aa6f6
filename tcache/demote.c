/* SPDX-License-Identifier: MIT
 * Instructions that an address window cannot serve: MMIO, user copies by the
 * kernel, stores beside code. They are named by the RAM offset of their bytes and
 * take the TLB in every later translation. */
#include "tcache/engine-priv.h"

#include <string.h>

#include "base/trace.h"
#include "translator/ir/ir.h"

enum { MAX_DEMOTED = 65536, TRAPS_BEFORE_DEMOTION = 16, FAULTS_BEFORE_DEMOTION = 16 };

void demote_init(Engine *engine)
{
    engine->demoted = g_hash_table_new(g_direct_hash, g_direct_equal);
    engine->demoted_page = g_new0(uint8_t, engine->cache.page_count);
    engine->smc_traps = g_new0(uint8_t, engine->cache.page_count);
}

void demote_destroy(Engine *engine)
{
    g_hash_table_unref(engine->demoted);
    g_free(engine->demoted_page);
    g_free(engine->smc_traps);
}

static void forget_all(Engine *engine)
{
    g_hash_table_remove_all(engine->demoted);
    memset(engine->demoted_page, 0, engine->cache.page_count);
}

void demote_instruction(Engine *engine)
{
    ram_off_t at = engine_ram_of_pc(engine);
    if (at == RAM_OFF_NONE)
        return;
    if (g_hash_table_size(engine->demoted) >= MAX_DEMOTED)
        forget_all(engine);
    g_hash_table_add(engine->demoted, GSIZE_TO_POINTER(at));
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

void demote_note_fault(Engine *engine)
{
    const gva_t page = engine->trapped_fault & GUEST_PAGE_MASK;
    FaultSite *site = &engine->fault_sites[engine->vcpu->pc % FAULT_SITES];
    if (site->pc != engine->vcpu->pc || site->page != page) {
        *site = (FaultSite){engine->vcpu->pc, page, 0};
    } else if (++site->count == FAULTS_BEFORE_DEMOTION) {
        const Fault fault = engine->vcpu->fault; /* looking at the code must not replace it */
        demote_instruction(engine);
        engine->vcpu->fault = fault;
    }
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
        insn->checked = g_hash_table_contains(engine->demoted, GSIZE_TO_POINTER(at));
    }
}
