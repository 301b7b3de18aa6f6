# SPDX-License-Identifier: MIT
"""Compiles the programs and packs them, busybox and Debian's interpreters into an initramfs.

The folder that is packed, build/bench/root, is also where the native runs happen, so that every
engine runs the same files by the same names.
"""
import glob
import os
import random
import shutil
import subprocess

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(TREE, "bench")
OUT = os.path.join(TREE, "build", "bench")
ROOT = os.path.join(OUT, "root")
GUESTS = os.path.join(TREE, "build", "guests")

# Every program is static; x87 unless it is about SSE2, so that no row depends on the compiler's
# default.
COMMON = "-m32 -O2 -static -std=gnu17 -D_GNU_SOURCE -Wall -Wextra".split()
X87 = "-march=i686 -mfpmath=387".split()
SSE2 = "-march=pentium4 -mfpmath=sse".split()
PROGRAMS = {
    "integer": X87, "sort": X87, "hash": X87, "strings": X87, "calls": X87, "x87": X87,
    "sse": SSE2, "system": X87, "smc": X87, "real16": X87, "launch": X87,
}

# The C library picks its string functions by CPUID: keep the host's wider vectors out of the
# native runs, so that all engines execute the same instructions.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-ERMS,-FSRM,-SSSE3,"
                      "-SSE4_1,-SSE4_2",
}


def run(*argv, **options):
    return subprocess.run(argv, check=True, text=True, **options)


def install(packages):
    run(os.path.join(TREE, "scripts", "packages"), *packages)


def compile_programs():
    target = os.path.join(ROOT, "bench")
    os.makedirs(target, exist_ok=True)
    source = os.path.join(BENCH, "programs")
    newest_shared = max(os.path.getmtime(os.path.join(source, f))
                        for f in ("bench.c", "bench.h", "nbody.h"))
    for name, flags in PROGRAMS.items():
        binary, code = os.path.join(target, name), os.path.join(source, name + ".c")
        stamp = max(newest_shared, os.path.getmtime(code), os.path.getmtime(__file__))
        if not os.path.exists(binary) or os.path.getmtime(binary) < stamp:
            run("gcc", *COMMON, *flags, "-o", binary, code, os.path.join(source, "bench.c"), "-lm")


def fetch_package(name):
    """Unpacks Debian's i386 package NAME below build/bench/unpack; returns the folder."""
    folder = os.path.join(OUT, "unpack", name)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    if not os.path.isdir(folder):
        debs = os.path.join(OUT, "deb")
        os.makedirs(debs, exist_ok=True)
        run("apt-get", "download", "-qq", name + ":i386", cwd=debs, stderr=subprocess.DEVNULL)
        run("dpkg-deb", "-x", glob.glob(os.path.join(debs, name + "_*.deb"))[0], folder + ".part")
        os.rename(folder + ".part", folder)
    return folder


def add_package(name):
    """Copies what a package's program needs: libraries to lib/, the rest where it belongs."""
    folder = fetch_package(name)
    wanted = ("ld-linux*", "libc.so*", "libm.so*") if name == "libc6" else ("*.so*",)
    for place in ("lib/i386-linux-gnu", "usr/lib/i386-linux-gnu", "lib"):
        for pattern in wanted:
            for path in glob.glob(os.path.join(folder, place, pattern)):
                if os.path.isfile(path):
                    shutil.copy(path, os.path.join(ROOT, "lib"))
    for place in ("usr/bin", "usr/lib/python3.11", "usr/lib/tcc"):
        if os.path.isdir(os.path.join(folder, place)):
            shutil.copytree(os.path.join(folder, place), os.path.join(ROOT, place), symlinks=True,
                            dirs_exist_ok=True)


def add_packages(names):
    """Returns None, or why the packages cannot be had."""
    os.makedirs(os.path.join(ROOT, "lib"), exist_ok=True)
    for name in names:
        try:
            add_package(name)
        except (subprocess.CalledProcessError, IndexError, OSError):
            return f"package {name}:i386 could not be fetched"
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


def boot_sector(passes):
    """Assembles the real-mode loop; returns the path of a floppy image."""
    path = os.path.join(OUT, "real16.img")
    run("nasm", "-f", "bin", "-o", path, os.path.join(BENCH, "programs", "real16.asm"))
    with open(path, "r+b") as file:
        file.seek(508)
        file.write(passes.to_bytes(2, "little"))
        file.truncate(1440 * 1024)
    return path


def prepare(packages_of_rows):
    """Builds everything; returns the paths of kernel and initramfs, and why rows must be skipped.

    packages_of_rows: row name -> packages it needs.
    """
    run(os.path.join(TREE, "scripts", "guest-linux"), "686", stdout=subprocess.DEVNULL)
    for stale in ("lib", "usr"):
        shutil.rmtree(os.path.join(ROOT, stale), ignore_errors=True)
    make_folders(ROOT)
    compile_programs()
    add_init(ROOT)
    shutil.copytree(os.path.join(BENCH, "commands"), os.path.join(ROOT, "bench", "commands"),
                    dirs_exist_ok=True)
    write_text(os.path.join(ROOT, "bench", "text"))
    write_source(os.path.join(ROOT, "bench", "source.c"))

    reasons = {row: add_packages(names) for row, names in packages_of_rows.items()}
    image = os.path.join(OUT, "initrd.img")
    pack(ROOT, image)
    return os.path.join(GUESTS, "vmlinuz-686"), image, {k: v for k, v in reasons.items() if v}
