/* SPDX-License-Identifier: MIT
 * What the C part of the x86 CPU shares: faults as values, memory, descriptors,
 * stacks, event delivery. Functions that take a Fault* return false with it set and leave the
 * architectural registers alone; helpers turn it into control flow by cpu_raise. */
#ifndef TRANSLATOR_X86_CPU_PRIV_H
#define TRANSLATOR_X86_CPU_PRIV_H

#include "base/bits.h"
#include "base/log.h"
#include "base/trace.h"
#include "translator/x86/cpu.h"
#include "translator/x86/mode.h"

/* Not a guest fault: a store hit the block that runs now, or the debugger watches the access.
 * cpu_raise leaves by EXIT_SMC. */
#define FAULT_SMC 0xff

/* System descriptor types (SDM 3A "System-Segment and Gate-Descriptor Types"). */
enum {
    SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK_GATE = 5,
    SYS_INT16 = 6, SYS_TRAP16 = 7, SYS_TSS32 = 9, SYS_TSS32_BUSY = 11, SYS_CALL32 = 12,
    SYS_INT32 = 14, SYS_TRAP32 = 15, SYS_BUSY = 2, SYS_32 = 8,
};

#define DR6_FIXED 0xffff0ff0u
#define DR6_BD 0x2000u
#define DR6_BS 0x4000u
#define DR6_BT 0x8000u
#define DEBUG_WATCHES 0xfu /* Mmu.watch slots of DR0-DR3 */
#define DR7_FIXED 0x0400u
#define DR7_GD 0x2000u
#define DR7_ENABLES 0x00ffu

static inline bool cpu_vm86(const CpuX86 *cpu)
{
    return (cpu->eflags & EFLAGS_VM) != 0;
}

static inline bool cpu_protected(const CpuX86 *cpu) /* and not virtual-8086 */
{
    return (cpu->cr0 & CR0_PE) && !cpu_vm86(cpu);
}

static inline unsigned cpu_iopl(const CpuX86 *cpu)
{
    return (cpu->eflags & EFLAGS_IOPL) >> EFLAGS_IOPL_SHIFT;
}

static inline int cpu_mmu_mode(const CpuX86 *cpu)
{
    return cpu->cpl == 3 ? MMU_USER : MMU_SUPERVISOR;
}

static inline uint32_t cpu_reg(const CpuX86 *cpu, unsigned n)
{
    return (uint32_t)cpu->v.gpr[n];
}

/* Write the low `size` (2, 4) bytes of a register. */
static inline void cpu_set_reg(CpuX86 *cpu, unsigned n, unsigned size, uint32_t value)
{
    if (size == 2)
        cpu->v.gpr[n] = (cpu->v.gpr[n] & 0xffff0000u) | (value & 0xffff);
    else
        cpu->v.gpr[n] = value;
}

/* The state that must not begin an instruction: VIF and VIP, where CR4 gives them a meaning. */
static inline bool cpu_virtual_interrupt_due(const CpuX86 *cpu)
{
    const uint32_t both = EFLAGS_VIF | EFLAGS_VIP;
    return (cpu->eflags & both) == both && cpu->cpl == 3 &&
           (cpu->cr4 & (cpu_vm86(cpu) ? CR4_VME : CR4_PVI));
}

/* Arithmetic flags of left + right or left - right (SDM 1 "Status Flags"). */
static inline uint32_t cpu_sum_flags(uint64_t left, uint64_t right, unsigned size, bool subtract)
{
    const uint64_t mask = width_mask(size), sign = BIT(size * 8 - 1);
    const uint64_t result = (subtract ? left - right : left + right) & mask;
    const uint64_t overflow = (left ^ result) & (subtract ? left ^ right : ~(left ^ right)) & sign;
    uint32_t flags = __builtin_parity((unsigned)(result & 0xff)) ? 0 : FLAG_PF;
    flags |= (subtract ? left < right : result < left) ? FLAG_CF : 0;
    flags |= (left ^ right ^ result) & 0x10 ? FLAG_AF : 0;
    flags |= result == 0 ? FLAG_ZF : 0;
    flags |= result & sign ? FLAG_SF : 0;
    flags |= overflow ? FLAG_OF : 0;
    return flags;
}

