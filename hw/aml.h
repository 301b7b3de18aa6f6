/* SPDX-License-Identifier: MIT
 * A small writer of ACPI Machine Language: what our DSDT needs, in the order of the
 * bytes. Objects that hold others are opened by aml_begin_* and closed by aml_end.
 * Source: ACPI specification, chapters "ACPI Machine Language (AML) Specification"
 * and "Resource Data Types for ACPI". Names are given as in ASL: "\\_SB.PCI0". */
#ifndef HW_AML_H
#define HW_AML_H

#include <glib.h>
#include <stdint.h>

#define AML_MAX_DEPTH 16

typedef struct {
    GByteArray *out;
    guint open[AML_MAX_DEPTH]; /* where the lengths of the open objects go */
    guint resources;           /* start of the open resource list in out */
    int depth;
} Aml;

/* Append to out, which the caller owns. */
void aml_init(Aml *aml, GByteArray *out);
void aml_end(Aml *aml);

/* Objects */
void aml_begin_scope(Aml *aml, const char *name);
void aml_begin_device(Aml *aml, const char *name);
void aml_begin_processor(Aml *aml, const char *name, uint8_t id);
void aml_begin_method(Aml *aml, const char *name, unsigned args);
void aml_begin_package(Aml *aml, uint8_t elements);
void aml_begin_if(Aml *aml);               /* the predicate follows */
void aml_name(Aml *aml, const char *name); /* Name (name, object): the object follows */

/* Terms and operators; operands follow, the target last. */
void aml_integer(Aml *aml, uint32_t value);
void aml_eisa_id(Aml *aml, const char *id); /* "PNP0A03" */
void aml_ref(Aml *aml, const char *name);   /* a name, or the call of a method */
void aml_arg(Aml *aml, unsigned n);
void aml_no_target(Aml *aml);
void aml_op(Aml *aml, uint8_t opcode);
enum {
    AML_OP_STORE = 0x70,
    AML_OP_AND = 0x7b,
    AML_OP_OR = 0x7d,
    AML_OP_CREATE_DWORD_FIELD = 0x8a, /* buffer, index, new name */
    AML_OP_RETURN = 0xa4,
};

/* Name (name, value) in one call. */
void aml_name_integer(Aml *aml, const char *name, uint32_t value);
void aml_name_eisa_id(Aml *aml, const char *name, const char *id);

/* OperationRegion in PCI configuration space, and byte fields in it. */
void aml_pci_config_region(Aml *aml, const char *name, uint8_t offset, uint8_t length);
void aml_begin_byte_fields(Aml *aml, const char *region);
void aml_byte_field(Aml *aml, const char *name);

/* ResourceTemplate () { ... } */
void aml_begin_resources(Aml *aml);
void aml_end_resources(Aml *aml);
void aml_io(Aml *aml, uint16_t base, uint8_t length);
void aml_irq(Aml *aml, unsigned irq);
void aml_dma(Aml *aml, unsigned channel);
void aml_memory_fixed(Aml *aml, uint32_t base, uint32_t length);
void aml_interrupts(Aml *aml, const uint32_t *irqs, unsigned count); /* level, high, shared */
void aml_bus_range(Aml *aml, uint16_t first, uint16_t last);
void aml_io_range(Aml *aml, uint16_t first, uint16_t last);
void aml_memory_range(Aml *aml, uint32_t first, uint32_t last);

#endif
