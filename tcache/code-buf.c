/* SPDX-License-Identifier: MIT */
#include "tcache/code-buf.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

/* What a 32-bit displacement reaches, but for what lies beside; where to try. */
#define STEP  (INT64_C(64) << 20)
#define REACH ((INT64_C(2) << 30) - STEP)

/* Free addresses less than REACH from `near`; where the host puts it, if that is NULL. */
static void *reserve(size_t size, const uint8_t *near)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *p = mmap((void *)(uintptr_t)near, size, PROT_NONE, flags, -1, 0);
    for (int64_t step = STEP; near && p != MAP_FAILED; step = step > 0 ? -step : STEP - step) {
        const int64_t from = (const uint8_t *)p - near;
        if (from > -REACH && from + (int64_t)size < REACH)
            break;
        munmap(p, size);
        errno = ENOMEM;
        p = MAP_FAILED;
        if (step < REACH)
            p = mmap((void *)((uintptr_t)near + (uintptr_t)step), size, PROT_NONE, flags, -1, 0);
    }
    return p;
}

static bool map_file(CodeBuf *buf)
{
    const int fd = memfd_create("dbtvm-code", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    if (ftruncate(fd, (off_t)buf->size) == 0)
        buf->rw = mmap(NULL, buf->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const bool done = buf->rw != MAP_FAILED &&
                      mmap(buf->rx, buf->size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd,
                           0) != MAP_FAILED;
    const int saved = errno;
    close(fd);
    errno = saved;
    return done;
}

/* Of a shared mapping, mremap with an old size of 0 makes a second one: mremap(2). */
static bool map_nameless(CodeBuf *buf)
{
    buf->rw = mmap(NULL, buf->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return buf->rw != MAP_FAILED &&
           mremap(buf->rw, 0, buf->size, MREMAP_MAYMOVE | MREMAP_FIXED, buf->rx) != MAP_FAILED &&
           mprotect(buf->rx, buf->size, PROT_READ | PROT_EXEC) == 0;
}

bool code_buf_init(CodeBuf *buf, size_t size, bool nameless, const void *near, GError **error)
{
    *buf = (CodeBuf){.rw = MAP_FAILED, .rx = reserve(size, near), .size = size};
    if (buf->rx != MAP_FAILED && (nameless ? map_nameless(buf) : map_file(buf)))
        return true;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST,
                "cannot reserve a code cache of %zu MiB: %s; try a smaller -tb-size", size >> 20,
                g_strerror(errno));
    if (buf->rw != MAP_FAILED)
        munmap(buf->rw, size);
    if (buf->rx != MAP_FAILED)
        munmap(buf->rx, size);
    *buf = (CodeBuf){0};
    return false;
}

void code_buf_destroy(CodeBuf *buf)
{
    if (buf->size) {
        munmap(buf->rw, buf->size);
        munmap(buf->rx, buf->size);
    }
}
