/* SPDX-License-Identifier: MIT
 * oracle: random snippets on the host CPU and in dbtvm. Speaks TAP, one test a
 * class of snippets. Exit status 0: all agree, or skipped with the reason; 1: divergences. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "tests/oracle/compare.h"
#include "tests/oracle/gen-priv.h"
#include "tests/oracle/guest.h"
#include "tests/oracle/host.h"
#include "tests/oracle/shrink.h"

enum { BATCH = 64, MAX_SHRINKS = 300 };

typedef struct {
    gint64 cases;
    gint64 seed;
    gint64 only; /* this one case, whose seed was printed */
    int show;
    char *class, *engine, *model, *host;
    gboolean strict_pointers, coverage, print;
} Options;

typedef struct {
    Options options;
    CpuModel model;
    Gen *gen;
    Host *host;
    bool recoded;  /* for 64-bit mode */
    Guest *guest;  /* NULL: host against host */
    Guest *second; /* tells lifting from code generation; made when needed */
    OracleCase *cases;
    OracleOutcome *expected, *got;
    uint64_t passed, failed, pointers, shrinks, strays, unsteady, ends[END_COUNT];
    GHashTable *signatures; /* text -> count */
    unsigned wanted;        /* DiffKind bits of the case that is being shrunk */
} Oracle;

static EngineOptions engine_options(const char *name)
{
    return (EngineOptions){.interp = !strcmp(name, "interp"),
                           .one_insn = !strcmp(name, "one"),
                           .no_chain = !strcmp(name, "nochain"),
                           .window_always = !strcmp(name, "window"),
                           .no_window = strcmp(name, "window")};
}

static void run_guest(Oracle *o, Guest *guest, const OracleCase *cases, unsigned count,
                      OracleOutcome *outcomes)
{
    if (guest)
        guest_run(guest, cases, count, outcomes);
    else
        host_run(o->host, cases, count, outcomes);
}

static unsigned counted(const Oracle *o, unsigned diff)
{
    return o->options.strict_pointers ? diff : diff & ~(unsigned)DIFF_POINTERS;
}

/* Text as TAP comments. */
static void say(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(g_strchomp((char *)text), "\n", 0);
    for (unsigned i = 0; lines[i]; i++)
        printf("# %s\n", lines[i]);
    fflush(stdout);
}

/* ---- failures ---- */

static unsigned rerun(Oracle *o, Guest *guest, const OracleCase *oc, GString *text)
{
    host_run(o->host, oc, 1, &o->expected[BATCH]);
    run_guest(o, guest, oc, 1, &o->got[BATCH]);
    return counted(o, oracle_compare(oc, &o->model, &o->expected[BATCH], &o->got[BATCH], text));
}

static bool still_fails(void *opaque, const OracleCase *oc)
{
    Oracle *o = opaque;
    return rerun(o, o->guest, oc, NULL) == o->wanted;
}

/* Mnemonics that are left and what differs: cases with the same ones count as one bug. */
static char *make_signature(const OracleCase *oc, const CpuModel *model, unsigned diff)
{
    GString *signature = g_string_new(NULL);
    for (unsigned i = 0; i < oc->insn_count; i++) {
        const uint8_t *code = oc->code + oc->insn_at[i];
        unsigned size = oc->insn_at[i + 1] - oc->insn_at[i];
        X86Insn insn;
        bool last = i && i + 1 == oc->insn_count; /* the generator's marker, in singles */
        if (code[0] == 0x90 || (last && size <= 2 && code[size - 1] == 0x41))
            continue;
        if (x86_decode(&insn, code, size, GEN_MODE, model) == DECODE_OK)
            g_string_append_printf(signature, "%s ", x86_insn_name(insn.id));
    }
    g_string_append_printf(signature, "(diff %02x)", diff);
    return g_string_free(signature, FALSE);
}

static const char *blame(Oracle *o, const OracleCase *oc)
{
    if (!o->guest)
        return "host disagrees with itself";
    EngineOptions options = engine_options(strcmp(o->options.engine, "interp") ? "interp" : "jit");
    if (!o->second)
        o->second = guest_new(&o->model, &options, NULL);
    if (!o->second)
        return "no second engine";
    bool agrees = rerun(o, o->second, oc, NULL) == 0;
    if (options.interp)
        return agrees ? "the interpreter agrees with the host" : "the interpreter fails too";
    return agrees ? "translated code agrees with the host" : "translated code fails too";
}

static void report_failure(Oracle *o, unsigned number)
{
    OracleCase oc = o->cases[number];
    unsigned small = rerun(o, o->guest, &oc, NULL);
    o->wanted = small;
    if (small && o->shrinks++ < MAX_SHRINKS) {
        oracle_shrink(&oc, still_fails, o);
        small = rerun(o, o->guest, &oc, NULL);
    }
    char *signature =
        small ? make_signature(&oc, &o->model, small) : g_strdup("not reproducible alone");
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(o->signatures, signature));
    bool show = count == 0 && (int)g_hash_table_size(o->signatures) < o->options.show;
    if (show) {
        g_autoptr(GString) text = g_string_new(NULL);
        oracle_print_case(&oc, text);
        if (small)
            rerun(o, o->guest, &oc, text);
        else
            oracle_compare(&oc, &o->model, &o->expected[number], &o->got[number], text);
        printf("# FAIL %s: %s\n", signature, small ? blame(o, &oc) : "");
        say(text->str);
    }
    g_hash_table_replace(o->signatures, signature, GUINT_TO_POINTER(count + 1));
}

