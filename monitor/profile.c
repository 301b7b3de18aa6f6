/* SPDX-License-Identifier: MIT
 * A thread asks for samples; the vCPU thread takes them between blocks, where its state is exact.
 * Stacks are walked by frame pointers (System V ABI "The Stack Frame"), so code built without them
 * shows as its innermost function, and whoever called with a frame. */
#include "monitor/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "monitor/symbols.h"

enum { PERIOD_US = 1000, FRAMES = 64, STACKS_MAX = 100000 };

struct Profile {
    Machine *machine;
    GThread *thread;
    gint stop;
    GHashTable *stacks; /* folded text -> count, as pointer */
    TopTable places;
    uint64_t samples, idle;
};

static gpointer ask(gpointer opaque)
{
    Profile *profile = opaque;
    while (!g_atomic_int_get(&profile->stop)) {
        g_usleep(PERIOD_US);
        engine_request_sample(profile->machine->engine);
    }
    return NULL;
}

/* ---- one stack ---- */

static bool read_word(CpuX86 *cpu, gva_t at, uint32_t *value)
{
    return mmu_debug_read(&cpu->v.mmu, at, value, sizeof *value);
}

static unsigned walk(CpuX86 *cpu, gva_t *frames)
{
    uint32_t frame = (uint32_t)cpu->v.gpr[REG_EBP], above, from;
    unsigned count = 0;
    frames[count++] = (uint32_t)(cpu->seg[SEG_CS].base + cpu->v.pc);
    const bool flat32 = (cpu->seg[SEG_CS].attr & SEG_ATTR_DB) && cpu->seg[SEG_SS].base == 0;
    while (flat32 && count < FRAMES && !(frame & 3) && read_word(cpu, frame, &above) &&
           read_word(cpu, frame + 4, &from) && from) {
        frames[count++] = from;
        if (above <= frame)
            break;
        frame = above;
    }
    return count;
}

static void append_frame(const Profile *profile, gva_t at, GString *out)
{
    uint64_t into;
    const char *name = symbols_find(profile->machine->symbols, at, &into);
    if (name)
        g_string_append_printf(out, ";%s", name);
    else
        g_string_append_printf(out, ";0x%08" PRIx64, at);
}

static void add_stack(Profile *profile, GString *text)
{
    gpointer key, count;
    if (!g_hash_table_lookup_extended(profile->stacks, text->str, &key, &count)) {
        if (g_hash_table_size(profile->stacks) >= STACKS_MAX)
            g_string_assign(text, "other");
        count = g_hash_table_lookup(profile->stacks, text->str);
    }
    g_hash_table_insert(profile->stacks, g_strdup(text->str),
                        GSIZE_TO_POINTER(GPOINTER_TO_SIZE(count) + 1));
}

static void sample(void *opaque)
{
    Profile *profile = opaque;
    CpuX86 *cpu = profile->machine->cpu;
    gva_t frames[FRAMES];
    if (cpu->v.halted) {
        profile->idle++;
        return;
    }
    const unsigned count = walk(cpu, frames);
    g_autoptr(GString) text = g_string_new(!(cpu->cr0 & CR0_PE)      ? "real mode"
                                           : cpu->eflags & EFLAGS_VM ? "virtual-8086"
                                           : cpu->cpl == 3           ? "user"
                                                                     : "kernel");
    for (unsigned i = count; i-- > 0;)
        append_frame(profile, frames[i], text);
    add_stack(profile, text);
    top_table_count(&profile->places, frames[0]);
    profile->samples++;
}

/* ---- life ---- */

Profile *profile_new(Machine *machine)
{
    Profile *profile = g_new0(Profile, 1);
    profile->machine = machine;
    profile->stacks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    engine_set_sampler(machine->engine, sample, profile);
    profile->thread = g_thread_new("profile", ask, profile);
    return profile;
}

void profile_free(Profile *profile)
{
    g_atomic_int_set(&profile->stop, 1);
    g_thread_join(profile->thread);
    engine_set_sampler(profile->machine->engine, NULL, NULL);
    g_hash_table_unref(profile->stacks);
    g_free(profile);
}

unsigned profile_list(const Profile *profile, TopEntry *out, unsigned capacity)
{
    return top_table_list(&profile->places, out, capacity);
}

uint64_t profile_samples(const Profile *profile)
{
    return profile->samples;
}

bool profile_write(const Profile *profile, const char *path, GError **error)
{
    GHashTableIter iter;
    gpointer stack, count;
    FILE *file = fopen(path, "we");
    g_hash_table_iter_init(&iter, profile->stacks);
    while (file && g_hash_table_iter_next(&iter, &stack, &count))
        fprintf(file, "%s %zu\n", (const char *)stack, GPOINTER_TO_SIZE(count));
    const bool good = file && !ferror(file);
    if (file && fclose(file) == 0 && good)
        return true;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE, "cannot write '%s': %s", path,
                g_strerror(errno));
    return false;
}
