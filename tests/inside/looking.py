# SPDX-License-Identifier: MIT
"""Logs, statistics, hot blocks, profiles, doctor, manual."""
import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import time

from bed import BINARY, BUILD, Skip, contains, image, mishap, run, scratch, test

LOGGED = {  # item -> (guest, what it must say, options)
    "in_asm": ("triple_protected", r"IN: mode .*\n0x000f8000:\s+fa\s+cli"),
    "op": ("triple_protected", r"^OP:\n"),
    "op_opt": ("triple_protected", r"^OP after passes:\n"),
    "out_asm": ("triple_protected", r"^OUT: \[size=\d+\]\n-- 0x[0-9a-f]{8}:"),
    "exec": ("triple_protected", r"^Trace 0: 0x[0-9a-f]+ \[000f0000/000f8000/[0-9a-f]{8}/"),
    "exec,cpu": ("triple_protected", r"^Trace .*\nEAX=[0-9a-f]{8} EBX=(.*\n)*EFER=.*\nTrace 0"),
    "fpu": ("triple_protected", r"^EAX=(.*\n)*XMM06=.*\nEAX="),
    "int": ("triple_protected", r"^check_exception old: 0xffffffff new 0xe\n *0: v=0e e=0002 i=0 cpl=0 "
            r"IP=0008:000f8061 pc=000f8061 SP=0000:00007000 CR2=c0de0000\nEAX=e0000010(.*\n)*"
            r"check_exception old: 0xe new 0xd\n *1: v=08 (.*\n)*check_exception old: 0x8 new 0xd\n"
            r"Triple fault"),
    "mmu": ("triple_protected", r"^walk of c0de0000 mode 0: #PF 2"),
    "pcall": ("triple_protected", r"^far jmp 0008:000f80"),
    "cpu_reset": ("reset", r"CPU reset \(keyboard controller, port 64h\)", "-strict-exit"),
    "unimp": ("garbage-1", r"unassigned port"),
    "guest_errors": ("garbage-77777", r"."),
    "page": ("pci_garbage-1", r"^memory map changed"),
}


def log_of(guest, items, *more, seconds=5):
    with scratch() as folder:
        path = f"{folder}/log"
        mishap(guest, *([] if guest == "reset" else ["-no-reboot"]), "-timeout", seconds, "-device",
               "isa-debug-exit,iobase=0xf4,iosize=4", "-d", items, "-D", path, *more)
        return pathlib.Path(path).read_text()


@test
def every_log_item_says_something():
    listed = re.findall(r"^([a-z_]+) ", run("-d", "help", check=0).out, re.M)
    for item in listed:
        assert item == "nochain" or any(item in i.split(",") for i in LOGGED), item
    for items, (guest, pattern, *options) in LOGGED.items():
        text = log_of(guest, items, *options)
        assert re.search(pattern, text, re.M), (items, pattern, text[:600])


@test
def nochain_shows_every_block():
    outer = "0xf803a..0xf8052"  # called for ever, by what hot-symbols.asm says
    with_chains, without = (log_of("hot", items, "-dfilter", outer, seconds=1).count("Trace ")
                            for items in ("exec", "exec,nochain"))
    assert with_chains > 0 and without > 10 * with_chains, (with_chains, without)


@test
def address_filter():
    text = log_of("triple_protected", "in_asm,exec", "-dfilter", "0xf8056..0xf8100")
    code = [int(a, 16) for a in re.findall(r"^0x([0-9a-f]{8}):", text, re.M)]
    executed = [int(a, 16) for a in re.findall(r"^Trace 0: 0x[0-9a-f]+ \[[0-9a-f]+/([0-9a-f]{8})/", text, re.M)]
    for shown in (code, executed):
        assert shown and 0xf8056 <= min(shown) <= max(shown) <= 0xf8100, text
    whole = log_of("triple_protected", "in_asm", "-dfilter", "0xf8000+0x100,0x100-0x10")
    contains(whole, "0x000f8000:")
    for bad in ("x", "1..", "5..4", "1+0", "1-0", "1..2x", "", "-1..5", "1.2"):
        r = run("-dfilter", bad, check=1)
        contains(r.err, "dbtvm: -dfilter")


@test
def trace_events():
    text = log_of("reset", "trace:port_write", "-strict-exit")
    contains(text, "port_write port 0064 size 1 <- 000000fe")
    both = log_of("triple_protected", "trace:*")
    contains(both, "tlb_fill", "tlb_flush", "cr3_write")
    with scratch() as folder:
        events = pathlib.Path(folder) / "events"
        events.write_text("# ports\n\nport_w*\n  cr3_write\n")
        mishap("triple_protected", "-no-reboot", "-trace", f"events={events},file={folder}/log")
        text = pathlib.Path(f"{folder}/log").read_text()
        contains(text, "cr3_write 00009000")
        assert "tlb_fill" not in text, text
        for bad in (f"events={folder}/none", f"events={folder}", "events=", "file", "other=1", ""):
            contains(run("-trace", bad, check=1).err, "dbtvm: -trace")
        events.write_text("nosuch\n")
        contains(run("-trace", f"events={events}", check=1).err, "nosuch")
    contains(run("-d", "trace:help", check=0).out, "ide_command", "port_read")
    contains(run("-trace", "help", check=0).out, "ide_command")
    contains(run("-d", "trace:nosuch", check=1).err, "nosuch")
    r = mishap("spin", "-monitor", "stdio", check=0,
               stdin=b"trace-event port* on\ninfo trace-events\ntrace-event x off\nlog none\nquit\n")
    contains(r.out, "port_read         on", "no trace event is called 'x'")


