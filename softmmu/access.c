/* SPDX-License-Identifier: MIT
 * The slow path: accesses that the inline probe does not serve. */
#include "softmmu/mmu.h"

#include <string.h>

#include "softmmu/copy-whole.h"
#include "softmmu/shadow.h"

/* Copy between a buffer and physical memory within one page, devices included. */
static void phys_copy(Mmu *mmu, gpa_t gpa, uint8_t *buffer, unsigned size, bool write)
{
    while (size > 0) {
        unsigned n = size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;
        uint64_t value = 0;
        if (write) {
            memcpy(&value, buffer, n);
            address_space_write(mmu->as, gpa, value, n);
        } else {
            value = address_space_read(mmu->as, gpa, n);
            memcpy(buffer, &value, n);
        }
        gpa += n;
        buffer += n;
        size -= n;
    }
}

static bool is_memory(const PhysTarget *target, bool write)
{
    return target->kind == REGION_RAM || (target->kind == REGION_ROM && !write);
}

/* About to write: translated code there goes first. */
static bool clear_code(Mmu *mmu, const PhysTarget *target, unsigned size)
{
    if (target->kind != REGION_RAM)
        return true;
    if (!address_space_code_pages(mmu->as)[target->ram_offset >> GUEST_PAGE_BITS])
        return true;
    return mmu->code_write(mmu->opaque, target->ram_offset, size);
}

/* False: the debugger is to see the state right after this instruction, so it must be executed
 * alone. */
static bool note_watches(Mmu *mmu, gva_t gva, unsigned size, bool read, bool write)
{
    unsigned hits = 0;
    const unsigned kinds = (read ? MMU_WATCH_READ : 0u) | (write ? MMU_WATCH_WRITE : 0u);
    for (unsigned i = 0; i < MMU_WATCHES; i++) {
        const MmuWatch *w = &mmu->watch[i];
        if ((w->kinds & kinds) && w->start < gva + size && gva < w->start + w->size)
            hits |= 1u << i;
    }
    if ((hits & MMU_WATCH_STOPS) && mmu->watch_access && !mmu->watch_access(mmu->opaque))
        return false;
    mmu->watch_hits |= hits;
    return true;
}

void *mmu_store_beside_code(Mmu *mmu, gva_t gva, unsigned size, int mode)
{
    const TlbArrays *tlb = &mmu->tlb[mode];
    const uint32_t i = (gva >> GUEST_PAGE_BITS) & (TLB_ENTRIES - 1);
    if (tlb->code_tag[i] + ((gva + size - 1) >> GUEST_PAGE_BITS) + 1 != 0)
        return NULL;
    uint8_t *host = (uint8_t *)(uintptr_t)(gva + tlb->addend[i]);
    const Ram *ram = address_space_ram(mmu->as);
    if (!mmu->code_write(mmu->opaque, (ram_off_t)(host - ram_hva(ram, 0)), size)) {
        mmu->self_modified = true;
        return NULL;
    }
    return host;
}

