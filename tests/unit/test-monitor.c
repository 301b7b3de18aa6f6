/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "monitor/command.h"
#include "monitor/expression.h"
#include "monitor/keys.h"
#include "monitor/line-edit.h"
#include "monitor/monitor.h"

/* A board that is a bare bus with a keyboard controller. */
typedef struct {
    DeviceBus *bus;
    I8042 *keyboard;
    CpuX86 *cpu;
    Machine machine;
    bool running;
    unsigned stops, resets, paused;
    int quit_code;
} Bed;

static Bed *bed_of(Machine *machine)
{
    return (Bed *)((char *)machine - offsetof(Bed, machine));
}

__attribute__((weak)) Vga *pc_vga(const Pc *pc)
{
    return NULL;
}
__attribute__((weak)) I8042 *pc_keyboard(const Pc *pc)
{
    return ((Bed *)(uintptr_t)pc)->keyboard;
}
__attribute__((weak)) PciBus *pc_pci(const Pc *pc)
{
    return NULL;
}
__attribute__((weak)) Ide *pc_ide(const Pc *pc)
{
    return NULL;
}
__attribute__((weak)) const DeviceBus *pc_bus(const Pc *pc)
{
    return ((Bed *)(uintptr_t)pc)->bus;
}

__attribute__((weak)) Fdc *pc_fdc(const Pc *pc)
{
    return NULL;
}
__attribute__((weak)) uint64_t pc_irq_count(const Pc *pc, unsigned irq)
{
    return irq;
}

static MachineState state_of(Machine *machine)
{
    return bed_of(machine)->running ? MACHINE_RUNNING : MACHINE_PAUSED;
}

static bool is_running(Machine *machine)
{
    return bed_of(machine)->running;
}

static void on_stop(Machine *machine)
{
    bed_of(machine)->stops++;
    bed_of(machine)->running = false;
}

static void on_cont(Machine *machine)
{
    bed_of(machine)->running = true;
}

static void on_step(Machine *machine, bool interrupts, bool timers)
{
}

static void on_reset(Machine *machine)
{
    bed_of(machine)->resets++;
}

static void on_quit(Machine *machine, int code)
{
    bed_of(machine)->quit_code = code;
}

static void on_pause(Machine *machine)
{
    bed_of(machine)->paused++;
}

static void on_resume(Machine *machine)
{
    cr_assert_gt(bed_of(machine)->paused, 0);
    bed_of(machine)->paused--;
}

static Bed *bed_new(void)
{
    Bed *bed = g_new0(Bed, 1);
    bed->bus = device_bus_new_for_test(1 << 20);
    bed->keyboard = i8042_new(bed->bus, &(I8042Wires){0});
    device_reset_all(bed->bus);
    CpuModel model = {0};
    cr_assert(cpu_model_parse(&model, "max", NULL));
    bed->cpu = cpu_new(bed->bus->as, &model, &(CpuBoard){0}, NULL);
    cr_assert_not_null(bed->cpu);
    cpu_reset(bed->cpu);
    bed->quit_code = -1;
    bed->running = true;
    bed->machine = (Machine){.cpu = bed->cpu,
                             .as = bed->bus->as,
                             .clock = bed->bus->clock,
                             .pc = (Pc *)bed,
                             .running = is_running,
                             .state = state_of,
                             .stop = on_stop,
                             .cont = on_cont,
                             .step = on_step,
                             .reset = on_reset,
                             .power_button = on_reset,
                             .quit = on_quit,
                             .pause = on_pause,
                             .resume = on_resume};
    return bed;
}

static void bed_free(Bed *bed)
{
    cr_expect_eq(bed->paused, 0);
    key_queue_free(bed->machine.keys);
    cpu_free(bed->cpu);
    device_bus_free_for_test(bed->bus);
    g_free(bed);
}

