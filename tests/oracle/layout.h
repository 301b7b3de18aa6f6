/* SPDX-License-Identifier: MIT
 * Where the oracle's snippets and their data lie, on the host and in the guest alike. One 2 MiB
 * range for all a snippet is meant to reach, so that one page table maps it in the guest.
 * Included by assembly too. */
#ifndef TESTS_ORACLE_LAYOUT_H
#define TESTS_ORACLE_LAYOUT_H

#define ORACLE_CODE      0x10000000 /* executable, read-only for the snippet */
#define ORACLE_CODE_SIZE 0x4000
#define ORACLE_CODE_RW   0x3000     /* offset of the last code page, which is writable too */
#define ORACLE_DATA      0x10010000 /* writable, then one read-only page, then nothing */
#define ORACLE_DATA_RW   0x2000
#define ORACLE_DATA_SIZE 0x3000
#define ORACLE_FS_BASE   0x10010100 /* FS and GS have bases, also for 16-bit addresses */
#define ORACLE_GS_BASE   0x10010f80

/* What a snippet may not touch: the host side's control block, far away. One in a million does. */
#define HOST_CTL      0x7e000000
#define HOST_CTL_SIZE 0x2000
#define HOST_LANDING  0x7e002000 /* one executable page: 64-bit code the snippets return to */
#define HOST_SHIFT                                                                                 \
    0x35a60000                     /* recoded read-only code runs so far from where it is read; a  \
                                      value that hardly any snippet computes */
#define HOST_STUBS      0x7e003000 /* what recoded instructions do out of line */
#define HOST_STUBS_SIZE 0x1000

/* Offsets in HostControl. */
#define CTL_SELECTOR   0
#define CTL_LONG       2
#define CTL_MXCSR      4
#define CTL_HOST_RSP   8
#define CTL_HOST_FS    16
#define CTL_HOST_GS    24
#define CTL_FS_BASE    32
#define CTL_GS_BASE    40
#define CTL_SEL        48 /* DS ES FS GS as 16-bit words */
#define CTL_IRET       64 /* RIP CS RFLAGS RSP SS */
#define CTL_GPR_IN     112
#define CTL_GPR_OUT    144
#define CTL_EFLAGS_OUT 176
#define CTL_FX_IN      192
#define CTL_FX_OUT     704
#define CTL_STACK_TOP  0x1f00

#define HOST_USER_CS32 0x23
#define HOST_USER_CS64 0x33
#define HOST_USER_DS   0x2b

#endif
