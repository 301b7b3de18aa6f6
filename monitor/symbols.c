/* SPDX-License-Identifier: MIT
 * Reads symbol tables by System V ABI "Object Files" (ELF) and nm's text form. The files are the
 * user's, but they may be cut or corrupt: every offset is checked. */
#include "monitor/symbols.h"

#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"

#define FUNCTION_MAX (UINT64_C(1) << 20) /* a symbol without a size reaches this far at most */

typedef struct {
    uint64_t address, size; /* size 0: unknown */
    const char *name;       /* in names */
} Symbol;

struct Symbols {
    GArray *list; /* of Symbol, ascending */
    GStringChunk *names;
};

static void add(Symbols *symbols, uint64_t address, uint64_t size, const char *name, size_t length)
{
    Symbol symbol = {address, size,
                     g_string_chunk_insert_len(symbols->names, name, (gssize)length)};
    g_array_append_val(symbols->list, symbol);
}

/* ---- ELF ---- */

typedef struct {
    const uint8_t *bytes;
    uint64_t size;
} Image;

static const void *image_at(const Image *image, uint64_t offset, uint64_t size)
{
    if (offset > image->size || size > image->size - offset)
        return NULL;
    return image->bytes + offset;
}

/* A section header or symbol of either class, widened. */
static bool section_header(const Image *image, const Elf64_Ehdr *header, unsigned index, bool wide,
                           Elf64_Shdr *out)
{
    const uint64_t each = wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    const void *at = header->e_shentsize == each && header->e_shoff <= image->size
                         ? image_at(image, header->e_shoff + index * each, each)
                         : NULL;
    Elf32_Shdr narrow;
    if (!at)
        return false;
    if (wide) {
        memcpy(out, at, sizeof *out);
        return true;
    }
    memcpy(&narrow, at, sizeof narrow);
    *out = (Elf64_Shdr){.sh_type = narrow.sh_type,
                        .sh_flags = narrow.sh_flags,
                        .sh_offset = narrow.sh_offset,
                        .sh_size = narrow.sh_size,
                        .sh_link = narrow.sh_link};
    return true;
}

static bool is_code(const Elf64_Sym *sym)
{
    const unsigned type = ELF64_ST_TYPE(sym->st_info);
    return (type == STT_FUNC || type == STT_NOTYPE) && sym->st_shndx != SHN_UNDEF &&
           sym->st_shndx < SHN_LORESERVE;
}

static void read_symbols(Symbols *symbols, const Image *image, const Elf64_Shdr *table,
                         const Elf64_Shdr *strings, bool wide, uint64_t offset)
{
    const uint64_t each = wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    const uint8_t *at = image_at(image, table->sh_offset, table->sh_size);
    const char *names = image_at(image, strings->sh_offset, strings->sh_size);
    if (!at || !names)
        return;
    for (uint64_t i = 0; i < table->sh_size / each; i++, at += each) {
        Elf64_Sym sym;
        Elf32_Sym narrow;
        if (wide) {
            memcpy(&sym, at, sizeof sym);
        } else {
            memcpy(&narrow, at, sizeof narrow);
            sym = (Elf64_Sym){narrow.st_name,  narrow.st_info,  narrow.st_other,
                              narrow.st_shndx, narrow.st_value, narrow.st_size};
        }
        if (!is_code(&sym) || sym.st_name >= strings->sh_size)
            continue;
        const char *name = names + sym.st_name;
        const size_t length = strnlen(name, strings->sh_size - sym.st_name);
        if (length > 0)
            add(symbols, sym.st_value + offset, sym.st_size, name, length);
    }
}

static void read_elf(Symbols *symbols, const Image *image, uint64_t offset)
{
    const bool wide = image->bytes[EI_CLASS] == ELFCLASS64;
    Elf64_Ehdr header = {0};
    Elf32_Ehdr narrow;
    if (wide && image->size >= sizeof header) {
        memcpy(&header, image->bytes, sizeof header);
    } else if (!wide && image->size >= sizeof narrow) {
        memcpy(&narrow, image->bytes, sizeof narrow);
        header.e_shoff = narrow.e_shoff;
        header.e_shnum = narrow.e_shnum;
        header.e_shentsize = narrow.e_shentsize;
    }
    for (unsigned i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr table, strings;
        if (section_header(image, &header, i, wide, &table) && table.sh_type == SHT_SYMTAB &&
            section_header(image, &header, table.sh_link, wide, &strings))
            read_symbols(symbols, image, &table, &strings, wide, offset);
    }
}

