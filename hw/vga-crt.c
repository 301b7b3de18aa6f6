/* SPDX-License-Identifier: MIT
 * What the CRT controller's registers mean: geometry, memory addresses, and where
 * the beam is now (IBM VGA TRM, "CRT Controller Registers"). */
#include "hw/vga-priv.h"

#define STATUS_DISABLED 0x01 /* the beam is outside the picture */
#define STATUS_VRETRACE 0x08
#define BLINK_FRAME_NS  (NS_PER_SEC / 60)
#define FRAME_MIN_NS    (NS_PER_SEC / 200)
#define FRAME_MAX_NS    (NS_PER_SEC / 20)

/* Bits 8 and 9 of a vertical value sit in the overflow register. */
static unsigned vertical(const Vga *vga, unsigned index, unsigned bit8, unsigned bit9)
{
    uint8_t overflow = vga->cr[CR_OVERFLOW];
    return vga->cr[index] | (overflow >> bit8 & 1) << 8 | (overflow >> bit9 & 1) << 9;
}

static unsigned character_dots(const Vga *vga)
{
    return vga->sr[SR_CLOCKING] & SR_CLOCKING_8_DOTS ? 8 : 9;
}

VgaCrt vga_crt(const Vga *vga)
{
    const uint8_t *cr = vga->cr;
    unsigned doubling = cr[CR_MODE] & CR_MODE_V_DOUBLE ? 2 : 1;
    unsigned compare =
        cr[CR_LINE_COMPARE] | (cr[CR_OVERFLOW] >> 4 & 1) << 8 | (cr[CR_MAX_SCAN] >> 6 & 1) << 9;
    return (VgaCrt){
        .columns = cr[CR_H_DISPLAY_END] + 1u,
        .dots = vga->gr[GR_MISC] & GR_MISC_GRAPHICS ? 8 : character_dots(vga),
        .lines = (vertical(vga, CR_V_DISPLAY_END, 1, 6) + 1) * doubling,
        .row_height = (cr[CR_MAX_SCAN] & 31) + 1u,
        .pitch = cr[CR_OFFSET] * 2u,
        .start = (unsigned)cr[CR_START_HIGH] << 8 | cr[CR_START_LOW],
        .line_compare = compare * doubling,
    };
}

unsigned vga_crt_address(const Vga *vga, unsigned ma, unsigned row)
{
    uint8_t mode = vga->cr[CR_MODE];
    unsigned address;
    if (vga->cr[CR_UNDERLINE] & CR_UNDERLINE_DWORD)
        address = ma << 2 | (ma >> 14 & 3);
    else if (mode & CR_MODE_BYTE)
        address = ma;
    else
        address = ma << 1 | (mode & CR_MODE_WRAP_MA15 ? ma >> 15 & 1 : ma >> 13 & 1);
    if (!(mode & CR_MODE_ROW0_MA13))
        address = (address & ~0x2000u) | (row & 1) << 13;
    if (!(mode & CR_MODE_ROW1_MA14))
        address = (address & ~0x4000u) | (row & 2) << 13;
    return address & (VGA_PLANE_SIZE - 1);
}

/* Times of a frame. Until the registers make sense, and in dispi modes, whose clocks no
 * register tells, it is 640x480 at 60 Hz. */
typedef struct {
    int64_t frame_ns, line_ns, shown_ns; /* shown: the visible part of a line */
    unsigned lines, retrace_start, retrace_end;
} Timing;

static Timing timing(const Vga *vga)
{
    static const int64_t clocks_hz[4] = {25175000, 28322000, 25175000, 25175000};
    Timing t = {
        NS_PER_SEC / 60, NS_PER_SEC / 60 / 525, NS_PER_SEC / 60 / 525 * 4 / 5, 480, 490, 492};
    int64_t hz = clocks_hz[(vga->misc & MISC_CLOCK) >> 2];
    int64_t dots = character_dots(vga);
    if (vga->sr[SR_CLOCKING] & SR_CLOCKING_HALF)
        hz /= 2;
    VgaCrt crt = vga_crt(vga);
    unsigned doubling = vga->cr[CR_MODE] & CR_MODE_V_DOUBLE ? 2 : 1;
    unsigned total = (vertical(vga, CR_V_TOTAL, 0, 5) + 2) * doubling;
    int64_t line_ns = (vga->cr[CR_H_TOTAL] + 5) * dots * NS_PER_SEC / hz;
    int64_t frame_ns = line_ns * total;
    if (vga_dispi_on(vga) || frame_ns < FRAME_MIN_NS || frame_ns > FRAME_MAX_NS)
        return t;
    unsigned start = vertical(vga, CR_V_RETRACE_START, 2, 7);
    unsigned length = (vga->cr[CR_V_RETRACE_END] - start) & 15;
    t = (Timing){frame_ns,  line_ns,          crt.columns * dots * NS_PER_SEC / hz,
                 crt.lines, start * doubling, (start + (length ? length : 16)) * doubling};
    /* A retrace past the frame would never be seen and its waiter hang. */
    if (t.retrace_start >= total) {
        t.retrace_start = total - 1;
        t.retrace_end = total;
    }
    return t;
}

uint8_t vga_crt_status(const Vga *vga)
{
    Timing t = timing(vga);
    int64_t in_frame = clock_now(vga->clock) % t.frame_ns;
    unsigned line = (unsigned)(in_frame / t.line_ns);
    uint8_t status = 0;
    if (line >= t.lines || in_frame % t.line_ns >= t.shown_ns)
        status |= STATUS_DISABLED;
    if (line >= t.retrace_start && line < t.retrace_end)
        status |= STATUS_DISABLED | STATUS_VRETRACE;
    return status;
}

uint64_t vga_crt_frame(const Vga *vga)
{
    return (uint64_t)(clock_now(vga->clock) / BLINK_FRAME_NS);
}
