# SPDX-License-Identifier: MIT
"""What the gdb tests share: guests with a stub, and what gdb says of them."""
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "inside"), str(HERE.parent / "boot")]
from bed import BINARY, BUILD  # noqa: E402
from guest import Guest, script  # noqa: E402

STEPS = "shadow enable call60 handler copy divide divided store change load fill push2 ready turn"
ENGINES = ([], ["--interp"], ["--one-insn-per-tb"], ["--no-chain"])


class Debugged(Guest):
    """A guest with a gdb stub on a unix socket."""

    def __init__(self, args, **keys):
        self.gdb_dir = tempfile.TemporaryDirectory(prefix="dbtvm-gdb-")
        self.stub = os.path.join(self.gdb_dir.name, "stub")
        super().__init__(BINARY, [*args, "-gdb", f"unix:{self.stub}"], **keys)

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.gdb_dir.cleanup()

    def wait_stub(self):
        deadline = time.monotonic() + 20
        while not os.path.exists(self.stub):
            assert time.monotonic() < deadline and self.process.poll() is None, self.output
            time.sleep(0.02)

    def start_gdb(self, commands):
        self.wait_stub()
        script = os.path.join(self.gdb_dir.name, "script")
        first = ["set pagination off", "set confirm off", "set style enabled off",
                 f"target remote {self.stub}"]
        pathlib.Path(script).write_text("\n".join([*first, *commands, ""]))
        return subprocess.Popen(["gdb", "-nx", "-batch", "-x", script], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def ready(self):
        """A command for a script; wait_ready waits until gdb got there and has let the machine go on."""
        return f"shell touch {self.gdb_dir.name}/ready"

    def wait_ready(self, seconds=60):
        deadline = time.monotonic() + seconds
        while not (os.path.exists(f"{self.gdb_dir.name}/ready") and
                   "running" in self.monitor("info status")):
            assert time.monotonic() < deadline, "gdb does not get on"
            time.sleep(0.05)

    def gdb(self, commands, seconds=30):
        """What gdb printed; `show NAME` among the commands becomes a line NAME=hex."""
        process = self.start_gdb([show(c) for c in commands])
        return finish(process, seconds)


def finish(process, seconds):
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    out = process.communicate()[0]
    timer.cancel()
    return out


def show(command):
    if not command.startswith(("show $", "show *")):
        return command
    name = command[len("show "):]
    return f'printf "{name}=%x\\n", {name}'


def attempt(command):
    """A command whose error does not end the script."""
    return (f'python exec("try:\\n gdb.execute({command!r})\\nexcept gdb.error as e: print(e)")')


def shown(output, name):
    """All values of `show name`."""
    values = [int(v, 16) for v in re.findall(rf"^{re.escape(name)}=([0-9a-f]+)$", output, re.M)]
    assert values, f"no {name} in:\n{output}"
    return values


def floppy(name, folder, engine=(), extra=("-S",)):
    return Debugged(["-m", "16", "-fda", str(BUILD / "tests" / folder / name), "-snapshot", "-boot",
                     "a", *extra, *engine])


def hello(extra=("-S",)):
    return floppy("hello.img", "guest", extra=[*extra, "-device",
                                               "isa-debug-exit,iobase=0xf4,iosize=0x04"])


def steps(engine=()):
    return floppy("steps.img", "gdb", engine)


def labels(image="steps.img", names=STEPS, at=0x1C0):
    """Where the labels of one of our images are: it has a table of them."""
    data = (BUILD / "tests/gdb" / image).read_bytes()
    names = names.split()
    return dict(zip(names, struct.unpack_from(f"<{len(names)}H", data, at)))


def linux(flavour):
    return pathlib.Path(script("guest-linux", flavour))