/* ---- "c0100000 T startup_32" ---- */

static void read_line(Symbols *symbols, const char *line, const char *end, uint64_t offset)
{
    char *after;
    const uint64_t address = g_ascii_strtoull(line, &after, 16);
    if (after == line || end - after < 4 || after[0] != ' ' || after[2] != ' ' ||
        !strchr("tTwW", after[1]))
        return;
    const char *name = after + 3;
    const char *stop = name;
    while (stop < end && !g_ascii_isspace(*stop))
        stop++;
    add(symbols, address + offset, 0, name, (size_t)(stop - name));
}

static void read_text(Symbols *symbols, const Image *image, uint64_t offset)
{
    g_autofree char *text = g_strndup((const char *)image->bytes, image->size);
    for (const char *line = text; *line;) {
        const char *end = strchrnul(line, '\n');
        read_line(symbols, line, end, offset);
        line = *end ? end + 1 : end;
    }
}

/* ---- the table ---- */

static gint by_address(gconstpointer a, gconstpointer b)
{
    const Symbol *left = a, *right = b;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    return 0;
}

Symbols *symbols_load(const char *path, uint64_t offset, GError **error)
{
    GMappedFile *file = g_mapped_file_new(path, FALSE, error);
    if (!file)
        return NULL;
    Symbols *symbols = g_new0(Symbols, 1);
    symbols->list = g_array_new(FALSE, FALSE, sizeof(Symbol));
    symbols->names = g_string_chunk_new(64 * 1024);
    const Image image = {(const uint8_t *)g_mapped_file_get_contents(file),
                         g_mapped_file_get_length(file)};
    if (image.size > EI_NIDENT && !memcmp(image.bytes, ELFMAG, SELFMAG))
        read_elf(symbols, &image, offset);
    else if (image.size > 0)
        read_text(symbols, &image, offset);
    g_mapped_file_unref(file);
    g_array_sort(symbols->list, by_address);
    if (symbols->list->len > 0)
        return symbols;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE,
                "'%s' names no code; give an ELF file with symbols, System.map or a copy of "
                "/proc/kallsyms",
                path);
    symbols_free(symbols);
    return NULL;
}

void symbols_free(Symbols *symbols)
{
    g_array_free(symbols->list, TRUE);
    g_string_chunk_free(symbols->names);
    g_free(symbols);
}

unsigned symbols_count(const Symbols *symbols)
{
    return symbols ? symbols->list->len : 0;
}

const char *symbols_find(const Symbols *symbols, uint64_t address, uint64_t *into)
{
    guint low = 0, high = symbols_count(symbols);
    while (low < high) {
        const guint middle = (low + high) / 2;
        if (g_array_index(symbols->list, Symbol, middle).address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const Symbol *symbol = &g_array_index(symbols->list, Symbol, low - 1);
    *into = address - symbol->address;
    return *into < (symbol->size ? symbol->size : FUNCTION_MAX) ? symbol->name : NULL;
}

bool symbols_lookup(const Symbols *symbols, const char *name, uint64_t *address)
{
    for (guint i = 0; i < symbols_count(symbols); i++) {
        const Symbol *symbol = &g_array_index(symbols->list, Symbol, i);
        if (strcmp(symbol->name, name) != 0)
            continue;
        *address = symbol->address;
        return true;
    }
    return false;
}

void symbols_append(const Symbols *symbols, uint64_t address, GString *out)
{
    uint64_t into;
    const char *name = symbols_find(symbols, address, &into);
    if (name)
        g_string_append_printf(out, " (%s+0x%" PRIx64 ")", name, into);
}

void symbols_name(void *symbols, uint64_t address, GString *out)
{
    uint64_t into;
    const char *name = symbols_find(symbols, address, &into);
    if (name)
        g_string_append_printf(out, "%s+0x%" PRIx64, name, into);
}
