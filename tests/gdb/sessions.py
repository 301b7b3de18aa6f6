# SPDX-License-Identifier: MIT
"""Sessions of the real gdb: boot sectors, firmware, the Linux kernel and its programs."""
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time

from bed import BINARY, BUILD, test
from debugged import (ENGINES, Debugged, attempt, finish, floppy, hello, labels, linux, show, shown,
                      steps)
from remote import Remote


@test
def real_mode_boot_sector():
    with hello() as g:
        out = g.gdb(["show $pc", "x/i $pc", "stepi", "show $pc", "break *0x7c00", "continue",
                     "show $pc", "x/3i $pc", "stepi", "stepi", "show $pc", "delete",
                     "break *0x7c3a", "continue", "info registers cs eip", "delete", "continue"])
        assert shown(out, "$pc") == [0xFFFFFFF0, 0xFE05B, 0x7C00, 0x7C03], out
        assert re.search(r"=> 0xfffffff0:\s+ljmp\s+\$0xf000,\$0xe05b", out), out
        assert re.search(r"0x7c01:\s+xor\s+%ax,%ax\n\s+0x7c03:\s+mov\s+%ax,%ds", out), out
        assert "exited with code 041" in out, out
        g.expect("Hello from our 8086 Virtual Machine guest", 10)
        assert g.wait(10) == 33


@test
def steps_of_every_kind():
    at = labels()
    for engine in ENGINES:
        with steps(engine) as g:
            out = g.gdb([f"tbreak *{at['shadow']}", "continue"] +
                        ["stepi", "show $pc", "show $ecx"] * 15)
            pc, ecx = shown(out, "$pc"), shown(out, "$ecx")
            base, copy = at["enable"], at["copy"]
            assert pc[:6] == [at["shadow"] + 2, base, base + 1, base + 2, at["call60"],
                              at["handler"]], (engine, out)
            assert pc[6:10] == [base + 5, base + 8, base + 11, copy], (engine, out)
            assert pc[10:13] == [copy, copy, copy + 2], (engine, out)
            assert [c & 0xFFFF for c in ecx[10:13]] == [2, 1, 0], (engine, out)
            assert pc[13:] == [at["divide"], at["divided"]], (engine, out)


@test
def watchpoints():
    at = labels()
    for engine in ENGINES:
        with steps(engine) as g:
            out = g.gdb([f"tbreak *{at['store']}", "continue", "watch *(short *)0x900"] +
                        ["continue", "show $pc", "show $ecx", "show *(unsigned short *)0x900"] * 5 +
                        ["delete", "info registers sp"])
            pc = shown(out, "$pc")
            value = shown(out, "*(unsigned short *)0x900")
            assert pc[:2] == [at["change"], at["load"]], (engine, out)
            assert value[:4] == [0x1234, 0x1235, 0x1255, 0x5555], (engine, out)
            assert pc[2:4] == [at["fill"]] * 2, (engine, out)
            assert [c & 0xFFFF for c in shown(out, "$ecx")[2:4]] == [5, 4], (engine, out)
            assert pc[4] == at["push2"] + 1, (engine, out)
        with steps(engine) as g:
            out = g.gdb([f"tbreak *{at['store']}", "continue", "rwatch *(short *)0x900"] +
                        ["continue", "show $pc"] * 2 +
                        ["delete", f"tbreak *{at['turn']}", "continue", "awatch *(int *)0x910"] +
                        ["continue", "show $pc", "show *(int *)0x910"] * 2)
            assert shown(out, "$pc")[:2] == [at["load"], at["load"] + 4], (engine, out)
            assert shown(out, "$pc")[2:] == [at["turn"] + 5] * 2, (engine, out)
            assert shown(out, "*(int *)0x910") == [1, 2], (engine, out)


