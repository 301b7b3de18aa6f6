/* SPDX-License-Identifier: MIT
 * A machine from a Config: builds it, runs the vCPU thread, owns everything. */
#ifndef CLI_VM_H
#define CLI_VM_H

#include "cli/config.h"
#include "monitor/machine.h"

typedef struct Vm Vm;

/* Opens every file and builds the machine; nothing runs yet. NULL and *error. */
Vm *vm_new(const Config *config, GError **error);
/* Run until quit, power-off or a fatal error; the process's exit code. Main thread. */
int vm_run(Vm *vm);
void vm_free(Vm *vm);
Machine *vm_machine(Vm *vm);
/* The user has closed the window or pressed the escape key: leave vm_run with 0. vm: a Vm. */
void vm_close(void *vm);

#endif
