/* SPDX-License-Identifier: MIT */
#include "cli/stats.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

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
