/* SPDX-License-Identifier: MIT
 * Two 8259A controllers and the edge/level control registers, after the Intel 8259A data sheet
 * and "82371FB (PIIX)", section ELCR. Knows nothing of who drives its inputs.
 *
 * DEVIATES: an edge stays latched when its line drops before INTA (the data sheet returns the
 * spurious vector then); guests cannot tell, and short pulses of our devices are not lost. */
#include "hw/i8259.h"

#include "base/bits.h"
#include "base/log.h"

enum { MASTER, SLAVE };
enum { CASCADE_IRQ = 2, SPURIOUS_IRQ = 7 };
/* ICW1, ICW4, OCW3 bits */
enum { ICW1_IC4 = 0x01, ICW1_SNGL = 0x02, ICW1_SELECT = 0x10 };
enum { ICW4_AEOI = 0x02, ICW4_SFNM = 0x10 };
enum { OCW3_SELECT = 0x08, OCW3_RIS = 0x01, OCW3_RR = 0x02, OCW3_POLL = 0x04 };
enum { OCW3_SMM = 0x20, OCW3_ESMM = 0x40 };
/* OCW2 bits 7-5: R, SL, EOI */
enum {
    OCW2_ROTATE_AEOI_CLEAR = 0,
    OCW2_EOI = 1,
    OCW2_NOP = 2,
    OCW2_SPECIFIC_EOI = 3,
    OCW2_ROTATE_AEOI_SET = 4,
    OCW2_ROTATE_EOI = 5,
    OCW2_SET_PRIORITY = 6,
    OCW2_ROTATE_SPECIFIC_EOI = 7,
};
/* What the next write to the odd port is. */
enum { EXPECT_OCW1, EXPECT_ICW2, EXPECT_ICW3, EXPECT_ICW4 };

typedef struct {
    uint8_t lines;     /* levels of the inputs */
    uint8_t edges;     /* latched rising edges */
    uint8_t elcr;      /* 1: level triggered */
    uint8_t isr;       /* in service */
    uint8_t imr;       /* masked */
    uint8_t vector;    /* ICW2, bits 7-3 */
    uint8_t icw3;      /* cascade wiring as written; the board's is fixed */
    uint8_t expect;    /* EXPECT_* */
    uint8_t single;    /* ICW1: no ICW3 follows */
    uint8_t need_icw4; /* ICW1: ICW4 follows */
    uint8_t aeoi;
    uint8_t rotate_aeoi;
    uint8_t fully_nested; /* special fully nested mode */
    uint8_t special_mask;
    uint8_t poll;     /* the next read is a poll */
    uint8_t read_isr; /* the even port reads ISR, not IRR */
    uint8_t highest;  /* the IR with the highest priority */
} Chip;

struct I8259 {
    Device device;
    Chip chip[2];
    uint8_t int_level;
    IrqLine intr;
};

/* IRQ 0, 1, 2, 8 and 13 are always edge triggered. */
static const uint8_t elcr_writable[2] = {0xf8, 0xde};

static uint8_t chip_irr(const Chip *c)
{
    return c->edges | (c->lines & c->elcr);
}

/* Priority 0 (highest) to 7 of the best bit in `bits`, 8 if none. */
static unsigned best_priority(const Chip *c, uint8_t bits)
{
    unsigned p = 0;
    while (p < 8 && !(bits & BIT((p + c->highest) & 7)))
        p++;
    return p;
}

/* The IR that the chip requests an interrupt for, or -1. */
static int chip_request(const Chip *c, bool is_master)
{
    unsigned wanted = best_priority(c, chip_irr(c) & (uint8_t)~c->imr);
    int irq = (int)((wanted + c->highest) & 7);
    uint8_t blocking = c->isr;

    if (c->special_mask)
        blocking &= (uint8_t)~c->imr;
    /* 8259A "Special Fully Nested Mode": a slave in service does not lock itself out. */
    if (c->fully_nested && is_master && irq == CASCADE_IRQ)
        blocking &= (uint8_t)~BIT(CASCADE_IRQ);
    return wanted < best_priority(c, blocking) ? irq : -1;
}

static void pic_update(I8259 *pic)
{
    Chip *master = &pic->chip[MASTER];
    bool slave_int = chip_request(&pic->chip[SLAVE], false) >= 0;

    /* The cascade is a wire, not a latched edge: it follows the slave's INT. */
    if (slave_int)
        master->edges |= BIT(CASCADE_IRQ);
    else
        master->edges &= (uint8_t)~BIT(CASCADE_IRQ);
    bool level = chip_request(master, true) >= 0;
    if (level != pic->int_level) {
        pic->int_level = level;
        irq_set(&pic->intr, level);
    }
}

