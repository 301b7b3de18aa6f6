/* SPDX-License-Identifier: MIT
 * The board: an i440FX/PIIX3 PC. All addresses, interrupts and wiring are in
 * pc.c. Knows no CPU: its pins are an IrqLine each and pc_* calls. */
#ifndef HW_PC_H
#define HW_PC_H

#include "hw/block/block.h"
#include "hw/char/chardev.h"
#include "hw/device.h"
#include "hw/fdc.h"
#include "hw/i8042.h"
#include "hw/ide.h"
#include "hw/pci.h"
#include "hw/vga.h"

enum {
    PC_SERIAL_PORTS = 2,
    PC_DEBUGCONS = 2,
    PC_FLOPPIES = 2,
    PC_MAX_DEBUG_EXITS = 4,
    PC_ISA_IRQS = 16,
};

typedef struct {
    Block *block; /* taken over */
    bool cdrom;
    const char *serial; /* NULL: made up */
} PcDrive;

typedef struct {
    Chardev *chardev; /* NULL: absent */
    uint16_t iobase;  /* DEBUG_PORT_BOCHS, DEBUG_PORT_SEABIOS or another */
} PcDebugcon;

typedef struct {
    uint16_t iobase;
    unsigned iosize;
} PcDebugExit;

typedef struct {
    uint64_t ram_bytes;
    const uint8_t *bios;      /* firmware image, copied */
    size_t bios_size;
    const uint8_t *vga_bios;  /* copied; NULL with vga = false */
    size_t vga_bios_size;
    bool vga;
    int64_t rtc_unix_seconds;
    Chardev *serial[PC_SERIAL_PORTS]; /* NULL: port absent (both NULL and not wanted) */
    PcDebugcon debugcon[PC_DEBUGCONS];
    PcDrive drive[4];         /* primary master, slave, secondary master, slave */
    Block *floppy[PC_FLOPPIES]; /* taken over */
    const char *boot_order;   /* letters a c d n */
    bool boot_menu;
    bool no_hpet;             /* neither the chip nor its ACPI table */
    bool no_graphic;          /* fw_cfg: firmware talks to the serial port */
    const char *kernel, *initrd, *append; /* NULL: none */
    PcDebugExit debug_exit[PC_MAX_DEBUG_EXITS];
    unsigned debug_exits;
    uint16_t pvpanic;         /* its port; 0: absent */
    /* Host time-stamp counter frequency that guests see, Hz. */
    uint64_t tsc_hz;
    /* CPU pins. */
    IrqLine intr, nmi, init, ignne;
    /* What the board asks of the machine; on the thread that caused it, io lock held. */
    void *opaque;
    void (*request_reset)(void *opaque, const char *cause); /* cause: static text */
    void (*request_power_off)(void *opaque);
    void (*request_exit)(void *opaque, int code); /* isa-debug-exit */
    void (*request_panic)(void *opaque, bool crash_loaded); /* pvpanic */
} PcConfig;

typedef struct Pc Pc;

/* Builds the board. as and clock are the machine's; the RAM region is added here from `ram`
 * (whose capacity pc_ram_capacity gave). NULL and *error: bad kernel, initrd or firmware. */
Pc *pc_new(const PcConfig *config, AddressSpace *as, Clock *clock, GError **error);
void pc_free(Pc *pc);
/* How much Ram to reserve for a machine with that much memory. */
uint64_t pc_ram_capacity(uint64_t ram_bytes);
void pc_reset(Pc *pc);

const DeviceBus *pc_bus(const Pc *pc);
Vga *pc_vga(const Pc *pc);         /* NULL without one */
I8042 *pc_keyboard(const Pc *pc);
PciBus *pc_pci(const Pc *pc);
Ide *pc_ide(const Pc *pc);
Fdc *pc_fdc(const Pc *pc);
/* How often ISA interrupt irq went up. */
uint64_t pc_irq_count(const Pc *pc, unsigned irq);
void pc_power_button(Pc *pc);

/* For the CPU (vCPU thread, io lock not held): */
int pc_acknowledge(Pc *pc);
uint64_t pc_tsc(Pc *pc);
void pc_ferr(Pc *pc, bool level);
uint64_t pc_apic_base(Pc *pc);
bool pc_set_apic_base(Pc *pc, uint64_t value);
uint64_t pc_tsc_deadline(Pc *pc);
void pc_set_tsc_deadline(Pc *pc, uint64_t value);

#endif
