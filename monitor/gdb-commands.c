/* SPDX-License-Identifier: MIT
 * The packets: one table of prefixes, each with its function. What is not in it gets the empty
 * reply, as the protocol asks for ("Debugging with GDB", appendix "gdb Remote Serial Protocol",
 * "Packets" and "General Query Packets"). */
#include <inttypes.h>
#include <string.h>

#include "monitor/gdb-priv.h"
#include "monitor/monitor.h"

/* Error numbers of replies; gdb only prints them. */
enum { ERROR_MEMORY = 14, ERROR_ARGUMENT = 22, ERROR_REFUSED = 1, ERROR_NO_ROOM = 28 };

/* What is left of the packet; a 0 byte stands at end. */
typedef struct {
    const char *at, *end;
} Args;

typedef void (*PacketFn)(GdbSession *s, Args *args);

static void reply(GdbSession *s, const char *text)
{
    g_string_append(s->reply, text);
}

static void reply_error(GdbSession *s, unsigned number)
{
    g_string_printf(s->reply, "E%02x", number);
}

/* ---- pieces of packets ---- */

static bool take(Args *args, char c)
{
    if (*args->at != c)
        return false;
    args->at++;
    return true;
}

static bool take_number(Args *args, uint64_t *value)
{
    return gdb_parse_number(&args->at, value);
}

/* Addresses are 32 bits; gdb may sign-extend them. */
static bool take_address(Args *args, uint64_t *value)
{
    if (!take_number(args, value))
        return false;
    if (*value >> 32 == 0xffffffff)
        *value = (uint32_t)*value;
    return true;
}

static bool take_address_length(Args *args, uint64_t *address, uint64_t *length)
{
    return take_address(args, address) && take(args, ',') && take_number(args, length);
}

/* -1, 0 or the number of the only process or thread. */
static bool take_id(Args *args)
{
    uint64_t n;
    if (take(args, '-'))
        return take_number(args, &n) && n == 1;
    return take_number(args, &n) && n <= 1;
}

/* [pPROCESS.]THREAD or pPROCESS. */
static bool take_thread(Args *args)
{
    if (!take(args, 'p'))
        return take_id(args);
    return take_id(args) && (!take(args, '.') || take_id(args));
}

static const char *thread_name(const GdbSession *s)
{
    return s->multiprocess ? "p01.01" : "01";
}

/* ---- stopping and going on ---- */

static void set_stop_reply(GdbSession *s, unsigned sig, RunResult why)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "T%02xthread:%s;", sig, thread_name(s));
    if (why == RUN_DEBUG)
        gdb_break_describe(s, text);
    g_strlcpy(s->stop_reply, text->str, sizeof(s->stop_reply));
}

bool gdb_note_stop(GdbSession *s, RunResult why)
{
    set_stop_reply(s, why == RUN_STOPPED ? GDB_SIGINT : GDB_SIGTRAP, why);
    bool due = s->running;
    s->running = false;
    return due;
}

static void go_on(GdbSession *s, bool step)
{
    Machine *m = s->machine;
    if (m->state(m) == MACHINE_OFF) { /* it stays where it is */
        reply(s, s->stop_reply);
        return;
    }
    s->silent = true;
    s->running = true;
    if (step && (s->step_flags & GDB_STEP_ENABLE))
        m->step(m, !(s->step_flags & GDB_STEP_NO_IRQ), !(s->step_flags & GDB_STEP_NO_TIMER));
    else
        m->cont(m);
}

static void packet_why(GdbSession *s, Args *args)
{
    reply(s, s->stop_reply);
}

/* c [ADDRESS], s [ADDRESS] */
static void resume_at(GdbSession *s, Args *args, bool step)
{
    uint64_t address;
    if (take_address(args, &address))
        gdb_set_pc(s->machine->cpu, (uint32_t)address);
    go_on(s, step);
}

static void packet_continue(GdbSession *s, Args *args)
{
    resume_at(s, args, false);
}

static void packet_step(GdbSession *s, Args *args)
{
    resume_at(s, args, true);
}

/* C SIGNAL[;ADDRESS]: a CPU takes no signals. */
static void skip_signal(Args *args)
{
    uint64_t sig;
    take_number(args, &sig);
    take(args, ';');
}

