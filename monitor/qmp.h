/* SPDX-License-Identifier: MIT
 * The JSON monitor: QMP's protocol on a chardev, for programs. */
#ifndef MONITOR_QMP_H
#define MONITOR_QMP_H

#include "monitor/machine.h"

typedef struct Qmp Qmp;

Qmp *qmp_new(Machine *machine, Chardev *chardev);
void qmp_free(Qmp *qmp);

#endif
