/* SPDX-License-Identifier: MIT
 * One interrupt (or reset, or A20, or any) wire. A device holds an IrqLine and
 * drives a level; the board decides where it ends. Call with the io lock held. */
#ifndef HW_IRQ_H
#define HW_IRQ_H

#include <stdbool.h>
#include <stddef.h>

typedef void (*IrqHandler)(void *opaque, int number, bool level);

typedef struct {
    IrqHandler handler; /* NULL: not connected */
    void *opaque;
    int number; /* which input of the receiver */
} IrqLine;

static inline void irq_set(const IrqLine *line, bool level)
{
    if (line->handler)
        line->handler(line->opaque, line->number, level);
}

static inline void irq_pulse(const IrqLine *line)
{
    irq_set(line, true);
    irq_set(line, false);
}

#endif
