/* SPDX-License-Identifier: MIT */
#include "tcache/code-buf.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

bool code_buf_init(CodeBuf *buf, size_t size, GError **error)
{
    *buf = (CodeBuf){.size = size};
    int fd = memfd_create("dbtvm-code", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        goto fail;
    buf->rw = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (buf->rw == MAP_FAILED)
        goto fail;
    buf->rx = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (buf->rx == MAP_FAILED) {
        munmap(buf->rw, size);
        goto fail;
    }
    close(fd);
    return true;
fail:
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST,
                "cannot reserve a code cache of %zu MiB: %s; try a smaller -tb-size", size >> 20,
                g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

void code_buf_destroy(CodeBuf *buf)
{
    if (buf->size) {
        munmap(buf->rw, buf->size);
        munmap(buf->rx, buf->size);
    }
}
