; SPDX-License-Identifier: MIT
; Names for the code of mishap.asm's `hot` case, which starts at entry in the firmware's upper half.
; An object file: its addresses are offsets, dbtvm adds offset=0xf8000.
        section .text
        global entry:function, hot_start:function, outer:function, worker:function
entry:  times 0x24 nop
hot_start:
        times 0x16 nop
outer:  times 0x19 nop
worker: times 8 nop
