# SPDX-License-Identifier: MIT
"""Where Bochs 2.7 answers otherwise, and why that is no fault of dbtvm's: manuals leave it open, or it
is Bochs that errs. (Sections are those of the SDM.)"""
import cases

PREFIXES = b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3"


def changes(case, one, other):
    """Fields that differ, with both values; what one did not change in memory is as it was before."""
    low = case.before()

    def value(fields, key):
        if key in fields or "+" not in key:
            return int(fields.get(key, "0"), 16)
        name, offset = key.split("+")
        at = cases.REGIONS[name] + int(offset, 16)
        return int.from_bytes(low[at:at + 4], "little")
    both = {key: (value(one, key), value(other, key)) for key in {**one, **other}}
    if "dr7" in both:   # RTM, a reserved bit without that feature
        both["dr7"] = tuple(dr7 & ~0x800 for dr7 in both["dr7"])
    return {key: pair for key, pair in both.items() if pair[0] != pair[1]}


def opcodes(case):
    """First byte behind the prefixes of each instruction; both, if it is 0F."""
    bare = [code.lstrip(PREFIXES) for code in case.code]
    return {code[:2] if code[:1] == b"\x0f" else code[:1] for code in bare}


def traced(case):
    return case.field["eflags"] & cases.TF != 0 or b"\x9d" in opcodes(case)


class Situation:
    def __init__(self, case, one, other):
        self.changed = changes(case, one, other)
        self.vectors = one.get("vector", "")[-2:] + " " + other.get("vector", "")[-2:]
        self.field = case.field
        self.opcodes = opcodes(case)
        self.traced = traced(case)
        self.calls = not self.opcodes.isdisjoint({b"\x9a", b"\xff", b"\xcd"})  # or INT
        # Words that only Bochs wrote.
        self.extra = {key for key in self.changed if "+" in key and key not in one}

    def only(self, *keys):
        return set(self.changed) <= set(keys)

    def near(self, key, distance):
        a, b = self.changed.get(key, (0, distance + 1))
        return abs(a - b) <= distance

    def one_word(self, *bits):
        """One word in memory differs, in just these bits; extra ones aside, where a CALL makes them."""
        rest = set(self.changed) - (self.extra if self.calls else set())
        return len(rest) == 1 and all("+" in key and a ^ b in bits for key, (a, b) in (
            (key, self.changed[key]) for key in rest))

    def half_word(self):
        """One word, in memory or popped from there, differs in a half that we cleared."""
        (key, (a, b)), *more = self.changed.items()
        return not more and ("+" in key or key[0] == "e") and any((a ^ b) & ~mask == 0 and a & mask == 0
                                               for mask in (0xffff0000, 0xffff, 0xffff00, 0xff, 0xff000000))


RF = (0x10000, 0x1000000, 0x1, 0x100)   # at any alignment

TRACED = "TF over a task switch: 3B \"Single-Step Exception Condition\" does not say"
# The order in which an instruction reads memory is nobody's promise; SDM 2 has none of these.
ROWS = [
    ("a far pointer is read selector first", lambda s: s.only("cr2") and s.near("cr2", 4)),
    ("parameters of a call gate are read last one first", lambda s: s.calls and s.near("cr2", 124) and (
        set(s.changed) == s.extra | {"cr2"})),
    ("a TSS is read in another order", lambda s: s.near("cr2", 0xfff) and s.changed["cr2"][0] >> 12 == 3),
    ("a task switch that fails has loaded other segments", lambda s: s.vectors == "0A 0A"),
    (TRACED, lambda s: s.traced and (
        s.vectors == "01 03" or "tr" in s.changed or "dr6" in s.changed)),
    ("DR6 may lose bits (3B \"Debug Status Register\")", lambda s: s.only("dr6")),
    ("a double fault's frame: 3B \"Instruction-Breakpoint Exception Condition\" leaves RF open",
     lambda s: (s.vectors == "08 08" or s.only("TSS+24")) and s.one_word(*RF)),  # or the TSS of its task
    ("PUSH Sreg may leave the upper half (2 \"PUSH\")", lambda s: (
        not s.opcodes.isdisjoint({b"\x06", b"\x0e", b"\x16", b"\x1e"}) and s.half_word())),
    # dbtvm: RF is kept only while code breakpoints are armed. Bochs: general detect pushes it clear; 3B
    # "Instruction-Breakpoint Exception Condition" makes an exception of instruction breakpoints only.
    ("RF after IRET, where no breakpoint looks at it, or of general detect", lambda s: s.vectors == "01 01" and s.one_word(*RF)),
    ("ENTER may look for #AC where the new stack ends; 2 \"ENTER\" does not say",
     lambda s: s.vectors[3:] == "11" and b"\xc8" in s.opcodes),
    # What Bochs has wrong.
    ("IRET outwards, absent SS: #NP; 2 \"IRET/IRETD\" has #SS", lambda s: s.vectors == "0C 0B"),
    ("IRET to V86 beyond 64 KiB is no #GP; 2 \"IRET/IRETD\"", lambda s: s.vectors.startswith("0D ") and (
        b"\xcf" in s.opcodes and "ds" in s.changed and not s.field["mode"])),
    ("SIDT stores the limit, then meets #AC", lambda s: s.vectors == "11 11" and b"\x0f\x01" in s.opcodes),
    ("CALL and INT push, then check limit and room; 2 \"CALL\", \"INT\"",
     lambda s: s.calls and (set(s.changed) == s.extra or s.vectors in ("0C 11", "0D 11", "0C 0E", "0D 0E"))),
    ("CALL to conforming code pushes as that code's level would, without #AC",
     lambda s: s.vectors.startswith("11 ") and b"\x9a" in s.opcodes),
    ("a REP that overwrites itself ends; processors finish it", lambda s: (
        any("CODE" in key for key in s.changed) and
        not s.opcodes.isdisjoint({b"\xa4", b"\xa5", b"\xaa", b"\xab"}))),
    ("CALL beyond 64 KiB, no room on the stack: #GP; 2 \"CALL\" has #SS first",
     lambda s: s.vectors == "0C 0D" and s.calls),
    ("CALL inwards saves SP without the upper half; 2 \"CALL\": ESP", lambda s: s.one_word(0x40000)),
    ("JMP to a TSS clears the busy bit, then faults", lambda s: s.vectors == "0E 0E" and s.only("GDT+94")),
]


def reason(case, one, other):
    """Why `other`, Bochs's parsed answer, may differ from `one`; None: it may not."""
    if one.get("end", "").startswith("setup") and other.get("end", "").startswith("setup"):
        return "the stack ended where no memory is"
    if "end" in one or "end" in other:
        return TRACED if traced(case) and one.get("vector", "")[-2:] == "01" else None
    situation = Situation(case, one, other)
    return next((why for why, match in ROWS if match(situation)), None)
