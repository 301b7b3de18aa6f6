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
