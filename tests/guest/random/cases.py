# SPDX-License-Identifier: MIT
"""Random privileged programs for runner.asm, each made from nothing but its number.

A case is a state of the CPU, what is wrong with the ready-made tables (`template`), and some
instructions. All is chosen so that the state at its first exception or interrupt is defined by the
manuals: no flags that are undefined, no ports that answer, no MSRs that processors differ in.
"""
import random
import struct

# Physical and linear, all below 64 KiB; the runner has the rest below 512 KiB.
GDT, GDT_SIZE = 0x1000, 0x100
LDT, LDT_SIZE = 0x1800, 0x40
IDT, VECTORS = 0x2000, 64
TSS, OTHER_TSS, TSS_16 = 0x3000, 0x3800, 0x3c00
TSS_SIZE = 0x68 + 0x20 + 0x21           # with both maps, of ports 0 to FFh
DIRECTORY, PAGES = 0x4000, 0x5000
POINTERS, PAE_DIRECTORY, PAE_PAGES = 0x6000, 0x7000, 0x8000
STACKS, STACK_SIZE = 0x9000, 0x400      # of CPL 0, 1, 2, 3
DATA, DATA_SIZE = 0xa000, 0x2000
FAR_POINTER = DATA + 0x800              # what far pointers in memory are read from
CODE, OTHER_CODE = 0xc000, 0xc800
HANDLERS, HANDLERS_16, HANDLER_SIZE = 0xe000, 0xec00, 40
RUNNER_GDTR = 0xf700                    # the runner puts its own there, for the handlers
RUNNER, RUNNER_END = 0x10000, 0x4a000
REGIONS = {"IVT": 0, "GDT": GDT, "LDT": LDT, "IDT": IDT, "TSS": TSS, "OTHER_TSS": OTHER_TSS,
           "TSS_16": TSS_16, "DIRECTORY": DIRECTORY, "PAGES": PAGES, "POINTERS": POINTERS,
           "PAE_DIRECTORY": PAE_DIRECTORY, "PAE_PAGES": PAE_PAGES, "STACKS": STACKS, "DATA": DATA,
           "CODE": CODE, "HANDLERS": HANDLERS}

# Pages that are not the identity.
ALIAS, READ_ONLY, ABSENT, NO_EXECUTE, FRESH, SUPERVISOR = 0x80, 0xc0, 0xc1, 0xc3, 0xc4, 0xc5
ALIASES = 16                            # pages
P, RW, US, A, D, PS, G = 1, 2, 4, 32, 64, 128, 256

CODE0, DATA0, CODE3, DATA3, CODE0_16, DATA0_16, CODE3_16, DATA3_16 = range(8, 72, 8)
CODE1, DATA1, LDT_SELECTOR, TSS_SELECTOR, OTHER_TSS_SELECTOR, TSS_16_SELECTOR = (
    0x48, 0x50, 0x88, 0x90, 0x98, 0xa0)
SEGMENTS = [                            # base, limit, access, flags
    (0, 0, 0, 0),
    (0, 0xfffff, 0x9b, 0xc),            # 08 code
    (0, 0xfffff, 0x93, 0xc),            # 10 data
    (0, 0xfffff, 0xfb, 0xc),            # 18 code, DPL 3
    (0, 0xfffff, 0xf3, 0xc),            # 20 data, DPL 3
    (0, 0x1ffff, 0x9b, 0),              # 28 16-bit code
    (0, 0xffff, 0x93, 0),               # 30 16-bit data
    (0, 0x1ffff, 0xfb, 0),              # 38 16-bit code, DPL 3
    (0, 0xffff, 0xf3, 0),               # 40 16-bit data, DPL 3
    (0, 0xfffff, 0xbb, 0xc),            # 48 code, DPL 1
    (0, 0xfffff, 0xb3, 0xc),            # 50 data, DPL 1
    (0, 0xfffff, 0x9e, 0xc),            # 58 conforming code
    (DATA, 0x7ff, 0xf7, 0x4),           # 60 data, expand-down
    (DATA, 0xfff, 0xf2, 0x4),           # 68 a page of data, never accessed
    (0, 0xfffff, 0xf1, 0xc),            # 70 read-only data
    (0, 0xfffff, 0xf8, 0xc),            # 78 execute-only code
    (0, 0xfffff, 0x73, 0xc),            # 80 absent data
    (LDT, LDT_SIZE - 1, 0x82, 0),       # 88 LDT
    (TSS, TSS_SIZE - 1, 0x89, 0),       # 90 TSS
    (OTHER_TSS, 0x67, 0xe9, 0),         # 98 TSS
    (TSS_16, 0x2b, 0xe1, 0),            # a0 16-bit TSS
    None, None, None, None,             # a8 gates
    (OTHER_TSS, 0x20, 0xe9, 0),         # c8 TSS that is too short
    (0xfffff000, 0xfffff, 0xf3, 0xc),   # d0 data that wraps around
    (DATA, 0, 0xf3, 0),                 # d8 a byte of data
    (CODE, 0xff, 0xfb, 0x4),            # e0 a little code
    (0, 0xfffff, 0x3b, 0xc),            # e8 absent code, DPL 1
    (STACKS, 0x1ff, 0x92, 0x4),         # f0 a small stack
]
GATES = {                               # access, selector, offset, parameters
    0xa8: (0xec, CODE0, OTHER_CODE, 0), 0xb0: (0xec, CODE1, OTHER_CODE, 2),
    0xb8: (0xe4, CODE0_16, OTHER_CODE, 1), 0xc0: (0xe5, OTHER_TSS_SELECTOR, 0, 0),
}
IDT_GATES = {                           # besides handlers of CPL 0
    48: (0xe6, CODE0_16, HANDLERS_16 + 48 * HANDLER_SIZE, 0), 49: (0xe5, OTHER_TSS_SELECTOR, 0, 0),
    50: (0xee, CODE3, HANDLERS, 0), 51: (0x6e, CODE0, HANDLERS, 0), 52: (0xee, CODE1, HANDLERS, 0),
    53: (0xe5, TSS_16_SELECTOR, 0, 0), 54: (0xee, 0x58, HANDLERS, 0), 55: (0xef, CODE0_16, HANDLERS_16, 0),
}
FIELDS = ["number", "mode", "cr0", "cr3", "cr4", "efer", "dr0", "dr7", "sysenter_cs", "sysenter_esp",
          "sysenter_eip", "gdtr", "gdtr_high", "idtr", "idtr_high", "ldtr", "tr", "eflags", "cs",
          "eip", "ss", "esp", "ds", "es", "fs", "gs", "eax", "ecx", "edx", "ebx", "ebp", "esi",
          "edi"]
