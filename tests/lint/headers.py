#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every header compiles alone, so whoever includes it need not know what it needs.
Usage: headers.py BUILD. Flags are those of a source file in the same folder."""
import json
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1]).resolve()
FLAGS = ("-I", "-D", "-std=", "-m", "-f")


def commands():
    """folder -> what compiles a header there"""
    found = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        source = (BUILD / entry["file"]).resolve()
        if source.suffix != ".c" or not source.is_relative_to(ROOT):
            continue
        compiler, *words = shlex.split(entry["command"])
        while not compiler.endswith(("cc", "clang")) and words:  # behind ccache
            compiler = words.pop(0)
        flags = [w for w in words if w.startswith(FLAGS)]
        found.setdefault(source.parent, [compiler, *flags, "-fsyntax-only", "-fdiagnostics-color=never",
                                          "-x", "c"])
    return found


def main():
    of_folder = commands()
    layers = {f.relative_to(ROOT).parts[0] for f in of_folder} - {"tests", "docs"}
    headers = [h for layer in sorted(layers) for h in sorted((ROOT / layer).rglob("*.h"))]
    print("1..1")
    failed = 0 if headers else 1
    for header in headers:
        folder = next(f for f in header.parents if f in of_folder)
        done = subprocess.run([*of_folder[folder], str(header)], cwd=BUILD, capture_output=True, text=True,
                              check=False)
        failed += done.returncode != 0
        if done.returncode != 0:
            print("#", header.relative_to(ROOT), *done.stderr.splitlines()[:2])
    print("not ok 1 - headers" if failed else "ok 1 - headers")
    return 1 if failed else 0


sys.exit(main())
