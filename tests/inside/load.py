# SPDX-License-Identifier: MIT
"""A guest that strains the translator, a host that stands still or dies. Figures are printed, never
asserted: they are the host's."""
import os
import pathlib
import random
import re
import signal
import subprocess
import time

from bed import BINARY, BUILD, Skip, image, sanitized, scratch, test, wait_until
from guest import Guest

ROUNDS = int(os.environ.get("DBTVM_ROUNDS", "2")) # 10 by hand: a million stores
KILLS = int(os.environ.get("DBTVM_KILLS", "12")) # 200 by hand
STOP_SECONDS = int(os.environ.get("DBTVM_STOP_SECONDS", "3")) # 60 by hand
SHIM = str(BUILD / "tests/inside/libhost-shim.so")
RAM_MIB, CACHE_MIB, REST_MIB = 16, 16, 64


def bare(name, *args, **more):
    return subprocess.Popen([BINARY, "-m", str(RAM_MIB), "-tb-size", str(CACHE_MIB), "-vga", "none",
                             "-display", "none", "-bios", image(name), *args],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **more)


def pss_mib(pid):
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1]) / 1024


def strain(name, rounds, *engine):
    """Seconds for 100,000 of the guest's stores, and Pss after all rounds."""
    process = bare(name, "-debugcon", "stdio", *engine, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout.read(1) == b"S"
        start = time.monotonic()
        assert process.stdout.read(rounds) == b"P" * rounds, (name, engine)
        seconds, pss = (time.monotonic() - start) / rounds, pss_mib(process.pid)
    finally:
        process.kill()
        process.wait()
    print(f"# {name} {engine}: {1e5 / seconds:.0f} stores/s, Pss {pss:.0f} MiB after {rounds}00,000")
    if not sanitized():
        assert pss <= RAM_MIB + CACHE_MIB + REST_MIB, (name, engine, pss)


@test
def stores_into_the_next_instruction():
    strain("patch", ROUNDS)
    strain("patch", 1, "-no-opt") # translates anew each time
    strain("patch", 1, "-no-window")
    strain("patch", 1, "-no-chain")


@test
def stores_beside_code():
    strain("beside", ROUNDS)
    strain("beside", 1, "-no-window")
    strain("beside", 1, "-interp")


def counters(guest):
    """(ticks, TSC went back, rounds of its loop) of the mishap image `ticks`."""
    words = re.findall(r"0x([0-9a-f]{8})", guest.monitor("xp /3xw 0x500"))
    return [int(word, 16) for word in words]


@test
def a_host_that_stood_still():
    """SIGSTOP, as a suspended host: the guest's clocks go on, but the ticks of the time away do not
    all come at once."""
    args = ["-m", "16", "-vga", "none", "-bios", image("ticks")]
    with Guest(BINARY, args, serial=False) as g:
        wait_until(lambda: counters(g)[0] > 100, 30, "no ticks")
        before, start = counters(g), time.monotonic()
        g.process.send_signal(signal.SIGSTOP)
        time.sleep(STOP_SECONDS)
        g.process.send_signal(signal.SIGCONT)
        awake = time.monotonic()
        time.sleep(1)
        after = counters(g)
        ran = time.monotonic() - awake + 0.05
        ticks, back, rounds = (b - a for a, b in zip(before, after))
        print(f"# stopped {awake - start:.1f} s, then {ticks} ticks of 1 ms in {ran:.2f} s")
        assert back == 0 and after[1] == 0, after
        assert ticks <= 1000 * ran + 200, (ticks, ran)
        assert ticks > 0 and rounds > 0, (before, after)


def rtc(guest):
    """Seconds of the day by the RTC (BCD)."""
    values = []
    for register in (4, 2, 0):
        guest.monitor(f"o /bx 0x70 {register}")
        found = re.search(r"0x([0-9a-f]+)\s*$", guest.monitor("i /bx 0x71").strip())
        values.append(int(found[1].lstrip("0") or "0"))
    return values[0] * 3600 + values[1] * 60 + values[2]


@test
def a_host_clock_that_jumps():
    """The guest's clock is the host's monotonic one: setting the host's date does not show."""
    if sanitized():
        raise Skip("the address sanitizer must be loaded first")
    for jump in ("-7200", "7200"):
        os.environ.update(LD_PRELOAD=SHIM, SHIM_JUMP=jump)
        try:
            guest = Guest(BINARY, ["-m", "16", "-vga", "none", "-bios", image("ticks"), "-rtc",
                                   "base=2026-01-02T12:00:00"], serial=False)
        finally:
            del os.environ["LD_PRELOAD"], os.environ["SHIM_JUMP"]
        with guest as g:
            start = time.monotonic()
            before = rtc(g)
            time.sleep(3.2)
            after = rtc(g)
            passed = time.monotonic() - start
            assert 12 * 3600 <= before <= 12 * 3600 + 20, before
            assert 2 <= after - before <= passed + 1.5, (before, after, passed)
            assert counters(g)[1] == 0


def writer(disk, *args, **more):
    """A guest that writes and flushes 32 KiB at a time; a byte of 1 on stdout says that they are safe."""
    floppy = f"file={BUILD}/tests/guest/write-disk.img,if=floppy,snapshot=on"
    return subprocess.Popen(
        [BINARY, "-m", "16", "-display", "none", "-serial", "null", "-debugcon", "stdio", "-drive",
         floppy, "-hda", str(disk), "-boot", "a", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
         *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0, **more)


def check_sectors(data, wanted, safe):
    for at in range(0, len(data), 512):
        sector, right = data[at:at + 512], wanted[at:at + 512]
        assert sector == right or (at >= safe and sector == bytes(512)), f"sector {at // 512}"


@test
def killed_while_the_guest_writes():
    """Sectors are zeros or what the guest writes, never a mixture; what it has flushed is there; the
    next start takes the image."""
    seed = time.time_ns()
    chance = random.Random(seed)
    print(f"# seed {seed}")
    with scratch() as folder:
        disk = pathlib.Path(folder) / "disk"
        disk.write_bytes(bytes(4 << 20))
        process = writer(disk, stderr=subprocess.DEVNULL)
        while process.stdout.read(1) != b"\1":
            pass
        start = time.monotonic()
        assert process.communicate(timeout=60)[0].count(b"\1") == 63
        duration = time.monotonic() - start
        assert process.returncode == 33, process.returncode
        wanted = disk.read_bytes()
        assert wanted[:2 << 20].count(bytes(512)) == 0 and not any(wanted[2 << 20:])
        in_time = 0
        for _ in range(KILLS):
            disk.write_bytes(bytes(4 << 20))
            process = writer(disk, stderr=subprocess.DEVNULL)
            while process.stdout.read(1) != b"\1":
                pass
            time.sleep(chance.uniform(0, duration))
            process.kill()
            safe = 1 + process.communicate(timeout=20)[0].count(b"\1")
            in_time += process.returncode == -signal.SIGKILL
            check_sectors(disk.read_bytes(), wanted, safe * (32 << 10))
        print(f"# {KILLS} of {KILLS} images consistent, {in_time} killed while writing")
        assert in_time > 0, "nothing was killed in time"


@test
def sigterm_flushes_the_images():
    if sanitized():
        raise Skip("the address sanitizer must be loaded first")
    with scratch() as folder:
        disk = pathlib.Path(folder) / "disk"
        disk.write_bytes(bytes(1 << 20))
        for number in (signal.SIGTERM, signal.SIGINT):
            process = bare("spin", "-hda", str(disk), stderr=subprocess.PIPE,
                           env={**os.environ, "LD_PRELOAD": SHIM})
            time.sleep(1)
            process.send_signal(number)
            err = process.communicate(timeout=20)[1].decode()
            assert process.returncode == 0, (process.returncode, err)
            assert err.rstrip().endswith("shim: fdatasync"), err
