/* SPDX-License-Identifier: MIT */
#include "tcache/code-buf.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

static bool map_file(CodeBuf *buf)
{
    const int fd = memfd_create("dbtvm-code", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    buf->rw = buf->rx = MAP_FAILED;
    if (ftruncate(fd, (off_t)buf->size) == 0)
        buf->rw = mmap(NULL, buf->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (buf->rw != MAP_FAILED)
        buf->rx = mmap(NULL, buf->size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    const int saved = errno;
    close(fd);
    errno = saved;
    return buf->rx != MAP_FAILED;
}

/* Of a shared mapping, mremap with an old size of 0 makes a second one: mremap(2). */
static bool map_nameless(CodeBuf *buf)
{
    buf->rx = MAP_FAILED;
    buf->rw = mmap(NULL, buf->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (buf->rw != MAP_FAILED)
        buf->rx = mremap(buf->rw, 0, buf->size, MREMAP_MAYMOVE);
    return buf->rx != MAP_FAILED && mprotect(buf->rx, buf->size, PROT_READ | PROT_EXEC) == 0;
}

bool code_buf_init(CodeBuf *buf, size_t size, bool nameless, GError **error)
{
    *buf = (CodeBuf){.rw = MAP_FAILED, .rx = MAP_FAILED, .size = size};
    if (nameless ? map_nameless(buf) : map_file(buf))
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
