/* SPDX-License-Identifier: MIT
 * What the engine shows of its blocks: those entered last, the hottest ones, their code. */
#include "tcache/engine-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"

static EngineBlock describe(const BlockState *state)
{
    return (EngineBlock){.pc = state->pc, .cs_base = state->cs_base, .mode = state->mode};
}

unsigned engine_recent_blocks(const Engine *engine, EngineBlock *out, unsigned capacity)
{
    unsigned count = MIN(engine->recent_count, RECENT_BLOCKS);
    count = MIN(count, capacity);
    for (unsigned i = 0; i < count; i++)
        out[i] = describe(&engine->recent[(engine->recent_count - 1 - i) % RECENT_BLOCKS]);
    return count;
}

/* ---- hot blocks ---- */

static uint64_t weight(const EngineHot *hot)
{
    return hot->executions * hot->insns;
}

static void insert_hot(EngineHot *out, unsigned *count, unsigned capacity, const EngineHot *hot)
{
    unsigned at = *count < capacity ? (*count)++ : capacity;
    while (at > 0 && weight(&out[at - 1]) < weight(hot)) {
        if (at < capacity)
            out[at] = out[at - 1];
        at--;
    }
    if (at < capacity)
        out[at] = *hot;
}

unsigned engine_list_hot(const Engine *engine, EngineHot *out, unsigned capacity)
{
    unsigned count = 0;
    for (unsigned u = 0; u < TB_UNITS; u++) {
        const GPtrArray *blocks = engine->cache.unit[u].blocks;
        for (guint i = 0; i < blocks->len; i++) {
            const TranslationBlock *tb = g_ptr_array_index(blocks, i);
            const EngineHot hot = {.block = describe(&tb->state),
                                   .executions = tb->executions,
                                   .insns = tb->insns,
                                   .host_bytes = tb->code_size};
            if (tb->executions)
                insert_hot(out, &count, capacity, &hot);
        }
    }
    return count;
}

bool engine_append_code(const Engine *engine, gva_t gva, GString *out)
{
    const Cache *cache = &engine->cache;
    bool found = false;
    for (unsigned u = 0; u < TB_UNITS; u++) {
        for (guint i = 0; i < cache->unit[u].blocks->len; i++) {
            const TranslationBlock *tb = g_ptr_array_index(cache->unit[u].blocks, i);
            if (!tb->valid || (uint32_t)(tb->state.cs_base + tb->state.pc) != gva)
                continue;
            const uint8_t *code = ram_hva(address_space_ram(cache->as), tb->phys);
            found = true;
            if (tb->ir)
                block_append_guest(tb, code, out);
            else
                block_append_host(tb, code, out);
        }
    }
    return found;
}

/* ---- samples ---- */

void engine_set_sampler(Engine *engine, void (*sampler)(void *opaque), void *opaque)
{
    engine->sampler_opaque = opaque;
    engine->sampler = sampler;
}

void engine_request_sample(Engine *engine)
{
    engine_request_attention(engine, ATTENTION_SAMPLE);
}

/* ---- names ---- */

void engine_set_namer(Engine *engine, EngineNamer name, void *opaque)
{
    engine->name = name;
    engine->name_opaque = opaque;
}

void engine_append_name(const Engine *engine, gva_t gva, GString *out)
{
    if (engine->name)
        engine->name(engine->name_opaque, gva, out);
}

bool engine_open_perf_map(Engine *engine, GError **error)
{
    g_autofree char *path = g_strdup_printf("/tmp/perf-%d.map", (int)getpid());
    /* A name in a folder of everybody's: what lies there already, perhaps a link, is not written to. */
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    engine->perf_map = fd < 0 ? NULL : fdopen(fd, "w");
    if (engine->perf_map) {
        setvbuf(engine->perf_map, NULL, _IOLBF, 0); /* perf may look at any time */
        return true;
    }
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "cannot write '%s': %s", path,
                g_strerror(errno));
    return false;
}

void perf_map_add(Engine *engine, const TranslationBlock *tb)
{
    const gva_t gva = (uint32_t)(tb->state.cs_base + tb->state.pc);
    g_autoptr(GString) name = g_string_new(":");
    engine_append_name(engine, gva, name);
    if (name->len == 1)
        g_string_truncate(name, 0);
    fprintf(engine->perf_map, "%" PRIxPTR " %x guest_%08" PRIx64 "%s\n", (uintptr_t)tb->code,
            tb->code_size, gva, name->str);
}
