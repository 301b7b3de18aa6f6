/* SPDX-License-Identifier: MIT
 * The guest physical address space and the port space: which region answers
 * where. Regions may overlap; the higher priority wins, at equal priority the
 * later one. Changing the map rebuilds a flat sorted view and tells one listener
 * (the CPU: flush TLB, drop translations of pages that changed).
 *
 * Threads: device callbacks run with the io lock held (recursive; taken here).
 * The map changes only on the vCPU thread or while it is stopped. */
#ifndef SOFTMMU_ADDRESS_SPACE_H
#define SOFTMMU_ADDRESS_SPACE_H

#include "base/top-table.h"
#include "base/types.h"
#include "softmmu/ram.h"

typedef struct AddressSpace AddressSpace;
typedef struct Region Region;

/* Accesses arrive naturally sized 1, 2, 4 or 8 and little endian; `offset` is from
 * the region's start. Sizes the device does not implement are split or widened
 * here by [min_size, max_size] (0: 1 and 4). A write value has no bits above size. */
typedef struct {
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned size);
    unsigned min_size;
    unsigned max_size;
    /* A byte as a debugger may read it, with no effect at all; for what is like memory. NULL: the
     * debugger may neither read nor write. */
    uint8_t (*peek)(void *opaque, uint64_t offset);
} RegionOps;

typedef enum { REGION_RAM, REGION_ROM, REGION_MMIO, REGION_UNASSIGNED } RegionKind;

AddressSpace *address_space_new(Ram *ram);
void address_space_free(AddressSpace *as);
/* As address_space_new left it, but for its listeners: no regions. */
void address_space_clear_for_test(AddressSpace *as);
Ram *address_space_ram(const AddressSpace *as);

/* The lock under which every device callback runs; timers and back ends take it
 * too (hw/clock.h does for its timers). Recursive. */
void address_space_lock(AddressSpace *as);
void address_space_unlock(AddressSpace *as);

/* Map regions. `name` is copied. Regions belong to the address space, start
 * enabled, and live as long as it. Memory regions are page aligned, except MMIO. */
Region *address_space_add_mmio(AddressSpace *as, const char *name, gpa_t base, uint64_t size,
                               int priority, const RegionOps *ops, void *opaque);
Region *address_space_add_ram(AddressSpace *as, const char *name, gpa_t base, uint64_t size,
                              int priority, ram_off_t ram_offset);
/* ROM: reads from ram_offset; guest writes go to ops->write, or nowhere if ops is NULL. */
Region *address_space_add_rom(AddressSpace *as, const char *name, gpa_t base, uint64_t size,
                              int priority, ram_off_t ram_offset, const RegionOps *ops,
                              void *opaque);
/* Ports [base, base+count). */
Region *address_space_add_io(AddressSpace *as, const char *name, uint16_t base, unsigned count,
                             int priority, const RegionOps *ops, void *opaque);

void region_set_enabled(Region *region, bool enabled);
void region_move(Region *region, uint64_t base);
/* Turn a RAM/ROM region into RAM, ROM (writes dropped) or disable it in one map change (PAM). */
void region_set_kind(Region *region, RegionKind kind);
/* Several changes, one rebuild: nestable. */
void address_space_begin(AddressSpace *as);
void address_space_commit(AddressSpace *as);

/* Called after the map changed, with the bounding range of what changed. */
typedef void (*MapListener)(void *opaque, gpa_t start, uint64_t size);
void address_space_set_map_listener(AddressSpace *as, MapListener fn, void *opaque);
/* Called after a write that did not come through translated code (device DMA, loader,
 * debugger) touched [offset, offset+size) of RAM that holds translated code. Any thread. */
typedef void (*CodeWriteListener)(void *opaque, ram_off_t offset, uint64_t size);
void address_space_set_code_write_listener(AddressSpace *as, CodeWriteListener fn, void *opaque);

/* The A20 gate: off masks bit 20 of the CPU's addresses (A20M# is a pin of the CPU; bus masters
 * drive whole addresses). Tells the map listener. */
void address_space_set_a20(AddressSpace *as, bool enabled);
bool address_space_a20(const AddressSpace *as);
/* The CPU's address as it leaves the gate. */
gpa_t address_space_behind_a20(const AddressSpace *as, gpa_t gpa);

/* What the CPU finds at gpa. `end_offset`: bytes from gpa that this answer holds for (>= 1,
 * never past the region or the guest page). */
typedef struct {
    RegionKind kind;
    ram_off_t ram_offset; /* RAM and ROM */
    Region *region;       /* NULL: unassigned */
    uint64_t region_offset;
    uint64_t length;
} PhysTarget;
PhysTarget address_space_find(AddressSpace *as, gpa_t gpa);

/* CPU accesses of 1..8 bytes that the TLB does not serve: MMIO, ROM writes, unassigned
 * (reads all ones). RAM works too. Take the io lock for devices. Unaligned is fine. */
uint64_t address_space_read(AddressSpace *as, gpa_t gpa, unsigned size);
void address_space_write(AddressSpace *as, gpa_t gpa, uint64_t value, unsigned size);
uint64_t address_space_io_read(AddressSpace *as, uint16_t port, unsigned size);
void address_space_io_write(AddressSpace *as, uint16_t port, uint64_t value, unsigned size);

/* Bus-master and loader access: RAM and (reads) ROM only. Bytes that hit anything else
 * read as 0xff / are dropped, and the function returns false. Writes tell the code-write
 * listener. Any thread. */
bool address_space_dma_read(AddressSpace *as, gpa_t gpa, void *buffer, uint64_t size);
bool address_space_dma_write(AddressSpace *as, gpa_t gpa, const void *buffer, uint64_t size);
/* A bus master's access that reaches other devices' memory, too (video memory, say). Not from inside
 * such an access: what lies there is no memory then. */
bool address_space_bus_read(AddressSpace *as, gpa_t gpa, void *buffer, uint64_t size);
bool address_space_bus_write(AddressSpace *as, gpa_t gpa, const void *buffer, uint64_t size);
/* Bytes that bus masters have moved to and from devices' memory so far: each of those takes some twenty
 * times as long as one of RAM. Io lock held. */
uint64_t address_space_bus_device_bytes(const AddressSpace *as);
/* A device's write to RAM that it names by offset, mapped or not (shadow RAM). Within one page.
 * Tells the code-write listener. */
void address_space_ram_write(AddressSpace *as, ram_off_t offset, const void *data, uint64_t size);
/* A device has just written there by itself: tell the code-write listener. */
void address_space_ram_written(AddressSpace *as, ram_off_t offset, uint64_t size);
/* Debugger's access: RAM, ROM (writes, too) and what RegionOps.peek serves. Vacant bytes as with
 * dma_read. Stopped vCPU or vCPU thread only. */
bool address_space_debug_read(AddressSpace *as, gpa_t gpa, void *buffer, uint64_t size);
bool address_space_debug_write(AddressSpace *as, gpa_t gpa, const void *buffer, uint64_t size);

/* `info mtree`: one line a region. */
void address_space_print(AddressSpace *as, GString *out);

/* How often the CPU reached each port and each address of devices. Io lock held. */
const TopTable *address_space_port_counts(const AddressSpace *as);
const TopTable *address_space_mmio_counts(const AddressSpace *as);

/* Pages that hold translated code, one byte a page of Ram; set and cleared by the code
 * cache on the vCPU thread, read anywhere. */
uint8_t *address_space_code_pages(AddressSpace *as);

#endif
