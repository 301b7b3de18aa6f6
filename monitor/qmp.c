/* SPDX-License-Identifier: MIT
 * One connection of the JSON monitor: greeting, capabilities, one command after the other, events.
 * Bytes arrive with the io lock held; commands run without it, from a source of the main loop.
 * Whatever a client sends, it gets an error back and the machine goes on. */
#include "monitor/qmp.h"

#include <string.h>

#include "base/main-loop.h"
#include "monitor/execution.h"
#include "monitor/json-plain.h"
#include "monitor/json-split.h"
#include "monitor/qmp-priv.h"

enum { WAITING_MAX = 256, WAITING_BYTES_MAX = 4 << 20, READ_MAX = 4096 };

typedef struct {
    char *text; /* one JSON value, or NULL */
    const char *fault;
} Request;

struct Qmp {
    Machine *machine;
    Chardev *chardev;
    int front;
    bool open, negotiated;
    JsonSplit split;
    GQueue *waiting; /* of Request */
    size_t waiting_bytes;
    guint source; /* runs the next one */
    /* human-monitor-command */
    Execution *execution;
    JsonNode *execution_id;
};

static const char generic[] = "GenericError", not_found[] = "CommandNotFound";

/* Output */

/* Takes object over. */
static void send_object(Qmp *qmp, JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
    g_autofree char *text = json_to_string(node, FALSE);
    g_autofree char *line = g_strconcat(text, "\r\n", NULL);
    json_object_unref(object);
    address_space_lock(qmp->machine->as);
    if (qmp->front >= 0)
        chardev_write(qmp->chardev, qmp->front, (const uint8_t *)line, strlen(line));
    address_space_unlock(qmp->machine->as);
}

static void add_id(JsonObject *reply, JsonNode *id)
{
    if (id)
        json_object_set_member(reply, "id", json_node_copy(id));
}

/* Takes value over. */
static void send_return(Qmp *qmp, JsonNode *value, JsonNode *id)
{
    JsonObject *reply = json_object_new();
    json_object_set_member(reply, "return", value);
    add_id(reply, id);
    send_object(qmp, reply);
}

static void send_error(Qmp *qmp, const char *error_class, const char *text, JsonNode *id)
{
    JsonObject *reply = json_object_new(), *error = json_object_new();
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    json_object_set_string_member(error, "class", error_class);
    json_object_set_string_member(error, "desc", valid);
    json_object_set_object_member(reply, "error", error);
    add_id(reply, id);
    send_object(qmp, reply);
}

static void greet(Qmp *qmp)
{
    JsonObject *hello = json_object_new(), *inside = json_object_new();
    json_object_set_member(inside, "version", qmp_version());
    json_object_set_array_member(inside, "capabilities", json_array_new());
    json_object_set_object_member(hello, "QMP", inside);
    send_object(qmp, hello);
}

static JsonObject *event_data(const MachineEvent *event)
{
    JsonObject *data = json_object_new();
    if (event->kind == MACHINE_EVENT_PANIC || event->kind == MACHINE_EVENT_CRASH_KERNEL) {
        json_object_set_string_member(data, "action", event->reason);
        return data;
    }
    json_object_set_boolean_member(data, "guest", event->guest);
    json_object_set_string_member(data, "reason", event->reason);
    return data;
}

static void on_machine_event(void *opaque, const MachineEvent *event)
{
    static const char *const names[] = {[MACHINE_EVENT_STOP] = "STOP",
                                        [MACHINE_EVENT_RESUME] = "RESUME",
                                        [MACHINE_EVENT_RESET] = "RESET",
                                        [MACHINE_EVENT_SHUTDOWN] = "SHUTDOWN",
                                        [MACHINE_EVENT_POWERDOWN] = "POWERDOWN",
                                        [MACHINE_EVENT_PANIC] = "GUEST_PANICKED",
                                        [MACHINE_EVENT_CRASH_KERNEL] = "GUEST_CRASHLOADED"};
    Qmp *qmp = opaque;
    if (!qmp->negotiated)
        return;
    int64_t now = g_get_real_time();
    JsonObject *object = json_object_new(), *time = json_object_new();
    json_object_set_int_member(time, "seconds", now / G_USEC_PER_SEC);
    json_object_set_int_member(time, "microseconds", now % G_USEC_PER_SEC);
    json_object_set_object_member(object, "timestamp", time);
    json_object_set_string_member(object, "event", names[event->kind]);
    if (event->reason)
        json_object_set_object_member(object, "data", event_data(event));
    send_object(qmp, object);
}

