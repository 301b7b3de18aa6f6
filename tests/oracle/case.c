/* SPDX-License-Identifier: MIT */
#include "tests/oracle/case.h"

#include <string.h>

void oracle_fill_background(uint8_t data[ORACLE_DATA_SIZE])
{
    uint64_t x = 0x9e3779b97f4a7c15u;
    for (unsigned i = 0; i < ORACLE_DATA_SIZE; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = (uint8_t)(x >> 24);
    }
}

void oracle_fill_end(uint8_t end[ORACLE_END_SIZE])
{
    static const uint8_t jump[ORACLE_END_SIZE] = {
        0xea, HOST_LANDING & 0xff, HOST_LANDING >> 8 & 0xff, HOST_LANDING >> 16 & 0xff,
        HOST_LANDING >> 24 & 0xff, HOST_USER_CS64, 0, ORACLE_FILLER,
    };
    memcpy(end, jump, sizeof jump);
}

void oracle_fill_data(const OracleCase *oc, const uint8_t *background, uint8_t *data)
{
    memcpy(data, background, ORACLE_DATA_SIZE);
    for (unsigned i = 0; i < oc->patch_count; i++)
        memcpy(data + oc->patches[i].offset, oc->patches[i].bytes, oc->patches[i].size);
}
