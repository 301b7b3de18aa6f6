/* SPDX-License-Identifier: MIT
 * info hot, and sampling on request. */
#include <inttypes.h>
#include <string.h>

#include "monitor/command.h"
#include "monitor/profile.h"
#include "monitor/symbols.h"

enum { HOT_DEFAULT = 10, HOT_MAX = 200 };

static void append_place(Command *command, gva_t at, bool code)
{
    g_string_append_printf(command->out, "0x%08" PRIx64, at);
    symbols_append(command->machine->symbols, at, command->out);
    g_string_append_c(command->out, '\n');
    if (code && !engine_append_code(command->machine->engine, at, command->out))
        g_string_append(command->out, "  (no longer translated)\n");
}

static void print_counted(Command *command, const EngineHot *hot, unsigned count, bool code)
{
    g_string_append(command->out, "  instructions    executions insns host bytes  place\n");
    for (unsigned i = 0; i < count; i++) {
        const gva_t at = (uint32_t)(hot[i].block.cs_base + hot[i].block.pc);
        g_string_append_printf(command->out, "%14" PRIu64 "%14" PRIu64 "%6u%11u  ",
                               hot[i].executions * hot[i].insns, hot[i].executions, hot[i].insns,
                               hot[i].host_bytes);
        append_place(command, at, code);
    }
}

static void print_sampled(Command *command, const Profile *profile, unsigned wanted, bool code)
{
    TopEntry top[HOT_MAX];
    const unsigned count = profile_list(profile, top, wanted);
    const uint64_t all = MAX(profile_samples(profile), 1);
    g_string_append(command->out, "   samples      %  place\n");
    for (unsigned i = 0; i < count; i++) {
        g_string_append_printf(command->out, "%10" PRIu64 " %6.2f  ", top[i].count,
                               100.0 * (double)top[i].count / (double)all);
        append_place(command, top[i].key, code);
    }
}

bool info_hot(Command *command, GError **error)
{
    Machine *machine = command->machine;
    uint64_t wanted = HOT_DEFAULT;
    EngineHot hot[HOT_MAX];
    if (g_ascii_isdigit(*command->rest) && !command_expression(command, "count", &wanted, error))
        return false;
    const bool code = !strcmp(command->rest, "code");
    if (code)
        command->rest += strlen("code");
    if (!command_end(command, error))
        return false;
    if (wanted < 1 || wanted > HOT_MAX)
        return command_error(error, "the count must be 1 to %d", HOT_MAX);
    machine_enter(machine);
    const unsigned count = engine_list_hot(machine->engine, hot, (unsigned)wanted);
    if (count)
        print_counted(command, hot, count, code);
    else if (machine->profile)
        print_sampled(command, machine->profile, (unsigned)wanted, code);
    machine_leave(machine);
    return count || machine->profile ||
           command_error(error, "nothing is counted; say 'profile on', or start with -count");
}

bool command_profile(Command *command, GError **error)
{
    Machine *machine = command->machine;
    g_autofree char *word = command_word(command, "on, off or a file", error);
    bool good = word && command_end(command, error);
    if (!good)
        return false;
    machine_enter(machine);
    if (!strcmp(word, "on") && !machine->profile)
        machine->profile = profile_new(machine);
    else if (!strcmp(word, "off"))
        g_clear_pointer(&machine->profile, profile_free);
    else if (strcmp(word, "on") != 0)
        good = machine->profile ? profile_write(machine->profile, word, error)
                                : command_error(error, "no samples; say 'profile on' first");
    machine_leave(machine);
    return good;
}
