/* SPDX-License-Identifier: MIT
 * What goes through the map: CPU accesses to devices and memory, DMA, loaders. Each
 * takes the io lock, so that the map stands still and device callbacks hold it. */
#include "softmmu/address-space-priv.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"
#include "base/prefault.h"
#include "base/trace.h"
#include "softmmu/copy-whole.h"

/* ---- access to devices ---- */

/* The largest access at `offset` that is naturally aligned, fits in `left` bytes and
 * that the device takes. */
static unsigned ops_chunk(const RegionOps *ops, uint64_t offset, unsigned left)
{
    unsigned size = ops->max_size ? ops->max_size : 4;
    while (size > 1 && (size > left || (offset & (size - 1)) != 0))
        size /= 2;
    return size;
}

static unsigned ops_min(const RegionOps *ops)
{
    return ops->min_size ? ops->min_size : 1;
}

/* Little-endian read of `size` (1..8, any alignment) bytes by accesses the device takes. */
static uint64_t region_read(Region *region, uint64_t offset, unsigned size)
{
    const RegionOps *ops = region->ops;
    uint64_t value = 0;
    for (unsigned done = 0; done < size;) {
        unsigned n = ops_chunk(ops, offset + done, size - done);
        unsigned wide = MAX(n, ops_min(ops));
        unsigned lane = (unsigned)((offset + done) & (wide - 1));
        uint64_t part =
            ops->read ? ops->read(region->opaque, offset + done - lane, wide) : width_mask(wide);
        value |= ((part >> (lane * 8)) & width_mask(n)) << (done * 8);
        done += n;
    }
    return value;
}

/* A write narrower than the device's registers arrives in its byte lanes, zeros around it. */
static void region_write(Region *region, uint64_t offset, uint64_t value, unsigned size)
{
    const RegionOps *ops = region->ops;
    if (!ops || !ops->write)
        return;
    for (unsigned done = 0; done < size;) {
        unsigned n = ops_chunk(ops, offset + done, size - done);
        unsigned wide = MAX(n, ops_min(ops));
        unsigned lane = (unsigned)((offset + done) & (wide - 1));
        uint64_t part = ((value >> (done * 8)) & width_mask(n)) << (lane * 8);
        ops->write(region->opaque, offset + done - lane, part, wide);
        done += n;
    }
}

/* ---- access to RAM ---- */

/* The fence orders our bytes before the look at code_pages; the code cache sets the
 * mark, fences and then reads the bytes it translates. One of the two sees the other. */
void address_space_ram_write(AddressSpace *as, ram_off_t offset, const void *data, uint64_t size)
{
    copy_whole(ram_hva(as->ram, offset), data, size);
    address_space_ram_written(as, offset, size);
}

void address_space_ram_written(AddressSpace *as, ram_off_t offset, uint64_t size)
{
    atomic_thread_fence(memory_order_seq_cst);
    for (uint64_t done = 0, n; done < size; done += n) {
        const ram_off_t at = offset + done;
        const uint8_t *mark = &as->code_pages[at >> GUEST_PAGE_BITS];
        n = MIN(GUEST_PAGE_SIZE - (at & ~GUEST_PAGE_MASK), size - done);
        if (__atomic_load_n(mark, __ATOMIC_RELAXED) && as->code_listener)
            as->code_listener(as->code_opaque, at, n);
    }
}

/* ---- CPU accesses ---- */

static uint64_t read_part(AddressSpace *as, gpa_t gpa, const PhysTarget *target, unsigned size)
{
    uint64_t value = width_mask(size);
    switch (target->kind) {
    case REGION_RAM:
    case REGION_ROM:
        value = 0;
        copy_whole(&value, ram_hva(as->ram, target->ram_offset), size);
        break;
    case REGION_MMIO:
        value = region_read(target->region, target->region_offset, size);
        top_table_count(&as->mmio_counts, gpa);
        trace(mmio_read, gpa, size, value);
        break;
    case REGION_UNASSIGNED:
        log_unimp("read of unassigned memory 0x%" PRIx64 ", %u bytes", gpa, size);
        break;
    }
    return value;
}

