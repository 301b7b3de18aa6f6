/* SPDX-License-Identifier: MIT
 * Z packets: breakpoints are the engine's, watchpoints the MMU's. Guest memory is never changed. */
#include <inttypes.h>

#include "monitor/gdb-priv.h"

enum { TYPE_SOFT, TYPE_HARD, TYPE_WRITE, TYPE_READ, TYPE_ACCESS, TYPES };

enum { BREAKS_MAX = 65536 };

static const unsigned watch_kinds[TYPES] = {
    [TYPE_WRITE] = MMU_WATCH_WRITE,
    [TYPE_READ] = MMU_WATCH_READ,
    [TYPE_ACCESS] = MMU_WATCH_READ | MMU_WATCH_WRITE,
};

/* ---- breakpoints ---- */

static unsigned break_types(const GdbSession *session, gva_t gva)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(session->breaks, GSIZE_TO_POINTER(gva)));
}

static void set_break_types(GdbSession *session, gva_t gva, unsigned types)
{
    Engine *engine = session->machine->engine;
    if (types) {
        g_hash_table_insert(session->breaks, GSIZE_TO_POINTER(gva), GUINT_TO_POINTER(types));
        engine_set_breakpoint(engine, gva);
    } else if (g_hash_table_remove(session->breaks, GSIZE_TO_POINTER(gva))) {
        engine_clear_breakpoint(engine, gva);
    }
}

/* ---- watchpoints ---- */

static Mmu *mmu_of(GdbSession *session)
{
    return &session->machine->cpu->v.mmu;
}

static bool insert_watch(GdbSession *session, unsigned type, gva_t gva, unsigned size)
{
    Mmu *mmu = mmu_of(session);
    for (unsigned i = 0; i < MMU_WATCHES; i++) {
        if (!(MMU_WATCH_STOPS & 1u << i) || (mmu->watch_used & 1u << i))
            continue;
        session->watch_type[i] = type;
        mmu_set_watch(mmu, i, (MmuWatch){gva, size, watch_kinds[type]});
        return true;
    }
    return false;
}

static bool remove_watch(GdbSession *session, unsigned type, gva_t gva, unsigned size)
{
    Mmu *mmu = mmu_of(session);
    for (unsigned i = 0; i < MMU_WATCHES; i++) {
        const MmuWatch *w = &mmu->watch[i];
        if ((MMU_WATCH_STOPS & mmu->watch_used & 1u << i) && session->watch_type[i] == type &&
            w->start == gva && w->size == size) {
            mmu_set_watch(mmu, i, (MmuWatch){0});
            return true;
        }
    }
    return false;
}

/* ---- both ---- */

bool gdb_break_insert(GdbSession *session, unsigned type, gva_t gva, unsigned size)
{
    if (type >= TYPES || gva > UINT32_MAX)
        return false;
    if (type == TYPE_SOFT || type == TYPE_HARD) {
        if (g_hash_table_size(session->breaks) >= BREAKS_MAX)
            return false;
        set_break_types(session, gva, break_types(session, gva) | 1u << type);
        return true;
    }
    return size > 0 && size <= UINT32_MAX - gva && insert_watch(session, type, gva, size);
}

bool gdb_break_remove(GdbSession *session, unsigned type, gva_t gva, unsigned size)
{
    if (type >= TYPES || gva > UINT32_MAX)
        return false;
    if (type == TYPE_SOFT || type == TYPE_HARD) {
        set_break_types(session, gva, break_types(session, gva) & ~(1u << type));
        return true;
    }
    return remove_watch(session, type, gva, size);
}

static gboolean forget_break(gpointer gva, gpointer types, gpointer opaque)
{
    GdbSession *session = opaque;
    engine_clear_breakpoint(session->machine->engine, GPOINTER_TO_SIZE(gva));
    return TRUE;
}

void gdb_break_remove_all(GdbSession *session)
{
    g_hash_table_foreach_remove(session->breaks, forget_break, session);
    for (unsigned i = 0; i < MMU_WATCHES; i++) {
        if (MMU_WATCH_STOPS & 1u << i)
            mmu_set_watch(mmu_of(session), i, (MmuWatch){0});
    }
}

void gdb_break_describe(const GdbSession *session, GString *out)
{
    static const char *const names[TYPES] = {
        [TYPE_WRITE] = "watch", [TYPE_READ] = "rwatch", [TYPE_ACCESS] = "awatch"};
    EngineStop stop = engine_debug_stop(session->machine->engine);
    for (unsigned i = 0; i < MMU_WATCHES; i++) {
        if (!(stop.watches & 1u << i))
            continue;
        g_string_append_printf(out, "%s:%" PRIx64 ";", names[session->watch_type[i]],
                               session->machine->cpu->v.mmu.watch[i].start);
        return; /* gdb takes one reason */
    }
    unsigned types = break_types(session, stop.gva);
    if ((types & 1u << TYPE_SOFT) && session->swbreak)
        g_string_append(out, "swbreak:;");
    else if ((types & 1u << TYPE_HARD) && session->hwbreak)
        g_string_append(out, "hwbreak:;");
}
