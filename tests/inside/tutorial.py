# SPDX-License-Identifier: MIT
"""docs/debugging.md is executed as written: every sh block in one shell, and the lines of a text
block must appear, in this order, in what the block before it printed (blanks do not count)."""
import ctypes
import fcntl
import re
import socket
import struct
import subprocess

from bed import BUILD, ROOT, Skip, test
from guest import script

BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.M | re.S)
MARK = "--- end of block ---"


def squeeze(text):
    return re.sub(r"\s+", " ", text)


def own_network():
    """Where the host lets us: a loopback of our own, on which port 1234 is free."""
    CLONE_NEWUSER, CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x10000000, 0x40000000, 0x8914, 1
    unshare = ctypes.CDLL(None).unshare
    if unshare(CLONE_NEWNET) == 0 or unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0:
        with socket.socket() as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


@test
def debugging_tutorial():
    if BUILD != ROOT / "build":
        raise Skip("the tutorial speaks of build/")
    script("guest-linux", "686")
    blocks = BLOCK.findall((ROOT / "docs/debugging.md").read_text())
    lines = "".join(f"{body}\necho '{MARK}'\n" for kind, body in blocks if kind == "sh")
    done = subprocess.run(["bash", "-e", "-c", lines], cwd=ROOT, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=400, check=False,
                          preexec_fn=own_network)
    printed = done.stdout.split(MARK + "\n")
    assert done.returncode == 0, done.stdout[-3000:]
    at = -1
    for kind, body in blocks:
        if kind == "sh":
            at += 1
            continue
        text = squeeze(printed[at])
        for line in body.splitlines():
            found = text.find(squeeze(line).strip())
            assert found >= 0, f"{line!r} is not (in this order) in {printed[at][-2500:]}"
            text = text[found:]