@test
def registers():
    at = labels()
    with steps() as g:
        out = g.gdb([f"tbreak *{at['ready']}", "continue", "stepi", "print $st0", "show $ftag",
                     "print $xmm1.v4_int32[0]", "set $xmm1.v4_int32[0] = 77", "set $ecx = 0x1234567",
                     "set $st0 = 2.5", "print $eflags", "set $eflags = 0x47", attempt("print $cr0 = 1"),
                     "set $ds = 0x40", "info registers ecx ds_base", "print $st0",
                     "print $xmm1.v4_int32[0]", "print $eflags", "show $ss_base + $sp",
                     "flushregs", "show $ecx", f"set $pc = {at['divide']}", "stepi", "show $pc"])
        assert "3.14159265" in out and "= 2.5" in out and "= 77" in out, out
        assert shown(out, "$ftag") == [0x3FFF], out
        assert "= 305419896" in out and re.search(r"ds_base\s+0x400", out), out
        assert "= [ CF PF ZF ]" in out, out
        assert 'Could not write register "cr0"' in out, out
        assert shown(out, "$ecx") == [0x1234567] and shown(out, "$ss_base + $sp") == [0x7C00], out
        assert shown(out, "$pc") == [at["divided"]], out


@test
def memory():
    with hello() as g:
        out = g.gdb(["break *0x7c00", "continue",
                     "set {int}0x600 = 0x11223344", "x/4bx 0x600",
                     "maintenance packet Qqemu.PhyMemMode:1", "maintenance packet qqemu.PhyMemMode",
                     "x/xw 0x600", "x/xw 0xfffffff0", attempt("x/xb 0xe0000000"),
                     "maintenance packet Qqemu.PhyMemMode:0", "monitor info status",
                     "set {char}0x7c48 = 'J'", "dump binary memory /dev/null 0 0x100000",
                     "delete", "continue"])
        assert re.search(r"0x600:\s+0x44\s+0x33\s+0x22\s+0x11", out), out
        assert re.search(r"0x600:\s+0x11223344", out), out
        assert re.search(r"0xfffffff0:\s+0x00e05bea", out), out
        assert "Cannot access memory at address 0xe0000000" in out, out
        assert "paused" in out, out
        g.expect("Jello from", 10)
        assert g.wait(10) == 33


@test
def breakpoints_survive_loading():
    with hello() as g:
        out = g.gdb(["hbreak *0x7c03", "continue", "show $pc", "monitor system_reset", "continue",
                     "show $pc", "x/3bx 0x7c01"])
        assert shown(out, "$pc") == [0x7C03] * 2, out
        assert re.search(r"0x7c01:\s+0x31\s+0xc0\s+0x8e", out), out


@test
def interrupt_and_reconnect():
    with floppy("steps.img", "gdb", extra=()) as g:
        counter = "show *(int *)0x910"
        time.sleep(1)
        process = g.start_gdb([show(c) for c in (
            g.ready(), "continue", "info threads", counter, "break *0x7c00", "detach")])
        g.wait_ready()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        first = finish(process, 30)
        assert "SIGINT" in first and "CPU#0" in first, first
        time.sleep(0.5)
        second = g.gdb([counter, "disconnect"])
        assert shown(second, counter[5:]) != shown(first, counter[5:]), (first, second)
        third = g.gdb([counter, "detach"])
        assert shown(third, counter[5:]) == shown(second, counter[5:]), (second, third)
        with Remote(g.stub) as r:
            assert r.ask("?").startswith("T05thread:")
            r.send("vCont;c")
        time.sleep(0.3)
        assert "running" in g.monitor("info status")
        with Remote(g.stub) as r:
            assert r.ask("qAttached") == "1"
            r.send("k")
        assert g.wait(10) == 0


def left_code(guest):
    """How often the loop of the engine has been asked for other code."""
    counters = dict(re.findall(r"^(\w+) +(\d+)  ", guest.monitor("info jit"), re.M))
    return sum(int(counters[name]) for name in ("lookups", "alone", "exit_chain", "exit_lookup"))