static void expect_output(Bed *bed, const char *line, const char *expected)
{
    GString *out = g_string_new(NULL);
    monitor_execute(&bed->machine, line, out);
    cr_expect_str_eq(out->str, expected, "%s: '%s'", line, out->str);
    g_string_free(out, TRUE);
}

static void expect_in_output(Bed *bed, const char *line, const char *expected)
{
    GString *out = g_string_new(NULL);
    monitor_execute(&bed->machine, line, out);
    cr_expect_not_null(strstr(out->str, expected), "%s: '%s'", line, out->str);
    g_string_free(out, TRUE);
}

static bool one_register(void *opaque, const char *name, uint64_t *value)
{
    *value = 0x1000;
    return !strcmp(name, "eax");
}

Test(monitor, expressions)
{
    static const struct {
        const char *text;
        uint64_t value;
        const char *rest;
    } good[] = {
        {"1+2*3", 7, ""},       {"(1+2)*3", 9, ""},      {"0x10 - 1 file", 15, "file"},
        {"-1", UINT64_MAX, ""}, {"~0 & 0xff", 0xff, ""}, {"$eax+4", 0x1004, ""},
        {"'A'", 65, ""},        {"7/2 7%4", 3, "7%4"},   {" 5 | 2 ^ 1", 6, ""},
        {"1:2", 1, ":2"},       {"--5", 5, ""},          {"0X1f", 31, ""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        const char *p = good[i].text;
        uint64_t value;
        cr_assert(expression_parse(&p, one_register, NULL, &value, NULL), "%s", good[i].text);
        cr_expect_eq(value, good[i].value, "%s", good[i].text);
        cr_expect_str_eq(p, good[i].rest);
    }
}

Test(monitor, bad_expressions)
{
    GString *deep = g_string_new(NULL);
    for (int i = 0; i < 100000; i++)
        g_string_append_c(deep, '(');
    const char *const bad[] = {"",   "1/0",   "(1", "$ebx", "$",    "0x",  "12ab", "+",
                               "1+", "1%(0)", ")",  "'a",   "$a*$", "0xg", "1 +",  deep->str};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        const char *p = bad[i];
        uint64_t value;
        GError *error = NULL;
        cr_expect_not(expression_parse(&p, one_register, NULL, &value, &error), "%.20s", bad[i]);
        cr_assert_not_null(error);
        g_error_free(error);
    }
    g_string_free(deep, TRUE);
}

Test(monitor, keys)
{
    KeyCombination keys;
    cr_assert(keys_parse("ctrl-alt-delete", &keys, NULL));
    cr_expect_eq(keys.count, 3);
    cr_expect_eq(keys.scancode[0], 0x1d);
    cr_expect_eq(keys.scancode[2], 0xe053);
    cr_assert(keys_parse("sysrq", &keys, NULL));
    cr_expect_eq(keys.scancode[0], 0x54, "Print with Alt, whether Alt is held or not");
    cr_assert(keys_parse("0x1c", &keys, NULL));
    cr_expect_eq(keys.scancode[0], 0x1c);
    static const char *const bad[] = {
        "", "-", "ctrl-", "nokey", "0x", "0xffff", "0x80", "0x100", "a-b-c-d-e-f-g-h-i"};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        cr_expect_not(keys_parse(bad[i], &keys, NULL), "%s", bad[i]);
}

Test(monitor, characters)
{
    KeyCombination keys;
    for (int c = 0; c < 256; c++) {
        bool known = keys_for_character((char)c, &keys);
        bool expected = (c >= 0x20 && c < 0x7f) || (c && strchr("\b\t\n\x1b", c));
        cr_expect_eq(known, expected, "0x%02x", c);
    }
    cr_assert(keys_for_character('|', &keys));
    cr_expect(keys.count == 2 && keys.scancode[0] == 0x2a && keys.scancode[1] == 0x2b);
    cr_assert(keys_for_character('/', &keys));
    cr_expect(keys.count == 1 && keys.scancode[0] == 0x35);
    cr_assert(keys_for_character('\n', &keys));
    cr_expect_eq(keys.scancode[0], 0x1c);
}