/* ---- runs ---- */

static void print_case(const OracleCase *oc)
{
    g_autoptr(GString) text = g_string_new(NULL);
    oracle_print_case(oc, text);
    say(text->str);
}

/* Some hosts lose a bit (EFLAGS.NT) when an interrupt comes: once more, and that answer counts. */
static bool steady(Oracle *o, unsigned i)
{
    OracleOutcome *again = &o->expected[BATCH];
    host_run(o->host, &o->cases[i], 1, again);
    if (!oracle_compare(&o->cases[i], &o->model, &o->expected[i], again, NULL))
        return true;
    o->expected[i] = *again;
    o->unsteady++;
    return false;
}

static void run_batch(Oracle *o, GenClass class, uint64_t seed, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        gen_case(o->gen, class, seed + i, &o->cases[i]);
    for (unsigned i = 0; i < count && o->options.print; i++)
        print_case(&o->cases[i]);
    host_run(o->host, o->cases, count, o->expected);
    for (unsigned i = 0; i < count; i++) {
        if (oracle_comparable(&o->expected[i]))
            run_guest(o, o->guest, &o->cases[i], 1, &o->got[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned diff = oracle_compare(&o->cases[i], &o->model, &o->expected[i], &o->got[i], NULL);
        o->ends[o->expected[i].end]++;
        o->pointers += (diff & DIFF_POINTERS) != 0;
        if (counted(o, diff) && !steady(o, i))
            diff = oracle_compare(&o->cases[i], &o->model, &o->expected[i], &o->got[i], NULL);
        if (counted(o, diff) && host_strays(o->host, &o->cases[i], &o->expected[BATCH])) {
            o->strays++;
            continue;
        }
        if (!counted(o, diff)) {
            o->passed++;
            continue;
        }
        o->failed++;
        report_failure(o, i);
    }
}

static void run_class(Oracle *o, GenClass class, uint64_t cases)
{
    uint64_t seed =
        o->options.only >= 0 ? (uint64_t)o->options.only : (uint64_t)o->options.seed << 32;
    for (uint64_t done = 0; done < cases; done += BATCH)
        run_batch(o, class, seed + done, (unsigned)MIN(cases - done, BATCH));
}

static const char *const end_titles[END_COUNT] = {"normal", "faults", "hangs", "system calls",
                                                  "single steps that the host cannot say"};

static void print_summary(Oracle *o, double seconds)
{
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, o->signatures);
    while (g_hash_table_iter_next(&iter, &key, &value))
        printf("# %6u x %s\n", GPOINTER_TO_UINT(value), (char *)key);
    printf("# %.1f s:", seconds);
    for (unsigned i = 0; i < END_COUNT; i++)
        printf(" %llu %s%s", (unsigned long long)o->ends[i], end_titles[i],
               i + 1 < END_COUNT ? "," : "\n");
    if (o->pointers)
        printf("# %llu cases differ in FIP, FDP or FOP\n", (unsigned long long)o->pointers);
    if (o->unsteady)
        printf("# %llu times the host answered otherwise when asked again\n",
               (unsigned long long)o->unsteady);
    printf("# %llu passed, %llu failed, %llu not comparable: they jump into an instruction\n",
           (unsigned long long)o->passed, (unsigned long long)o->failed,
           (unsigned long long)o->strays);
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static const struct {
    const char *class, *name;
    GenClass gen;
    unsigned divisor;
} parts[] = {
    {"single", "singles", GEN_SINGLE, 1},  {"block", "blocks", GEN_BLOCK, 1},
    {"smc", "self-modifying", GEN_SMC, 1}, {"both", "singles", GEN_SINGLE, 1},
    {"both", "blocks", GEN_BLOCK, 5},      {"all", "singles", GEN_SINGLE, 1},
    {"all", "blocks", GEN_BLOCK, 5},       {"all", "self-modifying", GEN_SMC, 20},
};

static void run(Oracle *o)
{
    double start = now();
    uint64_t cases = o->options.only >= 0 ? 1 : (uint64_t)o->options.cases;
    unsigned tests = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (strcmp(o->options.class, parts[i].class))
            continue;
        uint64_t failed = o->failed, count = MAX(cases / parts[i].divisor, 1);
        run_class(o, parts[i].gen, count);
        printf("%sok %u - %s, %s: %llu %s\n", o->failed > failed ? "not " : "", ++tests,
               o->recoded ? "long" : "compat", o->options.engine, (unsigned long long)count,
               parts[i].name);
    }
    printf("1..%u\n", tests);
    print_summary(o, now() - start);
    if (o->options.coverage)
        gen_print_coverage(o->gen, stdout);
}

/* ---- set-up ---- */

static bool one_of(const char *value, const char *const *list)
{
    return g_strv_contains(list, value);
}

static bool parse(Options *options, int argc, char **argv, GError **error)
{
    static const char *const classes[] = {"single", "block", "smc", "both", "all", NULL};
    static const char *const hosts[] = {"compat", "long", "any", NULL};
    static const char *const engines[] = {"jit",     "window", "interp", "one",
                                          "nochain", "host",   NULL};
    *options = (Options){.cases = 100000, .seed = 1, .only = -1, .show = 20};
    const GOptionEntry entries[] = {
        {"cases", 'n', 0, G_OPTION_ARG_INT64, &options->cases, "how many", "N"},
        {"seed", 's', 0, G_OPTION_ARG_INT64, &options->seed, "which ones", "S"},
        {"only", 0, 0, G_OPTION_ARG_INT64, &options->only, "one case, by its printed seed", "SEED"},
        {"class", 'c', 0, G_OPTION_ARG_STRING, &options->class,
         "single, block, smc, both (N singles, N/5 blocks), all (and N/20 smc)", "CLASS"},
        {"engine", 'e', 0, G_OPTION_ARG_STRING, &options->engine,
         "jit, window, interp, one, nochain, host (against itself)", "ENGINE"},
        {"host", 0, 0, G_OPTION_ARG_STRING, &options->host,
         "compat (32-bit code), long (recoded for 64-bit mode), any (the first that runs)", "MODE"},
        {"cpu", 0, 0, G_OPTION_ARG_STRING, &options->model, "CPU model", "MODEL"},
        {"show", 0, 0, G_OPTION_ARG_INT, &options->show, "kinds of failures shown in full", "N"},
        {"strict-pointers", 0, 0, G_OPTION_ARG_NONE, &options->strict_pointers,
         "FIP, FDP and FOP must agree", NULL},
        {"print", 0, 0, G_OPTION_ARG_NONE, &options->print, "print every case before it runs",
         NULL},
        {"coverage", 0, 0, G_OPTION_ARG_NONE, &options->coverage, "count instructions", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return false;
    options->class = options->class ? options->class : g_strdup("all");
    options->engine = options->engine ? options->engine : g_strdup("jit");
    options->host = options->host ? options->host : g_strdup("any");
    if (one_of(options->class, classes) && one_of(options->engine, engines) &&
        one_of(options->host, hosts))
        return true;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_OPTION,
                "unknown class, engine or host (see --help)");
    return false;
}

static bool open_host(Oracle *o, GError **error)
{
    HostMode mode = strcmp(o->options.host, "long") ? HOST_COMPAT : HOST_LONG;
    o->host = host_new(mode, error);
    if (!o->host && !strcmp(o->options.host, "any")) {
        printf("# no 32-bit code: %s\n", (*error)->message);
        g_clear_error(error);
        mode = HOST_LONG;
        o->host = host_new(mode, error);
    }
    o->recoded = mode == HOST_LONG;
    return o->host != NULL;
}

static bool set_up(Oracle *o, GError **error)
{
    if (!cpu_model_parse(&o->model, o->options.model ? o->options.model : "max", error))
        return false;
    EngineOptions options = engine_options(o->options.engine);
    if (strcmp(o->options.engine, "host"))
        o->guest = guest_new(&o->model, &options, error);
    if (strcmp(o->options.engine, "host") && !o->guest)
        return false;
    o->gen = gen_new(&o->model, o->recoded);
    o->cases = g_new0(OracleCase, BATCH);
    o->expected = g_new0(OracleOutcome, BATCH + 1);
    o->got = g_new0(OracleOutcome, BATCH + 1);
    o->signatures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return true;
}

static void tear_down(Oracle *o)
{
    g_clear_pointer(&o->guest, guest_free);
    g_clear_pointer(&o->second, guest_free);
    host_free(o->host);
    gen_free(o->gen);
    g_free(o->cases);
    g_free(o->expected);
    g_free(o->got);
    g_hash_table_unref(o->signatures);
}

static void skip(const Oracle *o, const char *reason)
{
    printf("1..1\nok 1 - %s, %s # SKIP %s\n", o->options.host, o->options.engine, reason);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Oracle o = {0};
    if (!parse(&o.options, argc, argv, &error)) {
        fprintf(stderr, "oracle: %s\n", error->message);
        return 2;
    }
    puts("TAP version 13");
    if (!open_host(&o, &error)) {
        skip(&o, error->message);
        return 0;
    }
    if (!set_up(&o, &error)) {
        fprintf(stderr, "oracle: %s\n", error->message);
        return 2;
    }
    if (!strcmp(o.options.engine, "window") && !guest_has_windows(o.guest)) {
        skip(&o, "no room for address windows");
        return 0;
    }
    printf("# snippets run in %s mode\n", o.recoded ? "64-bit" : "compatibility");
    gen_print_rows(o.gen, stdout);
    run(&o);
    bool ok = o.failed == 0;
    tear_down(&o);
    return ok ? 0 : 1;
}
