/* SPDX-License-Identifier: MIT
 * PC16550D UART (National Semiconductor data sheet, June 1995). Characters leave at
 * once: the transmitter is empty, unless the host is behind with reading, and only its
 * interrupt has a life of its own. */
#include "hw/uart16550.h"

#define FIFO_SIZE  16
#define CLOCK_HZ   1843200
#define PORT_COUNT 8

enum { /* register addresses; DLAB swaps the first two for the divisor */
       REG_RBR_THR,
       REG_IER,
       REG_IIR_FCR,
       REG_LCR,
       REG_MCR,
       REG_LSR,
       REG_MSR,
       REG_SCR,
};

enum { IER_RDA = 0x01, IER_THRE = 0x02, IER_RLS = 0x04, IER_MS = 0x08 };
enum {
    IIR_NONE = 0x01,
    IIR_MS = 0x00,
    IIR_THRE = 0x02,
    IIR_RDA = 0x04,
    IIR_RLS = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,
};
enum { FCR_ENABLE = 0x01, FCR_RESET_RX = 0x02, FCR_RESET_TX = 0x04, FCR_KEPT = 0xc9 };
enum { LCR_STOP = 0x04, LCR_PARITY = 0x08, LCR_DLAB = 0x80 };
enum { MCR_DTR = 0x01, MCR_RTS = 0x02, MCR_OUT1 = 0x04, MCR_OUT2 = 0x08, MCR_LOOP = 0x10 };
enum {
    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_PE = 0x04,
    LSR_FE = 0x08,
    LSR_BI = 0x10,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_FIFO_ERROR = 0x80,
    LSR_CHAR_ERRORS = LSR_PE | LSR_FE | LSR_BI, /* travel with their character */
    LSR_ERRORS = LSR_OE | LSR_CHAR_ERRORS,
};
enum {
    MSR_DELTAS = 0x0f,
    MSR_TERI = 0x04,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
    MSR_LINES = 0xf0,
};

struct Uart16550 {
    Device device;
    IrqLine irq;
    Chardev *chardev;
    int front;
    Clock *clock;
    Timer *timeout; /* four character times without traffic in the receive FIFO */
    uint8_t fifo[FIFO_SIZE];
    uint8_t fifo_errors[FIFO_SIZE]; /* LSR_CHAR_ERRORS of each character */
    uint8_t fifo_tail, fifo_count;
    uint8_t ier, fcr, lcr, mcr, msr, scr;
    uint8_t lsr_errors; /* LSR_ERRORS seen and not yet read */
    uint16_t divisor;
    bool thre_pending; /* "THR empty" has not been acknowledged */
    bool timed_out;
};

static bool fifos_on(const Uart16550 *uart)
{
    return uart->fcr & FCR_ENABLE;
}

static unsigned fifo_capacity(const Uart16550 *uart)
{
    return fifos_on(uart) ? FIFO_SIZE : 1;
}

static unsigned fifo_trigger(const Uart16550 *uart)
{
    static const uint8_t levels[] = {1, 4, 8, 14};
    return fifos_on(uart) ? levels[uart->fcr >> 6] : 1;
}

/* The host's reader is the other end's handshake. Characters written all the same are not lost: the
 * chardev takes them. With counted time the guest must not see how fast the host is. */
static bool transmitter_busy(const Uart16550 *uart)
{
    return uart->chardev && !(uart->mcr & MCR_LOOP) && chardev_is_full(uart->chardev) &&
           !clock_is_counted(uart->clock);
}

/* Interrupts, by priority (data sheet table IV, "Interrupt Control Functions") */

static uint8_t interrupt_id(const Uart16550 *uart)
{
    if ((uart->ier & IER_RLS) && uart->lsr_errors)
        return IIR_RLS;
    if ((uart->ier & IER_RDA) && uart->fifo_count >= fifo_trigger(uart))
        return IIR_RDA;
    if ((uart->ier & IER_RDA) && uart->timed_out)
        return IIR_TIMEOUT;
    if ((uart->ier & IER_THRE) && uart->thre_pending)
        return IIR_THRE;
    if ((uart->ier & IER_MS) && (uart->msr & MSR_DELTAS))
        return IIR_MS;
    return IIR_NONE;
}