/* Type it all; the lines that came out, separated by |. */
static char *edit(const char *typed, GString *echo)
{
    LineEdit *edit = line_edit_new("> ");
    GString *lines = g_string_new(NULL);
    line_edit_start(edit, echo);
    for (const char *p = typed; *p; p++) {
        g_autofree char *line = line_edit_feed(edit, (uint8_t)*p, echo);
        if (!line)
            continue;
        g_string_append_printf(lines, "%s|", line);
        line_edit_start(edit, echo);
    }
    line_edit_free(edit);
    return g_string_free(lines, FALSE);
}

Test(monitor, line_editing)
{
    static const struct {
        const char *typed, *lines;
    } cases[] = {
        {"abc\n", "abc|"},
        {"abc\r\ndef\r", "abc|def|"},
        {"abx\x7f"
         "c\r",
         "abc|"},
        {"abx\b\b\b\b\b\rz\r", "|z|"},
        {"junk\x15ok\r", "ok|"},
        {"bc\x01"
         "a\x05"
         "d\r",
         "abcd|"},
        {"ac\x1b[Db\r", "abc|"},
        {"axc\x1b[D\x1b[D\x1b[3~b\r", "abc|"},
        {"one\rtwo\r\x1b[A\x1b[A\r", "one|two|one|"},
        {"one\r\x1b[A\x1b[B2\r", "one|2|"},
        {"a b\x17"
         "c\r",
         "a c|"},
        {"abc\x02\x02\x0b\r", "a|"},
        {"gone\x03ok\r", "ok|"},
        {"\xc3\xa9\x7f"
         "e\r",
         "e|"},
        {"\x1bxq\r", "q|"},
        {"\x1b[1;5Cq\r", "q|"},
        {"\x1bOHq\r", "q|"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *echo = g_string_new(NULL);
        g_autofree char *lines = edit(cases[i].typed, echo);
        cr_expect_str_eq(lines, cases[i].lines, "case %zu: '%s'", i, lines);
        g_string_free(echo, TRUE);
    }
    GString *echo = g_string_new(NULL);
    g_free(edit("info\n", echo));
    cr_expect_str_eq(echo->str, "> info\n> ");
    g_string_free(echo, TRUE);
}

Test(monitor, commands)
{
    Bed *bed = bed_new();
    expect_output(bed, "", "");
    expect_output(bed, "# comment", "");
    expect_output(bed, "nonsense 1", "unknown command: 'nonsense'; help lists them\n");
    expect_output(bed, "/x", "unknown command: '/x'; help lists them\n");
    expect_in_output(bed, "help", "system_powerdown");
    expect_in_output(bed, "? q", "leave dbtvm");
    expect_in_output(bed, "info", "info registers");
    expect_output(bed, "info blub", "unknown subject: 'blub'; info lists them\n");
    expect_output(bed, "info status", "VM status: running\n");
    expect_output(bed, "stop", "");
    expect_output(bed, "  info   status  ", "VM status: paused\n");
    expect_output(bed, "stop now", "too many arguments: 'now'\n");
    expect_output(bed, "c", "");
    expect_output(bed, "system_reset", "");
    cr_expect(bed->stops == 1 && bed->resets == 1 && bed->running);
    expect_in_output(bed, "info registers", "EIP=");
    expect_in_output(bed, "info qtree", "dev: i8042");
    expect_in_output(bed, "info cpus", "CPU #0");
    expect_in_output(bed, "info mtree", "00000000");
    expect_output(bed, "log blub", "unknown log item 'blub'; '-d help' lists them\n");
    expect_output(bed, "screentext", "the machine has no display\n");
    expect_output(bed, "screendump x.ppm", "the machine has no display\n");
    expect_output(bed, "screendump x -f gif", "expected -f png or -f ppm, not '-f gif'\n");
    expect_output(bed, "q", "");
    cr_expect_eq(bed->quit_code, 0);
    bed_free(bed);
}

Test(monitor, memory_commands)
{
    Bed *bed = bed_new();
    address_space_dma_write(bed->bus->as, 0x7c00, "\xb8\x34\x12\x90Hi\0x", 8);
    bed->cpu->v.gpr[REG_EAX] = 0x7c00;
    bed->cpu->v.gpr[REG_EBX] = 0x1234;
    expect_output(bed, "p 1+2", "0x3\n");
    expect_output(bed, "p/d -5", "-5\n");
    expect_output(bed, "p $bh", "0x12\n");
    expect_output(bed, "print $nope", "unknown register '$nope'\n");
    expect_output(bed, "x/2xb 0x7c00", "00007c00: 0xb8 0x34\n");
    expect_output(bed, "x /1xw $eax", "00007c00: 0x901234b8\n");
    expect_output(bed, "xp/1xg 0x7c00", "0000000000007c00: 0x78006948901234b8\n");
    expect_output(bed, "x/2c 0x7c04", "00007c04: 'H' 'i'\n");
    expect_output(bed, "x/s 0x7c04", "00007c04: \"Hi\"\n");
    expect_output(bed, "x/1xb 0x7c0:0", "00007c00: 0xb8\n");
    expect_in_output(bed, "x/2i 0x7c00", "mov ax, 0x1234\n0x00007c03:  90");
    expect_output(bed, "x 0x7c00 5", "too many arguments: '5'\n");
    expect_output(bed, "x/0x 0x7c00", "the count must be from 1 to 65536\n");
    expect_output(bed, "x/99999999999x 0", "the count must be from 1 to 65536\n");
    expect_output(bed, "x/z 0", "bad format 'z'; it is [count][xduocis][bhwg]\n");
    expect_output(bed, "x/ 0", "bad format\n");
    expect_output(bed, "x", "address is missing\n");
    expect_output(bed, "xp 0x200000", "cannot access memory at 0x200000\n");
    expect_output(bed, "i /b 0x64", "portb[0x0064] = 0x10\n");
    expect_output(bed, "i 0x10000", "ports are 0 to 0xffff, of size b, h or w\n");
    expect_output(bed, "i/g 0x60", "ports are 0 to 0xffff, of size b, h or w\n");
    expect_output(bed, "o/b 0x64", "value is missing\n");
    expect_output(bed, "o/b 0x64 0xfff", "");
    expect_output(bed, "gva2gpa 0x1234", "gpa: 0x1234\n");
    bed_free(bed);
}

Test(monitor, memory_files)
{
    Bed *bed = bed_new();
    g_autofree char *path = g_strdup_printf("%s/dbtvm monitor %d", g_get_tmp_dir(), (int)getpid());
    g_autofree char *line = g_strdup_printf("pmemsave 0xff0 0x20 \"%s\"", path);
    g_autofree char *data = NULL;
    gsize size;
    address_space_dma_write(bed->bus->as, 0xff0, "0123456789abcdefghijklmnopqrstuv", 32);
    expect_output(bed, line, "");
    cr_assert(g_file_get_contents(path, &data, &size, NULL));
    cr_expect(size == 32 && !memcmp(data, "0123456789abcdefghijklmnopqrstuv", 32));
    unlink(path);
    expect_in_output(bed, "memsave 0 1 /nonexistent/x", "cannot write '/nonexistent/x'");
    expect_output(bed, "memsave 0 1", "file is missing\n");
    expect_output(bed, "memsave 0 1 \"x", "missing closing quote\n");
    expect_in_output(bed, "pmemsave 0 0xffffffffffffffff x", "more than");
    bed_free(bed);
}

static void read_keyboard(Bed *bed, GString *codes)
{
    clock_fake_advance(bed->bus->clock, NS_PER_SEC / 100);
    if (address_space_io_read(bed->bus->as, 0x64, 1) & 1)
        g_string_append_printf(codes, "%02x ",
                               (unsigned)address_space_io_read(bed->bus->as, 0x60, 1));
}

/* The guest reads slowly; nothing is lost and the prompt comes when all has been read. */
Test(monitor, typed_keys_wait_for_the_guest)
{
    Bed *bed = bed_new();
    Chardev *chardev = chardev_new_memory();
    Monitor *monitor = monitor_new(&bed->machine, chardev);
    GString *codes = g_string_new(NULL), *out = chardev_memory_output(chardev);
    address_space_io_write(bed->bus->as, 0x64, 0x60, 1); /* keyboard on, translated */
    address_space_io_write(bed->bus->as, 0x60, 0x45, 1);
    const char *typed = "type aB\\n\rp 7*6\r";
    chardev_memory_feed(chardev, (const uint8_t *)typed, strlen(typed));
    int64_t end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
    while (!strstr(out->str, "0x2a") && g_get_monotonic_time() < end) {
        for (int i = 0; i < 3; i++)
            g_main_context_iteration(NULL, FALSE);
        if (!strstr(out->str, "0x2a"))
            read_keyboard(bed, codes);
        g_usleep(1000);
    }
    cr_expect_str_eq(codes->str, "1e 9e 2a 30 b0 aa 1c 9c ", "%s", codes->str);
    cr_expect_not_null(strstr(out->str, "(dbtvm) type aB\\n\r\n(dbtvm) p 7*6\r\n0x2a\r\n(dbtvm) "),
                       "%s", out->str);
    monitor_free(monitor);
    chardev_free(chardev);
    g_string_free(codes, TRUE);
    bed_free(bed);
}

Test(monitor, stopped_machine_keeps_the_prompt)
{
    Bed *bed = bed_new();
    Chardev *chardev = chardev_new_memory();
    Monitor *monitor = monitor_new(&bed->machine, chardev);
    const char *typed = "stop\rsendkey ctrl-alt-delete 50\rtype \"\\x\"\r";
    GString *out = chardev_memory_output(chardev);
    chardev_memory_feed(chardev, (const uint8_t *)typed, strlen(typed));
    int64_t end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
    while (!strstr(out->str, "bad escape") && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, FALSE);
    cr_expect_not_null(strstr(out->str, "the keys wait"), "%s", out->str);
    cr_expect_not_null(strstr(out->str, "bad escape"), "%s", out->str);
    monitor_free(monitor);
    chardev_free(chardev);
    bed_free(bed);
}

static char *complete(Bed *bed, const char *line)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    command_complete(&bed->machine, line, words);
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < words->len; i++)
        g_string_append_printf(out, "%s ", (const char *)g_ptr_array_index(words, i));
    return g_string_free(out, FALSE);
}

