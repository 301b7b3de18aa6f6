# SPDX-License-Identifier: MIT
"""What runs a row: the host itself, QEMU's user mode, and virtual machines driven by serial port.

A program says "@ready" and waits for a line; the time of a row is what the host's CPU clock of the
process (all threads of a virtual machine) advances from that line to "@row".
"""
import os
import selectors
import shutil
import subprocess
import sys
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

    # SMC rows take thousands of times as long as natively in qemu-i386: this part of the work, and
    # the time scaled.
    SLOW = {("user", "smc"): 64}

    def __init__(self, name, flavour, prefix=(), groups=None):
        self.name, self.root = name, flavour.root
        self.prefix, self.groups = list(prefix), groups

    def run(self, row, reps, seconds):
        if self.groups and row.group not in self.groups:
            raise Skip("needs a machine" if row.group == "real" else "would measure the host")
        done = max(1, reps // self.SLOW.get((self.name, row.group), 1))
        talker = Talker(self.prefix + [os.path.join(self.root, row.program), row.name, str(done)],
                        cwd=self.root, env={**os.environ, **build.ENVIRONMENT})
        try:
            result = run_program(talker, seconds, False)
            return {**result, "cpu": result["cpu"] * reps / done}
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
    CONVERSATIONS = 8

    def __init__(self, name, command, kernel, initrd, memory=256):
        self.name, self.command, self.talker = name, list(command), None
        self.kernel = self.cpu = self.file = None
        self.boots, self.failed_boots = [], 0
        self.conversation = 0  # CPU seconds from "go" to the answer, of no work
        self.argv = self.command + self.CONSOLE + [
            "-m", str(memory), "-kernel", kernel, "-initrd", initrd, "-append", self.APPEND]

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
            return self.run_boot_sector(row.name, reps, seconds)
        try:
            if not self.talker:
                self.start()
                self.conversation = min(self.run_command("bench/integer nothing", seconds)["cpu"]
                                        for _ in range(self.CONVERSATIONS))
            result = self.run_command(f"{row.program} {row.name} {reps}", seconds)
            return {**result, "cpu": max(result["cpu"] - self.conversation, 1e-6)}
        except EngineError:
            self.close()
            raise
        except Skip:
            self.talker.expect("@end", seconds=10)
            raise

    def run_command(self, command, seconds):
        self.talker.send(command)
        result = run_program(self.talker, seconds, True)
        self.talker.expect("@end", seconds=10)
        return result

    def run_boot_sector(self, name, reps, seconds):
        talker = self.talk(self.command + self.CONSOLE + ["-fda", build.boot_sector(name, reps)])
        try:
            return run_program(talker, seconds, True)
        finally:
            talker.close()

    def close(self):
        if self.talker:
            self.talker.close()
            self.talker = None


TCG = "qemu-system-i386 -accel tcg -M pc -nic none".split()
# Debian packages by engine.
PACKAGES = {"dbtvm": ["seabios"], "tcg": ["qemu-system-x86"], "user": ["qemu-user"]}


def add_options(parser):
    """Which machines take part: the options that bench/run and bench/boot share."""
    add = parser.add_argument
    add("--engines", metavar="LIST",
        help="of dbtvm,tcg,user (default: all there are; with --compare dbtvm alone)")
    add("--dbtvm", default=os.path.join(build.TREE, "build", "cli", "dbtvm"), metavar="FILE")
    add("--dbtvm-flags", default="", metavar="FLAGS", help="more flags for dbtvm: -no-window ...")
    add("--compare", metavar="FILE", help="another dbtvm: 'dbtvm-b', and a column b/a")
    add("--compare-flags", metavar="FLAGS",
        help="its flags instead of --dbtvm-flags; without --compare, the same dbtvm with these")


def wanted(arguments):
    """The names of the engines that were asked for."""
    compare = arguments.compare or arguments.compare_flags is not None
    return (arguments.engines or ("dbtvm" if compare else "dbtvm,tcg,user")).split(",")


def keep(name, path):
    """A copy of a dbtvm: the original may be built anew while rows run."""
    copy = os.path.join(build.OUT, name)
    shutil.copy2(shutil.which(path), copy)
    return copy


def dbtvms(arguments):
    """(name, its file, command) of dbtvm and of the one it is compared with."""
    flags, other = arguments.dbtvm_flags, arguments.compare_flags
    every = [("dbtvm", arguments.dbtvm, flags)]
    if arguments.compare or other is not None:
        every.append(("dbtvm-b", arguments.compare or arguments.dbtvm,
                      flags if other is None else other))
    for _, path, _ in every:
        if not shutil.which(path):
            sys.exit(f"{path} is not there: build it (scripts/build) or name another")
    return [(name, path, [keep(name, path), *more.split()]) for name, path, more in every]


def machines(arguments, kernel, initrd, memory=256):
    """The machines that were asked for; each alternates with the others."""
    names, made = wanted(arguments), []
    if "dbtvm" in names:
        for name, path, command in dbtvms(arguments):
            made.append(Machine(name, command, kernel, initrd, memory))
            made[-1].file = path
    if "tcg" in names and shutil.which(TCG[0]):
        made.append(Machine("tcg", TCG, kernel, initrd, memory))
    return made


def install(arguments, *more):
    build.install([*more, *(p for e in wanted(arguments) for p in PACKAGES.get(e, []))])
