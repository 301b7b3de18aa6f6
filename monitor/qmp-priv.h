/* SPDX-License-Identifier: MIT
 * Between the JSON monitor's connection (qmp.c) and its commands. */
#ifndef MONITOR_QMP_PRIV_H
#define MONITOR_QMP_PRIV_H

#include <json-glib/json-glib.h>

#include "monitor/machine.h"

/* Arguments: checked against the command's row; args may be asked for any name of it. */
typedef struct {
    Machine *machine;
    JsonObject *args;
    const char *line; /* of a row that is a monitor line */
} QmpCall;

/* The value to return, or NULL and *error. */
typedef JsonNode *(*QmpRun)(QmpCall *call, GError **error);

typedef struct {
    const char *name;
    QmpRun run;
    const char *args; /* "filename:s device:s?": s string, i integer, b boolean, a array */
    const char *line; /* qmp_line: what it runs */
} QmpCommand;

/* NULL: there is no such command. */
const QmpCommand *qmp_find(const char *name);
/* args may be NULL. false: one is missing, unknown or of another type. */
bool qmp_check_arguments(const QmpCommand *command, JsonObject *args, GError **error);

JsonNode *qmp_empty(void);                               /* {} */
JsonNode *qmp_version(void);                             /* as in the greeting */
const char *qmp_string(QmpCall *call, const char *name); /* NULL: not given */
int64_t qmp_integer(QmpCall *call, const char *name, int64_t otherwise);
bool qmp_boolean(QmpCall *call, const char *name);

#define QMP(name, run, args) JsonNode *run(QmpCall *call, GError **error);
#define QMP_LINE(name, line)
#define QMP_CONNECTION(name, args)
#include "monitor/qmp-commands.def"
#undef QMP
#undef QMP_LINE
#undef QMP_CONNECTION

#endif
