# SPDX-License-Identifier: MIT
"""gdb on 16-bit systems: a running FreeDOS, and virtual-8086 mode."""
import contextlib
import re
import shutil
import subprocess

from bed import BUILD, Skip, scratch, test
from debugged import ENGINES, Debugged, floppy, labels, shown
from guest import FREEDOS_PROMPT, shared

TICKS = "*(unsigned int *)0x46c"  # 0040:006C, the BIOS's count of timer interrupts
KEYS = "*(unsigned short *)0x41a"  # head of the BIOS's keyboard buffer
DOS_CALL = "*(*(unsigned short *)0x86 * 16 + *(unsigned short *)0x84)"  # where INT 21h goes


@contextlib.contextmanager
def freedos():
    """FreeDOS at its prompt with a program of ours on the floppy."""
    image = shared("freedos-1440.img")
    if not shutil.which("mcopy"):
        raise Skip("mtools is not installed")
    with scratch() as folder:
        disk = f"{folder}/disk.img"
        shutil.copy(image, disk)
        program = str(BUILD / "tests/gdb/variable.com")
        subprocess.run(["mcopy", "-i", disk, program, "::V.COM"], check=True)
        with Debugged(["-m", "32", "-fda", disk, "-snapshot", "-boot", "a"]) as guest:
            guest.wait_screen(FREEDOS_PROMPT, 60)
            yield guest


def values(text, word):
    return [int(v, 0) for v in re.findall(rf"^{word} = (\w+)$", text, re.M)]


@test
def freedos_bios_variables():
    with freedos() as g:
        out = g.gdb([f"watch {TICKS}", "continue", "show $cs", "x/i $pc"] + ["continue"] * 2 +
                    ["delete", "show *(int *)0x46c", f"rwatch {TICKS}", "continue", "show *(int *)0x46c",
                     "delete", f"awatch {KEYS}", "monitor sendkey ret"] + ["continue"] * 6 +
                    ["delete", "detach"])
        old, new = values(out, "Old value"), values(out, "New value")
        assert new[:3] == [v + 1 for v in old[:3]] and old[1:3] == new[:2], out
        assert shown(out, "$cs") == [0xF000], out
        assert re.search(r"=> 0xf[0-9a-f]{4}:\s+\w", out), out
        assert values(out, "Value")[0] in shown(out, "*(int *)0x46c"), out
        # The head of the ring of keys moves on by a word when the key is taken out.
        assert "Hardware access (read/write) watchpoint" in out, out
        heads = set(values(out, "Value")[1:]) | set(old[3:]) | set(new[3:])
        assert heads and all(0x1E <= h < 0x3E and h % 2 == 0 for h in heads), out
        g.monitor("type ver\\n")
        g.wait_screen(r"FreeCom version \d", 20)


@test
def freedos_program_variables():
    at = labels("variable.com", "variable marked stored changed loaded", 2)
    place = "show $pc - $cs_base"
    with freedos() as g:
        out = g.gdb(["watch *(unsigned short *)0x4f0", "monitor sendkey v", "monitor sendkey ret",
                     "continue", place, f"set $v = $cs_base + {at['variable']}", "delete",
                     "watch -l *(unsigned short *)$v", "continue", place, "continue", place, "delete",
                     "rwatch -l *(unsigned short *)$v", "continue", place, "x/2i $pc", "delete",
                     f"break {DOS_CALL} if ($eax & 0xff00) == 0x900", "continue",
                     "x/s $ds_base + ($edx & 0xffff)", "delete", "detach"])
        assert shown(out, place[5:]) == [at["marked"], at["stored"], at["changed"], at["loaded"]], out
        assert values(out, "Old value") == [0, 0, 1] and values(out, "New value") == [0x4744, 1, 2], out
        assert values(out, "Value") == [2], out
        assert re.search(r"=> 0x\w+:\s+mov +\$0x\w+,%dx\n\s+0x\w+:\s+mov +\$0x9,%ah", out), out
        assert re.search(r'0x\w+:\s+"counted\$', out), out
        g.wait_screen(r"\ncounted", 20)


VM = 0x20000
V86 = "program call21 after counted dos return monitor back"
CALL = ["show $pc", "show $cs", "show $eip - $cs_base", "show $eflags & 0x20000"]


@test
def virtual_8086_mode():
    """INT and IRET of a program under a monitor, step by step and stepped over."""
    at = labels("v86.img", V86)
    for engine in ENGINES:
        with floppy("v86.img", "gdb", engine) as g:
            out = g.gdb([f"tbreak *{at['call21']}", "continue", *CALL, "x/3i $pc", "print $eflags",
                         "print/x $eax", "stepi", *CALL, "x/i $pc", f"tbreak *{at['back']}", "continue",
                         "stepi", *CALL, "stepi", "stepi", *CALL, "x/i $pc", "show $ss_base + $sp",
                         "x/3hx $ss_base + $sp", "stepi", *CALL, f"tbreak *{at['after']}",
                         "continue", *CALL, "x/i $pc"])
            places = ["call21", "monitor", "dos", "return", "monitor", "after"]
            assert shown(out, "$pc") == [at[p] for p in places], (engine, out)
            assert shown(out, "$cs") == [0x7B0, 8, 0x7B0, 0x7B0, 8, 0x7B0], (engine, out)
            assert shown(out, "$eip - $cs_base") == [
                at[p] - (0 if p == "monitor" else 0x7B00) for p in places], (engine, out)
            assert shown(out, "$eflags & 0x20000") == [VM, 0, VM, VM, 0, VM], (engine, out)
            assert re.search(r"=> 0x\w+:\s+int +\$0x21\n\s+0x\w+:\s+incw +0x0\n", out), (engine, out)
            assert re.search(r"= \[.* VM \]", out) and "= 0x12345678" in out, (engine, out)
            assert shown(out, "$ss_base + $sp") == [0x9800 - 6], (engine, out)
            assert re.search(rf"0x97fa:\s+{at['after'] - 0x7B00:#06x}\s+0x07b0\s+0x0", out), (engine, out)


@test
def virtual_8086_memory():
    """Watchpoints and memory are linear: behind the segments, before the page tables."""
    at = labels("v86.img", V86)
    for engine in ENGINES:
        with floppy("v86.img", "gdb", engine) as g:
            out = g.gdb([f"tbreak *{at['after']}", "continue", "watch *(unsigned short *)0x9000",
                         "continue", "show $pc", "continue", "show $pc", "delete", "x/hx 0x9000",
                         "maintenance packet Qqemu.PhyMemMode:1", "x/hx 0x9000", "x/hx 0x19000",
                         "maintenance packet Qqemu.PhyMemMode:0", f"tbreak *{at['after']}", "continue",
                         "set $ds = 0x910", "show $ds_base", "awatch *(unsigned short *)0x9100",
                         "continue", "show $pc", "x/hx 0x9100", "monitor x/2i $pc",
                         "monitor x/2xh 0x910:0", "monitor gva2gpa 0x9100"])
            assert shown(out, "$pc") == [at["counted"]] * 3, (engine, out)
            assert values(out, "New value")[:2] == [1, 2], (engine, out)
            assert re.search(r"0x9000:\s+0x0002[\s\S]*0x9000:\s+0x0000\n0x19000:\s+0x0002", out), out
            assert shown(out, "$ds_base") == [0x9100] and re.search(r"0x9100:\s+0x0001", out), out
            assert re.search(rf"{at['counted']:#010x}:  \w+ +jmp {at['program']:#x}\n", out), out
            assert "00009100: 0x0001 0x0000" in out and "gpa: 0x19100" in out, (engine, out)
