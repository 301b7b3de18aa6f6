/* SPDX-License-Identifier: MIT
 * Commands that look at memory, ports and registers. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/disas.h"
#include "monitor/command.h"

enum { COUNT_MAX = 65536, INSN_MAX = 15, LINE_BYTES = 16, CHUNK = 4096, STRING_MAX = 1024 };

#define SIZE_MAX_BYTES (UINT64_C(128) << 30)

typedef struct {
    unsigned count;
    char format; /* x d u o c i s */
    unsigned size;
} Format;

typedef bool (*MemoryRead)(Machine *machine, uint64_t address, void *buffer, unsigned size);

static bool read_linear(Machine *machine, uint64_t address, void *buffer, unsigned size)
{
    return mmu_debug_read(&machine->cpu->v.mmu, address, buffer, size);
}

static bool read_physical(Machine *machine, uint64_t address, void *buffer, unsigned size)
{
    return address_space_debug_read(machine->as, address, buffer, size);
}

/* Of all there is: what is no memory reads as the CPU finds vacant places, all ones. */
static bool read_everything(Machine *machine, uint64_t address, void *buffer, unsigned size)
{
    address_space_debug_read(machine->as, address, buffer, size);
    return true;
}

static bool parse_format(const Command *command, Format *format, GError **error)
{
    static const char sizes[] = "bhwg";
    const char *p = command->format;
    *format = (Format){1, 'x', 4};
    if (g_ascii_isdigit(*p)) {
        char *end;
        guint64 count = g_ascii_strtoull(p, &end, 10);
        if (count < 1 || count > COUNT_MAX)
            return command_error(error, "the count must be from 1 to %d", COUNT_MAX);
        format->count = (unsigned)count;
        p = end;
    }
    for (; *p; p++) {
        const char *size = strchr(sizes, *p);
        if (size)
            format->size = 1u << (size - sizes);
        else if (strchr("xduocis", *p))
            format->format = *p;
        else
            return command_error(error, "bad format '%s'; it is [count][xduocis][bhwg]",
                                 command->format);
        if (*p == 'c')
            format->size = 1;
    }
    return true;
}

static void append_value(GString *out, const Format *format, uint64_t value)
{
    unsigned bits = format->size * 8;
    int64_t wide = (int64_t)(value << (64 - bits)) >> (64 - bits);
    switch (format->format) {
    case 'd':
        g_string_append_printf(out, "%" PRId64, wide);
        break;
    case 'u':
        g_string_append_printf(out, "%" PRIu64, value);
        break;
    case 'o':
        g_string_append_printf(out, "0%" PRIo64, value);
        break;
    case 'c':
        if (value >= 0x20 && value < 0x7f)
            g_string_append_printf(out, "'%c'", (char)value);
        else
            g_string_append_printf(out, "'\\x%02x'", (uint8_t)value);
        break;
    default:
        g_string_append_printf(out, "0x%0*" PRIx64, (int)format->size * 2, value);
        break;
    }
}

static bool show_values(Command *command, const Format *format, uint64_t address, MemoryRead read,
                        GError **error)
{
    int digits = read == read_physical ? 16 : 8;
    for (unsigned i = 0; i < format->count; i++) {
        uint64_t value = 0; /* little endian like the host */
        if (!read(command->machine, address, &value, format->size))
            return command_error(error, "%scannot access memory at 0x%" PRIx64,
                                 i * format->size % LINE_BYTES ? "\n" : "", address);
        if (i * format->size % LINE_BYTES == 0)
            g_string_append_printf(command->out, "%s%0*" PRIx64 ":", i ? "\n" : "", digits,
                                   address);
        g_string_append_c(command->out, ' ');
        append_value(command->out, format, value);
        address += format->size;
    }
    g_string_append_c(command->out, '\n');
    return true;
}

/* The bytes from address on that can be read, at most INSN_MAX. */
static unsigned read_insn(Machine *machine, MemoryRead read, uint64_t address, uint8_t *bytes)
{
    unsigned count = 0;
    while (count < INSN_MAX && read(machine, address + count, &bytes[count], 1))
        count++;
    return count;
}

static bool show_code(Command *command, const Format *format, uint64_t address, MemoryRead read,
                      GError **error)
{
    GString *text = g_string_new(NULL);
    bool good = true;
    for (unsigned i = 0; i < format->count && good; i++) {
        uint8_t bytes[INSN_MAX];
        unsigned count = read_insn(command->machine, read, address, bytes);
        if (count == 0) {
            good = command_error(error, "cannot access memory at 0x%" PRIx64, address);
            break;
        }
        unsigned length = disas_length(bytes, count, machine_code_bits(command->machine));
        g_string_truncate(text, 0);
        disas_append(text, bytes, length, address, machine_code_bits(command->machine));
        g_string_append(command->out, text->str);
        address += length;
    }
    g_string_free(text, TRUE);
    return good;
}

void command_show_code(Machine *machine, GString *out)
{
    const Format one = {1, 'i', 4};
    Command command = {.machine = machine, .out = out};
    uint64_t pc;
    machine_enter(machine);
    if (!machine_register(machine, "pc", &pc) || !show_code(&command, &one, pc, read_linear, NULL))
        g_string_append(out, "no code there\n");
    machine_leave(machine);
}

