# SPDX-License-Identifier: MIT
"""A bad host day: no address space, a second instance, SIGTERM at a terminal."""
import fcntl
import os
import pathlib
import pty
import resource
import signal
import subprocess
import termios
import time

from bed import BINARY, BUILD, Skip, contains, image, sanitized, scratch, test, wait_until

HELLO = ["-m", "16", "-fda", str(BUILD / "tests/guest/hello.img"), "-snapshot", "-boot", "a",
         "-display", "none", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]


def run_limited(kib, *args):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (kib << 10, kib << 10))
    return subprocess.run([BINARY, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, preexec_fn=limit, check=False)


@test
def boots_with_little_address_space():
    if sanitized():
        raise Skip("the address sanitizer needs terabytes")
    for kib in (3000000, 500000):
        r = run_limited(kib, *HELLO)
        assert r.returncode == 33, (kib, r)
        assert r.stderr.count("no address windows here") == 1 and r.stderr.count("\n") == 1, r
        contains(r.stdout, "Hello from our 8086")


@test
def says_what_too_little_address_space_lacks():
    if sanitized():
        raise Skip("the address sanitizer needs terabytes")
    for kib, args in ((200000, []), (100000, []), (500000, ["-m", "1024"])):
        r = run_limited(kib, *HELLO, *args)
        lines = r.stderr.splitlines()
        assert r.returncode == 1 and len(lines) == 1, (kib, r)
        contains(lines[0], "dbtvm: cannot reserve", "MiB", "try a smaller -")


def start(*args, **more):
    return subprocess.Popen([BINARY, "-m", "16", "-vga", "none", "-display", "none", *args], **more)


def mappings(process):
    return pathlib.Path(f"/proc/{process.pid}/maps").read_bytes().count(b"\n")


@test
def code_in_every_page_does_not_use_up_the_hosts_mappings():
    guest = start("-m", "256", "-bios", image("code_everywhere"), "-debugcon", "stdio",
                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert guest.stdout.read(1) == b"D"
        count = mappings(guest)
        print(f"# {count} mappings")
        assert count < 42000 or sanitized(), count
        guest.terminate()
        assert guest.wait(20) == 0
    finally:
        guest.kill()
        guest.wait()


@test
def a_second_instance_is_refused():
    with scratch() as folder:
        disk = pathlib.Path(folder) / "disk"
        disk.write_bytes(bytes(1 << 20))
        args = ["-bios", image("spin"), "-hda", str(disk)]
        first = start(*args, stdin=subprocess.DEVNULL)
        try:
            time.sleep(1)
            second = start(*args, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            text = second.communicate(timeout=20)[1]
            assert second.returncode == 1 and first.poll() is None, text
            contains(text, str(disk), "in use")
        finally:
            first.kill()
            first.wait()


@test
def sigterm_restores_the_terminal():
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)

    def adopt():  # only a foreground job's terminal is set raw
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    with scratch() as folder:
        # The shell keeps the session, whose end would hang up the terminal.
        pidfile = pathlib.Path(folder) / "pid"
        shell = subprocess.Popen(
            ["sh", "-c", '"$@"; sleep 60', "sh", BINARY, "-m", "16", "-vga", "none", "-display",
             "none", "-bios", image("spin"), "-serial", "mon:stdio", "-pidfile", str(pidfile)],
            stdin=slave, stdout=slave, stderr=slave, preexec_fn=adopt)
        try:
            wait_until(lambda: termios.tcgetattr(slave) != before and pidfile.exists(), 20,
                       "the terminal is not raw")
            time.sleep(0.3)
            process = pathlib.Path("/proc") / pidfile.read_text().strip()
            os.kill(int(process.name), signal.SIGTERM)
            wait_until(lambda: not process.exists(), 10, "it is still there")
            assert termios.tcgetattr(slave) == before
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
            os.close(master)
            os.close(slave)


def as_a_job():
    """A machine in the foreground of a terminal whose shell we are."""
    job = os.fork()
    if job == 0:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execv(BINARY, [BINARY, "-m", "16", "-vga", "none", "-display", "none", "-bios",
                          image("spin"), "-serial", "mon:stdio"])
    return job


def kill_a_suspended_job(slave, before):
    """0, or the step that went wrong."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = as_a_job()
    deadline = time.monotonic() + 20
    while termios.tcgetattr(slave) == before:
        if time.monotonic() > deadline:
            return 1
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(job, signal.SIGSTOP)
    os.waitpid(job, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    ours = termios.tcgetattr(slave)
    ours[3] ^= termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, ours)
    os.kill(job, signal.SIGTERM) # `kill %1`
    os.kill(job, signal.SIGCONT)
    while True:
        found, status = os.waitpid(job, os.WNOHANG | os.WUNTRACED)
        if found and os.WIFSTOPPED(status):
            os.kill(job, signal.SIGKILL)
            return 2
        if found:
            break
        if time.monotonic() > deadline:
            os.kill(job, signal.SIGKILL)
            return 3
        time.sleep(0.05)
    return 0 if termios.tcgetattr(slave) == ours else 4


@test
def a_suspended_job_can_be_killed():
    """It dies, and leaves the terminal's mode to the shell, whose it is."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    shell = os.fork()
    if shell == 0:
        step = 9
        try:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(slave, fd)
            step = kill_a_suspended_job(slave, before)
        finally:
            os._exit(step)
    status = os.waitpid(shell, 0)[1]
    os.close(master)
    os.close(slave)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status
