#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who includes whom: dependencies between folders go one way (docs/architecture.md)."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALLOWED = {
    "base": set(),
    "softmmu": {"base"},
    "translator": {"base", "softmmu"},
    "codegen-x86_64": {"base", "softmmu", "translator"},
    "tcache": {"base", "softmmu", "translator", "codegen-x86_64"},
    "hw": {"base", "softmmu"},
    "monitor": {"base", "softmmu", "translator", "codegen-x86_64", "tcache", "hw"},
    "cli": {"base", "softmmu", "translator", "codegen-x86_64", "tcache", "hw", "monitor"},
    # Not a layer: what makes manuals reads everybody's tables.
    "docs": {"base", "softmmu", "translator", "codegen-x86_64", "tcache", "hw", "monitor", "cli"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
# translator/x86 is the guest: only those above the engine see it.
GUEST_BLIND = {"codegen-x86_64", "tcache"}
PRIVATE = re.compile(r"-priv\.(h|def)$")


def problems(path):
    layer = path.relative_to(ROOT).parts[0]
    for target in INCLUDE.findall(path.read_text()):
        if target == "optionrom-bytes.h" or not (ROOT / target).exists():
            if "/" in target and target.split("/")[0] in ALLOWED:
                yield f"includes {target}, which does not exist"
            continue
        other = target.split("/")[0]
        if other != layer and other not in ALLOWED[layer]:
            yield f"{layer} must not include {other} ({target})"
        if other != layer and PRIVATE.search(target):
            yield f"{target} is private to {other}"
        if layer in GUEST_BLIND and target.startswith("translator/x86/"):
            yield f"{layer} must not know the guest ({target})"


def main():
    files = [f for layer in ALLOWED for f in sorted((ROOT / layer).rglob("*.[chS]"))]
    found = [f"{f.relative_to(ROOT)}: {p}" for f in files for p in problems(f)]
    print("1..1")
    for line in found:
        print("#", line)
    print("not ok 1 - layers" if found else "ok 1 - layers")
    return 1 if found else 0


sys.exit(main())
