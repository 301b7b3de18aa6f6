/* SPDX-License-Identifier: MIT
 * Where jumps out of a page go: a table of host code by pc for each jump tag in use
 * (VCpu.jump_table). All tables are one reservation of address space; the host backs the runs of
 * entries that are used. */
#include "tcache/tb.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "base/prefault.h"

enum {
    RUN_BITS = 12,   /* entries are backed by 16 KiB: those of a guest page */
    MAX_RUNS = 6144, /* of all tables */
    MAX_USED = 65536 /* of one */
};
#define TABLE_BYTES    (JUMP_TABLE_ENTRIES * sizeof(JumpTableEntry))
#define RUNS_PER_TABLE (JUMP_TABLE_ENTRIES >> RUN_BITS)
#define RESERVATION    ENGINE_JUMP_SPACE
static_assert(RESERVATION == (JUMP_TABLES + 1) * TABLE_BYTES, "the tables, and an empty one");

static void *reserve(void *at)
{
    return mmap(at, RESERVATION, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);
}

bool jump_tables_init(JumpTables *tables, VCpu *vcpu, EngineCounters *counters)
{
    tables->vcpu = vcpu;
    tables->counters = counters;
    JumpTableEntry *base = reserve(NULL);
    const bool done = base != MAP_FAILED;
    if (done)
        madvise(base, RESERVATION, MADV_DONTDUMP);
    for (unsigned i = 0; i < JUMP_TABLES; i++) {
        JumpTable *table = &tables->table[i];
        table->entry = done ? base + i * JUMP_TABLE_ENTRIES : NULL;
        table->used = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        table->backed = g_new0(uint64_t, RUNS_PER_TABLE / 64);
    }
    tables->base = done ? base : NULL;
    tables->empty = done ? base + JUMP_TABLES * JUMP_TABLE_ENTRIES : NULL;
    jump_tables_leave(tables);
    return done;
}

void jump_tables_destroy(JumpTables *tables)
{
    for (unsigned i = 0; i < JUMP_TABLES && tables->vcpu; i++) {
        g_array_free(tables->table[i].used, TRUE);
        g_free(tables->table[i].backed);
    }
    if (tables->base)
        munmap(tables->base, RESERVATION);
}

static void clear(JumpTables *tables, JumpTable *table)
{
    for (guint i = 0; i < table->used->len; i++)
        table->entry[g_array_index(table->used, uint32_t, i)] = 0;
    tables->used -= table->used->len;
    g_array_set_size(table->used, 0);
}

/* The memory of all tables goes back to the host, that of its own page tables too. */
static void drop_all(JumpTables *tables)
{
    if (reserve(tables->base) == MAP_FAILED)
        g_error("out of memory: the jump tables cannot be mapped anew");
    madvise(tables->base, RESERVATION, MADV_DONTDUMP);
    for (unsigned i = 0; i < JUMP_TABLES; i++) {
        g_array_set_size(tables->table[i].used, 0);
        memset(tables->table[i].backed, 0, RUNS_PER_TABLE / 8);
    }
    tables->used = tables->runs = 0;
    tables->counters->jump_table_drops++;
}

static bool is_backed(const JumpTable *table, uint32_t pc)
{
    const uint32_t run = pc >> RUN_BITS;
    return table->backed[run / 64] >> (run % 64) & 1;
}

static void back(JumpTables *tables, JumpTable *table, uint32_t pc)
{
    const uint32_t run = pc >> RUN_BITS;
    if (is_backed(table, pc))
        return;
    if (tables->runs == MAX_RUNS)
        drop_all(tables);
    table->backed[run / 64] |= UINT64_C(1) << (run % 64);
    tables->runs++;
    tables->counters->jump_table_runs++;
    prefault_write(&table->entry[run << RUN_BITS], sizeof(JumpTableEntry) << RUN_BITS);
}

static JumpTable *find(JumpTables *tables, uint32_t tag)
{
    const unsigned n = tables->of_tag[tag];
    return n ? &tables->table[n - 1] : NULL;
}

/* A table for the tag: a free one, or the one that was not wanted for longest. */
static JumpTable *take(JumpTables *tables, uint32_t tag, bool global)
{
    JumpTable *table = tables->table;
    for (unsigned i = 1; i < JUMP_TABLES; i++)
        if (tables->table[i].last_use < table->last_use)
            table = &tables->table[i];
    if (tables->current == table)
        jump_tables_leave(tables);
    clear(tables, table);
    tables->of_tag[table->tag] = 0;
    tables->of_tag[tag] = (uint8_t)(table - tables->table + 1);
    table->tag = tag;
    table->global = global;
    return table;
}

static JumpTable *want(JumpTables *tables, uint32_t tag, bool global)
{
    JumpTable *table = find(tables, tag);
    if (!table)
        table = take(tables, tag, global);
    table->last_use = ++tables->uses;
    return table;
}

bool jump_tables_select(JumpTables *tables, uint32_t tag, bool global)
{
    if (tables->current && tables->current->tag == tag)
        return false;
    tables->current = want(tables, tag, global);
    tables->vcpu->jump_table = tables->current->entry;
    return true;
}

void jump_tables_leave(JumpTables *tables)
{
    tables->current = NULL;
    tables->vcpu->jump_table = tables->empty;
}

static JumpTableEntry entry_of(const JumpTables *tables, const TranslationBlock *tb)
{
    return (uint32_t)(tb->code - tables->vcpu->jump_stub);
}

void jump_tables_add(JumpTables *tables, const TranslationBlock *tb)
{
    const uint32_t pc = (uint32_t)tb->state.pc;
    JumpTable *table = want(tables, tb->jump_tag, tb->state.memory & MEMORY_GLOBAL);
    back(tables, table, pc);
    if (table->entry[pc] == entry_of(tables, tb))
        return;
    if (table->used->len == MAX_USED)
        clear(tables, table);
    table->entry[pc] = entry_of(tables, tb);
    g_array_append_val(table->used, pc);
    tables->used++;
}

void jump_tables_missed(JumpTables *tables, uint64_t pc)
{
    if (tables->current)
        back(tables, tables->current, (uint32_t)pc);
}

void jump_tables_remove(JumpTables *tables, const TranslationBlock *tb)
{
    const uint32_t pc = (uint32_t)tb->state.pc;
    JumpTable *table = find(tables, tb->jump_tag);
    if (table && is_backed(table, pc) && table->entry[pc] == entry_of(tables, tb))
        table->entry[pc] = 0;
}

const uint8_t *jump_tables_find(JumpTables *tables, uint32_t tag, uint64_t pc)
{
    const JumpTable *table = find(tables, tag);
    if (!table || !is_backed(table, (uint32_t)pc))
        return NULL;
    const JumpTableEntry entry = table->entry[(uint32_t)pc];
    return entry ? tables->vcpu->jump_stub + entry : NULL;
}

bool jump_tables_flush(JumpTables *tables, bool others_only)
{
    const unsigned before = tables->used;
    for (unsigned i = 0; i < JUMP_TABLES && tables->used; i++)
        if (!others_only || !tables->table[i].global)
            clear(tables, &tables->table[i]);
    return tables->used != before;
}

void jump_tables_forget_tags(JumpTables *tables)
{
    jump_tables_flush(tables, false);
    jump_tables_leave(tables);
    memset(tables->of_tag, 0, sizeof tables->of_tag);
    for (unsigned i = 0; i < JUMP_TABLES; i++)
        tables->table[i].tag = 0;
}
