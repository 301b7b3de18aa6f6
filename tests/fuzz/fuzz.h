/* SPDX-License-Identifier: MIT
 * What the fuzz targets share: the entry that libFuzzer and replay.c call, and a reader that
 * turns the input's bytes into numbers. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
/* Where replay.c wants to know whether a target that keeps things depends on its input alone: what
 * the input led to; NULL: nobody asks. */
extern uint64_t *fuzz_digest;

typedef struct {
    const uint8_t *at, *end;
} Input;

static inline bool input_more(const Input *input)
{
    return input->at < input->end;
}

/* `size` bytes, little endian; zeroes behind the end. */
static inline uint64_t input_take(Input *input, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size && input_more(input); i++)
        value |= (uint64_t)*input->at++ << (8 * i);
    return value;
}

/* From now on the process works in a new folder, which this empties, and its standard output goes
 * nowhere: lines of the user may name files and print. */
void fuzz_enter_sandbox(void);
/* A leak checker finds no pointers in a CPU's mapping: what is allocated between these is kept for
 * the process's life. */
void fuzz_leaks_expected(bool expected);
/* The input as text that names no file outside that folder; caller frees. */
char *fuzz_text(const uint8_t *bytes, size_t count);

#endif
