/* SPDX-License-Identifier: MIT
 * A translation block and the cache that holds them; private to tcache. A block
 * is named by the physical place of its code and by the BlockState it was
 * translated for, so that address spaces share blocks. */
#ifndef TCACHE_TB_H
#define TCACHE_TB_H

#include "codegen-x86_64/codegen.h"
#include "tcache/code-buf.h"
#include "tcache/engine.h"

/* BlockState.memory: the block uses the address window; its mapping is the same in all address
 * spaces (global pages, or paging off). */
enum { MEMORY_WINDOW = 1, MEMORY_GLOBAL = 2 };

typedef struct ExitSlot ExitSlot;

/* A direct exit: where it goes if chained, and the list of exits that go to the same block. */
struct ExitSlot {
    TranslationBlock *owner;
    TranslationBlock *target; /* NULL: not chained */
    ExitSlot *next_incoming;
    uint64_t target_pc;
    uint32_t jump_offset, stub_offset;
    bool fp_ready; /* it may lead to the target's fp_entry */
    bool forward;  /* it may lead behind the target's poll */
    bool listed;   /* in Cache.volatile_links */
};

struct TranslationBlock {
    uint8_t *code; /* RX */
    uint32_t code_size;
    uint32_t fp_entry;   /* of code; 0: none */
    uint16_t insns;      /* guest instructions */
    uint64_t executions; /* counted with EngineOptions.count, or by the interpreter */
    uint32_t jump_tag;   /* stands for state.mode, cs_base, cs_limit */
    BlockState state;
    ram_off_t phys;        /* of the first guest byte */
    ram_off_t second_page; /* of the page that the block runs into, or RAM_OFF_NONE */
    uint32_t size;         /* guest bytes */
    uint32_t first_size;   /* of them in the first page */
    bool valid, solo;
    bool moving; /* clone.c is about to move it */
    bool has_volatile; /* the list of volatile links may hold one of its slots */
    bool outside; /* one instruction that reaches outside; known with --check and -icount only */
    uint16_t exit_count, unit;
    uint32_t pcmap_count;
    const CodegenPcEntry *pcmap;
    TranslationBlock *hash_next;
    /* Of a block that may be copied or moved (clone.c); NULL: it may not. */
    const CodegenPcField *pc_fields;
    uint32_t pc_field_count;
    uint64_t space; /* CR3 that it was made under; a hint */
    TranslationBlock *page_next[2]; /* lists of the blocks of a page */
    ExitSlot *incoming;
    IrBlock *ir;            /* --interp only */
    uint32_t *insn_offsets; /* -icount only: of its instructions, from state.pc */
    IrBlock *shadow_ir;     /* --check only: as lifted */
    IrHole holes[IR_MAX_HOLES]; /* bytes that may change under it */
    unsigned hole_count;
    ExitSlot exits[];
};

/* A page that is mapped twice in a row may be a block's second one, too: it is in that list once. */
static inline bool tb_in_second_list(const TranslationBlock *tb)
{
    return tb->second_page != RAM_OFF_NONE &&
           tb->second_page >> GUEST_PAGE_BITS != tb->phys >> GUEST_PAGE_BITS;
}

/* A place that stores hit again and again, at most 4 bytes at once. */
typedef struct {
    ram_off_t at;
    uint8_t size, hits;
} PatchedPlace;

/* Jump tags met lately, for blocks outside and inside of global pages; 0: none. */
typedef struct {
    BlockState state; /* but for pc and MEMORY_GLOBAL */
    uint32_t tag[2];
} RecentTags;

#define JUMP_TABLES 64
#define JUMP_TAGS   65536

/* For the blocks of one jump tag. */
typedef struct {
    uint32_t tag;          /* 0: none */
    bool global;           /* its blocks are: they outlive CR3 writes */
    JumpTableEntry *entry; /* JUMP_TABLE_ENTRIES */
    GArray *used;          /* pcs of entries that may not be 0 */
    uint64_t *backed;      /* bitmap: runs of entries that may have memory */
    uint64_t last_use;
} JumpTable;

