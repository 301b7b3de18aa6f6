# SPDX-License-Identifier: MIT
"""The list of a suite's tests, and running them. Usage of each suite: run [build folder] [name...];
speaks TAP."""
import pathlib
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
BINARY = str(BUILD / "cli/dbtvm")
LINE_MAX = 2000  # of a traceback: what a guest printed can be long
TESTS = []


class Skip(Exception):
    """What a test needs is not to be had here."""


def test(fn):
    TESTS.append(fn)
    return fn


def refuse_unknown(names, known):
    """A misspelled name must not pass for a suite without failures."""
    for name in names:
        if name not in known:
            print(f"no test {name}", file=sys.stderr)
            sys.exit(2)


def main(suite):
    names = sys.argv[2:]
    refuse_unknown(names, [t.__name__ for t in TESTS])
    chosen = [t for t in TESTS if not names or t.__name__ in names]
    print(f"1..{len(chosen)}")
    failed = 0
    for number, fn in enumerate(chosen, 1):
        start = time.monotonic()
        name = f"{number} - {suite} {fn.__name__}"
        try:
            fn()
            print(f"ok {name} # {time.monotonic() - start:.1f} s", flush=True)
        except Skip as reason:
            print(f"ok {name} # SKIP {reason}", flush=True)
        except Exception:  # noqa: BLE001 - any failure is the test's result
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("#", line[:LINE_MAX])
            print(f"not ok {name}", flush=True)
    return 1 if failed else 0