/* Requests */

static void run_soon(Qmp *qmp);

static void negotiate(Qmp *qmp, JsonObject *args, JsonNode *id)
{
    JsonArray *enable = args && json_object_has_member(args, "enable")
                            ? json_object_get_array_member(args, "enable")
                            : NULL;
    if (enable && json_array_get_length(enable) > 0) {
        send_error(qmp, generic, "this capability is not offered", id);
        return;
    }
    qmp->negotiated = true;
    send_return(qmp, qmp_empty(), id);
}

static void line_done(void *opaque, const char *output, const GError *error, bool leaving)
{
    Qmp *qmp = opaque;
    JsonNode *id = g_steal_pointer(&qmp->execution_id);
    GString *whole = g_string_new(output);
    if (error)
        g_string_append_printf(whole, "%s\n", error->message);
    g_string_replace(whole, "\n", "\r\n", 0); /* as on a terminal */
    g_autofree char *valid = g_utf8_make_valid(whole->str, (gssize)whole->len);
    g_string_free(whole, TRUE);
    qmp->execution = NULL;
    send_return(qmp, json_node_init_string(json_node_alloc(), valid), id);
    g_clear_pointer(&id, json_node_unref);
    run_soon(qmp);
}

static void run_human_line(Qmp *qmp, JsonObject *args, JsonNode *id)
{
    qmp->execution_id = id ? json_node_copy(id) : NULL;
    qmp->execution = execution_start(
        qmp->machine, json_object_get_string_member(args, "command-line"), NULL, line_done, qmp);
}

static void run_command(Qmp *qmp, const char *name, JsonObject *args, JsonNode *id)
{
    g_autoptr(GError) error = NULL;
    const QmpCommand *command = qmp_find(name);
    bool capabilities = !strcmp(name, "qmp_capabilities");
    if (!qmp->negotiated && !capabilities) {
        send_error(qmp, not_found, "Expecting capabilities negotiation with 'qmp_capabilities'",
                   id);
    } else if (qmp->negotiated && capabilities) {
        send_error(qmp, not_found, "Capabilities negotiation is already complete, command ignored",
                   id);
    } else if (!command) {
        g_autofree char *text = g_strdup_printf("The command %s has not been found", name);
        send_error(qmp, not_found, text, id);
    } else if (!qmp_check_arguments(command, args, &error)) {
        send_error(qmp, generic, error->message, id);
    } else if (capabilities) {
        negotiate(qmp, args, id);
    } else if (!command->run) {
        run_human_line(qmp, args, id);
    } else {
        QmpCall call = {qmp->machine, args, command->line};
        JsonNode *value = command->run(&call, &error);
        if (value)
            send_return(qmp, value, id);
        else
            send_error(qmp, generic, error->message, id);
    }
}

/* What a request may contain: fault, or NULL. */
static char *check_request(JsonNode *root)
{
    static const char *const known[] = {"execute", "arguments", "id", NULL};
    if (!root || !JSON_NODE_HOLDS_OBJECT(root))
        return g_strdup("QMP input must be a JSON object");
    JsonObject *object = json_node_get_object(root);
    g_autoptr(GList) members = json_object_get_members(object);
    for (GList *member = members; member; member = member->next)
        if (!g_strv_contains(known, member->data))
            return g_strdup_printf("QMP input member '%s' is unexpected", (char *)member->data);
    JsonNode *execute = json_object_get_member(object, "execute");
    if (!execute)
        return g_strdup("QMP input lacks member 'execute'");
    if (!JSON_NODE_HOLDS_VALUE(execute) || json_node_get_value_type(execute) != G_TYPE_STRING)
        return g_strdup("QMP input member 'execute' must be a string");
    JsonNode *args = json_object_get_member(object, "arguments");
    if (args && !JSON_NODE_HOLDS_OBJECT(args))
        return g_strdup("QMP input member 'arguments' must be an object");
    return NULL;
}

