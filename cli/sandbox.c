/* SPDX-License-Identifier: MIT */
#include "cli/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

#define THREAD_FLAGS (CLONE_VM | CLONE_THREAD)
#define THREADS_ONLY SCMP_A0(SCMP_CMP_MASKED_EQ, THREAD_FLAGS | NAMESPACE_FLAGS, THREAD_FLAGS)
#define NAMESPACE_FLAGS                                                                            \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)
#define SOCKET_TYPE_MASK 0xf /* beside SOCK_CLOEXEC and SOCK_NONBLOCK */
#define STREAM_ONLY      SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE_MASK, SOCK_STREAM)

#define CONDITIONS_MAX 2

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* ---- what a machine needs ---- */

static bool has_socket(const Config *config)
{
    bool found = false;
    for (unsigned i = 0; i < CONSOLES; i++) {
        const char *spec = config->console[i].spec;
        found = found || (spec && (strstr(spec, "tcp:") || strstr(spec, "unix:")));
    }
    return found;
}

/* gdb's monitor command is a monitor, too. */
static bool has_monitor(const Config *config)
{
    static const unsigned monitors[] = {CONSOLE_MONITOR, CONSOLE_QMP, CONSOLE_GDB};
    bool found = config->script;
    for (unsigned i = 0; i < PC_SERIAL_PORTS; i++)
        found = found || console_shared(&config->console[CONSOLE_SERIAL + i]);
    for (size_t i = 0; i < G_N_ELEMENTS(monitors); i++)
        found = found || !console_absent(&config->console[monitors[i]]);
    return found;
}

unsigned sandbox_needs(const Config *config, bool window)
{
    unsigned needs = SANDBOX_MACHINE;
    if (has_monitor(config))
        needs |= SANDBOX_FILES | SANDBOX_SOCKETS | SANDBOX_LISTEN;
    if (has_socket(config))
        needs |= SANDBOX_SOCKETS | SANDBOX_REMOVE;
    if (config->pidfile)
        needs |= SANDBOX_REMOVE;
    if (config->stats_json || config->profile || config->engine.check_every)
        needs |= SANDBOX_FILES;
    return window ? needs | SANDBOX_WINDOW : needs;
}

/* ---- the filter ---- */

typedef struct {
    unsigned group;
    int call;
    const char *name;
    unsigned count;
    struct scmp_arg_cmp conditions[CONDITIONS_MAX];
} AllowRow;

static int add_allowed(scmp_filter_ctx filter, unsigned needs)
{
#define ALLOW(group, call, ...)                                                                    \
    {group,                                                                                        \
     SCMP_SYS(call),                                                                               \
     #call,                                                                                        \
     sizeof((struct scmp_arg_cmp[]){__VA_ARGS__}) / sizeof(struct scmp_arg_cmp),                   \
     {__VA_ARGS__}},
#define PRETEND(group, call, number)
#define FORBID(call)
    const AllowRow rows[] = {
    /* not static: a condition holds our process id */
#include "cli/sandbox.def"
    };
#undef ALLOW
#undef PRETEND
#undef FORBID
    int rc = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(rows) && rc == 0; i++)
        if (needs & rows[i].group)
            rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rows[i].call, rows[i].count,
                                        rows[i].conditions);
    return rc;
}

static int add_pretended(scmp_filter_ctx filter, unsigned needs)
{
#define ALLOW(group, call, ...)
#define PRETEND(group, call, number) {group, SCMP_SYS(call), number},
#define FORBID(call)
    static const struct {
        unsigned group;
        int call, number;
    } rows[] = {
#include "cli/sandbox.def"
    };
#undef ALLOW
#undef PRETEND
#undef FORBID
    int rc = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(rows) && rc == 0; i++)
        rc = seccomp_rule_add(filter,
                              needs & rows[i].group ? SCMP_ACT_ALLOW
                                                    : SCMP_ACT_ERRNO((uint16_t)rows[i].number),
                              rows[i].call, 0);
    return rc;
}

static int add_forbidden(scmp_filter_ctx filter)
{
#define ALLOW(group, call, ...)
#define PRETEND(group, call, number)
#define FORBID(call) SCMP_SYS(call),
    static const int calls[] = {
#include "cli/sandbox.def"
    };
#undef ALLOW
#undef PRETEND
#undef FORBID
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    for (size_t i = 0; i < G_N_ELEMENTS(calls) && rc == 0; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, calls[i], 0);
    return rc;
}

static int set_attributes(scmp_filter_ctx filter)
{
    static const struct {
        enum scmp_filter_attr attribute;
        uint32_t value;
    } rows[] = {
        {SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS},
        {SCMP_FLTATR_CTL_TSYNC, 1},
        /* Kernels before 5.16 turn speculative store bypass off for filtered processes, which slows
         * translated code down; guests are isolated from us by our process only anyway. */
        {SCMP_FLTATR_CTL_SSB, 1},
        {SCMP_FLTATR_CTL_OPTIMIZE, 2}, /* a search tree */
    };
    int rc = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(rows) && rc == 0; i++)
        rc = seccomp_attr_set(filter, rows[i].attribute, rows[i].value);
    return rc;
}

bool sandbox_enter(unsigned needs, GError **error)
{
#ifdef SANITIZED /* its reports run a symbolizer */
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST, "built with the address sanitizer");
    return false;
#endif
    const bool window = needs & SANDBOX_WINDOW;
    scmp_filter_ctx filter = seccomp_init(window ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS);
    int rc = filter ? set_attributes(filter) : -ENOMEM;
    if (rc == 0 && window)
        rc = add_forbidden(filter);
    else if (rc == 0 && (rc = add_allowed(filter, needs)) == 0)
        rc = add_pretended(filter, needs);
    if (rc == 0)
        rc = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    if (rc == 0)
        return true;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST, "seccomp: %s", g_strerror(-rc));
    return false;
}

bool sandbox_start(const Config *config, bool window, bool *entered)
{
    g_autoptr(GError) error = NULL;
    *entered = false;
    if (config->sandbox == SANDBOX_OFF)
        return true;
    *entered = sandbox_enter(sandbox_needs(config, window), &error);
    if (*entered)
        return true;
    const bool required = config->sandbox == SANDBOX_ON;
    fprintf(stderr, "dbtvm: no sandbox here (%s)%s\n", error->message,
            required ? "; -sandbox on asks for one" : ", running without");
    return !required;
}
