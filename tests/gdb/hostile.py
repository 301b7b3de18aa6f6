# SPDX-License-Identifier: MIT
"""Clients that are broken, cut off or malicious."""
import contextlib
import pathlib
import random
import re
import signal
import threading
import time

from bed import BUILD, test
from debugged import Debugged, floppy, steps
from remote import Remote


@test
def hostile_packets():
    with steps() as g:
        g.wait_stub()
        with Remote(g.stub) as r:
            digits = "f" * 40
            for body in ("m", "m0", "m0,", "m0,ffffffffffffffff", f"m{digits},1", "m100000000,1",
                         "mffffffff,2", "M0,4:00", "M0,ffffffff:00", "M0,1:zz", "X0,5:ab", "X0,",
                         "Z0", "Z9,0,1", "Z0,123456789ab,1", "Z2,0,0", "Z2,fffffff0,ffffffff",
                         "z2,0,4", "p", "pfff", "pffffffff", "P", "P8", "P8=", "P8=00", "Pff=00",
                         "G00", "G", "vCont;", "vCont;x", "vCont;c:p2.1", "vCont;C", "vCont;s:",
                         "H", "Hg", "Hgp1.2", "Hx0", "T", "T5", "Tp0.0.0", "qRcmd,", "qRcmd,zz",
                         "qRcmd,787878", "qXfer:features:read:target.xml:", "qXfer:features:read:x:0,1",
                         "qXfer:features:read:target.xml:fffffff,10", "qXfer:memory-map:read::1",
                         "qSupported:" + "a;" * 4000, "Qqemu.PhyMemMode:", "Qqemu.sstep=",
                         "vMustReplyEmpty", "vAttach;1", "nonsense", "", "!", "\0\1\2"):
                r.ask(body)
            r.raw(b"$m0,4#00")  # wrong checksum
            r.raw(b"$" + b"a" * 100000 + b"#00")
            r.raw(b"$m0,$m0,$?#3f")
            reply = ""
            while not reply.startswith("T"):
                reply = r.packet()
            r.ask("p8")
            assert r.ask("m0,2000").count("0") > 100
            assert r.ask("QStartNoAckMode") == "OK"
            r.raw(b"$" + b"a" * 100000 + b"#00")
            assert r.packet() == "E16"
        for cut in (b"", b"$", b"$m0,4", b"$m0,4#", b"$m0,4#f", b"\3", b"$c#63", b"$s#73", b"$}",
                    b"$vCont;c#a8$g#67", b"$Z0,7c00,1#c1$c#63", b"-" * 5000):
            with Remote(g.stub) as r:
                r.raw(cut)
        noise = random.Random(1)
        for _ in range(30):
            with Remote(g.stub) as r:
                r.raw(b"+" + bytes(noise.randrange(256) for _ in range(3000)))
                for _ in range(20):
                    body = bytes(noise.choice(b"mMXZzgGpPcsHTqv?0123456789abcdef,;:=.") for _ in
                                 range(noise.randrange(1, 30)))
                    if not body.startswith((b"k", b"vKill")):
                        r.send(body)
                time.sleep(0.02)
        with Remote(g.stub) as r:
            assert r.ask("?").startswith("T05")
        assert g.process.poll() is None, g.output


# What a session of gdb sends, but for the end; runs of the machine are short.
SESSION = [b"qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;vContSupported+", b"vMustReplyEmpty",
           b"QStartNoAckMode", b"Hgp0.0", b"qXfer:features:read:target.xml:0,ffb", b"qTStatus", b"?",
           b"qfThreadInfo", b"qsThreadInfo", b"qAttached:1", b"Hc-1", b"qC", b"g", b"p8", b"m7c00,40",
           b"qXfer:memory-map:read::0,ffb", b"Z0,7c00,1", b"Z2,900,4", b"vCont?", b"vCont;c", b"\3",
           b"M8000,4:90909090", b"X8000,4:}\3}\4ab", b"P0=12345678", b"G00", b"z2,900,4", b"z0,7c00,1",
           b"vCont;s:p1.1", b"s", b"qRcmd,70726f66696c65206f6e", b"qRcmd,696e666f206a6974", b"R00",
           b"Qqemu.PhyMemMode:1", b"Qqemu.sstep=0", b"D;1"]


