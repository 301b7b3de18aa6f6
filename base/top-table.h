/* SPDX-License-Identifier: MIT
 * Counts by key in bounded memory: the most frequent keys survive (after Metwally, Agrawal and El
 * Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams"). A newcomer takes
 * over the count of the rarest entry near it, so counts of rare keys may be too high. For slow
 * paths. */
#ifndef BASE_TOP_TABLE_H
#define BASE_TOP_TABLE_H

#include <stdint.h>

enum { TOP_BITS = 8, TOP_ENTRIES = 1 << TOP_BITS, TOP_PROBES = 8 };

typedef struct {
    uint64_t key, count; /* count 0: free */
} TopEntry;

typedef struct {
    TopEntry entry[TOP_ENTRIES];
} TopTable;

static inline void top_table_count(TopTable *table, uint64_t key)
{
    uint64_t at = (key * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - TOP_BITS);
    TopEntry *rarest = &table->entry[at];
    for (unsigned i = 0; i < TOP_PROBES; i++) {
        TopEntry *entry = &table->entry[(at + i) % TOP_ENTRIES];
        if (entry->count && entry->key == key) {
            entry->count++;
            return;
        }
        if (entry->count < rarest->count)
            rarest = entry;
    }
    rarest->key = key;
    rarest->count++;
}

/* The entries with the highest counts, highest first; returns how many. */
unsigned top_table_list(const TopTable *table, TopEntry *out, unsigned capacity);

#endif