RESULTS = ["vector", "eflags", "cs", "ss", "esp", "ds", "es", "fs", "gs", "eax", "ecx", "edx",
           "ebx", "ebp", "esi", "edi", "cr0", "cr2", "cr3", "cr4", "dr6", "dr7", "tr", "ldtr"]
OUTER, V86, REAL = 1, 2, 4              # mode

TF, IF, DF, IOPL, NT, RF, VM, AC, VIF, VIP = (
    0x100, 0x200, 0x400, 0x3000, 0x4000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000)


def segment(base, limit, access, flags):
    return struct.pack("<II", (limit & 0xffff) | (base & 0xffff) << 16,
                       base >> 16 & 0xff | access << 8 | limit & 0xf0000 | flags << 20 |
                       base & 0xff000000)


def gate(access, selector, offset, parameters):
    return struct.pack("<II", selector << 16 | offset & 0xffff,
                       offset & 0xffff0000 | access << 8 | parameters)


def task(cr3):
    """SDM 3A "Task-State Segment (TSS)"."""
    words = [0] * 26
    for level in range(3):
        words[1 + 2 * level] = STACKS + STACK_SIZE * (level + 1)
        words[2 + 2 * level] = (DATA1 if level == 1 else DATA0) | level
    words[7:10] = cr3, OTHER_CODE, 2
    words[14] = STACKS + STACK_SIZE // 2
    words[18:24] = DATA0, CODE0, DATA0, DATA3, DATA3, 0
    words[24:26] = LDT_SELECTOR, (0x68 + 0x20) << 16
    return struct.pack("<26I", *words)


def task_16():
    """SDM 3A "16-Bit Task-State Segment (TSS)"."""
    words = [0] * 22
    words[1:3] = STACKS + STACK_SIZE, DATA0_16
    words[7:9] = OTHER_CODE, 2
    words[13] = STACKS + STACK_SIZE // 2
    words[17:21] = DATA0_16, CODE0_16, DATA0_16, DATA0_16
    return struct.pack("<22H", *words)


def handler(vector, small):
    """PUSHFD; PUSH vector; PUSH EAX, CS, CR0; runner's GDT; its code."""
    o = b"\x66" if small else b""
    lgdt = b"\x2e" + o + (b"\x0f\x01\x16" + struct.pack("<H", RUNNER_GDTR) if small else
                             b"\x0f\x01\x15" + struct.pack("<I", RUNNER_GDTR))
    pe = b"\x0c\x01\x0f\x22\xc0" if small else b""
    return (o + b"\x9c" + o + b"\x6a" + bytes([vector]) + o + b"\x50\x8c\xc8" + o + b"\x50\x0f\x20\xc0" + o +
            b"\x50" + pe + lgdt + o + b"\xea" + struct.pack("<IH", RUNNER, CODE0)).ljust(
                HANDLER_SIZE, b"\xcc")