Test(monitor, completion)
{
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"system_", "system_powerdown system_reset "},
        {"info re", "registers "},
        {"info registers ", ""},
        {"help scr", "screendump screentext "},
        {"? scr", "screendump screentext "},
        {"log in_", "in_asm "},
        {"sendkey ctrl-alt-del", "ctrl-alt-delete "},
        {"wait sc", "screen "},
        {"memsave 0 10 /nonexistent/", ""},
        {"nosuch x", ""},
        {"stop x", ""},
    };
    Bed *bed = bed_new();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *words = complete(bed, cases[i].line);
        cr_expect_str_eq(words, cases[i].words, "'%s' gave '%s'", cases[i].line, words);
    }
    g_autofree char *all = complete(bed, "");
    cr_expect_not_null(strstr(all, "screentext "));
    bed_free(bed);
}

Test(monitor, waiting_and_sending)
{
    Bed *bed = bed_new();
    MachineChardev list[MACHINE_CHARDEVS] = {{"serial0", NULL, chardev_new_memory(), 0}};
    int front = chardev_attach(list[0].chardev, NULL, NULL);
    chardev_keep_tap(list[0].chardev);
    bed->machine.chardevs = list;
    expect_output(bed, "wait", "place (serial, screen, exit) is missing\n");
    expect_output(bed, "wait serial", "regular expression is missing\n");
    expect_output(bed, "wait serial x 10 y", "too many arguments: 'y'\n");
    expect_output(bed, "wait serial x 99999999", "at most 1000000 seconds\n");
    expect_output(bed, "wait screen x", "the machine has no display\n");
    expect_in_output(bed, "wait serial1 x", "nothing can be read from 'serial1'");
    expect_output(bed, "wait serial x", "this command takes its time; it cannot be used here\n");
    expect_output(bed, "send serial0 \"\\x\"", "bad escape; known are \\n \\t \\e \\\\ \\\"\n");
    expect_output(bed, "send monitor x", "there is no serial port 'monitor'\n");
    expect_output(bed, "step", "the machine must be stopped (stop), not running or off\n");
    GString *long_text = g_string_new(NULL);
    for (int i = 0; i < 100000; i++)
        g_string_append_printf(long_text, "%05d", i);
    chardev_write(list[0].chardev, front, (const uint8_t *)long_text->str, long_text->len);
    uint64_t from = 3;
    GString *kept = chardev_tap_read(list[0].chardev, &from);
    cr_expect_eq(kept->len, (gsize)CHARDEV_TAP_BYTES);
    cr_expect_eq(from, long_text->len - CHARDEV_TAP_BYTES);
    cr_expect_str_eq(kept->str, long_text->str + from);
    from = UINT64_MAX;
    g_string_free(kept, TRUE);
    kept = chardev_tap_read(list[0].chardev, &from);
    cr_expect(kept->len == 0 && from == long_text->len);
    g_string_free(kept, TRUE);
    g_string_free(long_text, TRUE);
    chardev_free(list[0].chardev);
    bed_free(bed);
}

