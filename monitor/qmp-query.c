/* SPDX-License-Identifier: MIT
 * The JSON monitor's queries: field names are those of the public protocol. */
#include <stdio.h>
#include <unistd.h>

#include "monitor/command.h"
#include "monitor/media.h"
#include "monitor/qmp-priv.h"

static JsonNode *node_of_object(JsonObject *object)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, object);
    return node;
}

static JsonNode *node_of_array(JsonArray *array)
{
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, array);
    return node;
}

JsonNode *qmp_version(void)
{
    int part[3] = {0};
    JsonObject *version = json_object_new(), *numbers = json_object_new();
    sscanf(DBTVM_VERSION, "%d.%d.%d", &part[0], &part[1], &part[2]);
    json_object_set_int_member(numbers, "major", part[0]);
    json_object_set_int_member(numbers, "minor", part[1]);
    json_object_set_int_member(numbers, "micro", part[2]);
    json_object_set_object_member(version, "qemu", numbers); /* clients look for this name */
    json_object_set_string_member(version, "package", "dbtvm " DBTVM_VERSION);
    return node_of_object(version);
}

JsonNode *qmp_query_version(QmpCall *call, GError **error)
{
    return qmp_version();
}

JsonNode *qmp_query_status(QmpCall *call, GError **error)
{
    static const char *const names[] = {
        [MACHINE_RUNNING] = "running",         [MACHINE_PAUSED] = "paused",
        [MACHINE_PRELAUNCH] = "prelaunch",     [MACHINE_OFF] = "shutdown",
        [MACHINE_PANICKED] = "guest-panicked", [MACHINE_IO_ERROR] = "io-error"};
    MachineState state = call->machine->state(call->machine);
    JsonObject *status = json_object_new();
    json_object_set_string_member(status, "status", names[state]);
    json_object_set_boolean_member(status, "singlestep", FALSE);
    json_object_set_boolean_member(status, "running", state == MACHINE_RUNNING);
    return node_of_object(status);
}

JsonNode *qmp_query_name(QmpCall *call, GError **error)
{
    JsonObject *object = json_object_new();
    if (call->machine->name)
        json_object_set_string_member(object, "name", call->machine->name);
    return node_of_object(object);
}

JsonNode *qmp_query_kvm(QmpCall *call, GError **error)
{
    JsonObject *object = json_object_new();
    json_object_set_boolean_member(object, "enabled", FALSE);
    json_object_set_boolean_member(object, "present", FALSE);
    return node_of_object(object);
}

JsonNode *qmp_query_target(QmpCall *call, GError **error)
{
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "arch", "i386");
    return node_of_object(object);
}

JsonNode *qmp_query_memory(QmpCall *call, GError **error)
{
    JsonObject *object = json_object_new();
    json_object_set_int_member(object, "base-memory", (gint64)call->machine->ram_bytes);
    return node_of_object(object);
}

static JsonObject *pci_region(const PciBar *bar, unsigned index)
{
    JsonObject *object = json_object_new();
    const bool io = bar->kind == PCI_BAR_IO;
    json_object_set_int_member(object, "bar", index);
    json_object_set_string_member(object, "type", io ? "io" : "memory");
    json_object_set_int_member(object, "address", (gint64)bar->base); /* -1: not mapped */
    json_object_set_int_member(object, "size", (gint64)bar->size);
    if (io)
        return object;
    json_object_set_boolean_member(object, "prefetch",
                                   bar->kind == PCI_BAR_MEM32_PREFETCH ||
                                       bar->kind == PCI_BAR_MEM64_PREFETCH);
    json_object_set_boolean_member(
        object, "mem_type_64", bar->kind == PCI_BAR_MEM64 || bar->kind == PCI_BAR_MEM64_PREFETCH);
    return object;
}

