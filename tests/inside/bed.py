# SPDX-License-Identifier: MIT
"""What the tests of the insides share: running dbtvm to its end."""
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "boot")]
from tap import BINARY, BUILD, ROOT, Skip, main, test  # noqa: E402,F401 - and for those that import this

resource.setrlimit(resource.RLIMIT_CORE, (0, 0)) # some tests kill what they start


class Result:
    def __init__(self, process, seconds):
        self.code = process.returncode
        self.out = process.stdout.decode("utf-8", "replace")
        self.err = process.stderr.decode("utf-8", "replace")
        self.seconds = seconds

    def __repr__(self):
        return f"exit {self.code}, stdout {self.out[-1500:]!r}, stderr {self.err[-1500:]!r}"


def run(*args, seconds=30, stdin=b"", cwd=None, check=None):
    """dbtvm with these options to its end; fails if it does not end or dies by a signal."""
    start = time.monotonic()
    process = subprocess.run([BINARY, *map(str, args)], input=stdin, capture_output=True,
                             timeout=seconds, cwd=cwd, check=False)
    result = Result(process, time.monotonic() - start)
    assert result.code >= 0, f"killed by signal {-result.code}: {result}"
    if check is not None:
        assert result.code == check, f"exit {result.code}, not {check}: {args} {result}"
    return result


def image(name):
    return str(BUILD / f"tests/guest/mishap-{name}.bin")


def mishap(name, *args, **more):
    """A small machine whose firmware is that of tests/guest/mishap.asm."""
    return run("-m", "16", "-vga", "none", "-display", "none", "-bios", image(name), *args, **more)


def scratch():
    return tempfile.TemporaryDirectory(prefix="dbtvm-inside-")


def contains(text, *parts):
    for part in parts:
        assert part in text, f"no {part!r} in {text[-2500:]!r}"


def sanitized():
    return b"__asan_init" in pathlib.Path(BINARY).read_bytes()


def wait_until(true, seconds, what):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