@test
def statistics():
    with scratch() as folder:
        path = f"{folder}/stats.json"
        r = mishap("garbage-1", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-stats",
                   "-stats-json", path, check=33)
        data = json.loads(pathlib.Path(path).read_text())
    contains(r.err, "gen code size", "expansion ratio", "Top ports:", "exit_chain")
    assert data["blocks"] > 0 and data["top_ports"], data
    assert all(isinstance(p["count"], int) for p in data["top_ports"])
    counts = [p["count"] for p in data["top_ports"]]
    assert counts == sorted(counts, reverse=True), counts


@test
def written_code_is_counted():
    with scratch() as folder:
        path = f"{folder}/stats.json"
        mishap("smc", "-timeout", "2", "-stats-json", path, check=124)
        data = json.loads(pathlib.Path(path).read_text())
    assert data["top_smc_pages"][0]["address"] == 0x20000, data["top_smc_pages"]
    assert {p["address"] for p in data["top_ports"]} >= {0x80}


def monitor_after(seconds, commands, *args):
    process = subprocess.Popen([BINARY, "-m", "16", "-vga", "none", "-display", "none", "-bios",
                                image("hot"), "-monitor", "stdio", *args], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(seconds)
    out = process.communicate((commands + "\nquit\n").encode(), timeout=20)[0].decode()
    assert process.returncode == 0, out
    return out.replace("\r", "")


def symbols(form):
    return f"{BUILD}/tests/guest/hot-{form}.o,offset=0xf8000"


@test
def hot_blocks_are_counted():
    for engine in ([], ["--interp"], ["--no-chain"]):
        out = monitor_after(1.5, "info hot 3 code", "-count", "-symbols", symbols("elf32"), *engine)
        rows = re.findall(r"^\s*(\d+)\s+(\d+)\s+\d+\s+\d+\s+0x([0-9a-f]{8}) \((\w+)\+", out, re.M)
        assert len(rows) == 3 and rows[0][3] == "worker", out
        assert int(rows[0][0]) > 20 * int(rows[2][0]), out
        contains(out, "dec eax")


@test
def hot_wants_counting_or_samples():
    out = monitor_after(0.5, "info hot\ninfo hot 0\ninfo hot 5 bogus\ninfo hot 99999999999\n"
                        "profile off\nprofile /nonexistent/x\ninfo version bogus")
    contains(out, "nothing is counted", "the count must be 1 to 200", "too many arguments",
             "no samples")


@test
def profile_on_request():
    out = monitor_after(1, "profile on\nwait screen nothing 2\ninfo hot 2\nprofile off",
                        "-symbols", symbols("elf64"))
    assert "samples      %" in out, out


@test
def profile_folds_stacks():
    with scratch() as folder:
        text_map = pathlib.Path(f"{folder}/System.map")
        text_map.write_text("000f8000 T entry\n000f8024 t hot_start\nf803a T outer\n"
                            "garbage\n000f8053 T worker\n000f9000 D data\n")
        path = f"{folder}/out.folded"
        mishap("hot", "-profile", path, "-symbols", text_map, "-timeout", "3", check=124)
        lines = pathlib.Path(path).read_text().splitlines()
    stacks = {l.rsplit(" ", 1)[0]: int(l.rsplit(" ", 1)[1]) for l in lines}
    best = max(stacks, key=stacks.get)
    assert best == "kernel;hot_start;outer;worker", stacks
    assert stacks[best] > 20 and stacks[best] > sum(stacks.values()) * 0.8, stacks


@test
def symbols_in_the_report():
    r = mishap("hot", "-timeout", "1", "-symbols", symbols("elf32"), check=124)
    assert re.search(r"\((worker|outer|hot_start)\+0x", r.err), r


@test
def bad_symbols():
    with scratch() as folder:
        elf = (BUILD / "tests/guest/hot-elf32.o").read_bytes()
        wide = (BUILD / "tests/guest/hot-elf64.o").read_bytes()
        for name, data in (("empty", b""), ("text", b"hello\n"), ("head", elf[:40]),
                           ("cut", elf[: len(elf) // 2]), ("wide", wide[:70]),
                           ("noise", elf[:32] + bytes(range(256)) * 8)):
            path = pathlib.Path(folder) / name
            path.write_bytes(data)
            r = mishap("spin", "-symbols", path, "-timeout", "1")
            assert r.code in (1, 124), r
            if r.code == 1:
                assert len(r.err.splitlines()) == 1 and name in r.err, r
        for size in range(0, len(wide), 7):
            path = pathlib.Path(folder) / "flip"
            path.write_bytes(wide[:size] + b"\xff" * 4 + wide[size + 4:])
            assert mishap("halt", "-symbols", path, "-strict-exit").code in (1, 83)
        contains(mishap("spin", "-symbols", f"{folder}/none", check=1).err, "none")


@test
def perf_map():
    """perf looks there for code of mappings without a file name, which must not be writable too."""
    process = subprocess.Popen([BINARY, "-m", "16", "-vga", "none", "-display", "none", "-bios",
                                image("hot"), "-perfmap"], stdin=subprocess.DEVNULL)
    path = pathlib.Path(f"/tmp/perf-{process.pid}.map")
    try:
        deadline = time.monotonic() + 20
        while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        first = int(re.match(r"[0-9a-f]+", path.read_text())[0], 16)
        maps = pathlib.Path(f"/proc/{process.pid}/maps").read_text()
    finally:
        process.kill()
        process.wait()
    text = path.read_text()
    path.unlink()
    assert re.search(r"^[0-9a-f]+ [0-9a-f]+ guest_000f80..$", text, re.M), text
    regions = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) (....) \S+ \S+ \S+ *(.*)$", maps, re.M)
    code = [r for r in regions if int(r[0], 16) <= first < int(r[1], 16)]
    assert [(mode, name) for _, _, mode, name in code] == [("r-xs", "/dev/zero (deleted)")], maps
    assert not [r for r in regions if "w" in r[2] and "x" in r[2]], maps


@test
def linux_perf_names_guest_code():
    perf = shutil.which("perf")
    if not perf:
        raise Skip("perf is not installed")
    with scratch() as folder:
        data = f"{folder}/perf.data"
        record = [perf, "record", "-q", "-e", "cpu-clock:u", "-F", "500", "-o", data, "--"]
        if subprocess.run([*record, "true"], capture_output=True, timeout=60, check=False).returncode:
            raise Skip("perf may not record here")
        guest = subprocess.Popen([*record, BINARY, "-m", "16", "-vga", "none", "-display", "none",
                                  "-bios", image("hot"), "-timeout", "2", "-perfmap", "-symbols",
                                  symbols("elf32"), "-pidfile", f"{folder}/pid"],
                                 stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline, pid = time.monotonic() + 20, ""
        while not pid and time.monotonic() < deadline and guest.poll() is None:
            with contextlib.suppress(OSError):
                pid = pathlib.Path(f"{folder}/pid").read_text().strip()
        said = guest.communicate(timeout=60)[1]
        report = subprocess.run([perf, "report", "-i", data, "--stdio", "--sort", "sym"],
                                capture_output=True, text=True, timeout=60, check=False).stdout
    pathlib.Path(f"/tmp/perf-{pid}.map").unlink()
    shares = re.findall(r"^ +([\d.]+)%  \[\.\] guest_000f80..:worker\+0x", report, re.M)
    assert sum(map(float, shares)) > 50, (said, report)


@test
def doctor():
    r = run("doctor")
    assert r.code in (0, 1), r
    contains(r.out, "mmap_min_addr", "max_map_count", "sandbox", "firmware", "Guests" if
             r.code else "Nothing is in the way")
    tight = subprocess.run(["bash", "-c", f"ulimit -v 200000; {BINARY} doctor"], capture_output=True,
                           text=True, timeout=30, check=False)
    assert tight.returncode == 2 and "BROKEN" in tight.stdout, tight
    small = subprocess.run(["bash", "-c", f"ulimit -v 400000; exec {BINARY} -m 32 -display none -bios "
                            f"{image('halt')} -strict-exit"], capture_output=True, text=True,
                           timeout=30, check=False)
    assert small.returncode == 83, small
    assert small.stderr.startswith("dbtvm: no address windows here"), small


@test
def manual_and_completion_know_every_option():
    page = (BUILD / "docs/dbtvm.1").read_text().replace("\\-", "-")
    words = (BUILD / "docs/dbtvm").read_text()
    listed = re.findall(r"^  -([\w-]+)", run("-help", check=0).out.split("Not offered")[0],
                        re.M)
    assert len(listed) > 40, listed
    for name in listed:
        contains(page, f"\\fB-{name}\\fR")
        contains(words, f" -{name} ")
    commands = re.findall(r"^([a-z0-9_-]+)", mishap("spin", "-monitor", "stdio",
                                                 stdin=b"help\nquit\n", check=0).out, re.M)
    for name in set(commands) - {"dbtvm"}:
        contains(page, f"\\fB{name}\\fR")
    bash = subprocess.run(["bash", "-c", f"source {BUILD}/docs/dbtvm; COMP_WORDS=(dbtvm -d int,mm); "
                           "COMP_CWORD=2; _dbtvm; echo ${COMPREPLY[@]}; COMP_WORDS=(dbtvm -kern); "
                           "COMP_CWORD=1; _dbtvm; echo ${COMPREPLY[@]}"], capture_output=True,
                          text=True, timeout=20, check=False)
    assert bash.stdout.split() == ["int,mmu", "-kernel"], bash