/* Random lines of command words: one answer, never a crash. */
Test(monitor, survives_nonsense, .timeout = 60)
{
    static const char *const words[] = {
        "x",
        "xp",
        "/4i",
        "/9999s",
        "p",
        "i",
        "o",
        "/b",
        "$eax",
        "$cs:$eip",
        "0x7c00",
        "-1",
        "(",
        ")",
        "\"",
        "sendkey",
        "ctrl-",
        "type",
        "\\",
        "help",
        "info",
        "jitx",
        "pci2",
        "memsave",
        "0",
        "gva2gpa",
        "log",
        "none",
        "0xfffffffff0",
        "stop",
        "cont",
        "/",
        "?",
        "''",
        "nmi",
        "%s%n",
        "qtree",
        "events",
        "wait",
        "serial",
        "screen",
        "step",
        "change",
        "eject",
        "floppy0",
        "send",
        "mouse_move",
        "tlb",
        "mem",
        "irq",
        "roms",
        "history",
    };
    Bed *bed = bed_new();
    g_autoptr(GRand) random = g_rand_new_with_seed(3);
    for (int round = 0; round < 3000; round++) {
        GString *line = g_string_new(NULL), *out = g_string_new(NULL);
        int count = g_rand_int_range(random, 1, 5);
        for (int i = 0; i < count; i++)
            g_string_append_printf(line, "%s%s",
                                   words[g_rand_int_range(random, 0, G_N_ELEMENTS(words))],
                                   g_rand_boolean(random) ? " " : "");
        monitor_execute(&bed->machine, line->str, out);
        cr_assert(out->len == 0 || out->str[out->len - 1] == '\n', "%s", line->str);
        g_string_free(line, TRUE);
        g_string_free(out, TRUE);
    }
    bed_free(bed);
}
