# SPDX-License-Identifier: MIT
"""Guests that die: what is said, and the exit code."""
import pathlib
import re
import signal
import subprocess
import time

from bed import BINARY, contains, image, mishap, run, test

ENGINES = ([], ["--interp"], ["--one-insn-per-tb"], ["--no-chain"], ["--no-window"])


@test
def triple_fault_tells_the_chain():
    for engine in ENGINES:
        r = mishap("triple_protected", "-no-reboot", *engine, check=0)
        contains(r.err, "dbtvm: triple fault", "#PF page fault, error 2", "write of c0de0000",
                 "then #DF double fault", "lost: #GP", "CR2=c0de0000", "mov dword ptr [0xc0de0000]",
                 "protected mode, 32-bit", "blocks entered last", "IDT=00000000+0000")


@test
def triple_fault_in_real_mode():
    r = mishap("triple_real", "-no-reboot", check=0)
    contains(r.err, "#UD invalid opcode", "gate of vector 06", "real mode, 16-bit", "ud2")


@test
def jump_into_nothing():
    r = mishap("nothing", "-no-reboot", check=0)
    contains(r.err, "no memory at CS:EIP", "0008:70000000")


@test
def reset_says_who_asked():
    contains(mishap("reset", "-no-reboot", check=0).err, "keyboard controller, port 64h")
    contains(mishap("reset92", "-no-reboot", check=0).err, "port 92h")
    contains(mishap("reset", "-action", "reboot=shutdown", check=0).err, "asked for a reset")


@test
def reset_loop_says_one_line():
    r = mishap("reset", "-timeout", "2", check=124)
    lines = [l for l in r.err.splitlines() if "was reset 10 times" in l]
    assert lines, r
    contains(lines[0], "port 64h")


@test
def halt_for_good():
    r = mishap("halt", "-timeout", "2", check=124)
    contains(r.err, "halted the CPU with interrupts off", "halted", "time is up (--timeout 2)")
    assert r.err.count("nothing will wake it") == 1, r


@test
def spin_is_told_on_request():
    quiet = mishap("spin", "-timeout", "2", check=124)
    assert "only spins" not in quiet.err, quiet
    r = mishap("spin", "-timeout", "3", "-warn-spin", "1", check=124)
    assert r.err.count("only spins at one place") == 1, r


@test
def fault_storm():
    r = mishap("storm", "-timeout", "8", check=124)
    contains(r.err, "same fault over and over", "#UD invalid opcode", "times in a row")
    assert r.err.count("over and over") == 1, r


@test
def strict_exit_codes():
    for name, code in (("triple_protected", 80), ("halt", 83), ("reset", 82)):
        more = ["-no-reboot"] if code == 80 else []
        mishap(name, "-strict-exit", *more, check=code)
    mishap("panic", "-strict-exit", "-device", "pvpanic", check=81)
    mishap("spin", "-strict-exit", "-timeout", "1", check=124)
    mishap("reset", "-strict-exit", "-no-reboot", check=0)
    mishap("garbage-1", "-strict-exit", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", check=33)
    run("-strict-exit", "-hda", "/nonexistent", check=1)


@test
def strict_exit_when_the_host_has_no_room():
    command = f"ulimit -v 200000; exec {BINARY} -strict-exit -m 1024 -bios {image('spin')}"
    r = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30,
                       check=False)
    assert r.returncode == 126, r
    assert len(r.stderr.splitlines()) == 1, r


@test
def panic_actions():
    device = ["-device", "pvpanic"]
    contains(mishap("panic", *device, check=0).err, "the guest reported a panic")
    mishap("panic", *device, "-action", "panic=exit-failure", check=1)
    mishap("panic", *device, "-action", "panic=none", "-timeout", "1", check=124)
    mishap("panic", *device, "-action", "panic=pause", "-timeout", "1", check=124)
    mishap("panic", "-timeout", "1", check=124)
    mishap("panic", "-action", "panic=bogus", check=1)


@test
def timeout_is_kept():
    r = mishap("spin", "-timeout", "1", check=124)
    assert r.seconds > 0.9, r
    contains(r.err, "time is up", "jmp 0x800e")


def wait_running(process):
    """Its signal handlers are the last thing that a starting machine sets."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        if int(re.search(r"^SigCgt:\s*(\w+)", status, re.M)[1], 16) >> (signal.SIGHUP - 1) & 1:
            return
        time.sleep(0.02)
    raise AssertionError("it does not start")


@test
def signals_end_a_spinning_guest():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = subprocess.Popen([BINARY, "-m", "16", "-vga", "none", "-display", "none", "-bios",
                                    image("spin")], stdin=subprocess.DEVNULL)
        wait_running(process)
        process.send_signal(number)
        assert process.wait(10) == 0


@test
def crashes_of_ours_have_a_code():
    for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT):
        for strict, code in ((["-strict-exit"], 125), ([], -number)):
            process = subprocess.Popen([BINARY, "-m", "16", "-vga", "none", "-display", "none",
                                        "-bios", image("spin"), *strict], stdin=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            wait_running(process)
            process.send_signal(number)
            assert process.wait(10) == code, (number, strict, process.returncode)


@test
def info_death_in_the_monitor():
    script = b"info death\n"
    r = mishap("spin", "-monitor", "stdio", stdin=script + b"quit\n", check=0)
    contains(r.out, "the guest has not died")
    process = subprocess.Popen([BINARY, "-m", "16", "-vga", "none", "-display", "none", "-bios",
                                image("halt"), "-monitor", "stdio"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    time.sleep(2)
    out = process.communicate(b"info death\nquit\n", timeout=10)[0].decode()
    contains(out, "halted the CPU with interrupts off", "real mode")


@test
def noise_on_devices():
    way_out = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-no-reboot", "-timeout", "20"]
    for kind in ("garbage", "pci_garbage"):
        for seed in (1, 20011, 77777):
            for vga in ("none", "std"):
                r = run("-m", "16", "-display", "none", "-bios", image(f"{kind}-{seed}"), *way_out,
                        "-vga", vga, "-serial", "null")
                assert r.code in (33, 0, 124), (kind, seed, r)
                if r.code != 33: # it switched the machine off, or itself out of the way: with a reason
                    assert re.search(r"dbtvm: ", r.err) or r.code == 0, (kind, seed, r)