@test
def many_breakpoints():
    """Code without breakpoints does not feel those of other code."""
    with floppy("steps.img", "gdb", extra=()) as g:
        time.sleep(1)
        with Remote(g.stub) as r:
            for n in range(2000):
                assert r.ask(f"Z0,{0x100000 + 16 * n:x},1") == "OK"
            assert [r.ask(f"Z2,{0x500 + 4 * n:x},4") for n in range(5)] == ["OK"] * 4 + ["E1c"]
            for n in range(4):
                assert r.ask(f"z2,{0x500 + 4 * n:x},4") == "OK"
            assert r.ask("z2,500,4") == "E16"

            def turns():
                return int.from_bytes(bytes.fromhex(r.ask("m910,4")), "little")

            def run():
                """Turns of the guest's loop, and how often it left translated code, which is there already."""
                before = turns()
                r.send("c")
                time.sleep(0.1)
                left = left_code(g)
                time.sleep(0.5)
                left = left_code(g) - left
                r.raw(b"\3")
                assert r.packet().startswith("T02")
                return (turns() - before) & 0xFFFFFFFF, left
            slow, left = run()
            for n in range(2000):
                assert r.ask(f"z0,{0x100000 + 16 * n:x},1") == "OK"
            fast, _ = run()
            print(f"# {slow} turns with breakpoints, {fast} without")
            assert slow > 1000 and left < slow / 100, (slow, left)


@test
def step_flags():
    with hello() as g, Remote(g.stub) as r:
        assert r.ask("qqemu.sstepbits") == "ENABLE=1,NOIRQ=2,NOTIMER=4"
        assert r.ask("qqemu.sstep") == "0x7"
        assert r.ask("Qqemu.sstep=0x5") == "OK"
        assert r.ask("qqemu.sstep") == "0x5"
        assert r.ask("Qqemu.sstep=ff") == "E16"
        assert r.ask("s").startswith("T05")
        assert r.ask("p8") == "5be00f00"


@test
def steps_of_a_halted_cpu():
    for engine in ENGINES:
        with steps(engine) as g, Remote(g.stub) as r:
            assert r.ask("Z0,7c00,1") == "OK"
            r.send("c")
            assert r.packet().startswith("T05")
            assert r.ask("M600,3:fbf490") == "OK"  # sti; hlt; nop
            assert r.ask("P8=00060000") == "OK"
            assert r.ask("s").startswith("T05") and r.ask("p8") == "01060000"
            assert r.ask("s").startswith("T05") and r.ask("p8") == "02060000"
            assert bytes.fromhex(r.ask("qThreadExtraInfo,1")) == b"CPU#0 [halted]"
            assert r.ask("s").startswith("T05")  # the timer's interrupt
            assert int.from_bytes(bytes.fromhex(r.ask("p8")), "little") >= 0xF0000
            assert r.ask("M600,3:faf490") == "OK"  # cli: nothing comes
            assert r.ask("Pa=00000000") == "OK" and r.ask("P8=00060000") == "OK"
            assert r.ask("s").startswith("T05") and r.ask("s").startswith("T05")
            r.send("s")
            time.sleep(0.3)
            r.raw(b"\3")
            assert r.packet().startswith("T02")
            assert r.ask("p8") == "02060000"


@test
def architecture_of_the_mode():
    out = linux("686")
    with Debugged(["-m", "128", "-kernel", str(out / "vmlinuz-686"), "-S", "-append", "nokaslr"]) as g:
        text = g.gdb(["show architecture", "tbreak *0x100000", "continue", "show $pc",
                      "set architecture i386", "x/2i $pc", "stepi", "info registers cr0 st0", "kill"])
        assert "currently \"i8086\"" in text and shown(text, "$pc") == [0x100000], text
        assert re.search(r"=> 0x100000:\s+cld", text), text
        assert g.wait(10) == 0


