# SPDX-License-Identifier: MIT
"""Readers of the guest's output: slow ones, ones who stopped, ones who left."""
import contextlib
import fcntl
import os
import pathlib
import signal
import socket
import subprocess
import sys
import termios
import time

from bed import BINARY, contains, image, scratch, test, wait_until
from guest import Guest, connect

LINES = b"".join(b"%08x\n" % n for n in range(40000))
PORTS = {"lines_com1": "-serial", "lines_polite": "-serial", "lines_e9": "-debugcon"}


@contextlib.contextmanager
def writer(name, where, *args, **more):
    """A guest that writes LINES to this chardev and ends with 33."""
    others = [] if PORTS[name] == "-serial" else ["-serial", "null"]
    process = subprocess.Popen(
        [BINARY, "-m", "16", "-vga", "none", "-display", "none", "-bios", image(name), PORTS[name],
         where, *others, "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *args],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def slowly(pipe):
    """All that comes, not faster than about 400 KB/s."""
    text = b""
    while True:
        chunk = os.read(pipe, 8192)
        if not chunk:
            return text
        text += chunk
        time.sleep(0.02)


@test
def a_slow_reader_gets_every_byte():
    for name in PORTS:
        with writer(name, "stdio", stdout=subprocess.PIPE) as process:
            text = slowly(process.stdout.fileno())
            assert process.wait(20) == 33, (name, process.stderr.read())
        assert text == LINES, (name, len(text))


@test
def a_slow_reader_of_a_fifo_gets_every_byte():
    with scratch() as folder:
        fifo = f"{folder}/fifo"
        os.mkfifo(fifo)
        with writer("lines_com1", f"file:{fifo}") as process:
            pipe = os.open(fifo, os.O_RDONLY)
            text = slowly(pipe)
            os.close(pipe)
            assert process.wait(20) == 33
    assert text == LINES, len(text)


@test
def counted_time_does_not_see_the_reader():
    with writer("lines_polite", "stdio", "-icount", "shift=3,sleep=off",
                stdout=subprocess.PIPE) as process:
        text = slowly(process.stdout.fileno())
        assert process.wait(20) == 33
    assert text == LINES, len(text)


UNREAD = "(its output is not read)"


def unread(guest):
    return UNREAD in guest.monitor("info chardev")


def unread_line(monitor):
    """What a monitor of one's own says of serial0."""
    monitor.write("info chardev\n")
    monitor.flush()
    while "filename=" not in (line := monitor.readline()):
        assert line, "the monitor ended"
    return UNREAD in line


@test
def output_that_nobody_reads():
    """Monitor and signals work; the guest goes on when somebody reads."""
    for name in PORTS:
        others = ["-serial", "null"] if name == "lines_e9" else []
        with Guest(BINARY, ["-m", "16", "-vga", "none", "-bios", image(name), PORTS[name], "stdio",
                            *others, "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
                   serial=False) as g:
            wait_until(lambda: unread(g), 20, name)
            contains(g.monitor("info status"), "running")
            g.monitor("stop")
            contains(g.monitor("info status"), "paused")
            contains(g.monitor("step"), "0x000f") # a guest that is held takes steps
            g.monitor("cont")
            assert g.wait(30) == 33, name # it reads
            assert g.output.encode() == LINES, (name, len(g.output))
        with Guest(BINARY, ["-m", "16", "-vga", "none", "-bios", image(name), PORTS[name], "stdio",
                            *others], serial=False) as g:
            wait_until(lambda: unread(g), 20, name)
            g.process.send_signal(signal.SIGTERM)
            assert g.process.wait(10) == 0, name


@test
def a_reader_who_stopped_without_input():
    """As in CI: nothing on stdin. And who waits for the serial port to be ready does not only spin."""
    with writer("lines_polite", "stdio", "-warn-spin", "3", "-timeout", "8",
                stdout=subprocess.PIPE) as process:
        assert process.wait(20) == 124
        assert b"only spins" not in process.stderr.read()
    with scratch() as folder, writer("lines_com1", "stdio", "-monitor", f"unix:{folder}/m,server,nowait",
                                     stdout=subprocess.PIPE) as process:
        wait_until(lambda: os.path.exists(f"{folder}/m"), 20, "no monitor")
        with connect(f"{folder}/m", 20) as monitor, monitor.makefile("rw") as lines:
            wait_until(lambda: unread_line(lines), 20, "not full")


@test
def a_slow_client_who_typed_gets_every_byte():
    """TCP forgets what it has not sent when a socket with unread input is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with writer("lines_com1", f"tcp:127.0.0.1:{port}") as process:
            client, _ = server.accept()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"what no guest reads" * 10)
            text = slowly(client.fileno())
            client.close()
            assert process.wait(20) == 33, process.stderr.read()
    assert text == LINES, len(text)


def waiting(pipe):
    """Bytes."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@test
def the_second_signal_does_not_wait_for_a_reader():
    """A log goes into a pipe as it comes, and nobody reads it."""
    with scratch() as folder:
        fifo = f"{folder}/log"
        os.mkfifo(fifo)
        pipe = os.open(fifo, os.O_RDWR)
        with writer("lines_com1", "chardev:c", "-chardev", f"null,id=c,logfile={fifo}") as process:
            wait_until(lambda: waiting(pipe) >= 65536, 20, "the pipe is not full")
            process.terminate()
            time.sleep(2.5)
            assert process.poll() is None
            process.terminate()
            assert process.wait(5) == 128 + signal.SIGTERM
        os.close(pipe)


@test
def a_reader_who_leaves():
    for name in PORTS:
        with writer(name, "stdio", stdout=subprocess.PIPE) as process:
            assert process.stdout.read(18) == LINES[:18]
            time.sleep(0.5)
            process.stdout.close()
            assert process.wait(20) == 33, name


@test
def stdout_stays_as_it_was():
    """O_NONBLOCK belongs to the shell's descriptor, too; a file goes on where it was."""
    with scratch() as folder:
        path = pathlib.Path(folder) / "file"
        with path.open("wb") as out:
            out.write(b"before\n")
            out.flush()
            with writer("lines_com1", "stdio", stdout=out) as process:
                assert process.wait(20) == 33
            out.write(b"after\n")
        assert path.read_bytes() == b"before\n" + LINES + b"after\n"
    near, far = os.pipe()
    with writer("lines_com1", "stdio", stdout=far) as process:
        wait_until(lambda: os.read(near, 1) == b"0", 20, "no output")
        assert os.get_blocking(far)
    os.close(near)
    os.close(far)


@test
def a_monitor_whose_reader_is_slow():
    """Printouts of some megabytes and the lines behind them."""
    lines = b"xp /65536xb 0x100\n" * 12 + b"print 6*7\nquit\n"
    process = subprocess.Popen([BINARY, "-m", "16", "-vga", "none", "-display", "none", "-bios",
                                image("spin"), "-monitor", "stdio"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdin.write(lines)
    process.stdin.close()
    time.sleep(0.5)
    text = process.stdout.read().decode()
    assert process.wait(20) == 0
    assert text.count("0x") >= 12 * 65536 and "0x2a" in text[-200:], (len(text), text[-200:])
