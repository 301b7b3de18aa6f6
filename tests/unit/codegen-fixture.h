/* SPDX-License-Identifier: MIT
 * A vCPU with some RAM and a device, no guest architecture: runs hand-built IR through the code
 * generator. Guest pages are identity mapped (paging off). */
#ifndef TESTS_UNIT_CODEGEN_FIXTURE_H
#define TESTS_UNIT_CODEGEN_FIXTURE_H

#include "codegen-x86_64/codegen.h"
#include "translator/guest.h"

enum {
    FIXTURE_RAM = 0x40000,
    FIXTURE_MMIO = 0x80000, /* a page of device registers that behave as memory */
    FIXTURE_CODE = 0x10000, /* bytes for translated code */
    FIXTURE_THUNKS = 0x8000, /* from here on code whose faults do not set pc */
    FIXTURE_PC = 0x5000,    /* guest pc of every block */
};

typedef struct {
    VCpu *vcpu;
    Ram *ram_owner;
    AddressSpace *as;
    uint8_t *ram;
    uint8_t mmio[4096];
    uint8_t *code;
    JumpTableEntry *jumps; /* a table that is in use, and an empty one */
    IrBlock ir;
    CodegenOptions options;
    CodegenOutput out;
    unsigned overflows; /* of the return stack, if its guard is protected */
} Fixture;

/* Helpers that blocks may call, by index in aux. */
enum { HELPER_SUM, HELPER_NEW_FLAGS, HELPER_RAISE, HELPER_FP, HELPER_FORGET, HELPER_COUNT };

void fixture_init(Fixture *f);
void fixture_destroy(Fixture *f);
/* Use another vCPU, which outlives the fixture. */
void fixture_use_vcpu(Fixture *f, VCpu *vcpu);
/* Start a block: one INSN mark of 4 bytes at FIXTURE_PC. */
void fixture_begin(Fixture *f);
IrInsn *fixture_op(Fixture *f, IrOp op, unsigned width, IrOpd d, IrOpd a);
IrInsn *fixture_exit(Fixture *f, uint64_t pc);
/* Generate the block at offset `at` of the code area and run it. */
void fixture_generate(Fixture *f, unsigned at);
ExitReason fixture_run(Fixture *f);
/* What jumps to pc by the jump table finds. */
void fixture_add_jump(Fixture *f, uint64_t pc, const uint8_t *code);

#endif
