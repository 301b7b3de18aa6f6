/* SPDX-License-Identifier: MIT */
#include "base/top-table.h"

unsigned top_table_list(const TopTable *table, TopEntry *out, unsigned capacity)
{
    unsigned count = 0;
    for (unsigned i = 0; i < TOP_ENTRIES; i++) {
        const TopEntry *entry = &table->entry[i];
        if (entry->count == 0)
            continue;
        unsigned at = count < capacity ? count++ : capacity;
        while (at > 0 && out[at - 1].count < entry->count) {
            if (at < capacity)
                out[at] = out[at - 1];
            at--;
        }
        if (at < capacity)
            out[at] = *entry;
    }
    return count;
}