def template():
    """LOW as all cases find it, but for what they say is wrong with it."""
    low = bytearray(0x10000)

    def put(at, value):
        low[at:at + len(value)] = value
    for i, s in enumerate(SEGMENTS):
        if s:
            put(GDT + 8 * i, segment(*s))
    for selector, g in GATES.items():
        put(GDT + selector, gate(*g))
    for i in range(8):
        put(LDT + 8 * i, segment(*SEGMENTS[1 + i]))
    put(TSS, task(DIRECTORY) + bytes(0x20) + bytes(0x18) + b"\xff" * 9)
    put(TSS + 0x68 + 8, b"\xf0")        # interrupts 40h..47h: half of them through the IDT
    put(OTHER_TSS, task(DIRECTORY))
    put(TSS_16, task_16())
    put(STACKS, struct.pack("<I", OTHER_CODE) * (4 * STACK_SIZE // 4))
    put(CODE, b"\xcc" * (0x10000 - CODE))
    for v in range(VECTORS):
        put(IDT + 8 * v, gate(0xee if v in (3, 4) or v >= 32 else 0x8e, CODE0,
                              HANDLERS + HANDLER_SIZE * v, 0))
        put(HANDLERS + HANDLER_SIZE * v, handler(v, False))
        put(HANDLERS_16 + HANDLER_SIZE * v, handler(v, True))
        put(4 * v, struct.pack("<HH", HANDLERS_16 + HANDLER_SIZE * v, 0))
    for v in range(VECTORS, 256):
        put(4 * v, struct.pack("<HH", OTHER_CODE, 0))
    for v, g in IDT_GATES.items():
        put(IDT + 8 * v, gate(*g))
    old = P | RW | A | D
    special = {READ_ONLY: DATA | P | US | A, ABSENT: 0, NO_EXECUTE: DATA | old | US,
               FRESH: DATA | P | RW | US, SUPERVISOR: DATA | old}
    for i in range(0x100):              # the rest is the runner's, up to RUNNER_END
        to = i - ALIAS if ALIAS <= i < ALIAS + ALIASES else i
        entry = special.get(i, to << 12 | old | (US if i < 0x10 else 0) if to << 12 < RUNNER_END else 0)
        put(PAGES + 4 * i, struct.pack("<I", entry))
        put(PAE_PAGES + 8 * i, struct.pack("<Q", entry | (1 << 63 if i == NO_EXECUTE else 0)))
    every = P | RW | US | A
    for i in (0, 1023):
        put(DIRECTORY + 4 * i, struct.pack("<I", PAGES | every))
    put(DIRECTORY + 4, struct.pack("<I", every | D | PS))
    for i in (0, 511):
        put(PAE_DIRECTORY + 8 * i, struct.pack("<Q", PAE_PAGES | every))
    put(PAE_DIRECTORY + 8, struct.pack("<Q", every | D | PS))
    for i in (0, 3):
        put(POINTERS + 8 * i, struct.pack("<Q", PAE_DIRECTORY | P))
    for i in range(DATA_SIZE):
        low[DATA + i] = (i * 7 + (i >> 8)) & 0xff
    return low


# Numbers where something ends; none lies in the runner.
ADDRESSES = [
    DATA, DATA + 0xffc, DATA + 0xffe, DATA + 0xfff, DATA + 0x1001, DATA + 0x1ffd, CODE, CODE + 0x40,
    STACKS + 0x200, STACKS + 0xe00, OTHER_CODE, HANDLERS + 3 * HANDLER_SIZE, PAGES + 4 * 10, PAE_PAGES + 80, GDT + 8,
    IDT + 0x80, TSS + 4, TSS + 0x66, 0x1002, 0x7ffe, 0x3ffe]
PAGED_ADDRESSES = ADDRESSES + [         # without paging what is there differs by machine
    READ_ONLY << 12, ABSENT << 12, (ABSENT << 12) - 2, NO_EXECUTE << 12,
    FRESH << 12, SUPERVISOR << 12, (ALIAS << 12) + DATA, (ALIAS << 12) + CODE, 0x400000 + DATA,
    0x200000 + DATA, 0xffc00000 + DATA, 0xffe00000 + DATA, 0x100000, 0x7fffffff, 0x80000000,
    0xfffffffc, 0xfffff000, 0xfffffff0, 0, 1, 2, 7, 0x1f, 0x7ff, 0x800, 0xff8, 0xfff,
    0x1000, 0x7fff, 0x8000, 0xfffc, 0xfffd, 0xffff]
SELECTORS = list(range(0, GDT_SIZE + 8, 8)) + [CODE0, DATA0, CODE3, DATA3, CODE0_16, CODE1, 0x58] * 3
PORTS = [0x80, 0x84, 0x85, 0xfe, 0xff, 0x100, 0xffff]
PAGES_USED = [0, 1, 2, 3, 9, 10, 11, 12, 14, 15, ALIAS + 10, READ_ONLY, FRESH, SUPERVISOR, 0x10]


class Rng:
    """Of `random` only what its documentation promises to repeat in later versions."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def below(self, n):
        return int(self.random.random() * n)

    def chance(self, percent):
        return self.below(100) < percent

    def pick(self, items):
        return items[self.below(len(items))]

    def bits(self, n):
        return self.below(1 << n)


class Case:
    def __init__(self, number):
        self.number = number
        self.rng = Rng(number)
        self.field = dict.fromkeys(FIELDS, 0) | {"number": number}
        self.patches = []
        self.code = []                  # bytes of each instruction
        Maker(self)

    def all_patches(self):
        return self.patches + [(CODE, b"".join(self.code))]

    def before(self):
        """Memory below 64 KiB when the case begins."""
        low = template()
        for at, value in self.all_patches():
            low[at:at + len(value)] = value
        return low

    def bytes(self):
        patches = self.all_patches()
        body = struct.pack(f"<{len(FIELDS)}I", *(self.field[f] & 0xffffffff for f in FIELDS))
        body += struct.pack("<I", len(patches))
        for at, value in patches:
            body += struct.pack("<II", at, len(value)) + value + bytes(-len(value) % 4)
        return struct.pack("<I", len(body)) + body


def rom(cases, runner):
    """An image of `cases`; at most 4 MiB, which is some thousands."""
    body = b"".join(case.bytes() for case in cases) + bytes(4)
    size = -(-len(body) // 0x10000) * 0x10000
    end = bytearray(runner)
    struct.pack_into("<I", end, 0xffec, 0x100000000 - 0x20000 - size)
    return body.ljust(size, b"\xff") + bytes(template()) + bytes(end)


class Maker:
    """Fills in a case."""

    def __init__(self, case):
        self.case, self.rng, self.field = case, case.rng, case.field
        self.kind = self.rng.pick(["flat"] * 6 + ["user"] * 6 + ["v86"] * 4 + ["real"] * 2 + ["ring1"])
        self.small = self.kind in ("v86", "real") or self.rng.chance(25)  # code of 16 bits
        self.paging = 0 if self.kind == "real" else self.rng.pick([0, 0, 1, 1, 2])
        self.addresses = PAGED_ADDRESSES if self.paging else ADDRESSES
        self.control()
        self.segments()
        self.registers()
        for _ in range(self.rng.pick([0, 0, 1, 1, 1, 2, 3])):
            self.rng.pick([self.spoil_segment] * 4 + [self.spoil_gate] * 3 + [self.spoil_vector] * 3 +
                          [self.spoil_task] * 4 + [self.spoil_page] * (4 if self.paging else 0))()
        for _ in range(self.rng.pick([1, 1, 1, 2, 2, 3, 4])):
            self.instruction()

    # ---- state ----
    def flag(self, value, percent):
        return value if self.rng.chance(percent) else 0

    def control(self):
        f, flag = self.field, self.flag
        f["cr0"] = 0x10 | (0 if self.kind == "real" else 1) | (0x80000000 if self.paging else 0) | (
            flag(2, 30) | flag(4, 10) | flag(8, 10) | flag(0x20, 70) | flag(0x10000, 50) | flag(0x40000, 30))
        f["cr4"] = (flag(1, 50) | flag(2, 30) | flag(4, 20) | flag(8, 50) | flag(0x10, 70) | flag(0x80, 50) |
                    flag(0x100, 30) | flag(0x200, 70)) | (0x20 if self.paging == 2 else 0)
        if self.kind in ("flat", "v86") and f["cr4"] & 2:
            f["cr4"] |= 1               # what Bochs knows of PVI in virtual-8086 mode is another thing
        f["cr3"] = POINTERS if self.paging == 2 else DIRECTORY
        f["efer"] = 0x800
        f["dr7"] = 0x400
        f["gdtr"], f["gdtr_high"] = (GDT_SIZE - 1) | (GDT & 0xffff) << 16, GDT >> 16
        limit = 0x3ff if self.kind == "real" else 8 * VECTORS - 1
        f["idtr"], f["idtr_high"] = limit | (0 if self.kind == "real" else IDT << 16), 0
        f["ldtr"], f["tr"] = LDT_SELECTOR, TSS_SELECTOR
        f["sysenter_cs"] = self.rng.pick([8, 8, 8, 0, 0x28])
        f["sysenter_esp"], f["sysenter_eip"] = STACKS + STACK_SIZE, OTHER_CODE
        if self.paging == 2:
            for at in (TSS, OTHER_TSS):
                self.patch(at + 28, struct.pack("<I", POINTERS))

    def segments(self):
        f, rng = self.field, self.rng
        f["mode"] = {"flat": 0, "user": OUTER, "ring1": OUTER, "v86": V86, "real": REAL}[self.kind]
        self.level = {"flat": 0, "user": 3, "ring1": 1, "v86": 3, "real": 0}[self.kind]
        f["eflags"] = (2 | self.flag(0xd5, 30) | self.flag(IF, 50) | self.flag(DF, 20) | self.flag(TF, 4) |
                       self.flag(NT, 8) | self.flag(RF, 10) | self.flag(AC, 20) | self.flag(VIF, 25) |
                       self.flag(VIP, 15) | rng.below(4) << 12)
        f["eip"] = CODE
        stack = STACKS + STACK_SIZE * self.level + rng.pick([0x200, 0x200, 0x200, 0x300, 0x3f8, 0x201])
        f["esp"] = stack
        if self.kind in ("v86", "real"):
            if self.kind == "v86":
                f["eflags"] |= VM
            else:
                f["eflags"] &= ~(NT | VIF | VIP)
            f["cs"], f["eip"] = rng.pick([(CODE >> 4, 0), (0, CODE), (0x800, CODE - 0x8000)])
            f["ss"] = rng.pick([0, 0, 0x100])
            f["esp"] = stack - 16 * f["ss"]
            if rng.chance(5):
                f["esp"] = rng.pick([0, 1, 2, 3, 4, 0xffff, 0x10000])
            for s in ("ds", "es", "fs", "gs"):
                f[s] = rng.pick([0, DATA >> 4, DATA >> 4, STACKS >> 4])
            return
        code, small, data = {0: (CODE0, CODE0_16, DATA0), 3: (CODE3, CODE3_16, DATA3),
                             1: (CODE1, CODE1, DATA1)}[self.level]
        self.small = self.small and self.level != 1
        f["cs"] = (small if self.small else code) | self.level
        f["ss"] = data | self.level
        if self.level != 1 and rng.chance(20):
            f["ss"] = (DATA0_16 if self.level == 0 else DATA3_16) | self.level
        for s in ("ds", "es", "fs", "gs"):
            f[s] = rng.pick([data | self.level] * 6 + [0, DATA3 | 3, 0x60 | 3, 0x68 | 3, 0x70 | 3, 0xd0 | 3, 0xd8 | 3])

    def registers(self):
        for r in ("eax", "ecx", "edx", "ebx", "ebp", "esi", "edi"):
            self.field[r] = self.rng.pick(self.rng.pick([self.addresses, self.addresses, SELECTORS]))
        self.field["ecx"] &= 0x3f       # repeated string instructions end

    # ---- what is wrong ----
    def patch(self, at, value):
        self.case.patches.append((at, bytes(value)))

    def selector(self):
        value = self.rng.pick(SELECTORS) | self.rng.pick([0, 0, 0, 3, 3, 1, 2])
        if self.rng.chance(12):
            value = self.rng.below(9) * 8 | 4 | self.rng.below(4)
        return value & 0xffff

    def access(self, system):
        rng = self.rng
        good = [1, 2, 4, 5, 6, 7, 9, 11, 12, 14, 15] if system else [0, 2, 8, 10, 12]
        kind = rng.bits(4) if rng.chance(60) else rng.pick(good)
        return self.flag(0x80, 90) | rng.pick([0, 0x60, 0x60, 0x20, 0x40]) | (0 if system else 0x10) | kind

    def offset(self):
        return self.rng.pick([OTHER_CODE] * 5 + [CODE + 0x380, OTHER_CODE + 0x7f0, 0x7fffffff, 0xffff])

    def random_segment(self):
        rng = self.rng
        system = rng.chance(25)
        base = rng.pick([0, 0, 0, 0, DATA, CODE, 0xfffff000, 0x10] if not system else [OTHER_TSS, TSS_16, LDT, TSS])
        limit = rng.pick([0xfffff] * 4 + [0xffff, 0xfff, 0x7ff, 0, 1, 0x67, 0x66, 0x2b, 0x2a, 0xc, 0xd])
        return segment(base, limit, self.access(system), rng.pick([0xc, 0xc, 4, 0, 8, 0xe]))

    def random_gate(self, kinds):
        rng = self.rng
        access = self.flag(0x80, 90) | rng.pick([0x60, 0x60, 0, 0x20]) | (
            rng.pick(kinds) if rng.chance(90) else rng.bits(5))
        is_task = access & 15 == 5 and rng.chance(80)
        selector = rng.pick([OTHER_TSS_SELECTOR, TSS_16_SELECTOR]) if is_task else self.selector()
        return gate(access, selector, self.offset(), rng.pick([0, 0, 0, 1, 2, 3, 31, 0x40]))

    def spoil_segment(self):
        """CODE0 and DATA0 stay: the runner's."""
        where = 3 + self.rng.below(GDT_SIZE // 8 - 3)
        where += where == self.field["cs"] >> 3
        self.patch(GDT + 8 * where if self.rng.chance(85) else LDT + 8 * (where % 8), self.random_segment())

    def spoil_gate(self):
        self.patch(GDT + self.rng.pick(list(GATES)), self.random_gate([4, 12, 12, 12, 5]))

    def spoil_vector(self):
        rng = self.rng
        vector = rng.pick([1, 3, 4, 6, 8, 10, 11, 12, 13, 13, 13, 14, 48, 49, 50, 56])
        if self.kind == "real":
            vector += vector == 3       # what all else ends with
            self.patch(4 * vector, struct.pack("<HH", rng.pick([OTHER_CODE, 0xffff]), 0))
            return
        self.patch(IDT + 8 * vector, self.random_gate([6, 7, 14, 14, 15, 5]))

    def spoil_task(self):
        rng = self.rng
        if rng.chance(20):
            offset = rng.pick(range(0, 44, 2))
            self.patch(TSS_16 + offset, struct.pack("<H", rng.pick([0, 2, self.selector(), OTHER_CODE, 0xffff])))
            return
        at = rng.pick([TSS, TSS, OTHER_TSS])
        what = rng.below(10)
        if what < 3:
            level = rng.below(3)
            self.patch(at + 8 + 8 * level, struct.pack("<H", self.selector()))
        elif what < 5:
            self.patch(at + 4 + 8 * rng.below(3), struct.pack("<I", rng.pick(self.addresses)))
        elif what < 6:
            self.patch(at + 0x66, struct.pack("<H", rng.pick([0, 0x20, 0x67, 0x68, 0x88, 0x90, TSS_SIZE - 1, 0xffff])))
        elif what < 8:
            self.patch(at + 72 + 4 * rng.below(7), struct.pack("<H", self.selector()))
        elif what < 9:
            self.patch(at + 36, struct.pack("<I", 2 | rng.pick(
                [NT, VM, VM | IOPL, TF, IF, RF, AC, 0xffffffff & ~(VM | TF)])))
        else:
            self.patch(at + rng.pick([0, 0x64]), struct.pack(
                "<H", rng.pick([1, OTHER_TSS_SELECTOR, TSS_16_SELECTOR, 0])))

    def spoil_page(self):
        rng = self.rng
        page = rng.pick(PAGES_USED[self.kind == "v86":])  # what rights does reading the IVT need?
        if self.paging == 1:
            at, size, high = rng.pick([PAGES + 4 * page] * 5 + [DIRECTORY, DIRECTORY + 4]), 4, 0
        else:
            at = rng.pick([PAE_PAGES + 8 * page] * 5 + [PAE_DIRECTORY, PAE_DIRECTORY + 8, POINTERS])
            size, high = 8, rng.pick([0, 0, 0, 1 << 63, 1 << 62, 1 << 52])
        target = {DIRECTORY: PAGES, PAE_DIRECTORY: PAE_PAGES, POINTERS: PAE_DIRECTORY}.get(at, (page & 0x7f) << 12)
        if page in (READ_ONLY, FRESH, SUPERVISOR):
            target = DATA
        if at in (DIRECTORY + 4, PAE_DIRECTORY + 8):
            target = PS
        if at == POINTERS:
            self.patch(at, struct.pack("<Q", target | rng.pick([0, P, P | 2, P | US, P | A])))
            return
        bits = (self.flag(P, 85) | self.flag(RW, 60) | self.flag(US, 70) | self.flag(A, 50) | self.flag(D, 50) |
                self.flag(G, 20))
        if page == 0x10 or at in (DIRECTORY, PAE_DIRECTORY):
            bits |= P | RW              # the runner
            high &= ~(1 << 63)
        self.patch(at, struct.pack("<Q", target | bits | high)[:size])

    # ---- instructions ----
    def emit(self, *parts):
        self.case.code.append(b"".join(parts))

    def prefixes(self, memory=False, segment_percent=20):
        """(bytes, 32-bit operands, 32-bit addresses)"""
        rng = self.rng
        o, a = rng.chance(25), memory and rng.chance(20)
        out = (b"\x66" if o else b"") + (b"\x67" if a else b"")
        if memory and rng.chance(segment_percent):
            out += bytes([rng.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65])])
        if rng.chance(1):
            out = b"\xf0" + out
        return out, self.small == o, self.small == a

    def memory(self, reg, address32, at=None):
        rng = self.rng
        if at is None:
            at = rng.pick(self.addresses)
            if rng.chance(30):
                return bytes([reg << 3 | rng.pick([0, 1, 2, 3, 6, 7] if address32 else [0, 1, 2, 3, 4, 5, 7])])
        elif self.kind in ("v86", "real") and 16 * self.field["ds"] < at:
            at -= 16 * self.field["ds"]
        if address32:
            return bytes([reg << 3 | 5]) + struct.pack("<I", at)
        return bytes([reg << 3 | 6]) + struct.pack("<H", at & 0xffff)

    def rm(self, opcode, reg, register_percent=40, at=None, segment_percent=20):
        prefix, o32, a32 = self.prefixes(True, 0 if at and self.kind in ("v86", "real") else segment_percent)
        if at is None and self.rng.chance(register_percent):
            operand = bytes([0xc0 | reg << 3 | self.rng.below(8)])
        else:
            operand = self.memory(reg, a32, at)
        self.emit(prefix, opcode, operand)
        return o32

    def load_register(self, number, value):
        self.emit(b"\x66" if self.small else b"", bytes([0xb8 + number]), struct.pack("<I", value))

    def instruction(self):
        returns = [self.far_return] * 4 + [self.interrupt_return] * 5 if not self.case.code else []
        self.rng.pick(returns + [self.load_segment] * 5 + [self.far_direct] * 5 + [self.far_indirect] * 3 +
                      [self.interrupt] * 5 +
                      [self.table] * 4 + [self.check] * 4 + [self.control_register] * 3 + [self.plain] * 4 +
                      [self.flags] * 4 + [self.stack] * 4 + [self.access_memory] * 6 + [self.port] * 3 +
                      [self.system_call] * 2 + [self.debug_register] * 2)()

    def load_segment(self):
        rng = self.rng
        what = rng.below(4)
        if what == 0:                   # MOV Sreg, AX with a selector
            self.load_register(0, self.selector())
            self.emit(b"\x8e", bytes([0xc0 | rng.pick([0, 2, 3, 4, 5, 0, 2, 3, 1, 6]) << 3]))
        elif what == 1:
            self.patch(FAR_POINTER, struct.pack("<IH", rng.pick(self.addresses), self.selector()))
            self.rm(rng.pick([b"\xc4", b"\xc5", b"\x0f\xb2", b"\x0f\xb4", b"\x0f\xb5"]), rng.pick([0, 2, 3, 6]),
                    at=FAR_POINTER + rng.pick([0, 0, 2]), segment_percent=5)
        elif what == 2:
            self.emit(b"\x66" if self.small else b"", b"\x68", struct.pack("<I", self.selector()))
            self.emit(b"\x66" if self.small else b"", rng.pick([b"\x07", b"\x17", b"\x1f", b"\x0f\xa1", b"\x0f\xa9"]))
        else:
            self.rm(rng.pick([b"\x8c", b"\x8e"]), rng.pick([0, 2, 3, 4, 5]))

    def target(self, far):
        """Selector and offset; `far`: beyond 64 KiB, too."""
        if self.kind in ("v86", "real"):
            return self.rng.pick([(OTHER_CODE, 0), (OTHER_CODE - 0xc000, 0xc00), (0xffff, 0)] + [(0x10000, 0)] * far)
        if self.rng.chance(40):
            return self.offset(), self.rng.pick([0xa8, 0xb0, 0xb8, 0xc0, 0x98, 0xa0]) | self.rng.pick([0, 3])
        return self.offset(), self.selector()

    def far_direct(self):
        prefix, o32, _ = self.prefixes()
        offset, selector = self.target(o32)
        self.emit(prefix, self.rng.pick([b"\x9a", b"\xea"]),
                  struct.pack("<IH", offset, selector) if o32 else struct.pack("<HH", offset & 0xffff, selector))

    def far_indirect(self):
        o32 = self.rm(b"\xff", self.rng.pick([3, 5]), at=FAR_POINTER + 0x10, segment_percent=5)
        offset, selector = self.target(o32)
        self.patch(FAR_POINTER + 0x10, struct.pack("<IH", offset, selector) if o32 else
                   struct.pack("<HH", offset & 0xffff, selector))

    def on_stack(self, o32, values):
        """What the stack holds where the case begins: for the first instruction only."""
        data = struct.pack(f"<{len(values)}I", *values) if o32 else struct.pack(
            f"<{len(values)}H", *(v & 0xffff for v in values))
        at = (self.field["esp"] + 16 * self.field["ss"] if self.kind in ("v86", "real") else self.field["esp"])
        if STACKS <= at < DATA:
            self.patch(at, data)

    def outer_stack(self):
        return [STACKS + STACK_SIZE * self.rng.below(4) + 0x100,
                self.rng.pick([DATA3 | 3, DATA3 | 3, DATA1 | 1, self.selector()])]

    def return_target(self, far):
        offset, selector = self.target(far)
        if self.kind not in ("v86", "real") and self.rng.chance(50):
            selector = self.rng.pick([CODE0, CODE3 | 3, CODE3 | 3, CODE1 | 1, CODE3_16 | 3, 0x58 | 3])
        return offset, selector

    def far_return(self):
        prefix, o32, _ = self.prefixes()
        drop = self.rng.pick([None, None, 0, 8, 0x10])
        self.on_stack(o32, [*self.return_target(o32)] + [0] * ((drop or 0) // (4 if o32 else 2)) + self.outer_stack())
        self.emit(prefix, b"\xcb" if drop is None else b"\xca" + struct.pack("<H", drop))

    def interrupt_return(self):
        rng = self.rng
        prefix, o32, _ = self.prefixes()
        flags = 2 | self.flag(0xd5, 50) | self.flag(IF, 50) | self.flag(NT, 15) | self.flag(RF, 10) | self.flag(
            AC, 20) | self.flag(VIF, 20) | self.flag(VIP, 20) | self.flag(TF, 5) | rng.below(4) << 12
        stack = [*self.return_target(False), flags, *self.outer_stack()]
        if o32 and self.kind == "flat" and rng.chance(30):
            stack = [OTHER_CODE, 0, flags | VM, STACKS + 0xf00, 0] + [
                rng.pick([0, DATA >> 4]) for _ in range(4)]
        self.on_stack(o32, stack)
        self.emit(prefix, b"\xcf")

    def interrupt(self):
        rng = self.rng
        vector = rng.pick(list(range(48, 58)) + [3, 4, 8, 13, 14, 63, 64, 65, 255, 0x40, 0x44, 0x80])
        self.emit(rng.pick([b"\xcd" + bytes([vector])] * 6 + [b"\xcc", b"\xce", b"\xf1"]))

    def table(self):
        rng = self.rng
        if rng.chance(50):
            self.load_register(0, self.selector())
            self.emit(b"\x0f\x00", bytes([0xc0 | rng.pick([2, 3]) << 3]))
        elif rng.chance(50):
            self.rm(b"\x0f\x00", rng.below(2))
        else:
            limit, base = rng.pick([(GDT_SIZE - 1, GDT), (0x57, GDT), (8 * VECTORS - 1, IDT), (0x6f, IDT), (0x3ff, 0)]
                                   [4 * (self.kind == "real"):])
            self.patch(FAR_POINTER + 0x20, struct.pack("<HI", limit, base | self.flag(0xff000000, 10)))
            self.rm(b"\x0f\x01", rng.pick([0, 1, 2, 3]), at=FAR_POINTER + 0x20)

    def check(self):
        rng = self.rng
        if rng.chance(60):
            self.load_register(1, self.selector())
            self.emit(rng.pick([b"\x0f\x02\xc1", b"\x0f\x03\xc1", b"\x0f\x00\xe1", b"\x0f\x00\xe9", b"\x63\xc8"]))
            self.emit(rng.pick([b"\x90", b"\x66\x0f\x03\xd0", b"\x0f\x02\xd1"]))
        else:
            self.rm(rng.pick([b"\x0f\x02", b"\x0f\x03", b"\x63"]), rng.pick([0, 2, 3, 6]))

    def control_register(self):
        rng = self.rng
        which = rng.below(5)
        if which == 0:
            self.load_register(0, self.field["cr0"] ^ rng.pick(
                [self.kind == "real", 2, 4, 8, 0x20, 0x10000, 0x40000, 0x80000000, 0x20000000, 0x40000000]))
            self.emit(b"\x0f\x22\xc0")
        elif which == 1:
            self.load_register(0, self.field["cr4"] ^ rng.pick(
                [1, 2, 4, 8, 0x10, 0x20, 0x80, 0x100, 0x200, 0x80000000, 0x1000000]))
            self.emit(b"\x0f\x22\xe0")
        elif which == 2:
            store = rng.chance(30)
            self.emit(b"\x0f", b"\x22" if store else b"\x20",
                      bytes([0xc0 | rng.pick([2, 1, 5] if store else [0, 2, 3, 4, 1, 5]) << 3 | rng.pick([1, 2])]))
        elif which == 3:
            self.rm(b"\x0f\x01", rng.pick([4, 6]))
        else:
            self.load_register(0, self.field["cr3"] | rng.pick([0, 8, 0x18]))
            self.emit(b"\x0f\x22\xd8")

    def debug_register(self):
        rng = self.rng
        if rng.chance(40):
            opcode, number = rng.pick([b"\x21", b"\x23"]), rng.pick([0, 6, 7, 6] if self.level else [0, 4, 5, 6, 7])
            self.emit(b"\x0f", opcode, bytes([0xc0 | number << 3 | rng.below(8)]))
            return
        self.load_register(0, rng.pick(
            [OTHER_CODE, DATA, DATA + 4, STACKS + 0x1fc, CODE + 40, HANDLERS + 3 * HANDLER_SIZE]))
        self.emit(b"\x0f\x23\xc0")
        self.load_register(0, 0x400 | rng.pick([1, 2, 3]) | rng.pick([0, 1, 3]) << 16 | (
            rng.pick([0, 0, 1, 3]) << 18 | self.flag(0x300, 30) | self.flag(0x2000, 10)))
        self.emit(b"\x0f\x23\xf8")

    def plain(self):
        """What checks privilege and nothing else."""
        self.emit(self.rng.pick([b"\x0f\x06", b"\x0f\x08", b"\x0f\x09", b"\xf4" if self.level else b"\xfb",
                                 b"\xfa", b"\xfb", b"\x9b", b"\xd9\xe8", b"\x0f\x77", b"\x0f\x57\xc0",
                                 b"\x0f\xae\xf8", b"\x0f\x0b", b"\x0f\xff",
                                 b"\x90", b"\x0f\xaa", b"\xd6", b"\x62\xc0", b"\x0f\x01\xc1"]))

    def flags(self):
        prefix, o32, _ = self.prefixes()
        value = self.rng.pick([0x3f7fd7, 0x202, 0x3202, 0x7002, 0x40002, 0x180002, 0x302, 2])
        if self.rng.chance(60):
            self.emit(b"\x66" if self.small == o32 else b"", b"\x68",
                      struct.pack("<I", value) if o32 else struct.pack("<H", value & 0xffff))
            self.emit(prefix, b"\x9d")
        else:
            self.emit(prefix, self.rng.pick([b"\x9c", b"\x9d", b"\xfa", b"\xfb", b"\x9e", b"\x9f"]))

    def stack(self):
        rng = self.rng
        what = rng.below(5)
        if what == 0:
            self.emit(self.prefixes()[0], rng.pick(
                [b"\x60", b"\x61", b"\xc9", b"\x06", b"\x0e", b"\x16", b"\x1e", b"\x54", b"\x5c"]))
        elif what == 1:
            self.emit(self.prefixes()[0], b"\xc8",
                      struct.pack("<HB", rng.pick([0, 4, 0x20, 0x1fe]), rng.pick([0, 0, 1, 2, 4, 33])))
        elif what == 2:
            self.rm(rng.pick([b"\xff", b"\x8f"]), rng.pick([6, 6, 0]), 20)
        elif what == 3:
            self.load_register(4, rng.pick(self.addresses))
        else:
            self.load_register(5, rng.pick(self.addresses))

    def access_memory(self):
        rng = self.rng
        what = rng.below(4)
        if what == 0:
            self.rm(rng.pick([b"\x8b", b"\x89", b"\x88", b"\x8a", b"\x01", b"\x11", b"\x87", b"\x39", b"\x0f\xb1",
                              b"\x0f\xc1", b"\x62"]), rng.pick([0, 1, 2, 3, 6]), 0)
        elif what == 1:
            prefix, _, _ = self.prefixes(True)
            self.load_register(1, rng.pick([0, 1, 2, 7, 0x40]))
            self.emit(prefix, rng.pick([b"", b"\xf3", b"\xf2"]), rng.pick([b"\xa4", b"\xa5", b"\xaa", b"\xab", b"\xac", b"\xad", b"\xa6", b"\xae"]))
        elif what == 2:
            self.rm(b"\x0f\x01", 7, 0)
        else:
            self.rm(rng.pick([b"\xfe", b"\xff", b"\x0f\xc7", b"\xdb", b"\xdd"]), rng.pick([0, 1]), 0)

    def port(self):
        rng = self.rng
        port = rng.pick(PORTS)
        if rng.chance(40):
            self.emit(self.prefixes()[0], rng.pick([b"\xe6", b"\xe7"]), bytes([port & 0xff if port != 0xffff else 0x80]))
            return
        self.load_register(2, port)
        if rng.chance(50):
            self.emit(self.prefixes()[0], rng.pick([b"\xee", b"\xef"]))
        else:
            self.load_register(1, rng.pick([0, 1, 3]))
            self.emit(self.prefixes(True)[0], rng.pick([b"", b"\xf3"]), rng.pick([b"\x6e", b"\x6f"]))

    def system_call(self):
        rng = self.rng
        if rng.chance(30):
            self.load_register(1, rng.pick([0x174, 0x175, 0x176]))
            self.load_register(2, 0)
            self.load_register(0, OTHER_CODE)
            self.emit(rng.pick([b"\x0f\x30", b"\x0f\x32"]))
        self.load_register(1, STACKS + 0xf00)
        self.load_register(2, self.offset())
        self.emit(rng.pick([b"\x0f\x34", b"\x0f\x35"]))
