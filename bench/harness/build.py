# SPDX-License-Identifier: MIT
"""Compiles the programs and packs them, busybox and Debian's interpreters into an initramfs.

The folder that is packed, build/bench/root, is also where the native runs happen, so that every
engine runs the same files by the same names. A host that runs no i386 programs has a second folder,
build/bench/root64, with the same things for x86-64.
"""
import fcntl
import glob
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(TREE, "bench")
OUT = os.path.join(TREE, "build", "bench")
GUESTS = os.path.join(TREE, "build", "guests")



@dataclass(frozen=True)
class Flavour:
    """An architecture that the programs are built for."""
    arch: str     # Debian's name
    triplet: str  # of its library folders
    root: str
    flags: str
    kinds: dict   # flags by the kind of instructions that a program may use


I386 = Flavour("i386", "i386-linux-gnu", os.path.join(OUT, "root"), "-m32",
               {"integer": "-march=i686 -mfpmath=387", "x87": "-march=i686 -mfpmath=387",
                "sse2": "-march=pentium4 -mfpmath=sse"})
# As near to the i386 programs as 64-bit mode goes: integer programs without SSE (which GCC would
# use to copy and to vectorise), doubles on the x87 where those are, and nothing newer than SSE2.
# Hand-written code calls: no red zone.
AMD64 = Flavour("amd64", "x86_64-linux-gnu", os.path.join(OUT, "root64"),
                "-m64 -march=x86-64 -mno-red-zone",
                {"integer": "-mno-sse", "x87": "-mfpmath=387 -fno-tree-vectorize",
                 "sse2": "-mfpmath=sse"})

# Static, so that the programs need nothing of the system they run on.
COMMON = "-O2 -static -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -mtune=generic".split()
PROGRAMS = {
    "integer": "integer", "sort": "integer", "hash": "integer", "strings": "integer",
    "calls": "integer", "x87": "x87", "sse": "sse2", "system": "integer", "smc": "integer",
    "real16": "integer", "launch": "integer",
}

# The C library picks its string functions by CPUID: keep the host's wider vectors out of the
# native runs, so that all engines execute the same instructions.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL,"
                      "-AVX512BW,-ERMS,-FSRM,-SSSE3,-SSE4_1,-SSE4_2",
}


def run(*argv, **options):
    return subprocess.run(argv, check=True, text=True, **options)


def lock():
    """One benchmark at a time: they share build/bench. Returns what must be kept till the end."""
    os.makedirs(OUT, exist_ok=True)
    file = open(os.path.join(OUT, "lock"), "w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another benchmark runs in {OUT}")
    return file


def install(packages):
    run(os.path.join(TREE, "scripts", "packages"), *packages)


def compile_programs(flavour):
    target = os.path.join(flavour.root, "bench")
    os.makedirs(target, exist_ok=True)
    source = os.path.join(BENCH, "programs")
    newest_shared = max(os.path.getmtime(os.path.join(source, f))
                        for f in ("bench.c", "bench.h", "nbody.h"))
    for name, kind in PROGRAMS.items():
        flags = f"{flavour.flags} {flavour.kinds[kind]}".split()
        binary, code = os.path.join(target, name), os.path.join(source, name + ".c")
        stamp = max(newest_shared, os.path.getmtime(code), os.path.getmtime(__file__))
        if not os.path.exists(binary) or os.path.getmtime(binary) < stamp:
            run("gcc", *COMMON, *flags, "-o", binary, code, os.path.join(source, "bench.c"), "-lm")


