/* SPDX-License-Identifier: MIT
 * Replays single-instruction captures of a real 80286 (SingleStepTests/80286) in
 * real mode, in translated code and in the interpreter. The file is named by
 * ORACLE_VECTORS or the first argument; without it the tests are skipped with the
 * reason. Speaks TAP. Format and drop rules: the README beside the file; masks: vectors.def. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/bits.h"
#include "tcache/engine.h"
#include "translator/x86/cpu-priv.h"

enum {
    RAM_SIZE = 0x110000, MAX_CODE = 10, MAX_RANGES = 64, MAX_SHOWN = 20,
    WATCH_US = 1000000, IVT_LIMIT = 0x3ff,
};

enum { R_AX, R_BX, R_CX, R_DX, R_CS, R_SS, R_DS, R_ES, R_SP, R_BP, R_SI, R_DI, R_IP, R_FLAGS, R_COUNT };
static const char *const reg_names[R_COUNT] = {"ax", "bx", "cx", "dx", "cs", "ss", "ds",
                                               "es", "sp", "bp", "si", "di", "ip", "flags"};
/* Guest numbers of those that are general registers or segments. */
static const struct {
    uint8_t reg, gpr;
} gprs[] = {{R_AX, REG_EAX}, {R_BX, REG_EBX}, {R_CX, REG_ECX}, {R_DX, REG_EDX},
            {R_SP, REG_ESP}, {R_BP, REG_EBP}, {R_SI, REG_ESI}, {R_DI, REG_EDI}};
static const struct {
    uint8_t reg, seg;
} segs[] = {{R_CS, SEG_CS}, {R_SS, SEG_SS}, {R_DS, SEG_DS}, {R_ES, SEG_ES}};

typedef struct {
    uint32_t at;
    uint16_t size;
    uint8_t bytes[512];
} Range;

typedef struct {
    char name[16];
    int idx;
    int exception;           /* -1: none */
    uint8_t code[24];
    unsigned code_size;
    uint16_t init[R_COUNT], final[R_COUNT];
    Range ram[MAX_RANGES], changed[MAX_RANGES];
    unsigned ram_count, changed_count;
} Vector;

typedef struct {
    Ram *ram;
    AddressSpace *as;
    CpuX86 *cpu;
    GuestOps ops;
    Engine *engine;
    uint8_t *memory, *expected;
    unsigned passed, failed, dropped;
    pthread_t watcher;
    atomic_uint runs, running, quit;
} Machine;

/* ---- the file ---- */

static int hex_digit(char c)
{
    return g_ascii_xdigit_value(c);
}

