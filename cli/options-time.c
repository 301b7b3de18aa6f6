/* SPDX-License-Identifier: MIT
 * Time counted in instructions, and what else makes two runs the same. */
#include <string.h>

#include "cli/options-priv.h"

enum { SHIFT_MAX = 10 }; /* QEMU's */

static bool set_shift(void *target, const char *value, GError **error)
{
    Config *config = target;
    if (!strcmp(value, "auto"))
        return option_error(error,
                            "shift=auto follows the host's speed, so no two runs are the same; "
                            "give a number");
    return (parse_number(value, &config->icount_shift) && config->icount_shift <= SHIFT_MAX) ||
           option_error(error, "shift=%s: must be a number from 0 to %d", value, SHIFT_MAX);
}

bool option_icount(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    static const KeyRule rules[] = {
        {"shift", KEY_CUSTOM, .set = set_shift},
        {"sleep", KEY_BOOL, offsetof(Config, icount_sleep)},
        {"align", KEY_ONLY, .text = "off"},
        {"rr", KEY_REFUSED, .text = "there is no record and replay"},
        {"rrfile", KEY_REFUSED, .text = "there is no record and replay"},
        {"rrsnapshot", KEY_REFUSED, .text = "there is no record and replay"},
    };
    Config *config = parser->config;
    config->icount = config->icount_sleep = config->seeded = true;
    GArray *list = key_values_parse(text, "shift");
    const bool good = key_values_apply(list, rules, G_N_ELEMENTS(rules), config, error);
    key_values_free(list);
    return good;
}

bool option_seed(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    parser->config->seeded = true;
    return parse_number(text, &parser->config->seed) || option_error(error, "must be a number");
}

bool option_digest(Parser *parser, const OptionRow *row, const char *text, GError **error)
{
    uint64_t *every = &parser->config->digest_every;
    return (parse_number(text, every) && *every > 0) ||
           option_error(error, "must be a number of instructions");
}
