/* SPDX-License-Identifier: MIT
 * What the command line asked for. Filled by options.c, used by vm.c. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include <glib.h>
#include <stdbool.h>

#include "hw/pc.h"
#include "tcache/engine.h"

typedef enum { DRIVE_IDE, DRIVE_FLOPPY } DriveInterface;

typedef struct {
    char *file;
    char *option; /* how the user gave it, for messages: "-hda", "-drive file=..." */
    DriveInterface interface;
    unsigned index;
    bool cdrom, snapshot, read_only;
    char *serial;
} DriveConfig;

typedef enum { DISPLAY_DEFAULT, DISPLAY_SDL, DISPLAY_NONE } DisplayKind;

/* Who has a chardev; the spare ones are opened, but nobody's. */
enum {
    CONSOLE_SERIAL,
    CONSOLE_MONITOR = CONSOLE_SERIAL + PC_SERIAL_PORTS,
    CONSOLE_DEBUGCON,
    CONSOLE_GDB = CONSOLE_DEBUGCON + PC_DEBUGCONS,
    CONSOLE_QMP,
    CONSOLE_SPARE,
    CONSOLES = CONSOLE_SPARE + 16,
};

typedef struct {
    /* As chardev_open takes it, defaults filled in; NULL or "none": absent. A serial port's
     * "mon:SPEC" is shared with the monitor, which has none then. */
    char *spec;
    char *id; /* of its -chardev; NULL: none */
    bool mux; /* has the escape keys, shared or not */
    enum { SIGNALS_AS_USUAL, SIGNALS_ON, SIGNALS_OFF } signals; /* by the terminal's keys */
    char *log_file; /* a copy of what is written; NULL: none */
    bool log_append;
} ConsoleConfig;

typedef struct {
    const char *label;  /* in the monitor */
    const char *option; /* that names it, for messages */
    const char *who;
} ConsoleRole;

extern const ConsoleRole console_roles[CONSOLE_SPARE];

bool console_absent(const ConsoleConfig *console);
void console_clear(ConsoleConfig *console);
bool console_shared(const ConsoleConfig *console); /* with the monitor */

typedef struct {
    uint64_t ram_bytes;
    char *cpu; /* -cpu, "max" */
    char *kernel, *initrd, *append;
    GArray *drives; /* of DriveConfig; indices resolved, no two alike */
    bool snapshot;
    char *boot_order; /* NULL: default "cad" */
    bool boot_menu;
    char *bios;           /* -bios, NULL: bios-256k.bin */
    GPtrArray *data_dirs; /* -L, then the built-in ones */
    ConsoleConfig console[CONSOLES];
    uint16_t debugcon_port[PC_DEBUGCONS];
    bool nographic, vga, no_hpet;
    DisplayKind display;
    bool start_stopped, no_reboot, no_shutdown;
    bool rtc_localtime;
    int64_t rtc_base; /* unix seconds, or -1: now */
    int escape_char;  /* of the mux: 1 = Ctrl-A */
    PcDebugExit debug_exit[PC_MAX_DEBUG_EXITS];
    unsigned debug_exits;
    uint16_t pvpanic; /* port, 0: absent */
    enum { PANIC_SHUTDOWN, PANIC_PAUSE, PANIC_EXIT_FAILURE, PANIC_NONE } panic_action;
    enum { SANDBOX_IF_POSSIBLE, SANDBOX_ON, SANDBOX_OFF } sandbox;
    EngineOptions engine;
    bool icount, icount_sleep; /* -icount */
    uint64_t icount_shift;
    bool seeded; /* -seed, or -icount */
    uint64_t seed;
    uint64_t digest_every; /* instructions; 0: no digests */
    bool strict_exit;
    unsigned timeout_seconds, spin_seconds; /* 0: none */
    char *symbols;                          /* --symbols FILE */
    uint64_t symbols_offset;
    char *check_report; /* --check-report FILE */
    char *profile; /* --profile FILE.folded */
    bool stats;
    char *stats_json;
    uint32_t log_items;
    char *log_file;
    char *name, *pidfile;
    char *script; /* monitor commands */
} Config;

/* true: run. false: *exit_code says how to leave (0 after -help and -version, which have printed;
 * 1 after an error, with *error set: one line to print as "dbtvm: MESSAGE"). */
bool config_parse(Config *config, int argc, char **argv, int *exit_code, GError **error);
void config_clear(Config *config);

#endif