static unsigned parse_bytes(const char *text, uint8_t *out, unsigned capacity)
{
    unsigned n = 0;
    while (n < capacity && hex_digit(text[0]) >= 0 && hex_digit(text[1]) >= 0) {
        out[n++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
        text += 2;
    }
    return n;
}

static unsigned parse_ranges(const char *text, Range *out)
{
    unsigned n = 0;
    g_auto(GStrv) items = g_strsplit(text, ";", -1);
    for (unsigned i = 0; items[i] && *text != '-' && n < MAX_RANGES; i++) {
        char *equal = strchr(items[i], '=');
        if (!equal)
            continue;
        out[n].at = (uint32_t)strtoul(items[i], NULL, 16);
        out[n].size = (uint16_t)parse_bytes(equal + 1, out[n].bytes, sizeof out[n].bytes);
        n += out[n].at + out[n].size <= RAM_SIZE;
    }
    return n;
}

static void parse_final(const char *text, Vector *v)
{
    memcpy(v->final, v->init, sizeof v->final);
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    for (unsigned i = 0; items[i]; i++) {
        for (unsigned r = 0; r < R_COUNT; r++) {
            size_t length = strlen(reg_names[r]);
            if (g_str_has_prefix(items[i], reg_names[r]) && items[i][length] == '=')
                v->final[r] = (uint16_t)strtoul(items[i] + length + 1, NULL, 16);
        }
    }
}

static bool parse_vector(const char *line, Vector *v)
{
    g_auto(GStrv) f = g_strsplit(line, "\t", -1);
    if (g_strv_length(f) < 8)
        return false;
    g_strlcpy(v->name, f[0], sizeof v->name);
    v->idx = atoi(f[1]);
    v->exception = *f[2] == '-' ? -1 : atoi(f[2]);
    v->code_size = parse_bytes(f[3], v->code, sizeof v->code);
    g_auto(GStrv) words = g_strsplit(f[4], ",", -1);
    if (g_strv_length(words) != R_COUNT)
        return false;
    for (unsigned i = 0; i < R_COUNT; i++)
        v->init[i] = (uint16_t)strtoul(words[i], NULL, 16);
    v->init[R_FLAGS] &= 0x0fff;
    v->ram_count = parse_ranges(f[5], v->ram);
    parse_final(f[6], v);
    v->changed_count = parse_ranges(f[7], v->changed);
    return true;
}

static char *read_file(const char *path)
{
    g_autofree char *packed = NULL;
    gsize size;
    if (!g_file_get_contents(path, &packed, &size, NULL))
        return NULL;
    unsigned long long room = ZSTD_getFrameContentSize(packed, size);
    if (room == ZSTD_CONTENTSIZE_ERROR || room > 256u << 20)
        room = 64u << 20; /* the frame does not say */
    char *text = g_malloc(room + 1);
    size_t n = ZSTD_decompress(text, room, packed, size);
    if (ZSTD_isError(n)) {
        g_free(text);
        return NULL;
    }
    text[n] = 0;
    return text;
}

/* ---- rules ---- */

static bool has_lock(const Vector *v)
{
    for (unsigned i = 0; i < v->code_size; i++) {
        uint8_t b = v->code[i];
        if (b == 0xf0)
            return true;
        if ((b & 0xe7) != 0x26 && b != 0xf2 && b != 0xf3)
            return false;
    }
    return false;
}

/* The byte after the opcode and its prefixes. */
static uint8_t modrm_of(const Vector *v)
{
    unsigned i = 0;
    while (i < v->code_size && ((v->code[i] & 0xe7) == 0x26 || v->code[i] == 0xf2 || v->code[i] == 0xf3))
        i++;
    return i + 1 < v->code_size ? v->code[i + 1] : 0;
}

static unsigned opcode_of(const Vector *v)
{
    return (unsigned)strtoul(v->name, NULL, 16);
}

static uint32_t open_registers(const Vector *v)
{
    static const struct {
        uint8_t first, last;
        int exception;
        uint32_t regs;
    } rows[] = {
#define REGS_FREE(first, last, exception, regs, why) {first, last, exception, regs},
#include "tests/oracle/vectors.def"
    };
    unsigned opcode = opcode_of(v);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (v->exception == rows[i].exception && opcode >= rows[i].first && opcode <= rows[i].last)
            return rows[i].regs;
    }
    return 0;
}

static const char *drop_bytes_reason(const Vector *v)
{
    static const struct {
        uint8_t opcode, mask, value;
        const char *why;
    } rows[] = {
#define DROP_BYTES(opcode, mask, value, why) {opcode, mask, value, why},
#include "tests/oracle/vectors.def"
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (opcode_of(v) == rows[i].opcode && (modrm_of(v) & rows[i].mask) == rows[i].value)
            return rows[i].why;
    }
    return NULL;
}

static const char *drop_reason(const Vector *v)
{
    static const struct {
        const char *name;
        int idx;
        const char *why;
    } drops[] = {
#define DROP(name, idx, why) {name, idx, why},
#include "tests/oracle/vectors.def"
    };
    if (has_lock(v))
        return "LOCK prefix: #UD where not allowed since the 386";
    if (v->code_size > MAX_CODE)
        return "longer than 10 bytes: the 286's limit";
    for (unsigned i = 0; i < G_N_ELEMENTS(drops); i++) {
        if (!strcmp(v->name, drops[i].name) && (drops[i].idx < 0 || drops[i].idx == v->idx))
            return drops[i].why;
    }
    return drop_bytes_reason(v);
}

static uint16_t flags_mask(const Vector *v)
{
    static const struct {
        uint8_t first, last, regs;
        uint16_t mask;
    } masks[] = {
#define FLAGS_MASK(first, last, regs, mask, why) {first, last, regs, mask},
#include "tests/oracle/vectors.def"
    };
    static const struct {
        int exception;
        uint16_t mask;
    } open[] = {
#define FLAGS_FREE(exception, mask, why) {exception, mask},
#include "tests/oracle/vectors.def"
    };
    unsigned opcode = opcode_of(v);
    const char *dot = strchr(v->name, '.');
    uint16_t mask = 0x0fff;
    for (unsigned i = 0; i < G_N_ELEMENTS(masks); i++) {
        bool member = !dot || (masks[i].regs >> (dot[1] & 7) & 1);
        if (opcode >= masks[i].first && opcode <= masks[i].last && member)
            mask &= masks[i].mask;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(open); i++)
        mask &= v->exception == open[i].exception ? open[i].mask : 0xffff;
    return mask;
}

/* ---- the machine ---- */

static bool stop_if_halted(VCpu *vcpu)
{
    return vcpu->halted || x86_guest_ops.interrupt_ready(vcpu);
}

static bool end_run(VCpu *vcpu)
{
    return false;
}

