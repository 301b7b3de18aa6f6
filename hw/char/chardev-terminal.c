/* SPDX-License-Identifier: MIT
 * Raw mode of the terminal on stdin, and giving it back whatever happens. The
 * terminal belongs to the process, not to a machine, and signal handlers have no
 * argument: hence the file-scope state, the one exception in hw/. */
#include "hw/char/chardev-priv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios terminal_saved, terminal_raw;
static volatile sig_atomic_t terminal_is_raw;
static volatile sig_atomic_t terminal_awaited; /* it should be raw, but we were in the background */
static volatile sig_atomic_t terminal_continued; /* SIGCONT came */
static bool terminal_guarded;
static pid_t terminal_group; /* ours, when the mode was set; the sandbox has no getpgrp */

/* In the background the terminal is the shell's. Who sets its mode all the same is stopped, so the
 * signal for that is kept away in case the shell is quicker. All of it is async-signal-safe. */
static bool set_mode(const struct termios *mode)
{
    sigset_t background, before;
    if (tcgetpgrp(STDIN_FILENO) != terminal_group)
        return false;
    sigemptyset(&background);
    sigaddset(&background, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &background, &before);
    tcsetattr(STDIN_FILENO, TCSANOW, mode);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return true;
}

void chardev_restore_terminal(void)
{
    if (!terminal_is_raw)
        return;
    terminal_is_raw = 0;
    set_mode(&terminal_saved);
}

static void on_fatal_signal(int number)
{
    chardev_restore_terminal();
    signal(number, SIG_DFL);
    raise(number);
}

/* Back in the foreground, mostly: the shell has set the terminal to its own taste. */
static void on_continue(int number)
{
    const int saved = errno;
    terminal_continued = 1;
    if (terminal_is_raw)
        terminal_awaited = !set_mode(&terminal_raw);
    errno = saved;
}

void chardev_terminal_was_read(void)
{
    if (terminal_awaited && terminal_is_raw)
        terminal_awaited = !set_mode(&terminal_raw);
}

bool chardev_terminal_take_continued(void)
{
    const bool continued = terminal_continued;
    terminal_continued = 0;
    return continued;
}

/* Only signals nobody has claimed: who handles one calls chardev_restore_terminal or exit. */
static void guard_signal(int number, void (*handler)(int))
{
    struct sigaction action;
    if (sigaction(number, NULL, &action) < 0 || (action.sa_flags & SA_SIGINFO) ||
        action.sa_handler != SIG_DFL)
        return;
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void guard_terminal(void)
{
    static const int fatal[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL,  SIGABRT,
                                SIGFPE, SIGBUS, SIGSEGV, SIGTERM, SIGPIPE};
    if (terminal_guarded)
        return;
    terminal_guarded = true;
    atexit(chardev_restore_terminal);
    for (size_t i = 0; i < G_N_ELEMENTS(fatal); i++)
        guard_signal(fatal[i], on_fatal_signal);
    guard_signal(SIGCONT, on_continue);
}

bool chardev_terminal_set_raw(bool keep_signals)
{
    /* A background job that touches the terminal would be stopped. */
    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp())
        return false;
    if (!terminal_is_raw && tcgetattr(STDIN_FILENO, &terminal_saved) < 0)
        return false;
    terminal_raw = terminal_saved;
    cfmakeraw(&terminal_raw);
    terminal_raw.c_oflag |= OPOST; /* host's \n -> \r\n: our own messages share the screen */
    if (keep_signals)
        terminal_raw.c_lflag |= ISIG;
    terminal_group = getpgrp();
    guard_terminal();
    if (tcsetattr(STDIN_FILENO, TCSANOW, &terminal_raw) < 0)
        return false;
    terminal_is_raw = 1;
    return true;
}