@test
def pipe_and_port():
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder) / "script"
        image = BUILD / "tests/guest/hello.img"
        script.write_text(f"target remote | {BINARY} -S -display none -monitor none -serial none -m 16 "
                          f"-gdb stdio -fda {image} -snapshot\nstepi\nkill\n")
        out = subprocess.run(["gdb", "-nx", "-batch", "-x", str(script)], capture_output=True,
                             text=True, timeout=30, stdin=subprocess.DEVNULL).stdout
        assert "0x000fe05b in" in out, out
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        bad = subprocess.run([BINARY, "-gdb", f"tcp::{port}", "-display", "none", "-monitor", "none"],
                             capture_output=True, text=True, timeout=30)
        assert bad.returncode == 1 and "-gdb: cannot listen on" in bad.stderr, bad


@test
def served_later():
    with floppy("steps.img", "gdb", extra=()) as g:
        path = os.path.join(g.gdb_dir.name, "later")
        assert "waiting for gdb" in g.monitor(f"gdbserver unix:{path}")
        with Remote(path) as r:
            assert r.ask("?").startswith("T05")
            assert "gdb is connected" in g.monitor("gdbserver none")
            assert r.ask("D") == "OK"
        time.sleep(0.1)
        g.monitor("gdbserver none")
        assert not os.path.exists(path) and "running" in g.monitor("info status")


def kernel_session(flavour, extra=()):
    out = linux(flavour)
    busybox = (out / "root/bin/busybox").read_bytes()
    entry = struct.unpack_from("<I", busybox, 24)[0]
    assert struct.unpack_from("<H", busybox, 16)[0] == 2, "busybox is not at fixed addresses"
    with Debugged(["-m", "128", "-kernel", str(out / f"vmlinuz-{flavour}"), "-initrd",
                   str(out / "initrd.img"), "-append", "console=ttyS0 nokaslr", *extra]) as g:
        g.expect("is up. Type", 240)
        g.expect("# ", 30)
        g.send("grep -w ksys_sync /proc/kallsyms\n")
        sync = int(g.expect(r"([0-9a-f]{8}) T ksys_sync", 30)[1], 16)
        process = g.start_gdb([show(c) for c in (
            f"break *{sync}", g.ready(), "continue", "show $pc", "show $cs & 3", f"x/i {sync}",
            "delete", "watch -location *(int *)($esp - 4)", "continue", "show $pc",
            "delete", "stepi", "stepi", "stepi",
            f"break *{entry}", "continue", "show $pc", "show $cs & 3", "x/i $pc", "stepi", "stepi",
            "delete", "continue", "show $cr0 & 1", "detach")])
        g.wait_ready()
        g.send("sync; echo synced\n")
        g.expect(r"\nsynced", 60)
        g.send("/bin/ls -d /; echo lis'ted'\n")
        g.expect(r"\nlisted", 60)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        text = finish(process, 30)
        pc = shown(text, "$pc")
        # The push below ESP is the function's, or a timer interrupt's.
        assert pc[0] == sync and pc[1] >= 0xC0000000 and pc[2] == entry, text
        assert shown(text, "$cs & 3") == [0, 3], text
        assert re.search(r"Hardware watchpoint.*\n+Old value = .*\nNew value = ", text), text
        assert "SIGINT" in text and shown(text, "$cr0 & 1") == [1], text
        g.send("echo $((6*7))\n")
        g.expect(r"\n42", 30)


@test
def linux_686():
    kernel_session("686")


@test
def linux_686_pae():
    kernel_session("686-pae")


@test
def breakpoints_in_code_that_moves():
    """A page's translations move with it when it is mapped elsewhere, but not onto a breakpoint."""
    source = pathlib.Path(__file__).parent.parent / "guest/priv/code-pages.asm"
    with tempfile.NamedTemporaryFile(suffix=".rom") as rom:
        subprocess.run(["nasm", "-f", "bin", "-i", f"{source.parent}/", "-o", rom.name, source], check=True)
        for engine in ENGINES:
            with Debugged(["-m", "16", "-bios", rom.name, "-S", "-device",
                           "isa-debug-exit,iobase=0xf4,iosize=0x04", *engine]) as g:
                out = g.gdb(["break *0x801200"] + ["continue"] * 6)
                assert out.count("Breakpoint 1, 0x00801200") == 5 and "exited" in out, (engine, out)