/* --- faults --- */
static inline bool fault_plain(Fault *f, unsigned vector)
{
    *f = (Fault){.vector = (uint8_t)vector};
    return false;
}

static inline bool fault_code(Fault *f, unsigned vector, uint32_t code)
{
    *f = (Fault){.vector = (uint8_t)vector, .has_error = true, .error_code = code};
    return false;
}

/* Error code about a selector; EXT while an event is being delivered. */
static inline bool fault_selector(const CpuX86 *cpu, Fault *f, unsigned vector, uint16_t selector)
{
    return fault_code(f, vector, (selector & 0xfffcu) | (cpu->in_delivery ? 1 : 0));
}

_Noreturn void cpu_raise(CpuX86 *cpu, Fault fault);
_Noreturn void cpu_raise_code(CpuX86 *cpu, unsigned vector, uint32_t code);
_Noreturn void cpu_raise_plain(CpuX86 *cpu, unsigned vector);

static inline void cpu_require_cpl0(CpuX86 *cpu)
{
    if (cpu->cpl != 0)
        cpu_raise_code(cpu, VEC_GP, 0);
}

/* --- memory (cpu-mem.c); gva is cut to 32 bits, mode MMU_* --- */
bool mem_read(CpuX86 *cpu, gva_t gva, unsigned size, int mode, uint64_t *value, Fault *f);
bool mem_write(CpuX86 *cpu, gva_t gva, unsigned size, int mode, uint64_t value, Fault *f);
uint64_t cpu_load(CpuX86 *cpu, gva_t gva, unsigned size, int mode);
void cpu_store(CpuX86 *cpu, gva_t gva, unsigned size, int mode, uint64_t value);
/* Limit, type and null checks (SDM 3A "Limit Checking", "Type Checking") -> linear address.
 * which: SEG_SS gives #SS instead of #GP. size >= 1. */
bool seg_linear(CpuX86 *cpu, const SegReg *seg, unsigned which, uint32_t offset, unsigned size,
                bool write, gva_t *gva, Fault *f);
/* #AC if alignment is checked and gva is not a multiple of size (a power of two; 10 counts as 8). */
bool mem_aligned(const CpuX86 *cpu, gva_t gva, unsigned size, Fault *f);
void cpu_check_alignment(CpuX86 *cpu, gva_t gva, unsigned size); /* raises */
/* The "ref" argument of helpers: checks size bytes at seg:offset; raises. */
gva_t cpu_ref_linear(CpuX86 *cpu, uint64_t ref, uint64_t offset, unsigned size, bool write);
static inline unsigned ref_op_size(uint64_t ref)
{
    return (ref >> 16) & 0xff;
}

/* A stack being pushed to or popped from; registers change by stack_commit only. */
typedef struct {
    SegReg ss;
    uint32_t sp, mask;
    int mode;
    uint32_t code; /* error code of #SS */
} Stack;
Stack stack_current(const CpuX86 *cpu);
Stack stack_make(const CpuX86 *cpu, SegReg ss, uint32_t sp, unsigned cpl, bool new_stack);
/* Does the segment have room for `count` words of `size`? What pushes them checks pages. */
bool stack_room(const CpuX86 *cpu, const Stack *s, unsigned size, unsigned count, Fault *f);
/* Before the first of several pushes by an instruction that reads memory, too: may the block that
 * runs now, which a push may overwrite, go on? If not, the instruction is executed once more, and must
 * find what it read as it was. */
bool stack_reserve(CpuX86 *cpu, const Stack *s, unsigned size, unsigned count, Fault *f);
bool stack_push(CpuX86 *cpu, Stack *s, unsigned size, uint32_t value, Fault *f);
bool stack_pop(CpuX86 *cpu, Stack *s, unsigned size, uint32_t *value, Fault *f);
/* Several words of one instruction, words[0] first. Pushes reserve first. */
bool stack_push_all(CpuX86 *cpu, Stack *s, unsigned size, const uint32_t *words, unsigned count,
                    Fault *f);
