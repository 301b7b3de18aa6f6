/* SPDX-License-Identifier: MIT
 * Completion of the word at the cursor: the argument names of the command table say what may
 * stand there. */
#include <string.h>

#include "base/log.h"
#include "monitor/command.h"
#include "monitor/keys.h"
#include "monitor/media.h"

enum { MATCHES_MAX = 1000 };

typedef struct {
    Machine *machine;
    const char *word; /* as far as it is typed */
    GPtrArray *matches;
} Completion;

static void offer(Completion *completion, const char *name)
{
    if (g_str_has_prefix(name, completion->word) && completion->matches->len < MATCHES_MAX)
        g_ptr_array_add(completion->matches, g_strdup(name));
}

static void offer_commands(Completion *completion)
{
#define COMMAND(name, alias, run, args, help) offer(completion, name);
#include "monitor/commands.def"
#undef COMMAND
}

static void offer_subjects(Completion *completion)
{
#define INFO(name, run, help) offer(completion, name);
#include "monitor/infos.def"
#undef INFO
}

static void offer_log_items(Completion *completion)
{
#define LOG_ITEM(name, word, help) offer(completion, word);
#include "base/log-items.def"
#undef LOG_ITEM
}

static void offer_drives(Completion *completion)
{
    for (unsigned i = 0; i < MEDIA_DRIVES; i++) {
        MediaState state = media_state(completion->machine, &media_drives[i]);
        if (state.there && state.removable)
            offer(completion, state.name);
    }
}

static void offer_places(Completion *completion)
{
    const MachineChardev *list = completion->machine->chardevs;
    offer(completion, "screen");
    offer(completion, "exit");
    for (unsigned i = 0; list && i < MACHINE_CHARDEVS; i++)
        if (list[i].label && chardev_is_tapped(list[i].chardev))
            offer(completion, list[i].label);
}

static void offer_ports(Completion *completion)
{
    const MachineChardev *list = completion->machine->chardevs;
    for (unsigned i = 0; list && i < MACHINE_CHARDEVS; i++)
        if (list[i].label && g_str_has_prefix(list[i].label, "serial"))
            offer(completion, list[i].label);
}

/* ctrl-alt-del: the part behind the last dash. */
static void offer_keys(Completion *completion)
{
    const char *dash = strrchr(completion->word, '-');
    g_autofree char *before =
        g_strndup(completion->word, dash ? (gsize)(dash + 1 - completion->word) : 0);
    const char *name;
    for (unsigned i = 0; (name = keys_name(i)); i++) {
        g_autofree char *whole = g_strconcat(before, name, NULL);
        offer(completion, whole);
    }
}

static void offer_files(Completion *completion)
{
    const char *slash = strrchr(completion->word, '/');
    g_autofree char *folder =
        g_strndup(completion->word, slash ? (gsize)(slash + 1 - completion->word) : 0);
    GDir *dir = g_dir_open(*folder ? folder : ".", 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_strconcat(folder, name, NULL);
        bool is_dir = g_file_test(path, G_FILE_TEST_IS_DIR);
        g_autofree char *shown = g_strconcat(path, is_dir ? "/" : "", NULL);
        if ((slash ? slash[1] : completion->word[0]) == '.' || name[0] != '.')
            offer(completion, shown);
    }
    if (dir)
        g_dir_close(dir);
}

static const struct {
    const char *argument;
    void (*offer)(Completion *completion);
} kinds[] = {
    {"COMMAND", offer_commands}, {"SUBJECT", offer_subjects}, {"ITEMS", offer_log_items},
    {"DRIVE", offer_drives},     {"PLACE", offer_places},     {"PORT", offer_ports},
    {"KEYS", offer_keys},        {"FILE", offer_files},
};

static const char *arguments_of(const char *name)
{
    static const struct {
        const char *name, *alias, *args;
    } commands[] = {
#define COMMAND(name, alias, run, args, help) {name, alias, args},
#include "monitor/commands.def"
#undef COMMAND
    };
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (!strcmp(commands[i].name, name) || g_strcmp0(commands[i].alias, name) == 0)
            return commands[i].args;
    return "";
}

/* The name of argument `number` of "[-f] DRIVE FILE" without brackets; options like -f are not
 * counted. NULL: there is none. */
static char *argument_name(const char *args, unsigned number)
{
    g_auto(GStrv) names = g_strsplit(args, " ", -1);
    for (char **name = names; *name; name++) {
        char *bare = **name == '[' ? *name + 1 : *name;
        bare[strcspn(bare, "]")] = '\0';
        if (*bare != '-' && number-- == 0)
            return g_strdup(bare);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void command_complete(Machine *machine, const char *line, GPtrArray *matches)
{
    g_auto(GStrv) words = g_strsplit_set(line, " \t", -1);
    unsigned number = 0; /* of the words before the last that are not empty or an option */
    const char *first = NULL, *last = "";
    for (char **word = words; *word; word++) {
        last = *word;
        if (!**word || !word[1] || (first && **word == '-'))
            continue;
        first = first ? first : *word;
        number++;
    }
    Completion completion = {machine, last, matches};
    g_autofree char *argument =
        first ? argument_name(arguments_of(first), number - 1) : g_strdup("COMMAND");
    for (size_t i = 0; argument && i < G_N_ELEMENTS(kinds); i++)
        if (!strcmp(kinds[i].argument, argument))
            kinds[i].offer(&completion);
    g_ptr_array_sort(matches, compare);
}