static bool show_strings(Command *command, const Format *format, uint64_t address, MemoryRead read,
                         GError **error)
{
    for (unsigned i = 0; i < format->count; i++) {
        GString *text = g_string_new(NULL);
        uint64_t start = address;
        char c = 1;
        while (c && text->len < STRING_MAX && read(command->machine, address, &c, 1)) {
            address++;
            if (c)
                g_string_append_c(text, c);
        }
        g_autofree char *shown = g_strescape(text->str, NULL);
        g_string_free(text, TRUE);
        if (address == start)
            return command_error(error, "cannot access memory at 0x%" PRIx64, address);
        g_string_append_printf(command->out, "%08" PRIx64 ": \"%s\"\n", start, shown);
    }
    return true;
}

static bool show_memory(Command *command, MemoryRead read, GError **error)
{
    Format format;
    uint64_t address;
    if (!parse_format(command, &format, error) || !command_address(command, &address, error) ||
        !command_end(command, error))
        return false;
    machine_enter(command->machine);
    bool good = (format.format == 'i'   ? show_code
                 : format.format == 's' ? show_strings
                                        : show_values)(command, &format, address, read, error);
    machine_leave(command->machine);
    return good;
}

bool command_x(Command *command, GError **error)
{
    return show_memory(command, read_linear, error);
}

bool command_xp(Command *command, GError **error)
{
    return show_memory(command, read_physical, error);
}

bool command_print(Command *command, GError **error)
{
    Format format;
    uint64_t value;
    if (!parse_format(command, &format, error) ||
        !command_expression(command, "expression", &value, error) || !command_end(command, error))
        return false;
    if (format.format == 'i' || format.format == 's')
        return command_error(error, "format %c shows memory; use x", format.format);
    format.size = 8;
    if (format.format == 'x')
        g_string_append_printf(command->out, "0x%" PRIx64, value);
    else
        append_value(command->out, &format, value);
    g_string_append_c(command->out, '\n');
    return true;
}

/* Ports */

static bool take_port(Command *command, Format *format, uint64_t *port, GError **error)
{
    if (!parse_format(command, format, error) || !command_expression(command, "port", port, error))
        return false;
    if (format->size > 4 || *port > 0x10000u - format->size)
        return command_error(error, "ports are 0 to 0xffff, of size b, h or w");
    return true;
}

bool command_i(Command *command, GError **error)
{
    Format format;
    uint64_t port;
    if (!take_port(command, &format, &port, error) || !command_end(command, error))
        return false;
    machine_enter(command->machine);
    uint64_t value = address_space_io_read(command->machine->as, (uint16_t)port, format.size);
    machine_leave(command->machine);
    g_string_append_printf(command->out, "port%c[0x%04x] = 0x%0*" PRIx64 "\n", " bw l"[format.size],
                           (unsigned)port, (int)format.size * 2, value);
    return true;
}

bool command_o(Command *command, GError **error)
{
    Format format;
    uint64_t port, value;
    if (!take_port(command, &format, &port, error) ||
        !command_expression(command, "value", &value, error) || !command_end(command, error))
        return false;
    value &= UINT64_MAX >> (64 - 8 * format.size);
    machine_enter(command->machine);
    address_space_io_write(command->machine->as, (uint16_t)port, value, format.size);
    machine_leave(command->machine);
    return true;
}

/* Files */

/* Linear addresses wrap at 4 GiB: there it ends. file NULL: only look whether it can be read. */
static bool copy_to_file(Machine *machine, FILE *file, uint64_t address, uint64_t size,
                         MemoryRead read, GError **error)
{
    while (size > 0) {
        uint8_t buffer[CHUNK];
        if (read == read_linear && address > UINT32_MAX)
            return command_error(error, "cannot access memory at 0x%" PRIx64, address);
        unsigned count = (unsigned)MIN(size, CHUNK - address % CHUNK);
        if (!read(machine, address, buffer, count))
            return command_error(error, "cannot access memory at 0x%" PRIx64, address);
        if (file && fwrite(buffer, 1, count, file) != count)
            return command_error(error, "cannot write: %s", g_strerror(errno));
        address += count;
        size -= count;
    }
    return true;
}

static bool write_file(Machine *machine, const char *path, uint64_t address, uint64_t size,
                       MemoryRead read, GError **error)
{
    FILE *file = fopen(path, "wbe");
    if (!file)
        return command_error(error, "cannot write '%s': %s", path, g_strerror(errno));
    bool good = copy_to_file(machine, file, address, size, read, error);
    if (fclose(file) != 0 && good)
        return command_error(error, "cannot write '%s': %s", path, g_strerror(errno));
    return good;
}

/* What cannot be read leaves the file alone. */
static bool save_memory(Command *command, MemoryRead read, GError **error)
{
    uint64_t address, size;
    if (!command_expression(command, "address", &address, error) ||
        !command_number(command, "size", &size, error))
        return false;
    if (size > SIZE_MAX_BYTES)
        return command_error(error, "more than %" PRIu64 " bytes", SIZE_MAX_BYTES);
    g_autofree char *path = command_word(command, "file", error);
    if (!path || !command_end(command, error))
        return false;
    machine_enter(command->machine);
    bool good = (read == read_everything ||
                 copy_to_file(command->machine, NULL, address, size, read, error)) &&
                write_file(command->machine, path, address, size, read, error);
    machine_leave(command->machine);
    return good;
}

bool command_memsave(Command *command, GError **error)
{
    return save_memory(command, read_linear, error);
}

bool command_pmemsave(Command *command, GError **error)
{
    return save_memory(command, read_everything, error);
}