static void run_text(Qmp *qmp, const char *text)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    const char *not_plain = json_plain_fault(text);
    if (not_plain || !g_utf8_validate(text, -1, NULL) ||
        !json_parser_load_from_data(parser, text, -1, NULL)) {
        send_error(qmp, generic, not_plain ? not_plain : "JSON parse error", NULL);
        return;
    }
    JsonNode *root = json_parser_get_root(parser);
    g_autofree char *fault = check_request(root);
    JsonObject *object = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    JsonNode *id = object ? json_object_get_member(object, "id") : NULL;
    if (fault) {
        send_error(qmp, generic, fault, id);
        return;
    }
    JsonObject *args = json_object_has_member(object, "arguments")
                           ? json_object_get_object_member(object, "arguments")
                           : NULL;
    run_command(qmp, json_object_get_string_member(object, "execute"), args, id);
}

/* NULL: none. */
static Request *take_request(Qmp *qmp)
{
    Request *request = g_queue_pop_head(qmp->waiting);
    if (request && request->text)
        qmp->waiting_bytes -= strlen(request->text);
    return request;
}

static void free_request(Request *request)
{
    g_free(request->text);
    g_free(request);
}

static gboolean run_next(gpointer opaque)
{
    Qmp *qmp = opaque;
    Request *request = take_request(qmp);
    qmp->source = 0;
    if (request->text)
        run_text(qmp, request->text);
    else
        send_error(qmp, generic, request->fault, NULL);
    free_request(request);
    address_space_lock(qmp->machine->as);
    run_soon(qmp);
    chardev_accept_input(qmp->chardev);
    address_space_unlock(qmp->machine->as);
    return G_SOURCE_REMOVE;
}

static void run_soon(Qmp *qmp)
{
    if (!qmp->source && !qmp->execution && !g_queue_is_empty(qmp->waiting) &&
        !chardev_is_full(qmp->chardev))
        qmp->source = main_loop_post(run_next, qmp);
}

/* Connection */

static size_t on_can_receive(void *opaque)
{
    const Qmp *qmp = opaque;
    /* A request has two bytes at least, so that one read cannot queue very many more. */
    return g_queue_get_length(qmp->waiting) < WAITING_MAX && qmp->waiting_bytes < WAITING_BYTES_MAX
               ? READ_MAX
               : 0;
}

static void on_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    Qmp *qmp = opaque;
    for (size_t i = 0; i < count; i++) {
        Request request = {0};
        if (!json_split_feed(&qmp->split, bytes[i], &request.text, &request.fault))
            continue;
        g_queue_push_tail(qmp->waiting, g_memdup2(&request, sizeof(request)));
        qmp->waiting_bytes += request.text ? strlen(request.text) : 0;
    }
    run_soon(qmp);
}

static void forget_client(Qmp *qmp)
{
    Request *request;
    qmp->open = false;
    qmp->negotiated = false;
    json_split_clear(&qmp->split);
    while ((request = take_request(qmp)))
        free_request(request);
    if (qmp->source)
        g_source_remove(qmp->source);
    qmp->source = 0;
    g_clear_pointer(&qmp->execution, execution_cancel);
    g_clear_pointer(&qmp->execution_id, json_node_unref);
}

static void on_event(void *opaque, ChardevEvent event)
{
    Qmp *qmp = opaque;
    switch (event) {
    case CHARDEV_OPENED:
        forget_client(qmp); /* the last one */
        qmp->open = true;
        if (qmp->front >= 0)
            greet(qmp);
        break;
    case CHARDEV_CLOSED: /* what has come in whole is still done */
        json_split_clear(&qmp->split);
        break;
    case CHARDEV_DRAINED:
        run_soon(qmp);
        break;
    case CHARDEV_FOCUS:
    case CHARDEV_BREAK:
        break;
    }
}

static const ChardevHandler handler = {on_can_receive, on_receive, on_event};

Qmp *qmp_new(Machine *machine, Chardev *chardev)
{
    Qmp *qmp = g_new0(Qmp, 1);
    qmp->machine = machine;
    qmp->chardev = chardev;
    qmp->waiting = g_queue_new();
    qmp->front = -1;
    address_space_lock(machine->as);
    qmp->front = chardev_attach(chardev, &handler, qmp);
    if (qmp->open)
        greet(qmp);
    address_space_unlock(machine->as);
    machine_listen(machine, on_machine_event, qmp);
    return qmp;
}

void qmp_free(Qmp *qmp)
{
    if (!qmp)
        return;
    machine_unlisten(qmp->machine, on_machine_event, qmp);
    forget_client(qmp);
    g_queue_free(qmp->waiting);
    g_free(qmp);
}
