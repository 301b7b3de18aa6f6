/* SPDX-License-Identifier: MIT
 * The board and the CPU of a machine, and the wires between them. */
#include "cli/vm-priv.h"

#include <string.h>

#include "cli/drives.h"
#include "cli/firmware.h"
#include "cli/guest-time.h"

#define TSC_HZ UINT64_C(1000000000)

/* ---- CPU board callbacks ---- */

static int board_acknowledge(void *vm)
{
    return pc_acknowledge(((Vm *)vm)->pc);
}

static uint64_t board_tsc(void *vm)
{
    return pc_tsc(((Vm *)vm)->pc);
}

static void board_ferr(void *vm, bool level)
{
    pc_ferr(((Vm *)vm)->pc, level);
}

static uint64_t board_apic_base(void *vm)
{
    return pc_apic_base(((Vm *)vm)->pc);
}

static bool board_set_apic_base(void *vm, uint64_t value)
{
    return pc_set_apic_base(((Vm *)vm)->pc, value);
}

static void board_set_tsc_deadline(void *vm, uint64_t value)
{
    pc_set_tsc_deadline(((Vm *)vm)->pc, value);
}

static uint64_t board_tsc_deadline(void *vm)
{
    return pc_tsc_deadline(((Vm *)vm)->pc);
}

static void board_distress(void *vm, CpuDistress what)
{
    watch_distress(((Vm *)vm)->watch, what);
}

/* ---- the board and the CPU ---- */

static void cpu_pin(void *opaque, int line, bool level)
{
    Vm *vm = opaque;
    if (vm->cpu)
        cpu_set_line(vm->cpu, (uint32_t)line, level);
}

static int64_t rtc_base(const Config *c)
{
    if (c->rtc_base >= 0)
        return c->rtc_base;
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    int64_t seconds = g_date_time_to_unix(now);
    return c->rtc_localtime ? seconds + g_date_time_get_utc_offset(now) / G_USEC_PER_SEC : seconds;
}

bool vm_build_board(Vm *vm, GError **error)
{
    const Config *c = vm->config;
    gsize bios_size, vga_size = 0;
    vm->bios = firmware_load(c, c->bios ? c->bios : "bios-256k.bin", error);
    if (!vm->bios)
        return false;
    if (c->vga && !(vm->vga_bios = firmware_load(c, "vgabios-stdvga.bin", error)))
        return false;
    PcConfig pc = {
        .ram_bytes = c->ram_bytes,
        .bios = g_bytes_get_data(vm->bios, &bios_size),
        .vga = c->vga,
        .rtc_unix_seconds = rtc_base(c),
        .boot_order = c->boot_order,
        .boot_menu = c->boot_menu,
        .no_hpet = c->no_hpet,
        .no_graphic = c->nographic,
        .kernel = c->kernel,
        .initrd = c->initrd,
        .append = c->append,
        .debug_exits = c->debug_exits,
        .tsc_hz = TSC_HZ,
        .intr = {cpu_pin, vm, CPU_LINE_INTR},
        .nmi = {cpu_pin, vm, CPU_LINE_NMI},
        .init = {cpu_pin, vm, CPU_LINE_INIT},
        .ignne = {cpu_pin, vm, CPU_LINE_IGNNE},
        .opaque = vm,
        .request_reset = vm_request_reset,
        .request_power_off = vm_request_power_off,
        .request_exit = vm_request_exit,
        .request_panic = vm_request_panic,
        .pvpanic = c->pvpanic,
    };
    pc.bios_size = bios_size;
    if (vm->vga_bios)
        pc.vga_bios = g_bytes_get_data(vm->vga_bios, &vga_size);
    pc.vga_bios_size = vga_size;
    memcpy(pc.serial, vm->consoles.serial, sizeof pc.serial);
    for (unsigned i = 0; i < PC_DEBUGCONS; i++)
        pc.debugcon[i] = (PcDebugcon){vm->consoles.debugcon[i], c->debugcon_port[i]};
    memcpy(pc.debug_exit, c->debug_exit, sizeof pc.debug_exit);
    if (!drives_open(c, &pc, error))
        return false;
    vm->pc = pc_new(&pc, vm->as, vm->clock, error);
    if (vm->pc)
        ide_set_error_hook(pc_ide(vm->pc), vm_disk_full, vm);
    return vm->pc != NULL;
}

bool vm_build_cpu(Vm *vm, GError **error)
{
    CpuModel model;
    const CpuBoard board = {
        .opaque = vm,
        .acknowledge = board_acknowledge,
        .tsc = board_tsc,
        .ferr = board_ferr,
        .apic_base = board_apic_base,
        .set_apic_base = board_set_apic_base,
        .set_tsc_deadline = board_set_tsc_deadline,
        .tsc_deadline = board_tsc_deadline,
        .distress = board_distress,
    };
    if (!cpu_model_parse(&model, vm->config->cpu, error))
        return false;
    vm->cpu = cpu_new(vm->as, &model, &board, error);
    if (!vm->cpu)
        return false;
    vm->engine = engine_new(&vm->cpu->v, vm->as, &vm->config->engine, error);
    if (!vm->engine)
        return false;
    guest_time_set_up(vm->config, vm->engine, vm->clock);
    if (vm->config->seeded)
        cpu_seed_random(vm->cpu, vm->config->seed);
    vm->cpu->no_fp_pointers = vm->config->icount;
    engine_set_namer(vm->engine, symbols_name, vm->symbols);
    return !vm->config->engine.perf_map || engine_open_perf_map(vm->engine, error);
}