void *access_begin(Mmu *mmu, MemAccess *access, gva_t gva, unsigned size, bool read, bool write,
                   int mode, Fault *fault)
{
    const MmuAccess kind = write ? MMU_WRITE : MMU_READ;
    const unsigned room = GUEST_PAGE_SIZE - (gva & ~GUEST_PAGE_MASK);
    PhysTarget target[2];
    g_assert(size >= 1 && size <= MMU_MAX_ACCESS);
    if (mmu->shadow)
        return shadow_access_begin(mmu->shadow, access, gva, size, read, write, mode, fault);
    mmu->self_modified = false;
    mmu->slow_accesses++;
    if (write && !mmu->watch_used) {
        void *host = mmu_store_beside_code(mmu, gva, size, mode);
        access->bounced = false;
        if (host || mmu->self_modified)
            return host;
    }
    access->gva = gva;
    access->size = size;
    access->write = write;
    access->first = MIN(size, room);
    const unsigned pages = size > room ? 2 : 1;
    for (unsigned i = 0; i < pages; i++) {
        /* 32-bit linear addresses wrap at 4 GiB (SDM 3A "Address Size and Segment Limits"). */
        gva_t at = i ? (uint32_t)(gva + room) : gva;
        if (!mmu_translate(mmu, at, kind, mode, &access->gpa[i], fault))
            return NULL;
        target[i] = address_space_find(mmu->as, access->gpa[i]);
    }
    for (unsigned i = 0; write && i < pages; i++) {
        if (!clear_code(mmu, &target[i], i ? size - access->first : access->first)) {
            mmu->self_modified = true;
            return NULL;
        }
    }
    if (mmu->watch_used && !note_watches(mmu, gva, size, read, write)) {
        mmu->self_modified = true;
        return NULL;
    }
    const bool direct = is_memory(&target[0], write);
    const bool device = !direct || (pages == 2 && !is_memory(&target[1], write));
    if (device && mmu->devices_alone && !mmu->watch_access(mmu->opaque)) {
        mmu->self_modified = true;
        return NULL;
    }
    access->bounced = pages == 2 || !direct || target[0].length < size;
    if (!access->bounced)
        return ram_hva(address_space_ram(mmu->as), target[0].ram_offset);
    uint8_t *buffer = access->buffer + (gva & 63);
    if (read) {
        phys_copy(mmu, access->gpa[0], buffer, access->first, false);
        if (pages == 2)
            phys_copy(mmu, access->gpa[1], buffer + access->first, size - access->first, false);
    }
    return buffer;
}

void access_commit(Mmu *mmu, MemAccess *access)
{
    if (!access->bounced)
        return;
    if (mmu->shadow) {
        shadow_access_commit(mmu->shadow, access);
        return;
    }
    uint8_t *buffer = access->buffer + (access->gva & 63);
    phys_copy(mmu, access->gpa[0], buffer, access->first, true);
    if (access->size > access->first)
        phys_copy(mmu, access->gpa[1], buffer + access->first, access->size - access->first, true);
}

void *mmu_tlb_lookup(Mmu *mmu, gva_t gva, unsigned size, int mode, bool write)
{
    TlbArrays *tlb = &mmu->tlb[mode];
    uint32_t i = (gva >> GUEST_PAGE_BITS) & (TLB_ENTRIES - 1);
    uint64_t tag = write ? tlb->write_tag[i] : tlb->read_tag[i];
    if (tag + ((gva + size - 1) >> GUEST_PAGE_BITS) + 1 != 0)
        return NULL;
    return (void *)(uintptr_t)(gva + tlb->addend[i]);
}

bool mmu_load(Mmu *mmu, gva_t gva, unsigned size, int mode, uint64_t *value, Fault *fault)
{
    MemAccess access;
    void *host = mmu_tlb_lookup(mmu, gva, size, mode, false);
    if (!host)
        host = access_begin(mmu, &access, gva, size, true, false, mode, fault);
    if (!host)
        return false;
    *value = 0;
    copy_whole(value, host, size);
    return true;
}

uint64_t mmu_load_ram(Mmu *mmu, ram_off_t offset, unsigned size)
{
    uint64_t value = 0;
    if (mmu->shadow)
        shadow_read(mmu->shadow, offset, &value, size);
    else
        copy_whole(&value, ram_hva(address_space_ram(mmu->as), offset), size);
    return value;
}

StoreProbe mmu_probe_store(Mmu *mmu, gva_t gva, unsigned size, int mode)
{
    MemAccess access;
    Fault fault;
    if (mmu_tlb_lookup(mmu, gva, size, mode, true) ||
        access_begin(mmu, &access, gva, size, false, true, mode, &fault))
        return STORE_DONE;
    return mmu->self_modified ? STORE_GIVES_UP : STORE_FAULTS;
}

bool mmu_store(Mmu *mmu, gva_t gva, unsigned size, int mode, uint64_t value, Fault *fault)
{
    void *host = mmu_tlb_lookup(mmu, gva, size, mode, true);
    if (host) {
        copy_whole(host, &value, size);
        return true;
    }
    MemAccess access;
    host = access_begin(mmu, &access, gva, size, false, true, mode, fault);
    if (!host)
        return false;
    copy_whole(host, &value, size);
    access_commit(mmu, &access);
    return true;
}