typedef struct {
    VCpu *vcpu;
    EngineCounters *counters;
    JumpTableEntry *base, *empty; /* empty: a table that stays so */
    JumpTable table[JUMP_TABLES];
    JumpTable *current; /* NULL: the empty one */
    unsigned used;      /* entries, of all tables */
    unsigned runs;      /* backed, of all */
    uint64_t uses;
    uint8_t of_tag[JUMP_TAGS]; /* number of its table, from 1; 0: none */
} JumpTables;

/* Units are filled in turn and evicted as a whole. */
typedef struct {
    uint32_t start, used, size; /* in the CodeBuf */
    uint32_t backed;            /* bytes of it that the host has memory for */
    bool marked;                /* used since the clock hand passed */
    GPtrArray *blocks;          /* ascending by code address */
    GPtrArray *chunks;          /* memory of the blocks' descriptions */
    uint8_t *chunk_at;
    size_t chunk_left, meta_used;
} Unit;

#define TB_UNITS     16
#define TB_HASH_BITS 18
#define PATCHED_BITS 10
#define CACHE_BESIDE_SEEN 256u /* the stub of stores shows one in this many that it could serve */
#define TAG_MEMO_BITS 6

typedef struct {
    CodeBuf buf;
    Unit unit[TB_UNITS];
    unsigned current;
    GPtrArray *spare_chunks; /* for descriptions */
    TranslationBlock *hash[1u << TB_HASH_BITS];
    TranslationBlock **pages; /* heads by ram page */
    uint64_t page_count;
    uint8_t *lines;     /* by CODE_LINE of RAM: not 0 where blocks may lie (VCpu.code_lines) */
    uint16_t *smc_at;   /* by RAM page: where the last store that hit a block began */
    uint8_t *smc_hot;   /* by RAM page: stores that hit blocks; such pages keep their mark */
    uint8_t *smc_miss;  /* by RAM page: stores in a row that were seen to hit none */
    PatchedPlace patched[1u << PATCHED_BITS];
    GPtrArray *volatile_links; /* of ExitSlot */
    GPtrArray *condemned;      /* of TranslationBlock: about to be removed */
    GHashTable *tags;          /* (mode, CS) -> jump tag */
    RecentTags recent_tags[1u << TAG_MEMO_BITS];
    JumpTables jumps;
    EngineCounters counters;
    VCpu *vcpu;
    AddressSpace *as;
} Cache;

/* lru.c: memory */
/* nameless: see code_buf_init. */
bool cache_init(Cache *cache, VCpu *vcpu, AddressSpace *as, uint64_t bytes, bool nameless,
                GError **error);
void cache_destroy(Cache *cache);
/* Room for a block of `size` bytes at the end of the unit's code; false: it is full. */
bool cache_has_room(Cache *cache, uint32_t size);
/* `bytes` for a description, from the unit that is being filled. */
void *cache_alloc_meta(Cache *cache, size_t bytes);
/* The last allocation ends at `end` after all. */
void cache_trim_meta(Cache *cache, void *end);
/* Memory of blocks that were removed right after they were made is used again at once: code that is
 * patched in a loop. */
void cache_take_back(Cache *cache, const TranslationBlock *running);
/* Go on to another unit, evicting what it holds. */
void cache_next_unit(Cache *cache);
void cache_flush(Cache *cache);

/* lookup.c */
/* The list of the blocks at phys, among others: one list for all that differ in their pc. */
TranslationBlock **cache_hash_head(Cache *cache, ram_off_t phys, const BlockState *state);
/* Blocks at phys for state; several if they run into different second pages. */
TranslationBlock *cache_find(Cache *cache, ram_off_t phys, const BlockState *state);
TranslationBlock *cache_find_next(const TranslationBlock *tb);
void cache_insert(Cache *cache, TranslationBlock *tb);
TranslationBlock *cache_find_by_host(Cache *cache, const void *host_pc);
/* Guest pc of the instruction at host_pc inside tb; *sp: see VCpu.pc_of_host. */
uint64_t tb_pc_of_host(const TranslationBlock *tb, const void *host_pc, uint64_t *sp);
/* Code of the block for state, wherever it lies, if a jump table has it; *memory: its state.memory,
 * *jump_tag: its tag.
 * state->memory says whether it uses the window. NULL: look it up. */