static void packet_continue_signal(GdbSession *s, Args *args)
{
    skip_signal(args);
    resume_at(s, args, false);
}

static void packet_step_signal(GdbSession *s, Args *args)
{
    skip_signal(args);
    resume_at(s, args, true);
}

static void packet_vcont_query(GdbSession *s, Args *args)
{
    reply(s, "vCont;c;C;s;S");
}

/* vCont;ACTION[:THREAD]...: the first action counts that names our thread. */
static void packet_vcont(GdbSession *s, Args *args)
{
    uint64_t sig;
    char chosen = 0;
    while (take(args, ';')) {
        char action = *args->at;
        if (!action || !strchr("cCsS", action))
            return reply_error(s, ERROR_ARGUMENT);
        args->at++;
        if (g_ascii_isupper(action) && !take_number(args, &sig))
            return reply_error(s, ERROR_ARGUMENT);
        bool ours = !take(args, ':') || take_thread(args);
        if (!ours)
            return reply_error(s, ERROR_ARGUMENT);
        if (!chosen)
            chosen = g_ascii_tolower(action);
    }
    if (!chosen)
        return reply_error(s, ERROR_ARGUMENT);
    go_on(s, chosen == 's');
}

static void packet_detach(GdbSession *s, Args *args)
{
    gdb_break_remove_all(s);
    s->machine->cont(s->machine);
    reply(s, "OK");
}

static void packet_kill(GdbSession *s, Args *args)
{
    s->silent = true;
    s->machine->quit(s->machine, 0);
}

static void packet_vkill(GdbSession *s, Args *args)
{
    reply(s, "OK");
    s->machine->quit(s->machine, 0);
}

static void packet_restart(GdbSession *s, Args *args)
{
    s->silent = true;
    s->machine->reset(s->machine);
}

static void packet_ok(GdbSession *s, Args *args)
{
    reply(s, "OK");
}

/* ---- registers ---- */

static void packet_read_registers(GdbSession *s, Args *args)
{
    for (unsigned n = 0; gdb_read_register(s->machine->cpu, n, s->reply); n++)
        ;
}

/* What cannot be set stays as it is: gdb sends all of them to change one. */
static void packet_write_registers(GdbSession *s, Args *args)
{
    bool refused;
    unsigned n = 0;
    while (gdb_write_register(s->machine->cpu, n, &args->at, &refused))
        n++;
    if (n == gdb_register_count() && args->at == args->end)
        reply(s, "OK");
    else
        reply_error(s, ERROR_ARGUMENT);
}

static void packet_read_register(GdbSession *s, Args *args)
{
    uint64_t n;
    if (!take_number(args, &n) || n > UINT16_MAX ||
        !gdb_read_register(s->machine->cpu, (unsigned)n, s->reply))
        reply_error(s, ERROR_ARGUMENT);
}

static void packet_write_register(GdbSession *s, Args *args)
{
    uint64_t n;
    bool refused;
    if (!take_number(args, &n) || n > UINT16_MAX || !take(args, '=') ||
        !gdb_write_register(s->machine->cpu, (unsigned)n, &args->at, &refused))
        reply_error(s, ERROR_ARGUMENT);
    else if (refused)
        reply_error(s, ERROR_REFUSED);
    else
        reply(s, "OK");
}

/* ---- memory ---- */

static bool read_memory(GdbSession *s, uint64_t address, uint8_t *buffer, unsigned size)
{
    Machine *m = s->machine;
    address_space_lock(m->as);
    bool good = s->physical ? address_space_debug_read(m->as, address, buffer, size)
                            : mmu_debug_read(&m->cpu->v.mmu, address, buffer, size);
    address_space_unlock(m->as);
    return good;
}

static bool write_memory(GdbSession *s, uint64_t address, const uint8_t *buffer, unsigned size)
{
    Machine *m = s->machine;
    address_space_lock(m->as);
    bool good = s->physical ? address_space_debug_write(m->as, address, buffer, size)
                            : mmu_debug_write(&m->cpu->v.mmu, address, buffer, size);
    address_space_unlock(m->as);
    return good;
}

/* Linear addresses end at 4 GiB, physical ones at 52 bits. */
static bool range_ok(const GdbSession *s, uint64_t address, uint64_t length)
{
    const uint64_t end = s->physical ? UINT64_C(1) << 52 : UINT64_C(1) << 32;
    return address < end && length <= end - address;
}

