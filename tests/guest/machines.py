# SPDX-License-Identifier: MIT
"""How dbtvm and the other emulators run a firmware image that writes to port E9h."""
import os
import pathlib

MACHINE = ["-m", "16", "-display", "none", "-debugcon", "stdio",
           "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
BOCHSRC = """megs: 16
romimage: file={rom}, address={address:#x}
vgaromimage: file=/usr/share/seabios/vgabios-stdvga.bin
cpu: model=corei7_haswell_4770, ips=50000000, reset_on_triple_fault=1, ignore_bad_msrs=0
display_library: rfb, options="timeout=0"
port_e9_hack: enabled=1
log: /dev/null
panic: action=fatal
boot: disk
sound: driver=dummy, waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
speaker: enabled=0
plugin_ctrl: speaker=0, e1000=0, ne2k=0
com1: enabled=0
parport1: enabled=0
"""


def dbtvm(build, rom, *options):
    return [str(build / "cli/dbtvm"), *MACHINE, "-bios", str(rom), *options]


def qemu(rom, *options):
    return ["qemu-system-i386", "-M", "pc", "-accel", "tcg", "-cpu", "max", *MACHINE, "-bios", str(rom),
            *options]


def bochs(rom, folder, resets):
    """`folder` keeps its files; its debugger stops at each of the `resets`, and goes on."""
    rc, script = pathlib.Path(folder) / "bochsrc", pathlib.Path(folder) / "rc"
    rc.write_text(BOCHSRC.format(rom=rom, address=2**32 - os.path.getsize(rom)))
    script.write_text("c\n" * (1 + resets))
    # Its own network name space: the rfb display listens.
    return ["unshare", "-rn", "bochs", "-q", "-f", str(rc), "-rc", str(script)]
