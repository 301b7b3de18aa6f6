/* SPDX-License-Identifier: MIT */
#include "cli/stats.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

enum { TOP_WRITTEN = 20 };

/* "top_ports": [{"address": 100, "count": 7}, ...] */
static void add_top(JsonBuilder *builder, const Engine *engine, EngineTop which)
{
    static const char *const members[TOP_KINDS] = {
        [TOP_PORTS] = "top_ports",
        [TOP_MMIO] = "top_mmio",
        [TOP_SMC_PAGES] = "top_smc_pages",
        [TOP_FAULTS] = "top_faults",
    };
    TopEntry top[TOP_WRITTEN];
    const unsigned count = engine_list_top(engine, which, top, G_N_ELEMENTS(top));
    json_builder_set_member_name(builder, members[which]);
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < count; i++) {
        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "address");
        json_builder_add_int_value(builder, (gint64)top[i].key);
        json_builder_set_member_name(builder, "count");
        json_builder_add_int_value(builder, (gint64)top[i].count);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void write_json(const char *path, Engine *engine)
{
    EngineCounter list[64];
    unsigned n = engine_list_counters(engine, list, G_N_ELEMENTS(list));
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    for (unsigned i = 0; i < n; i++) {
        json_builder_set_member_name(builder, list[i].name);
        json_builder_add_int_value(builder, (gint64)list[i].value);
    }
    for (unsigned which = 0; which < TOP_KINDS; which++)
        add_top(builder, engine, (EngineTop)which);
    json_builder_end_object(builder);
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, TRUE);
    g_autoptr(GError) error = NULL;
    if (!json_generator_to_file(generator, path, &error))
        fprintf(stderr, "dbtvm: --stats-json: %s\n", error->message);
}

void stats_write(const Config *config, Engine *engine)
{
    if (config->stats) {
        g_autoptr(GString) text = g_string_new(NULL);
        engine_print_stats(engine, text);
        fputs(text->str, stderr);
    }
    if (config->stats_json)
        write_json(config->stats_json, engine);
}