bool stack_pop_all(CpuX86 *cpu, Stack *s, unsigned size, uint32_t *words, unsigned count, Fault *f);
void stack_commit(CpuX86 *cpu, const Stack *s); /* ESP only */

/* --- segments.c --- */
typedef struct {
    uint32_t lo, hi;
    gva_t address;
} Desc;
#define DESC_S 0x1000u
#define DESC_P 0x8000u
#define DESC_CODE 0x0800u
#define DESC_CONFORM 0x0400u /* code; expand-down for data */
#define DESC_RW 0x0200u
#define DESC_ACCESSED 0x0100u
static inline unsigned desc_type(const Desc *d)
{
    return (d->hi >> 8) & 15;
}
static inline unsigned desc_dpl(const Desc *d)
{
    return (d->hi >> 13) & 3;
}
static inline bool desc_is_code(const Desc *d)
{
    return (d->hi & (DESC_S | DESC_CODE)) == (DESC_S | DESC_CODE);
}
static inline uint32_t gate_offset(const Desc *d)
{
    return (d->lo & 0xffff) | (desc_type(d) & SYS_32 ? d->hi & 0xffff0000u : 0);
}
static inline bool selector_null(uint16_t selector)
{
    return (selector & 0xfffc) == 0;
}
/* Read a descriptor; outside its table: `vector` with the selector. */
bool desc_fetch(CpuX86 *cpu, uint16_t selector, unsigned vector, Desc *d, Fault *f);
SegReg desc_segment(uint16_t selector, const Desc *d);
/* Set the accessed bit in memory if it is clear. */
bool desc_set_accessed(CpuX86 *cpu, Desc *d, Fault *f);
/* Real and V86 mode: the segment register after a load. */
SegReg seg_real(const CpuX86 *cpu, unsigned which, uint16_t selector);
SegReg seg_vm86(uint16_t selector);
/* Checks of MOV/POP/Lxx to ES DS FS GS and SS (SDM 2 "MOV"); cpl: the level that counts,
 * vector: #GP, in a task switch #TS. */
bool seg_check_load(CpuX86 *cpu, unsigned which, uint16_t selector, unsigned cpl, unsigned vector,
                    SegReg *seg, Fault *f);
/* The stack segment of a privilege change: `vector` for bad ones, #SS when not present. */
bool seg_check_stack(CpuX86 *cpu, uint16_t selector, unsigned cpl, unsigned vector, SegReg *seg,
                     Fault *f);
/* Inner stack pointer for `level` from the current TSS (SDM 3A "Stack Switching"). */
bool tss_inner_stack(CpuX86 *cpu, unsigned level, uint16_t *ss, uint32_t *esp, Fault *f);
/* After a return to an outer level: segments it may not see become null. */
void seg_drop_inner(CpuX86 *cpu);
/* LLDT's and the task switch's load of LDTR. */
bool seg_check_ldt(CpuX86 *cpu, uint16_t selector, unsigned vector, SegReg *seg, Fault *f);

/* --- task.c --- */
typedef enum { TASK_JMP, TASK_CALL, TASK_IRET, TASK_GATE } TaskCause;
/* Switch to the TSS of `selector` (descriptor d, from task_fetch_tss). next_pc and eflags are
 * what the old task is left with. On false the switch may have happened: then the fault belongs
 * to the new task, and pc is its. */
bool task_switch(CpuX86 *cpu, TaskCause cause, uint16_t selector, Desc *d, uint32_t next_pc,
                 uint32_t eflags, Fault *f);
/* Selector of a TSS for JMP, CALL, a gate: type, presence. */
bool task_fetch_tss(CpuX86 *cpu, uint16_t selector, unsigned vector, bool busy, Desc *d, Fault *f);

