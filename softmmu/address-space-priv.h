/* SPDX-License-Identifier: MIT
 * Private to address-space.c (the map) and address-space-access.c (what goes through it). */
#ifndef SOFTMMU_ADDRESS_SPACE_PRIV_H
#define SOFTMMU_ADDRESS_SPACE_PRIV_H

#include <glib.h>

#include "softmmu/address-space.h"

enum { PORT_COUNT = 65536, PORT_BLOCK = 256 };

struct Region {
    AddressSpace *as;
    char *name;
    RegionKind kind; /* as mapped now; REGION_UNASSIGNED hides it as disabling does */
    bool is_io;
    bool enabled;
    int priority;
    uint64_t base;
    uint64_t size;
    ram_off_t ram_offset;
    const RegionOps *ops;
    void *opaque;
};

typedef struct {
    uint64_t start;
    uint64_t last; /* inclusive: the space ends at 2^64 - 1 */
    Region *region;
} FlatRange;

/* What a batch of changes touches: empty while start > last. */
typedef struct {
    uint64_t start;
    uint64_t last;
} Dirty;

struct AddressSpace {
    Ram *ram;
    GRecMutex lock;
    GPtrArray *memory; /* Region*, lowest priority first */
    GPtrArray *io;
    GArray *flat;   /* FlatRange */
    guint last_hit; /* index into flat; a hint, read and written atomically */
    Region **ports[PORT_COUNT / PORT_BLOCK]; /* by block; NULL: nothing answers there */
    uint64_t a20_mask;
    bool bus_access; /* a bus master is in a device's memory */
    uint64_t bus_device_bytes;
    unsigned depth;
    Dirty dirty_memory;
    Dirty dirty_io;
    MapListener map_listener;
    void *map_opaque;
    CodeWriteListener code_listener;
    void *code_opaque;
    uint8_t *code_pages;
    TopTable port_counts, mmio_counts; /* CPU accesses */
};

/* What a bus master finds at gpa: no gate. */
PhysTarget address_space_find_bus(AddressSpace *as, gpa_t gpa);

static inline Region *port_region(const AddressSpace *as, uint16_t port)
{
    Region **block = as->ports[port / PORT_BLOCK];
    return block ? block[port % PORT_BLOCK] : NULL;
}

#endif