static void *watch(void *opaque)
{
    Machine *m = opaque;
    unsigned seen = 0;
    while (!atomic_load(&m->quit)) {
        usleep(WATCH_US);
        unsigned now = atomic_load(&m->runs);
        if (now == seen && atomic_load(&m->running))
            engine_request_stop(m->engine);
        seen = now;
    }
    return NULL;
}

static bool machine_init(Machine *m, const EngineOptions *options, GError **error)
{
    CpuModel model;
    memset(m, 0, sizeof *m);
    m->ram = ram_new(RAM_SIZE, error);
    if (!m->ram || !cpu_model_parse(&model, "max", error))
        return false;
    m->as = address_space_new(m->ram);
    ram_off_t offset = ram_alloc(m->ram, "ram", RAM_SIZE);
    address_space_add_ram(m->as, "ram", 0, RAM_SIZE, 0, offset);
    m->memory = ram_hva(m->ram, offset);
    m->expected = g_malloc0(RAM_SIZE);
    m->cpu = cpu_new(m->as, &model, NULL, error);
    if (!m->cpu)
        return false;
    m->ops = x86_guest_ops;
    m->ops.interrupt_ready = stop_if_halted;
    m->ops.deliver_interrupt = end_run;
    m->cpu->v.guest = &m->ops;
    m->engine = engine_new(&m->cpu->v, m->as, options, error);
    if (m->engine)
        pthread_create(&m->watcher, NULL, watch, m);
    return m->engine != NULL;
}

static void machine_destroy(Machine *m)
{
    atomic_store(&m->quit, 1);
    pthread_join(m->watcher, NULL);
    engine_free(m->engine);
    cpu_free(m->cpu);
    address_space_free(m->as);
    ram_free(m->ram);
    g_free(m->expected);
}

static void store(Machine *m, uint32_t at, const uint8_t *bytes, unsigned size)
{
    address_space_dma_write(m->as, at, bytes, size);
    memcpy(m->expected + at, bytes, size);
}

/* Limit faults of the stack segment are #SS since the 386: the same handler serves both. */
static void share_handler(Machine *m, const Vector *v)
{
    uint8_t handler[4];
    if (v->exception != VEC_GP)
        return;
    memcpy(handler, m->expected + 4 * VEC_GP, sizeof handler);
    store(m, 4 * VEC_SS, handler, sizeof handler);
}

static void load(Machine *m, const Vector *v)
{
    CpuX86 *cpu = m->cpu;
    cpu_reset(cpu);
    cpu->idtr = (DescTable){0, IVT_LIMIT};
    for (unsigned i = 0; i < G_N_ELEMENTS(gprs); i++)
        cpu->v.gpr[gprs[i].gpr] = v->init[gprs[i].reg];
    for (unsigned i = 0; i < G_N_ELEMENTS(segs); i++) {
        cpu->seg[segs[i].seg].selector = v->init[segs[i].reg];
        cpu->seg[segs[i].seg].base = (uint32_t)v->init[segs[i].reg] << 4;
    }
    cpu->v.pc = v->init[R_IP];
    cpu_set_eflags(cpu, v->init[R_FLAGS], ~0u);
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < v->ram_count; i++)
        store(m, v->ram[i].at, v->ram[i].bytes, v->ram[i].size);
    share_handler(m, v);
}

static void apply_expected(Machine *m, const Vector *v)
{
    for (unsigned i = 0; i < v->changed_count; i++)
        memcpy(m->expected + v->changed[i].at, v->changed[i].bytes, v->changed[i].size);
}

/* All memory back to zero, through the door that tells the code cache. */
static void clear(Machine *m, const Vector *v, bool all)
{
    static const uint8_t zeros[0x1000];
    for (uint32_t at = 0; all && at < RAM_SIZE; at += sizeof zeros)
        address_space_dma_write(m->as, at, zeros, sizeof zeros);
    store(m, 4 * VEC_SS, zeros, 4);
    const Range *lists[] = {v->ram, v->changed};
    const unsigned counts[] = {v->ram_count, v->changed_count};
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < counts[k]; i++) {
            address_space_dma_write(m->as, lists[k][i].at, zeros, lists[k][i].size);
            memset(m->expected + lists[k][i].at, 0, lists[k][i].size);
        }
    }
}

/* ---- comparison ---- */

static uint16_t actual(const CpuX86 *cpu, unsigned r)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(gprs); i++) {
        if (gprs[i].reg == r)
            return (uint16_t)cpu->v.gpr[gprs[i].gpr];
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(segs); i++) {
        if (segs[i].reg == r)
            return cpu->seg[segs[i].seg].selector;
    }
    return (uint16_t)(r == R_IP ? cpu->v.pc : cpu_eflags(cpu));
}