/* How much of [address, address+length) lies in address's page. */
static unsigned page_piece(uint64_t address, uint64_t length)
{
    return (unsigned)MIN(length, GUEST_PAGE_SIZE - (address & ~GUEST_PAGE_MASK));
}

/* m ADDRESS,LENGTH: as much as can be read, and as a packet holds. */
static void packet_read_memory(GdbSession *s, Args *args)
{
    uint8_t page[GUEST_PAGE_SIZE];
    uint64_t address, length;
    if (!take_address_length(args, &address, &length))
        return reply_error(s, ERROR_ARGUMENT);
    length = MIN(length, GDB_PACKET_MAX / 2);
    if (!range_ok(s, address, length))
        return reply_error(s, ERROR_MEMORY);
    bool empty = length == 0;
    while (length > 0) {
        unsigned n = page_piece(address, length);
        if (!read_memory(s, address, page, n))
            break;
        gdb_append_hex(s->reply, page, n);
        address += n;
        length -= n;
    }
    if (s->reply->len == 0 && !empty)
        reply_error(s, ERROR_MEMORY);
}

static void write_all(GdbSession *s, uint64_t address, const uint8_t *bytes, uint64_t length)
{
    uint64_t done = 0;
    if (!range_ok(s, address, length))
        return reply_error(s, ERROR_MEMORY);
    while (done < length) {
        unsigned n = page_piece(address + done, length - done);
        if (!write_memory(s, address + done, bytes + done, n))
            return reply_error(s, ERROR_MEMORY);
        done += n;
    }
    reply(s, "OK");
}

/* M ADDRESS,LENGTH:DIGITS */
static void packet_write_memory(GdbSession *s, Args *args)
{
    static const unsigned capacity = GDB_PACKET_MAX / 2;
    uint64_t address, length;
    if (!take_address_length(args, &address, &length) || !take(args, ':') || length > capacity)
        return reply_error(s, ERROR_ARGUMENT);
    g_autofree uint8_t *bytes = g_malloc(capacity);
    if (gdb_parse_bytes(&args->at, bytes, capacity) != length || args->at != args->end)
        return reply_error(s, ERROR_ARGUMENT);
    write_all(s, address, bytes, length);
}

/* X ADDRESS,LENGTH:BYTES */
static void packet_write_binary(GdbSession *s, Args *args)
{
    uint64_t address, length;
    if (!take_address_length(args, &address, &length) || !take(args, ':') ||
        length != (uint64_t)(args->end - args->at))
        return reply_error(s, ERROR_ARGUMENT);
    write_all(s, address, (const uint8_t *)args->at, length);
}

/* ---- breakpoints: Z TYPE,ADDRESS,SIZE[;CONDITIONS] ---- */

static bool take_break(Args *args, uint64_t *type, uint64_t *address, uint64_t *size)
{
    return take_number(args, type) && take(args, ',') && take_address_length(args, address, size) &&
           *type <= 4 && *size <= UINT32_MAX;
}

static void packet_insert(GdbSession *s, Args *args)
{
    uint64_t type, address, size;
    if (!take_break(args, &type, &address, &size))
        reply_error(s, ERROR_ARGUMENT);
    else if (gdb_break_insert(s, (unsigned)type, address, (unsigned)size))
        reply(s, "OK");
    else
        reply_error(s, ERROR_NO_ROOM);
}

static void packet_remove(GdbSession *s, Args *args)
{
    uint64_t type, address, size;
    if (take_break(args, &type, &address, &size) &&
        gdb_break_remove(s, (unsigned)type, address, (unsigned)size))
        reply(s, "OK");
    else
        reply_error(s, ERROR_ARGUMENT);
}

/* ---- threads ---- */

static void packet_thread_check(GdbSession *s, Args *args)
{
    if (take_thread(args) && args->at == args->end)
        reply(s, "OK");
    else
        reply_error(s, ERROR_ARGUMENT);
}

static void packet_current_thread(GdbSession *s, Args *args)
{
    g_string_printf(s->reply, "QC%s", thread_name(s));
}

static void packet_first_threads(GdbSession *s, Args *args)
{
    g_string_printf(s->reply, "m%s", thread_name(s));
}