static void write_part(AddressSpace *as, gpa_t gpa, const PhysTarget *target, uint64_t value,
                       unsigned size)
{
    switch (target->kind) {
    case REGION_RAM:
        address_space_ram_write(as, target->ram_offset, &value, size);
        break;
    case REGION_ROM:
    case REGION_MMIO:
        top_table_count(&as->mmio_counts, gpa);
        trace(mmio_write, gpa, size, value);
        region_write(target->region, target->region_offset, value, size);
        break;
    case REGION_UNASSIGNED:
        log_unimp("write of unassigned memory 0x%" PRIx64 ", %u bytes", gpa, size);
        break;
    }
}

uint64_t address_space_read(AddressSpace *as, gpa_t gpa, unsigned size)
{
    uint64_t value = 0;
    address_space_lock(as);
    for (unsigned done = 0; done < size;) {
        PhysTarget target = address_space_find(as, gpa + done);
        unsigned n = (unsigned)MIN(target.length, size - done);
        value |= read_part(as, gpa + done, &target, n) << (done * 8);
        done += n;
    }
    address_space_unlock(as);
    return value;
}

void address_space_write(AddressSpace *as, gpa_t gpa, uint64_t value, unsigned size)
{
    address_space_lock(as);
    for (unsigned done = 0; done < size;) {
        PhysTarget target = address_space_find(as, gpa + done);
        unsigned n = (unsigned)MIN(target.length, size - done);
        write_part(as, gpa + done, &target, (value >> (done * 8)) & width_mask(n), n);
        done += n;
    }
    address_space_unlock(as);
}

/* How many of the `size` bytes from `port` belong to one region. Ports wrap at 64 Ki. */
static unsigned port_run(const AddressSpace *as, uint16_t port, unsigned size)
{
    unsigned n = 1;
    while (n < size && port + n < PORT_COUNT &&
           port_region(as, (uint16_t)(port + n)) == port_region(as, port))
        n++;
    return n;
}

uint64_t address_space_io_read(AddressSpace *as, uint16_t port, unsigned size)
{
    uint64_t value = 0;
    address_space_lock(as);
    for (unsigned done = 0; done < size;) {
        uint16_t at = (uint16_t)(port + done);
        Region *region = port_region(as, at);
        unsigned n = port_run(as, at, size - done);
        uint64_t part = width_mask(n);
        if (region)
            part = region_read(region, at - region->base, n);
        else
            log_unimp("read of unassigned port 0x%x, %u bytes", at, n);
        value |= part << (done * 8);
        done += n;
    }
    top_table_count(&as->port_counts, port);
    trace(port_read, port, size, value);
    address_space_unlock(as);
    return value;
}

void address_space_io_write(AddressSpace *as, uint16_t port, uint64_t value, unsigned size)
{
    address_space_lock(as);
    top_table_count(&as->port_counts, port);
    trace(port_write, port, size, value);
    for (unsigned done = 0; done < size;) {
        uint16_t at = (uint16_t)(port + done);
        Region *region = port_region(as, at);
        unsigned n = port_run(as, at, size - done);
        if (region)
            region_write(region, at - region->base, (value >> (done * 8)) & width_mask(n), n);
        else
            log_unimp("write of unassigned port 0x%x, %u bytes", at, n);
        done += n;
    }
    address_space_unlock(as);
}

/* ---- DMA and loaders ---- */

/* What bus masters, loaders and debuggers reach beside RAM. */
typedef enum { REACH_MEMORY, REACH_DEVICES, REACH_DEBUG } Reach;

/* A device's memory, in naturally aligned pieces of up to eight bytes. */
static void device_copy(const PhysTarget *target, uint8_t *buffer, uint64_t size, bool write)
{
    for (uint64_t done = 0, n; done < size; done += n) {
        const uint64_t offset = target->region_offset + done;
        n = MIN(8 - (offset & 7), size - done);
        uint64_t value = 0;
        if (write) {
            memcpy(&value, buffer + done, n);
            region_write(target->region, offset, value, (unsigned)n);
        } else {
            value = region_read(target->region, offset, (unsigned)n);
            memcpy(buffer + done, &value, n);
        }
    }
}