static void pic_set_input(void *opaque, int number, bool level)
{
    I8259 *pic = opaque;
    Chip *c = &pic->chip[(number >> 3) & 1];
    uint8_t bit = (uint8_t)BIT(number & 7);

    if (number == CASCADE_IRQ || level == !!(c->lines & bit))
        return;
    c->lines ^= bit;
    if (level && !(c->elcr & bit))
        c->edges |= bit;
    pic_update(pic);
}

static void chip_accept(Chip *c, int irq)
{
    c->edges &= (uint8_t)~BIT(irq);
    if (!c->aeoi)
        c->isr |= (uint8_t)BIT(irq);
    else if (c->rotate_aeoi)
        c->highest = (irq + 1) & 7;
}

int i8259_acknowledge(I8259 *pic)
{
    Chip *master = &pic->chip[MASTER], *slave = &pic->chip[SLAVE];
    int irq = chip_request(master, true);
    int vector;

    if (irq >= 0)
        chip_accept(master, irq);
    if (irq == CASCADE_IRQ) {
        int slave_irq = chip_request(slave, false);
        if (slave_irq >= 0)
            chip_accept(slave, slave_irq);
        vector = slave->vector + (slave_irq >= 0 ? slave_irq : SPURIOUS_IRQ);
    } else {
        vector = master->vector + (irq >= 0 ? irq : SPURIOUS_IRQ);
    }
    pic_update(pic);
    return vector;
}

bool i8259_pending(const I8259 *pic)
{
    return pic->int_level;
}

IrqLine i8259_input(I8259 *pic, int irq)
{
    g_assert(irq >= 0 && irq < 16);
    return (IrqLine){pic_set_input, pic, irq};
}

static void chip_write_icw1(Chip *c, uint8_t value)
{
    c->edges = 0; /* "the edge sense circuit is reset" */
    c->imr = 0;
    c->isr = 0;
    c->highest = 0;
    c->special_mask = 0;
    c->read_isr = 0;
    c->poll = 0;
    c->rotate_aeoi = 0;
    c->single = !!(value & ICW1_SNGL);
    c->need_icw4 = !!(value & ICW1_IC4);
    if (!c->need_icw4)
        c->aeoi = c->fully_nested = 0;
    c->expect = EXPECT_ICW2;
}

static void chip_end_of_interrupt(Chip *c, int irq, bool rotate)
{
    if (irq < 0)
        return;
    c->isr &= (uint8_t)~BIT(irq);
    if (rotate)
        c->highest = (irq + 1) & 7;
}

/* The IR a non-specific EOI ends: the highest in service; in special mask mode not a masked one. */
static int chip_served(const Chip *c)
{
    uint8_t candidates = c->special_mask ? c->isr & (uint8_t)~c->imr : c->isr;
    unsigned p = best_priority(c, candidates);
    return p == 8 ? -1 : (int)((p + c->highest) & 7);
}

static void chip_write_ocw2(Chip *c, uint8_t value)
{
    int irq = value & 7;

    switch (value >> 5) {
    case OCW2_ROTATE_AEOI_CLEAR:
    case OCW2_ROTATE_AEOI_SET:
        c->rotate_aeoi = value >> 7;
        break;
    case OCW2_EOI:
    case OCW2_ROTATE_EOI:
        chip_end_of_interrupt(c, chip_served(c), value >> 7);
        break;
    case OCW2_SPECIFIC_EOI:
    case OCW2_ROTATE_SPECIFIC_EOI:
        chip_end_of_interrupt(c, irq, value >> 7);
        break;
    case OCW2_SET_PRIORITY:
        c->highest = (irq + 1) & 7;
        break;
    case OCW2_NOP:
        break;
    }
}

static void chip_write_ocw3(Chip *c, uint8_t value)
{
    c->poll = !!(value & OCW3_POLL);
    if (value & OCW3_RR)
        c->read_isr = value & OCW3_RIS;
    if (value & OCW3_ESMM)
        c->special_mask = !!(value & OCW3_SMM);
}

