/* SPDX-License-Identifier: MIT
 * The JSON monitor's command table, its argument checks, and the commands that do something. Most
 * of those are lines of the human monitor's table. */
#include <inttypes.h>
#include <string.h>

#include "monitor/command.h"
#include "monitor/keys.h"
#include "monitor/media.h"
#include "monitor/qmp-priv.h"

static JsonNode *qmp_line(QmpCall *call, GError **error);

static const QmpCommand commands[] = {
#define QMP(name, run, args)       {name, run, args, NULL},
#define QMP_LINE(name, line)       {name, qmp_line, "", line},
#define QMP_CONNECTION(name, args) {name, NULL, args, NULL},
#include "monitor/qmp-commands.def"
#undef QMP
#undef QMP_LINE
#undef QMP_CONNECTION
};

const QmpCommand *qmp_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

/* Arguments */

static const struct {
    char letter;
    const char *name;
    JsonNodeType node;
    GType value; /* of a JSON_NODE_VALUE */
} types[] = {
    {'s', "string", JSON_NODE_VALUE, G_TYPE_STRING},
    {'i', "integer", JSON_NODE_VALUE, G_TYPE_INT64},
    {'b', "boolean", JSON_NODE_VALUE, G_TYPE_BOOLEAN},
    {'a', "array", JSON_NODE_ARRAY, G_TYPE_INVALID},
};

static bool check_type(JsonNode *node, const char *name, char letter, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i].letter != letter)
            continue;
        bool good =
            json_node_get_node_type(node) == types[i].node &&
            (types[i].node != JSON_NODE_VALUE || json_node_get_value_type(node) == types[i].value);
        return good || command_error(error, "Invalid parameter type for '%s', expected: %s", name,
                                     types[i].name);
    }
    g_assert_not_reached();
}

bool qmp_check_arguments(const QmpCommand *command, JsonObject *args, GError **error)
{
    g_auto(GStrv) rows = g_strsplit(command->args, " ", -1);
    g_autoptr(GList) members = args ? json_object_get_members(args) : NULL;
    for (char **row = rows; *row && **row; row++) {
        char *colon = strchr(*row, ':');
        char letter = colon[1];
        bool optional = colon[2] == '?';
        *colon = '\0';
        JsonNode *node = args ? json_object_get_member(args, *row) : NULL;
        if (!node && !optional)
            return command_error(error, "Parameter '%s' is missing", *row);
        if (node && !check_type(node, *row, letter, error))
            return false;
    }
    for (GList *member = members; member; member = member->next)
        if (!g_strv_contains((const char *const *)rows, member->data))
            return command_error(error, "Parameter '%s' is unexpected", (char *)member->data);
    return true;
}

static bool given(QmpCall *call, const char *name)
{
    return call->args && json_object_has_member(call->args, name);
}

const char *qmp_string(QmpCall *call, const char *name)
{
    return given(call, name) ? json_object_get_string_member(call->args, name) : NULL;
}

int64_t qmp_integer(QmpCall *call, const char *name, int64_t otherwise)
{
    return given(call, name) ? json_object_get_int_member(call->args, name) : otherwise;
}

bool qmp_boolean(QmpCall *call, const char *name)
{
    return given(call, name) && json_object_get_boolean_member(call->args, name);
}

JsonNode *qmp_empty(void)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, json_object_new());
    return node;
}

/* Commands */

static JsonNode *run_line(Machine *machine, const char *line, GError **error)
{
    GString *out = g_string_new(NULL); /* what people would read */
    Command command = {.machine = machine, .rest = line, .out = out};
    bool good = command_run(&command, error);
    if (command.poll_free)
        command.poll_free(command.poll_state);
    g_string_free(out, TRUE);
    return good ? qmp_empty() : NULL;
}

static JsonNode *qmp_line(QmpCall *call, GError **error)
{
    return run_line(call->machine, call->line, error);
}

/* A word of a line: whatever is in it stays one word. */
static char *quote(const char *text)
{
    GString *out = g_string_new("\"");
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            g_string_append_c(out, '\\');
        g_string_append_c(out, *p);
    }
    g_string_append_c(out, '"');
    return g_string_free(out, FALSE);
}

