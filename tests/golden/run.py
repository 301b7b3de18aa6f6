#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Golden tests: cases/NAME.asm through the translator, compared with cases/NAME.golden.

Usage: run.py GOLDEN-DUMP [--accept] [NAME...]. The first lines of a case say what it shows and,
after "mode:", in which of golden-dump's modes. --accept writes the expectations anew: review the
diff.
"""
import argparse
import difflib
import glob
import os
import re
import subprocess
import sys
import tempfile

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases")


def translate(dump, path, folder):
    """The text of a case; raises CalledProcessError with what a program complained of."""
    with open(path, encoding="utf-8") as file:
        mode = re.search(r"^; mode: (\S+)$", file.read(), re.M)
    if not mode:
        raise ValueError(f"{path} has no line '; mode: ...'")
    image = os.path.join(folder, "code")
    subprocess.run(["nasm", "-f", "bin", "-o", image, path], check=True, text=True,
                   capture_output=True)
    return subprocess.run([dump, mode[1], image], check=True, text=True,
                          capture_output=True).stdout


def differences(expected, text):
    diff = difflib.unified_diff(expected.splitlines(), text.splitlines(), "expected", "now",
                                lineterm="", n=2)
    return "".join(f"# {line}\n" for line in diff)


def check(dump, path, folder, accept):
    """None, or what is wrong."""
    golden = path[:-4] + ".golden"
    try:
        text = translate(dump, path, folder)
    except subprocess.CalledProcessError as error:
        return f"# {error}\n" + "".join(f"# {line}\n" for line in error.stderr.splitlines())
    if accept:
        with open(golden, "w", encoding="utf-8") as file:
            file.write(text)
    if not os.path.exists(golden):
        return "# no expectation: run with --accept\n"
    with open(golden, encoding="utf-8") as file:
        expected = file.read()
    return differences(expected, text) if expected != text else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("dump", metavar="GOLDEN-DUMP")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--accept", action="store_true", help="write the expectations anew")
    arguments = parser.parse_args()
    paths = sorted(glob.glob(os.path.join(CASES, "*.asm")))
    if arguments.names:
        paths = [p for p in paths if os.path.basename(p)[:-4] in arguments.names]
    failures = 0 if paths else 1
    print(f"1..{len(paths)}")
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(paths, 1):
            wrong = check(arguments.dump, path, folder, arguments.accept)
            failures += wrong is not None
            print(f"{'not ok' if wrong else 'ok'} {number} - {os.path.basename(path)[:-4]}")
            print(wrong or "", end="")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
