/* SPDX-License-Identifier: MIT
 * Native instructions for the interpreter: tiny functions, one an encoding, kept
 * for the life of the engine in a buffer of their own. */
#include "tcache/engine-priv.h"

#include <string.h>

enum { THUNK_ROOM = 512 };

typedef void (*NativeThunk)(VCpu *vcpu, void *mem);

/* What the bytes of a thunk depend on. */
static GBytes *thunk_key(const IrInsn *insn)
{
    struct {
        IrNative native;
        uint8_t width, src_width;
        uint16_t mem_size;
        IrOpd d, a, b;
    } key;
    memset(&key, 0, sizeof key);
    key.native = insn->native;
    key.width = insn->width;
    key.src_width = insn->src_width;
    key.mem_size = insn->mem.size;
    key.d = insn->d;
    key.a = insn->a;
    key.b = insn->b;
    return g_bytes_new(&key, sizeof key);
}

static NativeThunk make_thunk(Engine *engine, const IrInsn *insn)
{
    CodeBuf *buf = &engine->native_buf;
    if (buf->size - engine->native_used < THUNK_ROOM) {
        g_hash_table_remove_all(engine->native_thunks);
        engine->native_used = 0;
    }
    size_t n = codegen_native_thunk(insn, buf->rw + engine->native_used, THUNK_ROOM);
    g_assert(n > 0);
    NativeThunk thunk = (NativeThunk)(uintptr_t)(buf->rx + engine->native_used);
    engine->native_used += (n + 15) & ~(size_t)15;
    return thunk;
}

void engine_native(void *opaque, VCpu *vcpu, const IrInsn *insn, void *mem)
{
    Engine *engine = opaque;
    GBytes *key = thunk_key(insn);
    NativeThunk thunk = (NativeThunk)g_hash_table_lookup(engine->native_thunks, key);
    if (thunk) {
        g_bytes_unref(key);
    } else {
        thunk = make_thunk(engine, insn);
        g_hash_table_insert(engine->native_thunks, key, (void *)(uintptr_t)thunk);
    }
    thunk(vcpu, mem);
}