/* DEVIATES: on a PC, OUT2 gates the wire to the interrupt controller. Teaching systems (xv6)
 * leave it off and expect interrupts, as other virtual machines give them. */
static void update_irq(Uart16550 *uart)
{
    irq_set(&uart->irq, interrupt_id(uart) != IIR_NONE);
}

/* Receiver */

static int64_t four_characters_ns(const Uart16550 *uart)
{
    unsigned bits =
        1 + 5 + (uart->lcr & 3) + !!(uart->lcr & LCR_PARITY) + (uart->lcr & LCR_STOP ? 2 : 1);
    unsigned divisor = uart->divisor ? uart->divisor : 1;
    return muldiv64(NS_PER_SEC, 4 * bits * 16 * divisor, CLOCK_HZ);
}

static void restart_timeout(Uart16550 *uart)
{
    uart->timed_out = false;
    if (fifos_on(uart) && uart->fifo_count > 0)
        timer_arm(uart->timeout, clock_now(uart->clock) + four_characters_ns(uart));
    else
        timer_cancel(uart->timeout);
}

static void on_timeout(void *opaque)
{
    Uart16550 *uart = opaque;
    uart->timed_out = fifos_on(uart) && uart->fifo_count > 0;
    update_irq(uart);
}

/* Errors become visible when their character reaches the top. */
static void show_top_errors(Uart16550 *uart)
{
    if (uart->fifo_count > 0) {
        uart->lsr_errors |= uart->fifo_errors[uart->fifo_tail];
        uart->fifo_errors[uart->fifo_tail] = 0;
    }
}

static void receive_char(Uart16550 *uart, uint8_t byte, uint8_t errors)
{
    if (uart->fifo_count >= fifo_capacity(uart)) {
        uart->lsr_errors |= LSR_OE;
        if (fifos_on(uart))
            return; /* the FIFO keeps what it has */
        uart->fifo_count = 0;
    }
    unsigned head = (uart->fifo_tail + uart->fifo_count) % FIFO_SIZE;
    uart->fifo[head] = byte;
    uart->fifo_errors[head] = errors;
    if (uart->fifo_count++ == 0)
        show_top_errors(uart);
    restart_timeout(uart);
}

static uint8_t read_char(Uart16550 *uart)
{
    if (uart->fifo_count == 0)
        return uart->fifo[(uart->fifo_tail + FIFO_SIZE - 1) % FIFO_SIZE]; /* the last again */
    uint8_t byte = uart->fifo[uart->fifo_tail];
    uart->fifo_tail = (uart->fifo_tail + 1) % FIFO_SIZE;
    uart->fifo_count--;
    show_top_errors(uart);
    restart_timeout(uart);
    update_irq(uart);
    if (uart->chardev)
        chardev_accept_input(uart->chardev);
    return byte;
}

static void clear_receiver(Uart16550 *uart)
{
    uart->fifo_count = 0;
    uart->fifo_tail = 0;
    restart_timeout(uart);
}

static size_t uart_can_receive(void *opaque)
{
    const Uart16550 *uart = opaque;
    if (uart->mcr & MCR_LOOP)
        return 0; /* the input pin is disconnected */
    return fifo_capacity(uart) - MIN(uart->fifo_count, fifo_capacity(uart));
}

static void uart_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    Uart16550 *uart = opaque;
    for (size_t i = 0; i < count; i++)
        receive_char(uart, bytes[i], 0);
    update_irq(uart);
}

static void transmitter_empties(Uart16550 *uart)
{
    uart->thre_pending = true;
    update_irq(uart);
}

static void uart_event(void *opaque, ChardevEvent event)
{
    Uart16550 *uart = opaque;
    if (event == CHARDEV_DRAINED && !clock_is_counted(uart->clock))
        transmitter_empties(uart);
    if (event != CHARDEV_BREAK || (uart->mcr & MCR_LOOP))
        return;
    receive_char(uart, 0, LSR_BI | LSR_FE);
    update_irq(uart);
}