static void chip_write_odd(Chip *c, uint8_t value)
{
    switch (c->expect) {
    case EXPECT_OCW1:
        c->imr = value;
        break;
    case EXPECT_ICW2:
        c->vector = value & 0xf8;
        c->expect = !c->single ? EXPECT_ICW3 : c->need_icw4 ? EXPECT_ICW4 : EXPECT_OCW1;
        break;
    case EXPECT_ICW3:
        c->icw3 = value;
        c->expect = c->need_icw4 ? EXPECT_ICW4 : EXPECT_OCW1;
        break;
    case EXPECT_ICW4:
        c->aeoi = !!(value & ICW4_AEOI);
        c->fully_nested = !!(value & ICW4_SFNM);
        c->expect = EXPECT_OCW1;
        break;
    }
}

static void pic_write(I8259 *pic, int which, uint64_t offset, uint8_t value)
{
    Chip *c = &pic->chip[which];

    if (offset & 1)
        chip_write_odd(c, value);
    else if (value & ICW1_SELECT)
        chip_write_icw1(c, value);
    else if (value & OCW3_SELECT)
        chip_write_ocw3(c, value);
    else
        chip_write_ocw2(c, value);
    pic_update(pic);
}

/* 8259A "Poll Command": the read is the acknowledge. */
static uint8_t pic_poll(I8259 *pic, int which)
{
    Chip *c = &pic->chip[which];
    int irq = chip_request(c, which == MASTER);

    c->poll = 0;
    if (irq < 0)
        return 0;
    chip_accept(c, irq);
    pic_update(pic);
    return (uint8_t)(0x80 | irq);
}

static uint8_t pic_read(I8259 *pic, int which, uint64_t offset)
{
    const Chip *c = &pic->chip[which];

    if (c->poll)
        return pic_poll(pic, which);
    if (offset & 1)
        return c->imr;
    return c->read_isr ? c->isr : chip_irr(c);
}

static uint64_t master_read(void *opaque, uint64_t offset, unsigned size)
{
    return pic_read(opaque, MASTER, offset);
}

static void master_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    pic_write(opaque, MASTER, offset, (uint8_t)value);
}

static uint64_t slave_read(void *opaque, uint64_t offset, unsigned size)
{
    return pic_read(opaque, SLAVE, offset);
}

static void slave_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    pic_write(opaque, SLAVE, offset, (uint8_t)value);
}

static uint64_t elcr_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((I8259 *)opaque)->chip[offset & 1].elcr;
}

static void elcr_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8259 *pic = opaque;
    Chip *c = &pic->chip[offset & 1];

    c->elcr = (uint8_t)value & elcr_writable[offset & 1];
    c->edges &= (uint8_t)~c->elcr;
    pic_update(pic);
}

static void i8259_reset(Device *device)
{
    I8259 *pic = (I8259 *)device;

    for (int i = 0; i < 2; i++)
        pic->chip[i] = (Chip){.lines = pic->chip[i].lines};
    pic_update(pic);
}

static void i8259_info(Device *device, GString *out)
{
    const I8259 *pic = (const I8259 *)device;

    for (int i = 0; i < 2; i++) {
        const Chip *c = &pic->chip[i];
        g_string_append_printf(out,
                               "pic%d: irr=%02x imr=%02x isr=%02x lines=%02x elcr=%02x vector=%02x "
                               "highest=%d aeoi=%d smm=%d sfnm=%d\n",
                               i, chip_irr(c), c->imr, c->isr, c->lines, c->elcr, c->vector,
                               c->highest, c->aeoi, c->special_mask, c->fully_nested);
    }
}

static const StateField i8259_state[] = {
    STATE_ARRAY(I8259, chip), /* bytes only */
    STATE(I8259, int_level),
    STATE_END,
};

static const DeviceClass i8259_class = {
    .name = "i8259",
    .description = "two cascaded 8259A interrupt controllers",
    .reset = i8259_reset,
    .state = i8259_state,
    .info = i8259_info,
};

static const RegionOps master_ops = {master_read, master_write, 1, 1};
static const RegionOps slave_ops = {slave_read, slave_write, 1, 1};
static const RegionOps elcr_ops = {elcr_read, elcr_write, 1, 1};

I8259 *i8259_new(const DeviceBus *bus, IrqLine intr)
{
    I8259 *pic = device_register(bus, &i8259_class, sizeof(*pic));

    pic->intr = intr;
    address_space_add_io(bus->as, "pic-master", 0x20, 2, 0, &master_ops, pic);
    address_space_add_io(bus->as, "pic-slave", 0xa0, 2, 0, &slave_ops, pic);
    address_space_add_io(bus->as, "pic-elcr", 0x4d0, 2, 0, &elcr_ops, pic);
    return pic;
}
