# SPDX-License-Identifier: MIT
"""The rows: what each compiled program lists, and one for each script in bench/commands."""
import glob
import os
import re
import subprocess
from dataclasses import dataclass, field

from . import build

# What we aim at (docs/performance.md): slowdown against native, and how many times faster than TCG.
GOALS = {"int": 1.3, "fp": 1.2, "system": 5, "smc": 8, "real": 1.3}
TCG_GOALS = {"int": 5, "fp": 25, "system": 3, "smc": 6}
ROW_GOALS = {"lua": 2, "python": 2, "tcc": 4, "sh-fork-loop": 6, "gzip": 1.3, "sha256sum": 1.3}
# Rows in which 64-bit code does other work, so that a ratio to native64 says little: the i386 C
# library copies and measures strings without SSE, and INT 80h is no SYSCALL.
NATIVE64_DIFFERS = {"memcpy", "strlen", "int80"}
TITLES = {"int": "integer and memory", "fp": "x87 and SSE2", "system": "system calls, processes",
          "smc": "self-modifying code", "programs": "programs", "real": "16-bit: real mode, V86"}


@dataclass
class Row:
    name: str
    group: str
    program: str
    reps: int
    packages: list = field(default_factory=list)

    @property
    def goal(self):
        return ROW_GOALS.get(self.name) or GOALS[self.group]


def script_rows():
    rows = []
    for path in sorted(glob.glob(os.path.join(build.BENCH, "commands", "*.sh"))):
        with open(path, encoding="utf-8") as file:
            head = dict(re.findall(r"^# (reps|packages): (.*)$", file.read(), re.M))
        name = os.path.basename(path)[:-3]
        rows.append(Row(name, "programs", "bench/launch", int(head["reps"]),
                        head.get("packages", "").split()))
    return rows


def program_rows(flavour):
    """FLAVOUR is one that the host runs."""
    rows = []
    for program in build.PROGRAMS:
        if program != "launch":
            path = os.path.join(flavour.root, "bench", program)
            listing = subprocess.run([path, "list"], check=True, text=True, capture_output=True)
            for line in listing.stdout.splitlines():
                name, group, reps = line.split()
                rows.append(Row(name, group, "bench/" + program, int(reps)))
    return rows