def frames():
    for body in SESSION:
        yield body if body == b"\3" else b"$%s#%02x" % (body, sum(body) & 0xFF)


def touch(g):
    """The stub answers as at first, no matter what the last client left."""
    with Remote(g.stub) as r:
        assert r.ask("?") == "T05thread:01;"
        assert r.ask("qqemu.PhyMemMode") == "0" and r.ask("qqemu.sstep") == "0x7"
        assert r.ask("z2,900,4") == "E16", "a watchpoint was left behind"


@test
def cut_at_every_byte():
    with floppy("steps.img", "gdb", extra=()) as g:
        g.wait_stub()
        whole = b"".join(frames())
        for end in range(len(whole)):
            with Remote(g.stub) as r:
                r.raw(whole[:end])
            if end % 16 == 0:
                touch(g)
        touch(g)
        assert g.process.poll() is None and "VM status" in g.monitor("info status")


@test
def every_packet_cut_short_and_grown():
    """Each packet of the session without its last bytes, with a huge number, with more behind it."""
    with floppy("steps.img", "gdb") as g:
        g.wait_stub()
        with Remote(g.stub, 10) as r:
            for body in SESSION:
                if body == b"\3":
                    continue
                variants = [body[:n] for n in range(1, len(body))]
                variants += [body + tail for tail in (b";", b",", b":", b"0", b"f" * 300, b"\0", b",-1")]
                variants += [re.sub(rb"[0-9a-f]{1,8}(?=,|:|$)", b"f" * 16, body),
                             re.sub(rb"[0-9a-f]{1,8}(?=,|:|$)", b"", body)]
                for variant in variants:
                    if variant[:1] in b"cCsSkvR" and not variant.startswith(b"vMust"):
                        continue  # they run the machine, end it, or leave the answer to a stop
                    escaped = re.sub(rb"[}#$*]", lambda m: b"}" + bytes([m[0][0] ^ 0x20]), variant)
                    r.ask(escaped)
        touch(g)


@test
def a_client_that_does_not_read():
    """Replies that nobody takes are dropped in the end; the machine and its monitor go on."""
    with floppy("steps.img", "gdb", extra=()) as g:
        g.wait_stub()
        read = b"$m0,2000#%02x" % (sum(b"m0,2000") & 0xFF)
        with Remote(g.stub, 10) as r:
            r.raw(b"$QStartNoAckMode#b0")
            with contextlib.suppress(TimeoutError):
                r.raw(read * 20000)
            assert "VM status" in g.monitor("info status")
        assert peak_megabytes(g.process.pid) < 500
        touch(g)


@test
def a_client_that_never_stops_asking():
    """Monitor and signals have their turn."""
    with floppy("steps.img", "gdb", extra=()) as g:
        g.wait_stub()
        with Remote(g.stub, 10) as r:
            def ask():
                with contextlib.suppress(OSError):
                    while True:
                        r.socket.sendall(b"$m0,4#fd" * 5000)

            def listen():
                with contextlib.suppress(OSError):
                    while r.socket.recv(1 << 20):
                        pass
            for busy in (listen, ask):
                threading.Thread(target=busy, daemon=True).start()
            time.sleep(0.5)
            for _ in range(3):
                assert "VM status" in g.monitor("info status")
            g.process.send_signal(signal.SIGTERM)
            assert g.process.wait(20) == 0


def peak_megabytes(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", text)[1]) >> 10


@test
def debuggers_of_a_guest_that_is_off():
    """They may look; neither continuing nor leaving brings it back."""
    rom = BUILD / "tests/guest/mishap-triple_protected.bin"
    with Debugged(["-m", "16", "-vga", "none", "-bios", str(rom), "-no-reboot", "-no-shutdown",
                   "-S"]) as g:
        g.wait_stub()
        with Remote(g.stub) as r:
            assert r.ask("c").startswith("T02")
            registers = r.ask("g")
            for command in ("c", "s", "vCont;c"):
                assert r.ask(command).startswith("T02"), command
            assert r.ask("D") == "OK"
        assert "paused (shutdown)" in g.monitor("info status")
        with Remote(g.stub) as r:
            assert r.ask("g") == registers
