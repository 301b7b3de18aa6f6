/* SPDX-License-Identifier: MIT
 * Names of guest code addresses, from an ELF file (vmlinux) or a list as `nm` prints it
 * (System.map, /proc/kallsyms). */
#ifndef MONITOR_SYMBOLS_H
#define MONITOR_SYMBOLS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Symbols Symbols;

/* offset is added to every address: where the guest's loader moved the code. NULL and *error:
 * the file cannot be read or names no code. */
Symbols *symbols_load(const char *path, uint64_t offset, GError **error);
void symbols_free(Symbols *symbols);
/* The function that address lies in, *into bytes from its start; NULL: none. symbols may be NULL.
 */
const char *symbols_find(const Symbols *symbols, uint64_t address, uint64_t *into);
/* Address of a name. */
bool symbols_lookup(const Symbols *symbols, const char *name, uint64_t *address);
/* " (name+0x1f)", or nothing. */
void symbols_append(const Symbols *symbols, uint64_t address, GString *out);
/* "name+0x1f", or nothing; an EngineNamer. */
void symbols_name(void *symbols, uint64_t address, GString *out);
unsigned symbols_count(const Symbols *symbols);

#endif
