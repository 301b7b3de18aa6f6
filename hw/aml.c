/* SPDX-License-Identifier: MIT
 * AML encoding. Knows nothing of the machine. Source: ACPI specification, chapters
 * "ACPI Machine Language (AML) Specification" and "Resource Data Types for ACPI". */
#include "hw/aml.h"
#include <string.h>

#define EXT_OP 0x5b

static void put(Aml *aml, const void *data, size_t size)
{
    g_byte_array_append(aml->out, data, (guint)size);
}

static void put8(Aml *aml, uint8_t value)
{
    put(aml, &value, 1);
}

static void put16(Aml *aml, uint16_t value)
{
    value = GUINT16_TO_LE(value);
    put(aml, &value, 2);
}

static void put32(Aml *aml, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    put(aml, &value, 4);
}

static void insert(GByteArray *out, guint at, const uint8_t *data, guint size)
{
    guint tail = out->len - at;
    g_byte_array_set_size(out, out->len + size);
    memmove(out->data + at + size, out->data + at, tail);
    memcpy(out->data + at, data, size);
}

void aml_init(Aml *aml, GByteArray *out)
{
    *aml = (Aml){.out = out};
}

static void begin(Aml *aml)
{
    g_assert(aml->depth < AML_MAX_DEPTH);
    aml->open[aml->depth++] = aml->out->len;
}

/* "PkgLength Encoding": counts its own 1..4 bytes; bits 7:6 of the first say how many follow. */
void aml_end(Aml *aml)
{
    g_assert(aml->depth > 0);
    guint at = aml->open[--aml->depth];
    guint length = aml->out->len - at;
    uint8_t bytes[4];
    guint extra = length + 1 < 0x40 ? 0 : length + 2 < 0x1000 ? 1 : length + 3 < 0x100000 ? 2 : 3;
    length += 1 + extra;
    if (extra == 0) {
        bytes[0] = (uint8_t)length;
    } else {
        bytes[0] = (uint8_t)(extra << 6 | (length & 0xf));
        for (guint i = 0; i < extra; i++)
            bytes[1 + i] = (uint8_t)(length >> (4 + 8 * i));
    }
    insert(aml->out, at, bytes, 1 + extra);
}

static void put_segment(Aml *aml, const char *text, size_t length)
{
    g_assert(length >= 1 && length <= 4);
    put(aml, text, length);
    put(aml, "____", 4 - length);
}

/* "Name Objects Encoding" */
static void put_name(Aml *aml, const char *name)
{
    if (*name == '\\') {
        put8(aml, '\\');
        name++;
    }
    unsigned segments = 1;
    for (const char *p = name; *p; p++)
        segments += *p == '.';
    if (*name == '\0') {
        put8(aml, 0);
        return;
    }
    if (segments == 2) {
        put8(aml, 0x2e);
    } else if (segments > 2) {
        put8(aml, 0x2f);
        put8(aml, (uint8_t)segments);
    }
    while (*name) {
        size_t length = strcspn(name, ".");
        put_segment(aml, name, length);
        name += length + (name[length] == '.');
    }
}

void aml_begin_scope(Aml *aml, const char *name)
{
    put8(aml, 0x10);
    begin(aml);
    put_name(aml, name);
}

void aml_begin_device(Aml *aml, const char *name)
{
    put8(aml, EXT_OP);
    put8(aml, 0x82);
    begin(aml);
    put_name(aml, name);
}

void aml_begin_processor(Aml *aml, const char *name, uint8_t id)
{
    put8(aml, EXT_OP);
    put8(aml, 0x83);
    begin(aml);
    put_name(aml, name);
    put8(aml, id);
    put32(aml, 0); /* no P_BLK */
    put8(aml, 0);
}

void aml_begin_method(Aml *aml, const char *name, unsigned args)
{
    put8(aml, 0x14);
    begin(aml);
    put_name(aml, name);
    put8(aml, (uint8_t)(args | 0x08)); /* serialized: methods create names */
}

void aml_begin_package(Aml *aml, uint8_t elements)
{
    put8(aml, 0x12);
    begin(aml);
    put8(aml, elements);
}

void aml_begin_if(Aml *aml)
{
    put8(aml, 0xa0);
    begin(aml);
}

void aml_name(Aml *aml, const char *name)
{
    put8(aml, 0x08);
    put_name(aml, name);
}

void aml_integer(Aml *aml, uint32_t value)
{
    if (value <= 1) {
        put8(aml, (uint8_t)value);
    } else if (value <= 0xff) {
        put8(aml, 0x0a);
        put8(aml, (uint8_t)value);
    } else if (value <= 0xffff) {
        put8(aml, 0x0b);
        put16(aml, (uint16_t)value);
    } else {
        put8(aml, 0x0c);
        put32(aml, value);
    }
}