static bool compare_registers(const Machine *m, const Vector *v, GString *why)
{
    uint16_t flags = flags_mask(v);
    uint32_t open = open_registers(v);
    for (unsigned r = 0; r < R_COUNT; r++) {
        uint16_t mask = r == R_FLAGS ? flags : 0xffff;
        uint16_t got = actual(m->cpu, r) & mask, want = v->final[r] & mask;
        if (got != want && !(open & BIT(r)))
            g_string_append_printf(why, " %s %04x, 286 %04x;", reg_names[r], got, want);
    }
    return why->len == 0;
}

/* Bits of this byte that count: not those of a FLAGS word that differ by rule. */
static uint8_t byte_mask(const Vector *v, uint32_t at)
{
    uint16_t sp = v->final[R_SP];
    if (v->exception >= 0)
        sp = (uint16_t)(sp + 4); /* below it CS and IP */
    else if (strcmp(v->name, "9C"))
        return 0xff;
    uint32_t pushed = ((uint32_t)v->final[R_SS] << 4) + sp;
    uint16_t mask = flags_mask(v);
    return at == pushed ? (uint8_t)mask : at == pushed + 1 ? (uint8_t)(mask >> 8) : 0xff;
}

static bool compare_memory(const Machine *m, const Vector *v, GString *why)
{
    if (!memcmp(m->memory, m->expected, RAM_SIZE))
        return true;
    unsigned shown = 0;
    for (uint32_t at = 0; at < RAM_SIZE && shown < 6; at++) {
        if (((m->memory[at] ^ m->expected[at]) & byte_mask(v, at)) == 0)
            continue;
        g_string_append_printf(why, " [%05x] %02x, 286 %02x;", at, m->memory[at], m->expected[at]);
        shown++;
    }
    return shown == 0;
}

static RunResult run_once(Machine *m, const Vector *v)
{
    load(m, v);
    atomic_store(&m->running, 1);
    RunResult result = engine_run(m->engine);
    atomic_fetch_add(&m->runs, 1);
    atomic_store(&m->running, 0);
    return result;
}

static void run_vector(Machine *m, const Vector *v, const char *engine)
{
    g_autoptr(GString) why = g_string_new(NULL);
    if (drop_reason(v)) {
        m->dropped++;
        return;
    }
    RunResult result = run_once(m, v);
    if (result == RUN_STOPPED) { /* the watcher may be late: a hang must happen twice */
        clear(m, v, true);
        result = run_once(m, v);
    }
    apply_expected(m, v);
    bool same = compare_registers(m, v, why);
    bool memory = compare_memory(m, v, why);
    if (result == RUN_STOPPED)
        g_string_append(why, " hangs");
    bool ok = same && memory && result != RUN_STOPPED;
    m->passed += ok;
    m->failed += !ok;
    if (!ok && m->failed <= MAX_SHOWN)
        printf("# FAIL %s %s/%d exception %d:%s\n", engine, v->name, v->idx, v->exception, why->str);
    clear(m, v, !memory);
    if (!memory)
        memset(m->expected, 0, RAM_SIZE);
}

static bool run_engine(unsigned number, const char *text, const char *name, const EngineOptions *options)
{
    Machine m;
    g_autoptr(GError) error = NULL;
    if (!machine_init(&m, options, &error)) {
        printf("# %s\nnot ok %u - 80286 vectors, %s\n", error->message, number, name);
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    Vector *v = g_new0(Vector, 1);
    for (unsigned i = 0; lines[i]; i++) {
        if (parse_vector(lines[i], v))
            run_vector(&m, v, name);
    }
    g_free(v);
    bool ok = m.failed == 0 && m.passed > 0;
    printf("%s %u - 80286 vectors, %s # %u passed, %u failed, %u dropped\n", ok ? "ok" : "not ok", number,
           name, m.passed, m.failed, m.dropped);
    machine_destroy(&m);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        EngineOptions options;
    } engines[] = {{"translated", {0}}, {"interpreter", {.interp = true}}};
    const char *path = argc > 1 ? argv[1] : g_getenv("ORACLE_VECTORS");
    const bool there = path && g_file_test(path, G_FILE_TEST_EXISTS);
    g_autofree char *text = there ? read_file(path) : NULL;
    bool ok = !there || text;
    printf("1..%zu\n", G_N_ELEMENTS(engines));
    for (unsigned i = 0; i < G_N_ELEMENTS(engines); i++) {
        if (text)
            ok &= run_engine(i + 1, text, engines[i].name, &engines[i].options);
        else
            printf("%s %u - 80286 vectors, %s # %s %s\n", ok ? "ok" : "not ok", i + 1, engines[i].name,
                   ok ? "SKIP there is no" : "cannot read", path ? path : "ORACLE_VECTORS (vectors-50.tsv.zst)");
    }
    return ok ? 0 : 1;
}
