# SPDX-License-Identifier: MIT
"""What runs a row: the host itself, QEMU's user mode, and virtual machines driven by serial port.

A program says "@ready" and waits for a line; the time of a row is what the host's CPU clock of the
process (all threads of a virtual machine) advances from that line to "@row".
"""
import os
import selectors
import subprocess
import time

from . import build


class EngineError(Exception):
    """The engine did not do what it was told: it died, hung, or said something else."""


class Skip(Exception):
    """The program says that the row cannot run here."""


def cpu_seconds(pid):
    """CPU time of a whole process: the clock id that clock_getcpuclockid(3) would make."""
    return time.clock_gettime((~pid << 3) | 2)


class Talker:
    """A child process spoken to in lines, with a deadline for each answer."""

    def __init__(self, argv, log=subprocess.DEVNULL, **options):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=log, bufsize=0, **options)
        self.pid = self.process.pid
        self.buffer = b""
        self.recent = []
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def send(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise EngineError("died") from None

    def line(self, deadline):
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not self.selector.select(left):
                raise EngineError("timed out")
            data = self.process.stdout.read(65536)
            if not data:
                status = self.process.wait()
                raise EngineError(f"ended with status {status}: {' / '.join(self.recent[-3:])}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        text = line.decode("latin-1").strip()
        self.recent = self.recent[-20:] + [text]
        return text

    def expect(self, *starts, seconds):
        """The next line that begins with one of STARTS, or the program's reason for none."""
        deadline = time.monotonic() + seconds
        while True:
            line = self.line(deadline)
            if line.startswith(starts):
                return line
            if line.startswith("@skip "):
                raise Skip(line[6:])
            if line.startswith(("@fail", "@end")):
                raise EngineError(f"{line}: {' / '.join(self.recent[-4:-1])}")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.selector.close()


def run_program(talker, seconds, whole_process):
    """Lets a program that is set up go; returns its result as a dictionary."""
    talker.expect("@ready", seconds=seconds)
    host_cpu, host_wall = cpu_seconds(talker.pid), time.monotonic()
    talker.send("")
    words = talker.expect("@row", seconds=seconds).split()
    host_wall = time.monotonic() - host_wall
    if len(words) != 7:
        raise EngineError("garbled answer: " + " ".join(words))
    cpu = cpu_seconds(talker.pid) - host_cpu if whole_process else int(words[4]) / 1e9
    return {"cpu": cpu, "guest_wall": int(words[3]) / 1e9, "guest_cpu": int(words[4]) / 1e9,
            "host_wall": host_wall, "check": words[5], "ok": words[6] == "ok"}


class Host:
    """The programs as processes of the host, or below qemu-i386."""

    def __init__(self, name, prefix=(), groups=None):
        self.name, self.prefix, self.groups = name, list(prefix), groups

    def run(self, row, reps, seconds):
        if self.groups and row.group not in self.groups:
            raise Skip("the host's kernel would be measured")
        talker = Talker(self.prefix + [os.path.join(build.ROOT, row.program), row.name, str(reps)],
                        cwd=build.ROOT, env={**os.environ, **build.ENVIRONMENT})
        try:
            return run_program(talker, seconds, False)
        finally:
            talker.close()

    def close(self):
        pass


class Machine:
    """A virtual machine; booted when first needed and again after a row that broke it."""

    APPEND = "console=ttyS0 quiet loglevel=1 panic=-1"
    CONSOLE = "-display none -serial stdio -monitor none -no-reboot".split()
    BOOT_SECONDS = 180
    GIVE_UP_AFTER = 3

    def __init__(self, name, command, kernel, initrd, memory=256):
        self.name, self.command, self.talker = name, list(command), None
        self.kernel = self.cpu = None
        self.boots, self.failed_boots = [], 0
        self.argv = self.command + self.CONSOLE + [
            "-m", str(memory), "-kernel", kernel, "-initrd", initrd, "-append", self.APPEND]

    def add_flags(self, flags):
        self.command, self.argv = self.command + flags, self.argv + flags

    def talk(self, argv):
        with open(os.path.join(build.OUT, self.name + ".log"), "ab") as log:
            return Talker(argv, log)

    def start(self):
        """Boots; the CPU seconds that took are added to self.boots."""
        if self.failed_boots >= self.GIVE_UP_AFTER:
            raise EngineError("does not boot")
        self.talker = self.talk(self.argv)
        try:
            up = self.talker.expect("@up", seconds=self.BOOT_SECONDS)
        except EngineError as error:
            self.failed_boots += 1
            self.close()
            raise EngineError(f"did not boot: {error}") from None
        self.boots.append(cpu_seconds(self.talker.pid))
        self.kernel, self.cpu = up[4:].split("|")

    def run(self, row, reps, seconds):
        if row.group == "real":
            return self.run_boot_sector(reps, seconds)
        if not self.talker:
            self.start()
        try:
            self.talker.send(f"{row.program} {row.name} {reps}")
            result = run_program(self.talker, seconds, True)
            self.talker.expect("@end", seconds=10)
            return result
        except EngineError:
            self.close()
            raise
        except Skip:
            self.talker.expect("@end", seconds=10)
            raise

    def run_boot_sector(self, reps, seconds):
        talker = self.talk(self.command + self.CONSOLE + ["-fda", build.boot_sector(reps)])
        try:
            return run_program(talker, seconds, True)
        finally:
            talker.close()

    def close(self):
        if self.talker:
            self.talker.close()
            self.talker = None


def machines(dbtvm, kernel, initrd, memory=256):
    """The two machines that are compared; which one is missing is the caller's to find out."""
    qemu = ["qemu-system-i386", "-accel", "tcg", "-M", "pc", "-nic", "none"]
    return [Machine("dbtvm", [dbtvm], kernel, initrd, memory),
            Machine("tcg", qemu, kernel, initrd, memory)]
