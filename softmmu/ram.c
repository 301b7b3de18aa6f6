/* SPDX-License-Identifier: MIT */
#include "softmmu/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

/* A guest offset that slipped past a check must hit a guard, not the host. 2 GiB
 * covers any 32-bit signed displacement; the small one any single access. */
#define GUARD_LARGE  (UINT64_C(2) << 30)
#define GUARD_SMALL  (UINT64_C(64) << 10)
#define CAPACITY_MAX (UINT64_C(1) << 46)

struct Ram {
    uint8_t *base; /* of the RAM, past the first guard */
    uint64_t guard;
    uint64_t capacity;
    uint64_t used;
    int fd;
};

static uint64_t round_up_page(uint64_t size)
{
    return (size + GUEST_PAGE_SIZE - 1) & GUEST_PAGE_MASK;
}

/* Reserve guard + capacity + guard and map the memfd in the middle. */
static bool map_between_guards(Ram *ram, uint64_t guard)
{
    uint64_t total = ram->capacity + 2 * guard;
    uint8_t *p = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return false;
    if (mmap(p + guard, ram->capacity, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED | MAP_NORESERVE, ram->fd, 0) == MAP_FAILED) {
        int saved = errno;
        munmap(p, total);
        errno = saved;
        return false;
    }
    ram->base = p + guard;
    ram->guard = guard;
    return true;
}

Ram *ram_new(uint64_t capacity, GError **error)
{
    Ram *ram = g_new0(Ram, 1);
    ram->fd = -1;
    ram->capacity = round_up_page(MAX(MIN(capacity, CAPACITY_MAX), 1));
    if (capacity > CAPACITY_MAX)
        errno = ENOMEM;
    else if ((ram->fd = memfd_create("guest-ram", MFD_CLOEXEC)) >= 0 &&
             ftruncate(ram->fd, (off_t)ram->capacity) == 0 &&
             (map_between_guards(ram, GUARD_LARGE) || map_between_guards(ram, GUARD_SMALL)))
        return ram;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST,
                "cannot reserve %" G_GUINT64_FORMAT " MiB of guest memory: %s; try a smaller -m",
                capacity >> 20, g_strerror(errno));
    ram_free(ram);
    return NULL;
}

void ram_free(Ram *ram)
{
    if (!ram)
        return;
    if (ram->base)
        munmap(ram->base - ram->guard, ram->capacity + 2 * ram->guard);
    if (ram->fd >= 0)
        close(ram->fd);
    g_free(ram);
}

/* Bytes of the memfd that were ever touched; with `clear`, they become zero. */
static uint64_t touched(Ram *ram, bool clear)
{
    uint64_t total = 0;
    off_t at = 0, end = (off_t)ram->capacity;
    while (at < end && (at = lseek(ram->fd, at, SEEK_DATA)) >= 0) {
        off_t hole = lseek(ram->fd, at, SEEK_HOLE);
        hole = hole < 0 ? end : hole;
        total += (uint64_t)(hole - at);
        if (clear)
            memset(ram->base + at, 0, (size_t)(hole - at));
        at = hole;
    }
    return total;
}

void ram_reset_for_test(Ram *ram)
{
    enum { CHEAP = 1 << 20 }; /* to clear, and to look through next time */
    ram->used = 0;
    if (touched(ram, false) <= CHEAP)
        touched(ram, true);
    else if (fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                       (off_t)ram->capacity) != 0)
        memset(ram->base, 0, ram->capacity);
}

ram_off_t ram_alloc(Ram *ram, const char *name, uint64_t size)
{
    if (size > ram->capacity - ram->used || round_up_page(size) > ram->capacity - ram->used)
        g_error("guest memory capacity is too small for '%s'", name);
    ram_off_t offset = ram->used;
    ram->used += round_up_page(size);
    return offset;
}

uint8_t *ram_hva(const Ram *ram, ram_off_t offset)
{
    g_assert(offset < ram->capacity);
    return ram->base + offset;
}

uint64_t ram_capacity(const Ram *ram)
{
    return ram->capacity;
}

int ram_fd(const Ram *ram)
{
    return ram->fd;
}
