# SPDX-License-Identifier: MIT
"""What the tests of the insides share: running dbtvm to its end, and the TAP list."""
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/boot"))
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
BINARY = str(BUILD / "cli/dbtvm")
TESTS = []
resource.setrlimit(resource.RLIMIT_CORE, (0, 0)) # some tests kill what they start


class Skip(Exception):
    pass


class Result:
    def __init__(self, process, seconds):
        self.code = process.returncode
        self.out = process.stdout.decode("utf-8", "replace")
        self.err = process.stderr.decode("utf-8", "replace")
        self.seconds = seconds

    def __repr__(self):
        return f"exit {self.code}, stdout {self.out[-1500:]!r}, stderr {self.err[-1500:]!r}"


def test(fn):
    TESTS.append(fn)
    return fn


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


def main(suite):
    names = sys.argv[2:]
    chosen = [t for t in TESTS if not names or t.__name__ in names]
    print(f"1..{len(chosen)}")
    failed = 0
    for number, fn in enumerate(chosen, 1):
        start = time.monotonic()
        try:
            fn()
            print(f"ok {number} - {suite} {fn.__name__} # {time.monotonic() - start:.1f} s",
                  flush=True)
        except Skip as reason:
            print(f"ok {number} - {suite} {fn.__name__} # SKIP {reason}", flush=True)
        except Exception:  # noqa: BLE001 - any failure is the test's result
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("#", line)
            print(f"not ok {number} - {suite} {fn.__name__}", flush=True)
    return 1 if failed else 0