static void packet_more_threads(GdbSession *s, Args *args)
{
    reply(s, "l");
}

static void packet_thread_info(GdbSession *s, Args *args)
{
    const char *text = s->machine->cpu->v.halted ? "CPU#0 [halted]" : "CPU#0 [running]";
    gdb_append_hex(s->reply, text, strlen(text));
}

/* ---- what the two sides can do ---- */

static bool has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, ";", -1);
    return g_strv_contains((const char *const *)words, word);
}

static void packet_supported(GdbSession *s, Args *args)
{
    take(args, ':');
    s->multiprocess = has_word(args->at, "multiprocess+");
    s->swbreak = has_word(args->at, "swbreak+");
    s->hwbreak = has_word(args->at, "hwbreak+");
    g_string_printf(s->reply,
                    "PacketSize=%x;qXfer:features:read+;qXfer:memory-map:read+;QStartNoAckMode+;"
                    "swbreak+;hwbreak+;vContSupported+;multiprocess+",
                    GDB_PACKET_MAX);
    set_stop_reply(s, GDB_SIGTRAP, RUN_STOPPED);
}

static void packet_no_ack(GdbSession *s, Args *args)
{
    s->no_ack_next = true;
    reply(s, "OK");
}

static void packet_attached(GdbSession *s, Args *args)
{
    reply(s, "1"); /* so that gdb detaches when it quits, and does not kill */
}

/* OFFSET,LENGTH of a document. */
static void reply_part(GdbSession *s, Args *args, const char *text, gsize size)
{
    uint64_t offset, length;
    if (!take_number(args, &offset) || !take(args, ',') || !take_number(args, &length) ||
        offset > size)
        return reply_error(s, ERROR_ARGUMENT);
    /* Half: escapes may double it. */
    gsize count = MIN(MIN(length, size - offset), (GDB_PACKET_MAX - 1) / 2);
    g_string_append_c(s->reply, offset + count < size ? 'm' : 'l');
    g_string_append_len(s->reply, text + offset, (gssize)count);
}

static void packet_features(GdbSession *s, Args *args)
{
    if (!s->description) {
        s->description = g_string_new(NULL);
        gdb_describe_target(s->machine->cpu, s->description);
    }
    reply_part(s, args, s->description->str, s->description->len);
}

/* Any linear address may be memory. */
static void packet_memory_map(GdbSession *s, Args *args)
{
    static const char map[] = "<?xml version=\"1.0\"?>\n<memory-map>"
                              "<memory type=\"ram\" start=\"0x0\" length=\"0x100000000\"/>"
                              "</memory-map>\n";
    reply_part(s, args, map, sizeof(map) - 1);
}

/* ---- the monitor ---- */

static void send_output(GdbSession *s, const GString *text)
{
    enum { PIECE = (GDB_PACKET_MAX - 1) / 2 };
    for (gsize at = 0; at < text->len; at += PIECE) {
        g_autoptr(GString) packet = g_string_new("O");
        gdb_append_hex(packet, text->str + at, MIN(text->len - at, PIECE));
        s->send(s->opaque, packet->str, packet->len);
    }
}

static void packet_monitor(GdbSession *s, Args *args)
{
    char line[GDB_PACKET_MAX / 2 + 1];
    gsize length = gdb_parse_bytes(&args->at, (uint8_t *)line, sizeof(line) - 1);
    if (args->at != args->end)
        return reply_error(s, ERROR_ARGUMENT);
    line[length] = '\0';
    g_autoptr(GString) out = g_string_new(NULL);
    monitor_execute(s->machine, line, out);
    send_output(s, out);
    reply(s, "OK");
}

static void packet_physical_query(GdbSession *s, Args *args)
{
    reply(s, s->physical ? "1" : "0");
}

static void packet_physical(GdbSession *s, Args *args)
{
    if (*args->at != '0' && *args->at != '1')
        return reply_error(s, ERROR_ARGUMENT);
    s->physical = *args->at == '1';
    reply(s, "OK");
}

static void packet_step_bits(GdbSession *s, Args *args)
{
    g_string_printf(s->reply, "ENABLE=%x,NOIRQ=%x,NOTIMER=%x", GDB_STEP_ENABLE, GDB_STEP_NO_IRQ,
                    GDB_STEP_NO_TIMER);
}