def host_runs(flavour):
    """Whether the host itself runs the compiled programs: not an emulator that the kernel starts
    for them."""
    program = os.path.join(flavour.root, "bench", "integer")
    try:
        with subprocess.Popen([program, "mix", "1"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            ready = process.stdout.readline()
            itself = ready and os.readlink(f"/proc/{process.pid}/exe") == os.path.realpath(program)
            process.communicate(b"\n")
            return bool(itself) and process.returncode == 0
    except OSError:
        return False


def fetch_package(name, arch):
    """Unpacks Debian's package NAME for ARCH below build/bench/unpack; returns the folder."""
    folder = os.path.join(OUT, "unpack", arch, name)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    if not os.path.isdir(folder):
        debs = os.path.join(OUT, "deb")
        os.makedirs(debs, exist_ok=True)
        run("apt-get", "download", "-qq", f"{name}:{arch}", cwd=debs, stderr=subprocess.DEVNULL)
        deb = max(glob.glob(os.path.join(debs, f"{name}_*_{arch}.deb")), key=os.path.getmtime)
        shutil.rmtree(folder + ".part", ignore_errors=True)
        run("dpkg-deb", "-x", deb, folder + ".part")
        os.rename(folder + ".part", folder)
    return folder


LIBC_PARTS = ("ld-linux*", "libc.so*", "libm.so*", "libdl.so*", "libpthread.so*")


def add_package(name, flavour):
    """Copies what a package's program needs: libraries to lib/, the rest where it belongs.

    The scripts know the dynamic linker as lib/ld.so.
    """
    folder, root = fetch_package(name, flavour.arch), flavour.root
    wanted = LIBC_PARTS if name == "libc6" else ("*.so*",)
    for place in (f"lib/{flavour.triplet}", f"usr/lib/{flavour.triplet}", "lib"):
        for pattern in wanted:
            for path in glob.glob(os.path.join(folder, place, pattern)):
                if os.path.isfile(path):
                    linker = os.path.basename(path).startswith("ld-linux")
                    shutil.copy(path, os.path.join(root, "lib", "ld.so" if linker else ""))
    for place in ("usr/bin", "usr/lib/python3.11", "usr/lib/tcc"):
        if os.path.isdir(os.path.join(folder, place)):
            shutil.copytree(os.path.join(folder, place), os.path.join(root, place), symlinks=True,
                            dirs_exist_ok=True)
    if name == "tcc" and flavour is AMD64:  # the compiler for i386: same work, same output
        os.replace(os.path.join(root, "usr/bin/i386-tcc"), os.path.join(root, "usr/bin/tcc"))


def add_packages(names, flavour):
    """Returns None, or why the packages cannot be had."""
    os.makedirs(os.path.join(flavour.root, "lib"), exist_ok=True)
    for name in names:
        try:
            add_package(name, flavour)
        except (subprocess.CalledProcessError, ValueError, OSError):
            return f"package {name}:{flavour.arch} could not be fetched"
    return None


def write_text(path):
    """1 MiB of words that compress about as well as English."""
    rng = random.Random(1)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(3000)]
    with open(path, "w", encoding="ascii") as file:
        size = 0
        while size < 1 << 20:
            line = " ".join(words[int(3000 * rng.random() ** 3)] for _ in range(12)) + "\n"
            size += file.write(line)


def write_source(path):
    """A C file of 1,500 functions for a compiler to work on."""
    with open(path, "w", encoding="ascii") as file:
        file.write("struct s { int a, b[8]; struct s *next; };\n")
        for i in range(1500):
            file.write(f"static int f{i}(struct s *p, int x)\n{{\n    int i, t = {i};\n"
                       f"    for (i = 0; i < x; i++) {{\n"
                       f"        t += p->b[i & 7] * {i % 13 + 2} ^ (x << {i % 5});\n"
                       f"        if (t > {i * 7}) p = p->next; else p->a = t / ({i % 9} + 1);\n"
                       f"    }}\n    return t;\n}}\n")
        calls = " + ".join(f"f{i}(p, {i % 7})" for i in range(1500))
        file.write(f"int all(struct s *p)\n{{\n    return {calls};\n}}\n")


def pack(root, image):
    part = image + ".part"
    with open(part, "wb") as out:
        names = run("find", ".", cwd=root, stdout=subprocess.PIPE).stdout
        subprocess.run(["cpio", "-o", "-H", "newc", "--owner", "0:0", "--quiet"], cwd=root,
                       input=names.encode(), stdout=out, check=True)
    os.replace(part, image)


def make_folders(root):
    for folder in ("bin", "tmp", "dev", "proc", "sys", "bench/commands"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)


def add_init(root):
    """busybox, the init script and the environment of the programs."""
    busybox = os.path.join(GUESTS, "unpack", "busybox-static", "bin", "busybox")
    shutil.copy(busybox, os.path.join(root, "bin"))
    shutil.copy(os.path.join(BENCH, "init"), root)
    os.chmod(os.path.join(root, "init"), 0o755)
    with open(os.path.join(root, "bench", "environment"), "w", encoding="ascii") as file:
        file.writelines(f"export {name}={value}\n" for name, value in ENVIRONMENT.items())


def prepare_boot():
    """The paths of the kernel and of an initramfs with nothing but busybox."""
    run(os.path.join(TREE, "scripts", "guest-linux"), "686", stdout=subprocess.DEVNULL)
    root = os.path.join(OUT, "boot-root")
    make_folders(root)
    add_init(root)
    pack(root, os.path.join(OUT, "boot.img"))
    return os.path.join(GUESTS, "vmlinuz-686"), os.path.join(OUT, "boot.img")


def boot_sector(row, passes):
    """Assembles the loop of row real16 or v86; returns the path of a floppy image."""
    path = os.path.join(OUT, row + ".img")
    source = os.path.join(BENCH, "programs", "real16.asm")
    run("nasm", "-f", "bin", "-D", row.upper(), "-o", path, source)
    with open(path, "r+b") as file:
        file.seek(508)
        file.write(passes.to_bytes(2, "little"))
        file.truncate(1440 * 1024)
    return path


def fill_root(flavour, packages_of_rows):
    """What the rows work on, and their packages; returns why rows must be skipped."""
    root = flavour.root
    for stale in ("lib", "usr"):
        shutil.rmtree(os.path.join(root, stale), ignore_errors=True)
    make_folders(root)
    shutil.copytree(os.path.join(BENCH, "commands"), os.path.join(root, "bench", "commands"),
                    dirs_exist_ok=True)
    write_text(os.path.join(root, "bench", "text"))
    write_source(os.path.join(root, "bench", "source.c"))
    reasons = {row: add_packages(names, flavour) for row, names in packages_of_rows.items()}
    return {row: reason for row, reason in reasons.items() if reason}


def prepare(packages_of_rows, native):
    """Builds everything; returns the paths of kernel and initramfs, and why rows must be skipped.

    packages_of_rows: row name -> packages it needs; native: the flavour that the host runs.
    """
    run(os.path.join(TREE, "scripts", "guest-linux"), "686", stdout=subprocess.DEVNULL)
    missing = fill_root(I386, packages_of_rows)
    add_init(I386.root)
    if native is not I386:
        missing |= fill_root(native, packages_of_rows)
        if any(packages_of_rows):
            busybox = os.path.join(fetch_package("busybox-static", native.arch), "bin", "busybox")
            shutil.copy(busybox, os.path.join(native.root, "bin"))
    image = os.path.join(OUT, "initrd.img")
    pack(I386.root, image)
    return os.path.join(GUESTS, "vmlinuz-686"), image, missing