static const ChardevHandler uart_handler = {uart_can_receive, uart_receive, uart_event, true};

/* Transmitter */

static void transmit(Uart16550 *uart, uint8_t byte)
{
    uart->thre_pending = false;
    update_irq(uart); /* an edge-triggered input needs to see it fall */
    if (uart->mcr & MCR_LOOP)
        receive_char(uart, byte & (0xff >> (3 - (uart->lcr & 3))), 0);
    else if (uart->chardev)
        chardev_write(uart->chardev, uart->front, &byte, 1);
    if (!transmitter_busy(uart))
        transmitter_empties(uart);
}

/* Modem lines */

static uint8_t modem_lines(const Uart16550 *uart)
{
    static const uint8_t loop[][2] = {
        {MCR_RTS, MSR_CTS}, {MCR_DTR, MSR_DSR}, {MCR_OUT1, MSR_RI}, {MCR_OUT2, MSR_DCD}};
    if (!(uart->mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD; /* somebody ready at the other end */
    uint8_t lines = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(loop); i++)
        if (uart->mcr & loop[i][0])
            lines |= loop[i][1];
    return lines;
}

static void update_modem(Uart16550 *uart)
{
    uint8_t lines = modem_lines(uart);
    uint8_t changed = (uart->msr ^ lines) & MSR_LINES;
    uint8_t deltas = changed >> 4;
    if (lines & MSR_RI)
        deltas &= (uint8_t)~MSR_TERI; /* the ring indicator's is its trailing edge only */
    uart->msr = lines | (uart->msr & MSR_DELTAS) | deltas;
}

/* Registers */

static uint8_t read_iir(Uart16550 *uart)
{
    uint8_t id = interrupt_id(uart);
    if (id == IIR_THRE) {
        uart->thre_pending = false;
        update_irq(uart);
    }
    return id | (fifos_on(uart) ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(Uart16550 *uart)
{
    uint8_t value = (transmitter_busy(uart) ? 0 : LSR_THRE | LSR_TEMT) | uart->lsr_errors;
    if (uart->fifo_count > 0)
        value |= LSR_DR;
    bool waiting_error = uart->lsr_errors & LSR_CHAR_ERRORS;
    for (unsigned i = 0; i < uart->fifo_count; i++)
        waiting_error |= uart->fifo_errors[(uart->fifo_tail + i) % FIFO_SIZE] != 0;
    if (fifos_on(uart) && waiting_error)
        value |= LSR_FIFO_ERROR;
    uart->lsr_errors = 0;
    update_irq(uart);
    return value;
}

static uint8_t read_msr(Uart16550 *uart)
{
    uint8_t value = uart->msr;
    uart->msr &= MSR_LINES;
    update_irq(uart);
    return value;
}

static uint64_t uart_read(void *opaque, uint64_t offset, unsigned size)
{
    Uart16550 *uart = opaque;
    bool dlab = uart->lcr & LCR_DLAB;
    switch (offset) {
    case REG_RBR_THR:
        return dlab ? uart->divisor & 0xff : read_char(uart);
    case REG_IER:
        return dlab ? uart->divisor >> 8 : uart->ier;
    case REG_IIR_FCR:
        return read_iir(uart);
    case REG_LCR:
        return uart->lcr;
    case REG_MCR:
        return uart->mcr;
    case REG_LSR:
        return read_lsr(uart);
    case REG_MSR:
        return read_msr(uart);
    default:
        return uart->scr;
    }
}

static void write_ier(Uart16550 *uart, uint8_t value)
{
    /* Enabling the interrupt while the transmitter is empty raises it. */
    if ((value & IER_THRE) && !(uart->ier & IER_THRE) && !transmitter_busy(uart))
        uart->thre_pending = true;
    uart->ier = value & 0x0f;
    update_irq(uart);
}

static void write_fcr(Uart16550 *uart, uint8_t value)
{
    bool switched = (value ^ uart->fcr) & FCR_ENABLE;
    if (switched || (value & FCR_RESET_RX))
        clear_receiver(uart);
    if ((switched || (value & FCR_RESET_TX)) && !transmitter_busy(uart))
        uart->thre_pending = true;
    uart->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    update_irq(uart);
    if (uart->chardev)
        chardev_accept_input(uart->chardev);
}

static void write_mcr(Uart16550 *uart, uint8_t value)
{
    uart->mcr = value & 0x1f;
    update_modem(uart);
    update_irq(uart);
    if (uart->chardev)
        chardev_accept_input(uart->chardev);
}

static void uart_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Uart16550 *uart = opaque;
    uint8_t byte = (uint8_t)value;
    bool dlab = uart->lcr & LCR_DLAB;
    switch (offset) {
    case REG_RBR_THR:
        if (dlab)
            uart->divisor = (uart->divisor & 0xff00) | byte;
        else
            transmit(uart, byte);
        break;
    case REG_IER:
        if (dlab)
            uart->divisor = (uint16_t)((uart->divisor & 0xff) | byte << 8);
        else
            write_ier(uart, byte);
        break;
    case REG_IIR_FCR:
        write_fcr(uart, byte);
        break;
    case REG_LCR:
        uart->lcr = byte;
        break;
    case REG_MCR:
        write_mcr(uart, byte);
        break;
    case REG_SCR:
        uart->scr = byte;
        break;
    default: /* LSR is for factory testing; MSR is read only */
        break;
    }
}

static const RegionOps uart_ops = {uart_read, uart_write, 1, 1};

/* Device */

static void uart_reset(Device *device)
{
    Uart16550 *uart = (Uart16550 *)device;
    uart->ier = uart->fcr = uart->lcr = uart->mcr = uart->scr = 0;
    uart->lsr_errors = 0;
    uart->divisor = 12; /* 9600 baud */
    uart->thre_pending = false;
    clear_receiver(uart);
    uart->msr = modem_lines(uart);
    update_irq(uart);
}

static void uart_free(Device *device)
{
    Uart16550 *uart = (Uart16550 *)device;
    timer_free(uart->timeout);
    g_free(uart);
}

static void uart_info(Device *device, GString *out)
{
    const Uart16550 *uart = (const Uart16550 *)device;
    unsigned divisor = uart->divisor ? uart->divisor : 1;
    g_string_append_printf(out, "baud=%u ier=%02x iir=%02x lcr=%02x mcr=%02x msr=%02x rx=%u\n",
                           CLOCK_HZ / 16 / divisor, uart->ier, interrupt_id(uart), uart->lcr,
                           uart->mcr, uart->msr, uart->fifo_count);
}

static const StateField uart_state[] = {
    STATE_ARRAY(Uart16550, fifo),    STATE_ARRAY(Uart16550, fifo_errors),
    STATE(Uart16550, fifo_tail),     STATE(Uart16550, fifo_count),
    STATE(Uart16550, ier),           STATE(Uart16550, fcr),
    STATE(Uart16550, lcr),           STATE(Uart16550, mcr),
    STATE(Uart16550, msr),           STATE(Uart16550, scr),
    STATE(Uart16550, lsr_errors),    STATE(Uart16550, divisor),
    STATE(Uart16550, thre_pending),  STATE(Uart16550, timed_out),
    STATE_TIMER(Uart16550, timeout), STATE_END,
};

static const DeviceClass uart_class = {
    .name = "isa-serial",
    .description = "16550A serial port",
    .reset = uart_reset,
    .free = uart_free,
    .state = uart_state,
    .info = uart_info,
};

Uart16550 *uart16550_new(const DeviceBus *bus, uint16_t port, IrqLine irq, Chardev *chardev)
{
    Uart16550 *uart = device_register(bus, &uart_class, sizeof(*uart));
    uart->irq = irq;
    uart->clock = bus->clock;
    uart->timeout = timer_new(bus->clock, on_timeout, uart);
    address_space_add_io(bus->as, "isa-serial", port, PORT_COUNT, 0, &uart_ops, uart);
    uart_reset(&uart->device);
    uart->chardev = chardev;
    if (chardev)
        uart->front = chardev_attach(chardev, &uart_handler, uart);
    return uart;
}
