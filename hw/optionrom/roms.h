/* SPDX-License-Identifier: MIT
 * Our own option ROMs, assembled at build time and embedded (embed-rom.py). */
#ifndef HW_OPTIONROM_ROMS_H
#define HW_OPTIONROM_ROMS_H

extern const unsigned char linuxboot_rom[];
extern const unsigned int linuxboot_rom_size;

#endif
