/* SPDX-License-Identifier: MIT
 * A child enters the sandbox and makes one call: what kills it, what fails, what works. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/sandbox.h"

enum { NO_SECCOMP = 99, WORKED = 0, FAILED = 1 };

/* Their result is the child's exit code. */
typedef int (*Attempt)(void);

static int as_exit_code(bool worked)
{
    return worked ? WORKED : FAILED;
}

static int status_of(unsigned needs, Attempt attempt)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        if (!sandbox_enter(needs, NULL))
            _exit(NO_SECCOMP);
        _exit(attempt());
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

static void *page;
static int memfd;

static int run_program(void)
{
    char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    return execv("/bin/true", argv);
}

static int fork_child(void)
{
    return as_exit_code(syscall(SYS_fork) >= 0);
}

static int clone_process(void)
{
    return as_exit_code(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0);
}

static int map_code(void)
{
    return as_exit_code(
        mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static int map_file_as_code(void)
{
    return as_exit_code(mmap(NULL, 4096, PROT_EXEC, MAP_SHARED, memfd, 0) != MAP_FAILED);
}

static int make_code(void)
{
    return as_exit_code(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
}

static int make_code_with_key(void)
{
    return as_exit_code(syscall(SYS_pkey_mprotect, page, 4096, PROT_EXEC, -1) == 0);
}

static int new_memfd(void)
{
    return as_exit_code(memfd_create("x", 0) >= 0);
}

static int stream_socket(void)
{
    return as_exit_code(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

static int datagram_socket(void)
{
    return as_exit_code(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
}

static int packet_socket(void)
{
    return as_exit_code(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
}

static int connect_out(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
    return as_exit_code(connect(0, (struct sockaddr *)&address, sizeof address) == 0);
}

static int trace_me(void)
{
    return as_exit_code(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
}

static int kill_parent(void)
{
    return as_exit_code(kill(getppid(), 0) == 0);
}

static int signal_another(void)
{
    return as_exit_code(syscall(SYS_tgkill, getppid(), getppid(), 0) == 0);
}

static int type_into_the_shell(void)
{
    return as_exit_code(ioctl(0, TIOCSTI, "x") == 0);
}

static int become_root(void)
{
    return as_exit_code(setuid(0) == 0);
}

static int new_namespace(void)
{
    return as_exit_code(unshare(CLONE_NEWUSER) == 0);
}

static int delete_file(void)
{
    return as_exit_code(unlink("/nonexistent/x") < 0 && errno == ENOENT);
}

static int open_file(void)
{
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? WORKED : errno == EACCES ? FAILED : 2;
}

static int use_memory(void)
{
    char *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *heap = malloc(1 << 22);
    bool good = more != MAP_FAILED && heap && mprotect(page, 4096, PROT_READ) == 0 &&
                madvise(more, 1 << 20, MADV_DONTNEED) == 0;
    heap = realloc(heap, 1 << 24);
    good = good && heap && mmap(page, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, memfd, 0) == page;
    free(heap);
    return as_exit_code(good && munmap(more, 1 << 20) == 0);
}

static gpointer say_42(gpointer opaque)
{
    return GINT_TO_POINTER(42);
}

static int start_thread(void)
{
    GThread *thread = g_thread_new("other", say_42, NULL);
    return as_exit_code(GPOINTER_TO_INT(g_thread_join(thread)) == 42);
}

/* The alarm of the vCPU thread. */
static volatile sig_atomic_t rang;

static void on_alarm(int sig)
{
    rang = 1;
}

static int wait_for_alarm(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    const struct itimerspec soon = {.it_value = {0, 1000000}};
    timer_t timer;
    signal(SIGALRM, on_alarm);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
        timer_settime(timer, 0, &soon, NULL) < 0)
        return FAILED;
    for (unsigned i = 0; i < 5000 && !rang; i++)
        g_usleep(1000);
    return as_exit_code(rang && timer_delete(timer) == 0);
}

/* The filter reaches threads that were there before. */
static gint go;

static gpointer call_late(gpointer opaque)
{
    while (!g_atomic_int_get(&go))
        g_usleep(100);
    return GINT_TO_POINTER((gint)syscall(SYS_fork));
}

static int in_older_thread(void)
{
    g_atomic_int_set(&go, 1);
    g_usleep(5 * G_USEC_PER_SEC);
    return WORKED;
}

/* As the C library does where the vDSO cannot. */
static int ask_the_time(void)
{
    struct timeval day;
    struct timespec now;
    return as_exit_code(syscall(SYS_gettimeofday, &day, NULL) == 0 &&
                        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) == 0);
}

static const struct {
    const char *name;
    Attempt attempt;
    unsigned allowed_with; /* groups; 0: none */
    bool fails;            /* does not kill, fails with EACCES */
    bool window_too;       /* killed beside a window, too */
} attempts[] = {
    {"execve", run_program, 0, false, true},
    {"fork", fork_child, 0, false, true},
    {"clone of a process", clone_process, 0, false, true},
    {"mmap of code", map_code, 0},
    {"mmap of code from a file", map_file_as_code, 0},
    {"mprotect to code", make_code, 0},
    {"pkey_mprotect to code", make_code_with_key, 0},
    {"memfd_create", new_memfd, 0},
    {"a stream socket", stream_socket, SANDBOX_LISTEN},
    {"a datagram socket", datagram_socket, 0},
    {"a netlink socket", packet_socket, 0},
    {"connect", connect_out, 0},
    {"ptrace", trace_me, 0, false, true},
    {"kill", kill_parent, 0},
    {"tgkill of another process", signal_another, 0},
    {"TIOCSTI", type_into_the_shell, 0},
    {"setuid", become_root, 0, false, true},
    {"unshare", new_namespace, 0, false, true},
    {"unlink", delete_file, SANDBOX_FILES | SANDBOX_REMOVE},
    {"open", open_file, SANDBOX_FILES, true},
    {"memory", use_memory, SANDBOX_MACHINE},
    {"a thread", start_thread, SANDBOX_MACHINE},
    {"a timer", wait_for_alarm, SANDBOX_MACHINE},
    {"the time", ask_the_time, SANDBOX_MACHINE},
};

static void set_up(void)
{
    memfd = memfd_create("test", MFD_CLOEXEC);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(memfd >= 0 && page != MAP_FAILED && ftruncate(memfd, 4096) == 0);
    const int status = status_of(SANDBOX_MACHINE, start_thread);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SECCOMP)
        cr_skip("this host lets nobody enter a seccomp sandbox");
}

static bool killed(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool exited(int status, int code)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

Test(sandbox, kills_or_refuses_what_its_group_does_not_need)
{
    static const unsigned groups[] = {SANDBOX_MACHINE, SANDBOX_FILES, SANDBOX_SOCKETS,
                                      SANDBOX_LISTEN, SANDBOX_REMOVE};
    set_up();
    for (size_t i = 0; i < G_N_ELEMENTS(attempts); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(groups); j++) {
            const int status = status_of(SANDBOX_MACHINE | groups[j], attempts[i].attempt);
            const bool allowed = attempts[i].allowed_with & (SANDBOX_MACHINE | groups[j]);
            cr_expect(allowed             ? exited(status, WORKED)
                      : attempts[i].fails ? exited(status, FAILED)
                                          : killed(status),
                      "%s with group %u: status %x", attempts[i].name, groups[j], (unsigned)status);
        }
    }
}

Test(sandbox, forbids_the_worst_beside_a_window)
{
    set_up();
    for (size_t i = 0; i < G_N_ELEMENTS(attempts); i++) {
        const int status = status_of(SANDBOX_MACHINE | SANDBOX_WINDOW, attempts[i].attempt);
        cr_expect_eq(killed(status), attempts[i].window_too, "%s: status %x", attempts[i].name,
                     (unsigned)status);
    }
}

Test(sandbox, reaches_threads_that_were_there_before)
{
    set_up();
    const pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        g_thread_new("older", call_late, NULL);
        _exit(sandbox_enter(SANDBOX_MACHINE, NULL) ? in_older_thread() : NO_SECCOMP);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(killed(status), "status %x", (unsigned)status);
}

/* docs: a machine alone has few calls. */
Test(sandbox, leaves_a_machine_at_most_45_calls)
{
    gboolean seen[1024] = {FALSE};
    unsigned count = 0;
#define ALLOW(group, call, ...)                                                                    \
    if (((group)&SANDBOX_MACHINE) && !seen[SYS_##call]) {                                          \
        seen[SYS_##call] = TRUE;                                                                   \
        count++;                                                                                   \
    }
#define PRETEND(group, call, number)
#define FORBID(call)
#include "cli/sandbox.def"
    cr_expect_leq(count, 45, "%u calls", count);
}

Test(sandbox, needs_follow_the_command_line)
{
    Config config = {0};
    cr_expect_eq(sandbox_needs(&config, false), SANDBOX_MACHINE);
    cr_expect_eq(sandbox_needs(&config, true), SANDBOX_MACHINE | SANDBOX_WINDOW);
    config.engine.check_every = 1; /* its report */
    cr_expect_eq(sandbox_needs(&config, false), SANDBOX_MACHINE | SANDBOX_FILES);
    config.engine.check_every = 0;
    config.console[CONSOLE_MONITOR].spec = (char *)(uintptr_t) "none";
    config.console[CONSOLE_SERIAL].spec = (char *)(uintptr_t) "stdio";
    cr_expect_eq(sandbox_needs(&config, false), SANDBOX_MACHINE);
    config.console[CONSOLE_SERIAL].spec = (char *)(uintptr_t) "tcp::4444,server";
    cr_expect_eq(sandbox_needs(&config, false), SANDBOX_MACHINE | SANDBOX_SOCKETS | SANDBOX_REMOVE);
    config.console[CONSOLE_SERIAL].spec = (char *)(uintptr_t) "mon:stdio";
    cr_expect(sandbox_needs(&config, false) & SANDBOX_FILES);
}