/* The member, if its value is of that type. */
static JsonNode *typed_member(JsonNode *node, const char *name, GType type)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonNode *member = object ? json_object_get_member(object, name) : NULL;
    bool good = member && JSON_NODE_HOLDS_VALUE(member) && json_node_get_value_type(member) == type;
    return good ? member : NULL;
}

static bool add_key(JsonNode *node, GString *line, GError **error)
{
    JsonNode *kind = typed_member(node, "type", G_TYPE_STRING), *data;
    const char *type = kind ? json_node_get_string(kind) : "", *dash = line->len ? "-" : "";
    if (!strcmp(type, "qcode") && (data = typed_member(node, "data", G_TYPE_STRING)))
        g_string_append_printf(line, "%s%s", dash, json_node_get_string(data));
    else if (!strcmp(type, "number") && (data = typed_member(node, "data", G_TYPE_INT64)))
        g_string_append_printf(line, "%s0x%" PRIx64, dash, (uint64_t)json_node_get_int(data));
    else
        return command_error(error, "a key is {\"type\": \"qcode\", \"data\": NAME}");
    return true;
}

JsonNode *qmp_send_key(QmpCall *call, GError **error)
{
    JsonArray *keys = json_object_get_array_member(call->args, "keys");
    g_autoptr(GString) names = g_string_new(NULL);
    int64_t hold = qmp_integer(call, "hold-time", 100);
    for (guint i = 0; i < json_array_get_length(keys) && i <= KEYS_AT_ONCE; i++)
        if (!add_key(json_array_get_element(keys, i), names, error))
            return NULL;
    g_autofree char *quoted = quote(names->str);
    g_autofree char *line = g_strdup_printf("sendkey %s %" PRIu64, quoted, (uint64_t)hold);
    return run_line(call->machine, line, error);
}

JsonNode *qmp_screendump(QmpCall *call, GError **error)
{
    const char *format = qmp_string(call, "format");
    if (format && strcmp(format, "png") != 0 && strcmp(format, "ppm") != 0) {
        command_error(error, "Invalid parameter 'format'");
        return NULL;
    }
    g_autofree char *path = quote(qmp_string(call, "filename"));
    g_autofree char *line = g_strdup_printf("screendump %s -f %s", path, format ? format : "ppm");
    return run_line(call->machine, line, error);
}

static JsonNode *save_memory(QmpCall *call, const char *name, GError **error)
{
    g_autofree char *path = quote(qmp_string(call, "filename"));
    g_autofree char *line = g_strdup_printf("%s 0x%" PRIx64 " 0x%" PRIx64 " %s", name,
                                            (uint64_t)qmp_integer(call, "val", 0),
                                            (uint64_t)qmp_integer(call, "size", 0), path);
    return run_line(call->machine, line, error);
}

JsonNode *qmp_memsave(QmpCall *call, GError **error)
{
    return save_memory(call, "memsave", error);
}

JsonNode *qmp_pmemsave(QmpCall *call, GError **error)
{
    return save_memory(call, "pmemsave", error);
}

static JsonNode *change_medium(QmpCall *call, const char *path, GError **error)
{
    const char *device = qmp_string(call, "device");
    device = device ? device : qmp_string(call, "id");
    if (!device)
        command_error(error, "Parameter 'device' is missing");
    else if (media_change(call->machine, device, path, qmp_string(call, "read-only-mode"),
                          qmp_boolean(call, "force"), error))
        return qmp_empty();
    return NULL;
}

JsonNode *qmp_eject(QmpCall *call, GError **error)
{
    return change_medium(call, NULL, error);
}

JsonNode *qmp_change_medium(QmpCall *call, GError **error)
{
    const char *format = qmp_string(call, "format");
    if (format && strcmp(format, "raw") != 0) {
        command_error(error, "Unknown driver '%s'", format);
        return NULL;
    }
    return change_medium(call, qmp_string(call, "filename"), error);
}

JsonNode *qmp_query_commands(QmpCall *call, GError **error)
{
    JsonArray *list = json_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "name", commands[i].name);
        json_array_add_object_element(list, object);
    }
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, list);
    return node;
}