const uint8_t *cache_quick_find(Cache *cache, const BlockState *state, uint32_t *memory,
                                uint32_t *jump_tag);
/* The next cache_quick_find for this state should know its tag. */
void cache_note_tag(Cache *cache, const BlockState *state, uint32_t tag);
uint32_t cache_jump_tag(Cache *cache, const BlockState *state);

/* chain.c */
void chain_link(Cache *cache, ExitSlot *slot, TranslationBlock *target);
/* Everything into and out of tb, but between blocks that move together. */
void chain_unlink(Cache *cache, TranslationBlock *tb);
/* Everything from blocks that are not valid to those that tb leads to: their lists are swept once. */
void chain_drop_outgoing(Cache *cache, TranslationBlock *tb);
void chain_reset(Cache *cache, ExitSlot *slot);        /* its jump leads to its stub */
/* A link that holds only until mappings outside global pages change (the target runs into another
 * page). */
void chain_link_volatile(Cache *cache, ExitSlot *slot, TranslationBlock *target);
void chain_unlink_volatile(Cache *cache);
/* Cut every chain. */
void chain_unlink_all(Cache *cache);

/* jump-table.c */
/* False: no room in the host's address space; then no code may use them. */
bool jump_tables_init(JumpTables *tables, VCpu *vcpu, EngineCounters *counters);
void jump_tables_destroy(JumpTables *tables);
/* Blocks with this tag run next. True: it was another one before. */
bool jump_tables_select(JumpTables *tables, uint32_t tag, bool global);
/* Nothing in a table may be used until the next select. From a signal handler, too. */
void jump_tables_leave(JumpTables *tables);
void jump_tables_add(JumpTables *tables, const TranslationBlock *tb);
void jump_tables_remove(JumpTables *tables, const TranslationBlock *tb);
/* Translated code read the current table's entry for pc, and none will be added: the host's memory
 * for it counts all the same. */
void jump_tables_missed(JumpTables *tables, uint64_t pc);
/* NULL: it has none. */
const uint8_t *jump_tables_find(JumpTables *tables, uint32_t tag, uint64_t pc);
/* Empty them all, or only those of blocks outside global pages. False: they were. */
bool jump_tables_flush(JumpTables *tables, bool others_only);
/* Tags are about to mean something else. */
void jump_tables_forget_tags(JumpTables *tables);

/* invalidate.c */
/* A guest store is about to change [offset, offset+size), within a page. True: no block is near, nothing
 * else is to be done. */
bool cache_store_beside(Cache *cache, ram_off_t offset, uint64_t size);
/* Else: remove the blocks that it changes. False: `running` is one of them, and nothing was done. */
bool cache_store(Cache *cache, const TranslationBlock *running, ram_off_t offset, uint64_t size);
void cache_cover_lines(Cache *cache, const TranslationBlock *tb);
/* The next of the list that begins at cache->pages[page]. */
TranslationBlock *cache_next_in_page(const TranslationBlock *tb, uint64_t page);
/* No block leads to tb any more, nor tb to others, but by way of a look-up. */
void cache_cut_off(Cache *cache, TranslationBlock *tb);
/* Remove tb, with all others that are condemned by then, at cache_remove_condemned, before any other use of
 * the cache. */
void cache_condemn(Cache *cache, TranslationBlock *tb);
unsigned cache_remove_condemned(Cache *cache); /* how many */
/* Remove the blocks that overlap [offset, offset+size); returns how many. */
unsigned cache_invalidate(Cache *cache, ram_off_t offset, uint64_t size);
/* How many bytes, at most room, a block that begins at offset should have. */
unsigned cache_room_to_patched(const Cache *cache, ram_off_t offset, unsigned room);
/* Is [offset, offset+size), a field of an instruction, overwritten so often that it should be read anew
 * each time? opaque: the Cache. */
bool cache_is_patched(const void *opaque, ram_off_t offset, unsigned size);
/* Might anything of the page be? */
bool cache_has_patched(const Cache *cache, ram_off_t offset);
bool cache_overlaps(const TranslationBlock *tb, ram_off_t offset, uint64_t size);

#endif
