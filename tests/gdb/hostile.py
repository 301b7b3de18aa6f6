# SPDX-License-Identifier: MIT
"""Clients that are broken, cut off or malicious."""
import random
import time

from bed import test
from debugged import steps
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