static bool device_debug(const PhysTarget *target, uint8_t *buffer, uint64_t size, bool write)
{
    const RegionOps *ops = target->region->ops;
    if (!ops->peek)
        return false;
    for (uint64_t i = 0; i < size; i++) {
        const uint64_t offset = target->region_offset + i;
        if (write)
            region_write(target->region, offset, buffer[i], 1);
        else
            buffer[i] = ops->peek(target->region->opaque, offset);
    }
    return true;
}

/* False: this is no memory. */
static bool device_access(AddressSpace *as, const PhysTarget *target, uint8_t *buffer,
                          uint64_t size, bool write, Reach reach)
{
    if (target->kind == REGION_MMIO && reach == REACH_DEBUG)
        return device_debug(target, buffer, size, write);
    if (target->kind != REGION_MMIO || reach != REACH_DEVICES || as->bus_access)
        return false;
    as->bus_access = true;
    as->bus_device_bytes += size;
    device_copy(target, buffer, size, write);
    as->bus_access = false;
    return true;
}

static bool read_reach(AddressSpace *as, gpa_t gpa, uint8_t *to, uint64_t size, Reach reach)
{
    bool all = true;
    address_space_lock(as);
    for (uint64_t done = 0, n; done < size; done += n) {
        PhysTarget target = address_space_find_bus(as, gpa + done);
        n = MIN(target.length, size - done);
        if (target.kind == REGION_RAM || target.kind == REGION_ROM) {
            copy_whole(to + done, ram_hva(as->ram, target.ram_offset), n);
        } else if (!device_access(as, &target, to + done, n, false, reach)) {
            memset(to + done, 0xff, n);
            all = false;
        }
    }
    address_space_unlock(as);
    return all;
}

bool address_space_dma_read(AddressSpace *as, gpa_t gpa, void *buffer, uint64_t size)
{
    return read_reach(as, gpa, buffer, size, REACH_MEMORY);
}

bool address_space_bus_read(AddressSpace *as, gpa_t gpa, void *buffer, uint64_t size)
{
    return read_reach(as, gpa, buffer, size, REACH_DEVICES);
}

uint64_t address_space_bus_device_bytes(const AddressSpace *as)
{
    return as->bus_device_bytes;
}

/* Much is about to be written: if it goes into one piece of RAM, have all its pages at once. */
static void prefault_target(AddressSpace *as, gpa_t gpa, uint64_t size)
{
    if (size < PREFAULT_STEP)
        return;
    const PhysTarget first = address_space_find_bus(as, gpa);
    const PhysTarget last = address_space_find_bus(as, gpa + size - 1);
    if (first.kind == REGION_RAM && last.kind == REGION_RAM &&
        last.ram_offset - first.ram_offset == size - 1)
        prefault_write(ram_hva(as->ram, first.ram_offset), size);
}

static bool write_reach(AddressSpace *as, gpa_t gpa, const uint8_t *from, uint64_t size,
                        Reach reach)
{
    bool all = true;
    address_space_lock(as);
    prefault_target(as, gpa, size);
    for (uint64_t done = 0, n; done < size; done += n) {
        PhysTarget target = address_space_find_bus(as, gpa + done);
        uint8_t *part = (uint8_t *)(uintptr_t)(from + done); /* only read */
        n = MIN(target.length, size - done);
        const bool rom = target.kind == REGION_ROM && reach == REACH_DEBUG;
        if (target.kind == REGION_RAM || rom)
            address_space_ram_write(as, target.ram_offset, part, n);
        else if (!device_access(as, &target, part, n, true, reach))
            all = false;
    }
    address_space_unlock(as);
    return all;
}

bool address_space_dma_write(AddressSpace *as, gpa_t gpa, const void *buffer, uint64_t size)
{
    return write_reach(as, gpa, buffer, size, REACH_MEMORY);
}

bool address_space_bus_write(AddressSpace *as, gpa_t gpa, const void *buffer, uint64_t size)
{
    return write_reach(as, gpa, buffer, size, REACH_DEVICES);
}

bool address_space_debug_read(AddressSpace *as, gpa_t gpa, void *buffer, uint64_t size)
{
    return read_reach(as, gpa, buffer, size, REACH_DEBUG);
}

bool address_space_debug_write(AddressSpace *as, gpa_t gpa, const void *buffer, uint64_t size)
{
    return write_reach(as, gpa, buffer, size, REACH_DEBUG);
}
