/* SPDX-License-Identifier: MIT
 * The host ends of the machine's consoles and monitors: opened as the options say, kept here. */
#ifndef CLI_CONSOLES_H
#define CLI_CONSOLES_H

#include "cli/config.h"
#include "monitor/machine.h"
#include "monitor/monitor.h"
#include "monitor/qmp.h"

typedef struct {
    MachineChardev list[MACHINE_CHARDEVS];
    unsigned count;
    Chardev *serial[PC_SERIAL_PORTS];
    Chardev *debugcon[PC_DEBUGCONS];
    Monitor *monitor;
    Qmp *qmp;
    const Config *config;
    AddressSpace *as;
    ChardevQuit quit;
    ChardevHold hold;
    void *opaque; /* of quit and hold */
} Consoles;

/* Those of devices and nobody's; quit: what the terminal's escape key does; hold: makes the guest
 * wait for who reads its output. */
bool consoles_open(Consoles *consoles, const Config *config, AddressSpace *as, ChardevQuit quit,
                   ChardevHold hold, void *opaque, GError **error);
/* When the machine is there: the monitors. */
bool consoles_open_monitors(Consoles *consoles, Machine *machine, GError **error);
void consoles_close_monitors(Consoles *consoles); /* before the machine's parts go */
void consoles_close(Consoles *consoles);          /* after the devices */

#endif
