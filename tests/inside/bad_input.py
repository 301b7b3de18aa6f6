# SPDX-License-Identifier: MIT
"""Files that are missing, empty, cut or random, options that do not exist: one line that names the
thing, exit code 1, nothing started, nothing written."""
import os
import pathlib
import random

from bed import Skip, contains, image, mishap, run, scratch, test


def refused(*args, naming, cwd=None):
    r = run("-display", "none", *args, seconds=20, cwd=cwd)
    assert r.code == 1, (args, r)
    assert r.out == "", (args, r)
    lines = r.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("dbtvm: "), (args, r)
    assert str(naming) in lines[0], (args, naming, r)


def make(folder):
    """name -> path of files that are no good as anything."""
    noise = random.Random(1).randbytes
    files = {"empty": b"", "bytes100": noise(100), "noise": noise(70000), "zeros": bytes(65536)}
    paths = {}
    for name, data in files.items():
        paths[name] = pathlib.Path(folder) / name
        paths[name].write_bytes(data)
    paths["missing"] = pathlib.Path(folder) / "missing"
    paths["folder"] = pathlib.Path(folder)
    return paths


@test
def kernels():
    with scratch() as folder:
        paths = make(folder)
        for name, path in paths.items():
            refused("-kernel", path, naming=path)
        # a bzImage that is cut: the header promises more than there is
        head = bytearray(2048)
        head[0x1f1] = 30
        head[0x1fe:0x200] = b"\x55\xaa"
        head[0x200:0x202] = b"\xeb\x66"
        head[0x202:0x206] = b"HdrS"
        head[0x206:0x208] = (0x20c).to_bytes(2, "little")
        cut = pathlib.Path(folder) / "cut"
        cut.write_bytes(head)
        refused("-kernel", cut, naming=cut)
        # a multiboot header whose ELF body is noise
        bad = pathlib.Path(folder) / "multiboot"
        bad.write_bytes(b"\x7fELF\x01\x01\x01" + bytes(45) +
                        b"\x02\xb0\xad\x1b\x00\x00\x00\x00\xfe\x4f\x52\xe4" + bytes(200))
        refused("-kernel", bad, naming=bad)


@test
def initrds():
    with scratch() as folder:
        paths = make(folder)
        good = linux_like(folder)
        for name in ("missing", "folder"):
            refused("-kernel", good, "-initrd", paths[name], naming=paths[name])
        refused("-initrd", paths["noise"], naming="-kernel")
        refused("-append", "x", naming="-kernel")


def linux_like(folder):
    """The smallest thing that passes for a bzImage."""
    head = bytearray(1024 + 4096)
    head[0x1f1] = 1
    head[0x1f4:0x1f8] = (256).to_bytes(4, "little")
    head[0x1fe:0x200] = b"\x55\xaa"
    head[0x200:0x202] = b"\xeb\x66"
    head[0x202:0x206] = b"HdrS"
    head[0x206:0x208] = (0x20c).to_bytes(2, "little")
    head[0x211] = 1
    head[0x214:0x218] = (0x100000).to_bytes(4, "little")
    path = pathlib.Path(folder) / "bzimage"
    path.write_bytes(head)
    return path


@test
def firmware():
    with scratch() as folder:
        paths = make(folder)
        for name in ("missing", "empty", "bytes100", "noise", "folder"):
            refused("-bios", paths[name], naming=paths[name])
        big = pathlib.Path(folder) / "big"
        with open(big, "wb") as file:
            file.truncate(64 << 20)
        refused("-bios", big, naming=big)
        refused("-L", paths["missing"], naming=paths["missing"])


@test
def disks():
    with scratch() as folder:
        paths = make(folder)
        for option in ("-hda", "-hdb", "-cdrom", "-fda", "-fdb"):
            for name in ("missing", "empty", "folder"):
                refused(option, paths[name], naming=paths[name])
        refused(paths["missing"], naming=paths["missing"])
        refused("-drive", f"file={paths['missing']}", naming=paths["missing"])
        refused("-drive", f"file={paths['noise']},if=scsi", naming="scsi")
        refused("-drive", f"file={paths['noise']},index=9", naming="index")
        refused("-drive", f"file={paths['noise']},bogus=1", naming="bogus")
        refused("-drive", f"file={paths['noise']},format=qcow9", naming="format")
        before = paths["noise"].read_bytes()
        refused("-hda", paths["noise"], "-hdb", paths["missing"], naming=paths["missing"])
        assert paths["noise"].read_bytes() == before
        assert not paths["missing"].exists()


