/* SPDX-License-Identifier: MIT
 * The map. Memory regions are flattened into a sorted array of disjoint ranges, searched
 * by bisection after a last-hit cache; ports into a table of one pointer a port, in blocks. Both
 * change only with the io lock held. The vCPU thread, which makes the changes, may
 * search without it; every other thread searches with it. */
#include "softmmu/address-space-priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

static const Dirty DIRTY_NONE = {UINT64_MAX, 0};

/* ---- the views ---- */

static bool region_visible(const Region *region)
{
    return region->enabled && region->kind != REGION_UNASSIGNED && region->size != 0;
}

/* A guest can move a region up to the end of the space (64-bit BAR): no wrap. */
static uint64_t region_last(const Region *region)
{
    uint64_t room = UINT64_MAX - region->base;
    return region->base + MIN(region->size - 1, room);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The starts of all elementary intervals, sorted; between two of them one region wins. */
static GArray *flat_cuts(const AddressSpace *as)
{
    GArray *cuts = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    for (guint i = 0; i < as->memory->len; i++) {
        const Region *region = g_ptr_array_index(as->memory, i);
        if (!region_visible(region))
            continue;
        uint64_t end = region_last(region) + 1;
        g_array_append_val(cuts, region->base);
        if (end != 0)
            g_array_append_val(cuts, end);
    }
    if (cuts->len)
        qsort(cuts->data, cuts->len, sizeof(uint64_t), compare_u64);
    return cuts;
}

static Region *region_on_top(const AddressSpace *as, uint64_t address)
{
    for (guint i = as->memory->len; i-- > 0;) {
        Region *region = g_ptr_array_index(as->memory, i);
        if (region_visible(region) && address >= region->base && address <= region_last(region))
            return region;
    }
    return NULL;
}

static void flat_append(GArray *flat, uint64_t start, uint64_t last, Region *region)
{
    if (flat->len > 0) {
        FlatRange *previous = &g_array_index(flat, FlatRange, flat->len - 1);
        if (previous->region == region && previous->last + 1 == start) {
            previous->last = last;
            return;
        }
    }
    FlatRange range = {start, last, region};
    g_array_append_val(flat, range);
}

static void rebuild_memory(AddressSpace *as)
{
    g_autoptr(GArray) cuts = flat_cuts(as);
    g_array_set_size(as->flat, 0);
    for (guint i = 0; i < cuts->len; i++) {
        uint64_t start = g_array_index(cuts, uint64_t, i);
        uint64_t last = i + 1 < cuts->len ? g_array_index(cuts, uint64_t, i + 1) - 1 : UINT64_MAX;
        if (i + 1 < cuts->len && start == last + 1)
            continue; /* the same cut twice */
        Region *region = region_on_top(as, start);
        if (region)
            flat_append(as->flat, start, last, region);
    }
}

static void set_port(AddressSpace *as, uint64_t port, Region *region)
{
    Region ***block = &as->ports[port / PORT_BLOCK];
    if (!*block)
        *block = g_new0(Region *, PORT_BLOCK);
    (*block)[port % PORT_BLOCK] = region;
}

static void rebuild_ports(AddressSpace *as, const Dirty *dirty)
{
    uint64_t end = MIN(dirty->last, PORT_COUNT - 1);
    for (uint64_t port = dirty->start; port <= end; port++) {
        if (as->ports[port / PORT_BLOCK])
            set_port(as, port, NULL);
        else
            port |= PORT_BLOCK - 1; /* nothing in all of the block */
    }
    for (guint i = 0; i < as->io->len; i++) {
        Region *region = g_ptr_array_index(as->io, i);
        if (!region_visible(region))
            continue;
        uint64_t last = MIN(region_last(region), end);
        for (uint64_t port = MAX(region->base, dirty->start); port <= last; port++)
            set_port(as, port, region);
    }
}

/* ---- changes ---- */

void address_space_lock(AddressSpace *as)
{
    g_rec_mutex_lock(&as->lock);
}

void address_space_unlock(AddressSpace *as)
{
    g_rec_mutex_unlock(&as->lock);
}

void address_space_begin(AddressSpace *as)
{
    address_space_lock(as);
    as->depth++;
}

void address_space_commit(AddressSpace *as)
{
    g_assert(as->depth > 0);
    if (--as->depth == 0) {
        Dirty memory = as->dirty_memory, io = as->dirty_io;
        as->dirty_memory = as->dirty_io = DIRTY_NONE;
        if (io.start <= io.last)
            rebuild_ports(as, &io);
        if (memory.start <= memory.last) {
            rebuild_memory(as);
            uint64_t size = memory.last - memory.start;
            if (as->map_listener)
                as->map_listener(as->map_opaque, memory.start,
                                 size == UINT64_MAX ? size : size + 1);
        }
    }
    address_space_unlock(as);
}

static void dirty_add(Dirty *dirty, uint64_t start, uint64_t last)
{
    dirty->start = MIN(dirty->start, start);
    dirty->last = MAX(dirty->last, last);
}

static void region_touch(Region *region)
{
    if (region_visible(region))
        dirty_add(region->is_io ? &region->as->dirty_io : &region->as->dirty_memory, region->base,
                  region_last(region));
}

void region_set_enabled(Region *region, bool enabled)
{
    if (region->enabled == enabled)
        return;
    address_space_begin(region->as);
    region_touch(region);
    region->enabled = enabled;
    region_touch(region);
    address_space_commit(region->as);
}

void region_move(Region *region, uint64_t base)
{
    if (region->kind != REGION_MMIO)
        base &= GUEST_PAGE_MASK;
    if (region->base == base)
        return;
    address_space_begin(region->as);
    region_touch(region);
    region->base = base;
    region_touch(region);
    address_space_commit(region->as);
}

void region_set_kind(Region *region, RegionKind kind)
{
    g_assert(region->ram_offset != RAM_OFF_NONE && kind != REGION_MMIO);
    if (region->kind == kind)
        return;
    address_space_begin(region->as);
    region_touch(region);
    region->kind = kind;
    region_touch(region);
    address_space_commit(region->as);
}

void address_space_set_a20(AddressSpace *as, bool enabled)
{
    if (address_space_a20(as) == enabled)
        return;
    address_space_begin(as);
    as->a20_mask = enabled ? ~UINT64_C(0) : ~BIT(20);
    dirty_add(&as->dirty_memory, 0, UINT64_MAX);
    address_space_commit(as);
}

bool address_space_a20(const AddressSpace *as)
{
    return as->a20_mask == ~UINT64_C(0);
}

gpa_t address_space_behind_a20(const AddressSpace *as, gpa_t gpa)
{
    return gpa & as->a20_mask;
}

/* ---- construction ---- */

static void region_free(void *p)
{
    Region *region = p;
    g_free(region->name);
    g_free(region);
}

AddressSpace *address_space_new(Ram *ram)
{
    AddressSpace *as = g_new0(AddressSpace, 1);
    as->ram = ram;
    g_rec_mutex_init(&as->lock);
    as->memory = g_ptr_array_new_with_free_func(region_free);
    as->io = g_ptr_array_new_with_free_func(region_free);
    as->flat = g_array_new(FALSE, FALSE, sizeof(FlatRange));
    as->a20_mask = ~UINT64_C(0);
    as->dirty_memory = as->dirty_io = DIRTY_NONE;
    as->code_pages = g_malloc0(ram_capacity(ram) >> GUEST_PAGE_BITS);
    return as;
}

static void forget_regions(AddressSpace *as)
{
    g_ptr_array_set_size(as->memory, 0);
    g_ptr_array_set_size(as->io, 0);
    g_array_set_size(as->flat, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(as->ports); i++)
        g_clear_pointer(&as->ports[i], g_free);
    memset(as->code_pages, 0, ram_capacity(as->ram) >> GUEST_PAGE_BITS);
    as->last_hit = 0;
    as->a20_mask = ~UINT64_C(0);
    as->dirty_memory = as->dirty_io = DIRTY_NONE;
    as->port_counts = as->mmio_counts = (TopTable){0};
}

void address_space_clear_for_test(AddressSpace *as)
{
    forget_regions(as);
}

void address_space_free(AddressSpace *as)
{
    if (!as)
        return;
    forget_regions(as);
    g_ptr_array_free(as->memory, TRUE);
    g_ptr_array_free(as->io, TRUE);
    g_array_free(as->flat, TRUE);
    g_free(as->code_pages);
    g_rec_mutex_clear(&as->lock);
    g_free(as);
}

Ram *address_space_ram(const AddressSpace *as)
{
    return as->ram;
}

void address_space_set_map_listener(AddressSpace *as, MapListener fn, void *opaque)
{
    as->map_listener = fn;
    as->map_opaque = opaque;
}

void address_space_set_code_write_listener(AddressSpace *as, CodeWriteListener fn, void *opaque)
{
    as->code_listener = fn;
    as->code_opaque = opaque;
}

uint8_t *address_space_code_pages(AddressSpace *as)
{
    return as->code_pages;
}

/* Insert a copy of `model` above all regions of its priority or lower. */
static Region *region_add(AddressSpace *as, const Region *model)
{
    Region *region = g_memdup2(model, sizeof(*model));
    region->as = as;
    region->name = g_strdup(model->name);
    region->enabled = true;
    GPtrArray *list = region->is_io ? as->io : as->memory;
    guint at = list->len;
    while (at > 0 && ((Region *)g_ptr_array_index(list, at - 1))->priority > region->priority)
        at--;
    address_space_begin(as);
    g_ptr_array_insert(list, (int)at, region);
    region_touch(region);
    address_space_commit(as);
    return region;
}

static Region *region_add_backed(AddressSpace *as, const Region *model)
{
    g_assert(((model->base | model->size | model->ram_offset) & ~GUEST_PAGE_MASK) == 0);
    g_assert(model->size <= ram_capacity(as->ram) &&
             model->ram_offset <= ram_capacity(as->ram) - model->size);
    return region_add(as, model);
}

Region *address_space_add_mmio(AddressSpace *as, const char *name, gpa_t base, uint64_t size,
                               int priority, const RegionOps *ops, void *opaque)
{
    g_assert(ops);
    return region_add(as, &(Region){.name = (char *)name,
                                    .kind = REGION_MMIO,
                                    .priority = priority,
                                    .base = base,
                                    .size = size,
                                    .ram_offset = RAM_OFF_NONE,
                                    .ops = ops,
                                    .opaque = opaque});
}

Region *address_space_add_ram(AddressSpace *as, const char *name, gpa_t base, uint64_t size,
                              int priority, ram_off_t ram_offset)
{
    return region_add_backed(as, &(Region){.name = (char *)name,
                                           .kind = REGION_RAM,
                                           .priority = priority,
                                           .base = base,
                                           .size = size,
                                           .ram_offset = ram_offset});
}

Region *address_space_add_rom(AddressSpace *as, const char *name, gpa_t base, uint64_t size,
                              int priority, ram_off_t ram_offset, const RegionOps *ops,
                              void *opaque)
{
    return region_add_backed(as, &(Region){.name = (char *)name,
                                           .kind = REGION_ROM,
                                           .priority = priority,
                                           .base = base,
                                           .size = size,
                                           .ram_offset = ram_offset,
                                           .ops = ops,
                                           .opaque = opaque});
}

Region *address_space_add_io(AddressSpace *as, const char *name, uint16_t base, unsigned count,
                             int priority, const RegionOps *ops, void *opaque)
{
    g_assert(ops);
    return region_add(as, &(Region){.name = (char *)name,
                                    .kind = REGION_MMIO,
                                    .is_io = true,
                                    .priority = priority,
                                    .base = base,
                                    .size = count,
                                    .ram_offset = RAM_OFF_NONE,
                                    .ops = ops,
                                    .opaque = opaque});
}

/* ---- search ---- */

/* The range that holds `address`; or NULL, and *gap_last is the last address of the gap. */
static const FlatRange *flat_find(AddressSpace *as, uint64_t address, uint64_t *gap_last)
{
    const FlatRange *ranges = (const FlatRange *)(void *)as->flat->data;
    guint low = 0, high = as->flat->len;
    guint hit = __atomic_load_n(&as->last_hit, __ATOMIC_RELAXED);
    if (hit < high && address >= ranges[hit].start && address <= ranges[hit].last)
        return &ranges[hit];
    while (low < high) { /* the first range that starts above address */
        guint middle = low + (high - low) / 2;
        if (ranges[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0 && address <= ranges[low - 1].last) {
        __atomic_store_n(&as->last_hit, low - 1, __ATOMIC_RELAXED);
        return &ranges[low - 1];
    }
    *gap_last = low < as->flat->len ? ranges[low].start - 1 : UINT64_MAX;
    return NULL;
}

PhysTarget address_space_find(AddressSpace *as, gpa_t gpa)
{
    return address_space_find_bus(as, address_space_behind_a20(as, gpa));
}

PhysTarget address_space_find_bus(AddressSpace *as, gpa_t gpa)
{
    uint64_t last = UINT64_MAX;
    PhysTarget target = {.kind = REGION_UNASSIGNED, .ram_offset = RAM_OFF_NONE};
    const FlatRange *range = flat_find(as, gpa, &last);
    if (range) {
        last = range->last;
        target.kind = range->region->kind;
        target.region = range->region;
        target.region_offset = gpa - range->region->base;
        if (range->region->ram_offset != RAM_OFF_NONE)
            target.ram_offset = range->region->ram_offset + target.region_offset;
    }
    target.length = MIN(last, gpa | ~GUEST_PAGE_MASK) - gpa + 1;
    return target;
}

/* ---- monitor ---- */

static void print_regions(GPtrArray *list, GString *out)
{
    static const char *const kinds[] = {[REGION_RAM] = "ram",
                                        [REGION_ROM] = "rom",
                                        [REGION_MMIO] = "mmio",
                                        [REGION_UNASSIGNED] = "off"};
    for (guint i = 0; i < list->len; i++) {
        const Region *region = g_ptr_array_index(list, i);
        if (region->size == 0)
            continue;
        g_string_append_printf(out, "  %0*" PRIx64 "-%0*" PRIx64 " prio %d %-4s %s%s\n",
                               region->is_io ? 4 : 16, region->base, region->is_io ? 4 : 16,
                               region_last(region), region->priority,
                               region->is_io ? "io" : kinds[region->kind], region->name,
                               region->enabled ? "" : " (disabled)");
    }
}

void address_space_print(AddressSpace *as, GString *out)
{
    address_space_lock(as);
    g_string_append_printf(out, "memory (a20 %s)\n", address_space_a20(as) ? "on" : "off");
    print_regions(as->memory, out);
    g_string_append(out, "ports\n");
    print_regions(as->io, out);
    address_space_unlock(as);
}

const TopTable *address_space_port_counts(const AddressSpace *as)
{
    return &as->port_counts;
}

const TopTable *address_space_mmio_counts(const AddressSpace *as)
{
    return &as->mmio_counts;
}