/* Three letters of five bits and four hex digits, in big-endian order. */
void aml_eisa_id(Aml *aml, const char *id)
{
    g_assert(strlen(id) == 7);
    uint32_t value = (uint32_t)(id[0] & 0x1f) << 26 | (uint32_t)(id[1] & 0x1f) << 21 |
                     (uint32_t)(id[2] & 0x1f) << 16;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)g_ascii_xdigit_value(id[3 + i]) << (12 - 4 * i);
    put8(aml, 0x0c);
    put32(aml, GUINT32_SWAP_LE_BE(value));
}

void aml_ref(Aml *aml, const char *name)
{
    put_name(aml, name);
}

void aml_arg(Aml *aml, unsigned n)
{
    put8(aml, (uint8_t)(0x68 + n));
}

void aml_no_target(Aml *aml)
{
    put8(aml, 0);
}

void aml_op(Aml *aml, uint8_t opcode)
{
    put8(aml, opcode);
}

void aml_name_integer(Aml *aml, const char *name, uint32_t value)
{
    aml_name(aml, name);
    aml_integer(aml, value);
}

void aml_name_eisa_id(Aml *aml, const char *name, const char *id)
{
    aml_name(aml, name);
    aml_eisa_id(aml, id);
}

void aml_pci_config_region(Aml *aml, const char *name, uint8_t offset, uint8_t length)
{
    put8(aml, EXT_OP);
    put8(aml, 0x80);
    put_name(aml, name);
    put8(aml, 2); /* PCI_Config */
    aml_integer(aml, offset);
    aml_integer(aml, length);
}

void aml_begin_byte_fields(Aml *aml, const char *region)
{
    put8(aml, EXT_OP);
    put8(aml, 0x81);
    begin(aml);
    put_name(aml, region);
    put8(aml, 1); /* ByteAcc, NoLock, Preserve */
}

void aml_byte_field(Aml *aml, const char *name)
{
    put_segment(aml, name, strlen(name));
    put8(aml, 8); /* bits, as a PkgLength */
}

/* A buffer; its size, an AML integer, is put in front when the list is complete. */
void aml_begin_resources(Aml *aml)
{
    put8(aml, 0x11);
    begin(aml);
    aml->resources = aml->out->len;
}

void aml_end_resources(Aml *aml)
{
    put8(aml, 0x79); /* end tag */
    put8(aml, 0);    /* checksum 0: none */
    guint size = aml->out->len - aml->resources;
    const uint8_t integer[3] = {0x0b, (uint8_t)size, (uint8_t)(size >> 8)};
    insert(aml->out, aml->resources, integer, sizeof(integer));
    aml_end(aml);
}

void aml_io(Aml *aml, uint16_t base, uint8_t length)
{
    put8(aml, 0x47);
    put8(aml, 1); /* decodes 16 bits */
    put16(aml, base);
    put16(aml, base);
    put8(aml, 1); /* alignment */
    put8(aml, length);
}

void aml_irq(Aml *aml, unsigned irq)
{
    put8(aml, 0x22);
    put16(aml, (uint16_t)(1u << irq));
}

void aml_dma(Aml *aml, unsigned channel)
{
    put8(aml, 0x2a);
    put8(aml, (uint8_t)(1u << channel));
    put8(aml, 0); /* compatible timing, 8 bits, no bus master */
}

void aml_memory_fixed(Aml *aml, uint32_t base, uint32_t length)
{
    put8(aml, 0x86);
    put16(aml, 9);
    put8(aml, 0); /* read only */
    put32(aml, base);
    put32(aml, length);
}

void aml_interrupts(Aml *aml, const uint32_t *irqs, unsigned count)
{
    put8(aml, 0x89);
    put16(aml, (uint16_t)(2 + 4 * count));
    put8(aml, 0x09); /* consumer, level, active high, shared */
    put8(aml, (uint8_t)count);
    for (unsigned i = 0; i < count; i++)
        put32(aml, irqs[i]);
}

#define RANGE_FIXED 0x0c /* producer, minimum and maximum fixed, positive decode */

static void put_word_range(Aml *aml, uint8_t type, uint8_t flags, uint16_t first, uint16_t last)
{
    put8(aml, 0x88);
    put16(aml, 13);
    put8(aml, type);
    put8(aml, RANGE_FIXED);
    put8(aml, flags);
    put16(aml, 0); /* granularity */
    put16(aml, first);
    put16(aml, last);
    put16(aml, 0); /* translation */
    put16(aml, (uint16_t)(last - first + 1));
}

void aml_bus_range(Aml *aml, uint16_t first, uint16_t last)
{
    put_word_range(aml, 2, 0, first, last);
}

void aml_io_range(Aml *aml, uint16_t first, uint16_t last)
{
    put_word_range(aml, 1, 3, first, last); /* whole range, ISA and non-ISA */
}

void aml_memory_range(Aml *aml, uint32_t first, uint32_t last)
{
    put8(aml, 0x87);
    put16(aml, 23);
    put8(aml, 0);
    put8(aml, RANGE_FIXED);
    put8(aml, 1);  /* not cacheable, writable */
    put32(aml, 0); /* granularity */
    put32(aml, first);
    put32(aml, last);
    put32(aml, 0); /* translation */
    put32(aml, last - first + 1);
}
