/* SPDX-License-Identifier: MIT
 * The memory of the code cache: shared pages seen twice, once writable and once
 * executable, so that no page is ever both. */
#ifndef TCACHE_CODE_BUF_H
#define TCACHE_CODE_BUF_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *rw;
    uint8_t *rx;
    size_t size;
} CodeBuf;

/* nameless: the pages have no file name of their own, as Linux perf wants it of code that it looks
 * up in /tmp/perf-PID.map. near: a 32-bit displacement leads from there to all of the executable view, and
 * back; NULL: it need not. */
bool code_buf_init(CodeBuf *buf, size_t size, bool nameless, const void *near, GError **error);
void code_buf_destroy(CodeBuf *buf);

static inline uint8_t *code_buf_to_rw(const CodeBuf *buf, const uint8_t *rx)
{
    return buf->rw + (rx - buf->rx);
}

static inline bool code_buf_contains_rx(const CodeBuf *buf, const void *pc)
{
    return (const uint8_t *)pc >= buf->rx && (const uint8_t *)pc < buf->rx + buf->size;
}

#endif