/* --- helper-far.c --- */
/* A code segment that has passed the checks of its descriptor. */
typedef struct {
    SegReg cs;
    Desc desc;
    uint32_t pc;
    unsigned cpl;
} FarTarget;
/* The CS:pc that RET and IRET return to, same or outer level. */
bool far_check_return(CpuX86 *cpu, uint16_t selector, uint32_t pc, FarTarget *t, Fault *f);
/* What comes last, after checks of the stack: pc within the limit, the accessed bit. */
bool far_settle(CpuX86 *cpu, FarTarget *t, Fault *f);

/* --- interrupts.c --- */
typedef enum {
    EVENT_FAULT,     /* exception of the instruction at pc */
    EVENT_DEBUG,     /* #DB between instructions: breakpoints, single step */
    EVENT_SOFT,      /* INT n */
    EVENT_SOFT_TRAP, /* INT3, INTO */
    EVENT_ICEBP,     /* INT1 */
    EVENT_EXTERNAL,  /* INTR, NMI */
} EventKind;
typedef struct {
    EventKind kind;
    uint8_t vector;
    bool has_error;
    uint32_t error_code;
    uint32_t return_pc;
} Event;
/* One attempt; false: *f is the fault that the delivery met. */
bool event_deliver_once(CpuX86 *cpu, const Event *event, Fault *f);
/* With the double-fault rules; false: triple fault. */
bool event_deliver(CpuX86 *cpu, Event event);

/* --- debug.c --- */
bool x86_debug_boundary(VCpu *vcpu);
bool x86_begin_instruction(VCpu *vcpu);
void debug_io_access(CpuX86 *cpu, uint16_t port, unsigned size);
bool debug_code_armed(const CpuX86 *cpu); /* code breakpoints */
/* EFLAGS_RF if loading it has a meaning, else 0. */
uint32_t debug_rf_mask(const CpuX86 *cpu);
bool debug_armed(const CpuX86 *cpu);      /* code, data or I/O breakpoints */
/* DR7 or an address register changed. */
void debug_update_watches(CpuX86 *cpu);
/* The execution loop is wanted before the next instruction: an interrupt may be taken (shadows
 * aside), or another thread asks. */
bool cpu_event_due(CpuX86 *cpu);

/* Begin the interrupt shadow of STI (ss false), MOV SS, POP SS. */
void debug_begin_shadow(CpuX86 *cpu, bool ss);
/* The instruction that has begun gives way to an interrupt before anything of it was executed. */
void debug_take_rf_back(CpuX86 *cpu);

/* --- helper-io.c --- */
bool io_check(CpuX86 *cpu, uint16_t port, unsigned size, Fault *f);

/* --- helper-msr.c --- */
uint64_t cpu_tsc(const CpuX86 *cpu); /* as the guest sees it */

/* --- helper-fpu.c; FP state is not in the host's registers --- */
/* The next instruction does not see the x87 error that is pending, and executes. */
void fpu_hide_error(CpuX86 *cpu);
/* It is over: exceptions that were hidden show again. */
void fpu_show_error(CpuX86 *cpu);
/* FERR# falls with the error, and so does IGNNE#. */
void fpu_update_ignne(CpuX86 *cpu);

/* --- state.c --- */
enum { X86_STATE_FIELDS = 44 };
extern const GuestField x86_state_fields[X86_STATE_FIELDS];

/* --- cpu.c --- */
/* As cpu_update_mode when only a segment other than CS and SS changed. */
void cpu_update_data_segment(CpuX86 *cpu, unsigned which);
/* As cpu_update_mode when only EFLAGS bits or debug state changed (not VM). */
void cpu_update_flags_mode(CpuX86 *cpu);
void cpu_set_cpl(CpuX86 *cpu, unsigned cpl);
/* CS:pc of a far transfer: seg[CS], cpl, pc, mode. */
void cpu_set_cs(CpuX86 *cpu, SegReg cs, uint32_t pc, unsigned cpl);
/* Control registers changed: hand them to the MMU. */
void cpu_sync_paging(CpuX86 *cpu);
/* The CR3 part of paging for PAE: false if a PDPTE has reserved bits. Reads with regs' cr3. */
bool cpu_load_pdptes(CpuX86 *cpu, PagingRegs *regs);

#endif
