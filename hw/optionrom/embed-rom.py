#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed-rom.py IN.bin OUT.c NAME: pad an option ROM to 512-byte units, fill in its
length and both checksums, and write it as a C array `const unsigned char NAME[]`."""
import sys

LIMIT = 2048


def main():
    source, target, name = sys.argv[1:4]
    with open(source, "rb") as file:
        rom = bytearray(file.read())
    if rom[:2] != b"\x55\xaa" or len(rom) >= LIMIT:
        sys.exit(f"{source}: not an option ROM below {LIMIT} bytes ({len(rom)})")
    rom += bytes(-(len(rom) + 1) % 512 + 1)
    rom[2] = len(rom) // 512
    pnp = rom[0x1A] | rom[0x1B] << 8
    rom[pnp + 9] = -sum(rom[pnp : pnp + 32]) & 0xFF
    rom[-1] = -sum(rom) & 0xFF
    with open(target, "w", encoding="ascii") as file:
        file.write('#include "hw/optionrom/roms.h"\n')
        file.write(f"const unsigned int {name}_size = {len(rom)};\n")
        file.write(f"const unsigned char {name}[] = {{\n")
        for i in range(0, len(rom), 16):
            file.write(",".join(str(byte) for byte in rom[i : i + 16]) + ",\n")
        file.write("};\n")


main()