@test
def unreadable_files():
    if os.geteuid() == 0:
        raise Skip("root reads everything")
    with scratch() as folder:
        path = pathlib.Path(folder) / "secret"
        path.write_bytes(bytes(65536))
        path.chmod(0)
        for option in ("-kernel", "-bios", "-hda", "-fda", "-cdrom"):
            refused(option, path, naming=path)


@test
def impossible_sizes():
    for size in ("0", "-1", "x", "", "1K", "99999999G", "1e400", "12Q"):
        refused("-m", size, naming="-m")
    for size in ("0", "-1", "x", "99999999"):
        refused("-tb-size", size, naming="-tb-size")
    for seconds in ("0", "-1", "x", "1.5", "99999999999", ""):
        refused("-timeout", seconds, naming="-timeout")
        refused("-warn-spin", seconds, naming="-warn-spin")


@test
def unknown_words():
    refused("-bogus", naming="-bogus")
    refused("--kernal", "x", naming="-kernel")
    refused("-device", "bogus", naming="bogus")
    refused("-device", "isa-debug-exit,iobase=0x10000", naming="isa-debug-exit")
    refused("-device", "pvpanic,ioport=99999", naming="pvpanic")
    refused("-cpu", "bogus", naming="bogus")
    refused("-cpu", "max,+bogus", naming="bogus")
    refused("-M", "bogus", naming="bogus")
    refused("-accel", "kvm", naming="kvm")
    refused("-enable-kvm", naming="KVM")
    refused("-smp", "2", naming="-smp")
    refused("-vga", "bogus", naming="bogus")
    refused("-d", "bogus", naming="bogus")
    refused("-boot", "q", naming="-boot")
    refused("-rtc", "base=never", naming="-rtc")
    refused("-serial", "bogus:1", naming="bogus")
    refused("-monitor", "bogus", naming="bogus")
    refused("-chardev", "bogus,id=a", naming="bogus")
    refused("-kernel", naming="-kernel")
    refused("-drive", "", naming="-drive")
    refused("-action", "reboot=never", naming="reboot")


@test
def other_accelerators_fall_back():
    for words in (("-accel", "kvm", "-accel", "tcg,thread=multi"), ("-M", "pc,accel=kvm:tcg")):
        r = mishap("halt", "-strict-exit", *words, check=83)
        contains(r.err, "dbtvm: -accel kvm is not used here, falling back to tcg\n")
    r = mishap("halt", "-strict-exit", "-accel", "tcg", "-accel", "kvm", check=83)
    assert "falling back" not in r.err, r


@test
def unwritable_files():
    with scratch() as folder:
        inside = f"{folder}/no/such/file"
        for option in ("-D", "-stats-json", "-pidfile", "-profile"):
            more = ["-d", "int"] if option == "-D" else []
            refused(option, inside, *more, "-bios", image("spin"), naming=inside)
            refused(option, folder, *more, "-bios", image("spin"), naming=folder)
        refused("-serial", f"file:{inside}", naming=inside)
        refused("-serial", f"unix:{inside},server,nowait", naming=inside)
        assert not os.listdir(folder)


@test
def nothing_is_written_when_something_is_wrong():
    with scratch() as folder:
        outputs = [f"{folder}/{n}" for n in ("log", "json", "pid", "folded", "serial")]
        refused("-D", outputs[0], "-d", "int", "-stats-json", outputs[1], "-pidfile", outputs[2],
                "-profile", outputs[3], "-serial", f"file:{outputs[4]}", "-kernel",
                f"{folder}/missing", naming="missing")
        left = os.listdir(folder)
        assert not left, left