static JsonObject *pci_function(const PciFunction *fn)
{
    JsonObject *object = json_object_new(), *kind = json_object_new(), *id = json_object_new();
    JsonArray *regions = json_array_new();
    const uint16_t class_code = pci_get_word(fn, PCI_CLASS);
    json_object_set_int_member(kind, "class", class_code);
    json_object_set_string_member(kind, "desc", pci_class_name(class_code));
    json_object_set_int_member(id, "vendor", pci_get_word(fn, PCI_VENDOR_ID));
    json_object_set_int_member(id, "device", pci_get_word(fn, PCI_DEVICE_ID));
    for (unsigned i = 0; i < PCI_BARS; i++)
        if (fn->bars[i].kind != PCI_BAR_NONE)
            json_array_add_object_element(regions, pci_region(&fn->bars[i], i));
    json_object_set_int_member(object, "bus", 0);
    json_object_set_int_member(object, "slot", fn->devfn >> 3);
    json_object_set_int_member(object, "function", fn->devfn & 7);
    json_object_set_object_member(object, "class_info", kind);
    json_object_set_object_member(object, "id", id);
    json_object_set_int_member(object, "irq_pin", fn->config[PCI_INTERRUPT_PIN]);
    if (fn->config[PCI_INTERRUPT_PIN])
        json_object_set_int_member(object, "irq", fn->config[PCI_INTERRUPT_LINE]);
    json_object_set_string_member(object, "qdev_id", "");
    json_object_set_array_member(object, "regions", regions);
    return object;
}

JsonNode *qmp_query_pci(QmpCall *call, GError **error)
{
    JsonArray *buses = json_array_new(), *devices = json_array_new();
    JsonObject *bus = json_object_new();
    machine_enter(call->machine);
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        const PciFunction *fn = pci_bus_find(pc_pci(call->machine->pc), devfn);
        if (fn)
            json_array_add_object_element(devices, pci_function(fn));
    }
    machine_leave(call->machine);
    json_object_set_int_member(bus, "bus", 0);
    json_object_set_array_member(bus, "devices", devices);
    json_array_add_object_element(buses, bus);
    return node_of_array(buses);
}

JsonNode *qmp_query_cpus_fast(QmpCall *call, GError **error)
{
    JsonArray *list = json_array_new();
    JsonObject *cpu = json_object_new(), *place = json_object_new();
    json_object_set_int_member(place, "socket-id", 0);
    json_object_set_int_member(place, "core-id", 0);
    json_object_set_int_member(place, "thread-id", 0);
    json_object_set_int_member(cpu, "cpu-index", 0);
    json_object_set_string_member(cpu, "qom-path", "/machine/unattached/device[0]");
    json_object_set_int_member(cpu, "thread-id", call->machine->vcpu_thread_id);
    json_object_set_string_member(cpu, "target", "i386");
    json_object_set_object_member(cpu, "props", place);
    json_array_add_object_element(list, cpu);
    return node_of_array(list);
}

static JsonObject *inserted(const MediaState *state)
{
    JsonObject *object = json_object_new(), *image = json_object_new();
    const char *path = block_path(state->block);
    json_object_set_string_member(image, "filename", path);
    json_object_set_string_member(image, "format", "raw");
    json_object_set_int_member(image, "virtual-size", (gint64)block_size(state->block));
    json_object_set_string_member(object, "file", path);
    json_object_set_string_member(object, "drv", "raw");
    json_object_set_string_member(object, "node-name", state->name);
    json_object_set_boolean_member(object, "ro", block_read_only(state->block));
    json_object_set_boolean_member(object, "encrypted", FALSE);
    json_object_set_object_member(object, "image", image);
    return object;
}

JsonNode *qmp_query_block(QmpCall *call, GError **error)
{
    JsonArray *list = json_array_new();
    machine_enter(call->machine);
    for (unsigned i = 0; i < MEDIA_DRIVES; i++) {
        MediaState state = media_state(call->machine, &media_drives[i]);
        if (!state.there)
            continue;
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "device", state.name);
        json_object_set_string_member(object, "qdev", state.name);
        json_object_set_string_member(object, "type", "unknown");
        json_object_set_boolean_member(object, "removable", state.removable);
        json_object_set_boolean_member(object, "locked", state.locked);
        if (state.block)
            json_object_set_object_member(object, "inserted", inserted(&state));
        json_array_add_object_element(list, object);
    }
    machine_leave(call->machine);
    return node_of_array(list);
}

JsonNode *qmp_query_chardev(QmpCall *call, GError **error)
{
    JsonArray *list = json_array_new();
    const MachineChardev *chardevs = call->machine->chardevs;
    address_space_lock(call->machine->as);
    for (unsigned i = 0; chardevs && i < MACHINE_CHARDEVS; i++) {
        if (!chardevs[i].label)
            continue;
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "label", chardevs[i].label);
        json_object_set_string_member(object, "filename", chardevs[i].filename);
        json_object_set_boolean_member(object, "frontend-open",
                                       chardev_is_open(chardevs[i].chardev));
        json_array_add_object_element(list, object);
    }
    address_space_unlock(call->machine->as);
    return node_of_array(list);
}