static void packet_step_query(GdbSession *s, Args *args)
{
    g_string_printf(s->reply, "0x%x", s->step_flags);
}

static void packet_step_set(GdbSession *s, Args *args)
{
    uint64_t flags;
    if (args->at[0] == '0' && args->at[1] == 'x')
        args->at += 2;
    if (!take_number(args, &flags) || flags > GDB_STEP_DEFAULT)
        return reply_error(s, ERROR_ARGUMENT);
    s->step_flags = (unsigned)flags;
    reply(s, "OK");
}

/* ---- the table: the first row whose prefix fits ---- */

static const struct {
    const char *prefix;
    bool whole; /* nothing may follow */
    PacketFn fn;
} packets[] = {
    {"?", true, packet_why},
    {"!", true, packet_ok},
    {"g", true, packet_read_registers},
    {"G", false, packet_write_registers},
    {"p", false, packet_read_register},
    {"P", false, packet_write_register},
    {"m", false, packet_read_memory},
    {"M", false, packet_write_memory},
    {"X", false, packet_write_binary},
    {"Z", false, packet_insert},
    {"z", false, packet_remove},
    {"c", false, packet_continue},
    {"C", false, packet_continue_signal},
    {"s", false, packet_step},
    {"S", false, packet_step_signal},
    {"vCont?", true, packet_vcont_query},
    {"vCont", false, packet_vcont},
    {"vKill", false, packet_vkill},
    {"D", false, packet_detach},
    {"k", false, packet_kill},
    {"R", false, packet_restart},
    {"Hg", false, packet_thread_check},
    {"Hc", false, packet_thread_check},
    {"T", false, packet_thread_check},
    {"qC", true, packet_current_thread},
    {"qfThreadInfo", true, packet_first_threads},
    {"qsThreadInfo", true, packet_more_threads},
    {"qThreadExtraInfo,", false, packet_thread_info},
    {"qSupported", false, packet_supported},
    {"QStartNoAckMode", true, packet_no_ack},
    {"qAttached", false, packet_attached},
    {"qXfer:features:read:target.xml:", false, packet_features},
    {"qXfer:memory-map:read::", false, packet_memory_map},
    {"qRcmd,", false, packet_monitor},
    {"qqemu.PhyMemMode", true, packet_physical_query},
    {"Qqemu.PhyMemMode:", false, packet_physical},
    {"qqemu.sstepbits", true, packet_step_bits},
    {"qqemu.sstep", true, packet_step_query},
    {"Qqemu.sstep=", false, packet_step_set},
};

void gdb_execute(GdbSession *s, const char *packet, gsize length)
{
    g_string_truncate(s->reply, 0);
    s->silent = false;
    for (gsize i = 0; i < G_N_ELEMENTS(packets); i++) {
        const gsize prefix = strlen(packets[i].prefix);
        if (length < prefix || memcmp(packet, packets[i].prefix, prefix) != 0 ||
            (packets[i].whole && length != prefix))
            continue;
        Args args = {packet + prefix, packet + length};
        packets[i].fn(s, &args);
        return;
    }
}

/* ---- the session ---- */

void gdb_session_init(GdbSession *s, Machine *machine)
{
    *s = (GdbSession){
        .machine = machine,
        .breaks = g_hash_table_new(g_direct_hash, g_direct_equal),
        .reply = g_string_new(NULL),
    };
    gdb_session_begin(s);
}

void gdb_session_begin(GdbSession *s)
{
    if (s->description)
        g_string_free(s->description, TRUE);
    s->description = NULL;
    s->multiprocess = s->swbreak = s->hwbreak = false;
    s->no_ack = s->no_ack_next = s->physical = s->running = false;
    s->step_flags = GDB_STEP_DEFAULT;
    set_stop_reply(s, GDB_SIGTRAP, RUN_STOPPED);
}

void gdb_session_end(GdbSession *s)
{
    gdb_break_remove_all(s);
    gdb_session_begin(s);
}

void gdb_session_clear(GdbSession *s)
{
    if (s->description)
        g_string_free(s->description, TRUE);
    g_hash_table_unref(s->breaks);
    g_string_free(s->reply, TRUE);
}
