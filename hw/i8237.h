/* SPDX-License-Identifier: MIT
 * The PC's two 8237A DMA controllers with their page registers: channels 0-3 move bytes (ports
 * 00h-0Fh), 5-7 words (C0h-DFh), 4 is the cascade; pages 80h-8Fh. */
#ifndef HW_I8237_H
#define HW_I8237_H

#include "hw/device.h"

typedef struct I8237 I8237;

I8237 *i8237_new(const DeviceBus *bus);

/* DREQ of a device, channels 0..3 and 5..7: shown in the status register. */
void i8237_set_request(I8237 *dma, int channel, bool level);

/* Would a transfer move data now: controller enabled, channel unmasked, not a cascade? */
bool i8237_ready(const I8237 *dma, int channel);
/* Tell a device when the guest programs its channel, so that a held request can go on. */
void i8237_set_ready_line(I8237 *dma, int channel, IrqLine line);

/* Move up to `bytes` (even for channels 5..7) between buffer and the memory the guest programmed;
 * to_memory: device to memory. Returns the bytes moved: 0 when the channel is not ready or set
 * to the other direction, fewer than asked at terminal count. In verify mode bytes count, but no
 * memory is touched. */
unsigned i8237_transfer(I8237 *dma, int channel, void *buffer, unsigned bytes, bool to_memory);
/* Did the last transfer of the channel end at terminal count? */
bool i8237_reached_tc(const I8237 *dma, int channel);

#endif
