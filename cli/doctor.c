/* SPDX-License-Identifier: MIT
 * Each check looks at one thing and says what it means for a guest. They try what the program
 * does (map, execute, catch a fault) rather than guess from versions. */
#include "cli/doctor.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/firmware.h"
#include "cli/sandbox.h"
#include "tcache/engine.h"

#define GIB                 (UINT64_C(1) << 30)
#define WINDOW_SPACE        (12 * GIB)
#define MAPS_WANTED         65530
#define FAULT_COSTLY_NS     20000
#define FAULT_HOPELESS_NS   200000
#define FAULT_ROUNDS        300
#define ADDRESSES_LEAST_MIB 256

typedef enum { FINE, SLOWER, BROKEN } Severity;

typedef struct {
    Severity severity;
    char text[400];
} Finding;

static Finding G_GNUC_PRINTF(2, 3) finding(Severity severity, const char *format, ...)
{
    Finding result = {.severity = severity};
    va_list ap;
    va_start(ap, format);
    vsnprintf(result.text, sizeof result.text, format, ap);
    va_end(ap);
    return result;
}

static bool read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    const size_t n = file ? fread(text, 1, size - 1, file) : 0;
    if (file)
        fclose(file);
    text[n] = '\0';
    return n > 0;
}

static bool read_number(const char *path, uint64_t *value)
{
    char text[64];
    if (!read_file(path, text, sizeof text))
        return false;
    *value = g_ascii_strtoull(text, NULL, 10);
    return true;
}

/* ---- the CPU ---- */

static Finding check_cpu(void)
{
    unsigned a, b, c, d;
    const bool bmi2 = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_BMI2);
    const bool lahf = __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & 1);
    if (bmi2 && lahf)
        return finding(FINE, "has BMI2 and LAHF, which the generated code uses");
    return finding(BROKEN, "lacks %s; dbtvm needs Intel Haswell, AMD Excavator or newer",
                   bmi2 ? "LAHF in 64-bit mode" : "BMI2");
}

static Finding check_vectors(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return finding(FINE, "no XSAVE: FP state is switched by FXSAVE");
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return finding(FINE, "the host keeps %s; guests are offered SSE4.2, no AVX",
                   low & 0xe0 ? "x87, SSE, AVX and AVX-512 state"
                   : low & 4  ? "x87, SSE and AVX state"
                              : "x87 and SSE state");
}

static Finding check_cpus(void)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    if (count > 1)
        return finding(FINE, "%ld: one for the guest, the others for its devices", count);
    return finding(SLOWER, "1: the guest and its devices take turns");
}

/* ---- memory ---- */

static Finding check_memory(void)
{
    char text[4096];
    const char *line =
        read_file("/proc/meminfo", text, sizeof text) ? strstr(text, "MemAvailable:") : NULL;
    const uint64_t mib =
        line ? g_ascii_strtoull(line + strlen("MemAvailable:"), NULL, 10) / 1024 : 0;
    if (!line)
        return finding(FINE, "/proc/meminfo says nothing");
    if (mib < 300)
        return finding(SLOWER,
                       "%" PRIu64 " MiB free: little for a guest (-m), its code cache "
                       "(-tb-size) and us",
                       mib);
    return finding(FINE, "%" PRIu64 " MiB free", mib);
}

static Finding check_windows(void)
{
    void *space =
        mmap(NULL, WINDOW_SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space != MAP_FAILED) {
        munmap(space, WINDOW_SPACE);
        return finding(FINE, "12 GiB of addresses can be reserved for a window");
    }
    return finding(SLOWER, "cannot reserve 12 GiB of addresses (%s): guests use the soft TLB",
                   g_strerror(errno));
}

static Finding check_jump_tables(void)
{
    void *space = mmap(NULL, ENGINE_JUMP_SPACE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space != MAP_FAILED) {
        munmap(space, ENGINE_JUMP_SPACE);
        return finding(FINE, "%" PRIu64 " GiB of addresses can be reserved for them",
                       ENGINE_JUMP_SPACE >> 30);
    }
    return finding(
        SLOWER, "cannot reserve %" PRIu64 " GiB of addresses (%s): no block is chained to another",
        ENGINE_JUMP_SPACE >> 30, g_strerror(errno));
}

static Finding check_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return finding(FINE, "none (RLIMIT_AS)");
    const uint64_t mib = limit.rlim_cur >> 20;
    if (mib < ADDRESSES_LEAST_MIB)
        return finding(BROKEN,
                       "%" PRIu64 " MiB (ulimit -v): too little for a guest; 'ulimit -v unlimited'",
                       mib);
    return finding(SLOWER,
                   "%" PRIu64
                   " MiB (ulimit -v): too little for address windows; guests use the soft "
                   "TLB, and need a small -m",
                   mib);
}

static Finding check_overcommit(void)
{
    uint64_t mode = 0;
    if (!read_number("/proc/sys/vm/overcommit_memory", &mode))
        return finding(FINE, "unknown");
    if (mode == 2)
        return finding(SLOWER, "strict (vm.overcommit_memory=2): large reservations may fail; 0 is "
                               "the usual setting");
    return finding(FINE, "vm.overcommit_memory=%" PRIu64 ", reservations cost nothing", mode);
}

static Finding check_maps(void)
{
    uint64_t count;
    if (!read_number("/proc/sys/vm/max_map_count", &count))
        return finding(FINE, "unknown");
    if (count >= MAPS_WANTED)
        return finding(FINE, "vm.max_map_count=%" PRIu64, count);
    return finding(SLOWER,
                   "vm.max_map_count=%" PRIu64 ": few pieces of guest memory can be mapped "
                   "at a time; sysctl vm.max_map_count=%d",
                   count, MAPS_WANTED);
}

static Finding check_low_addresses(void)
{
    uint64_t lowest;
    if (!read_number("/proc/sys/vm/mmap_min_addr", &lowest))
        return finding(FINE, "unknown, and not needed");
    return finding(FINE, "vm.mmap_min_addr=%" PRIu64 "; windows lie elsewhere, any value will do",
                   lowest);
}

static Finding check_huge_pages(void)
{
    char text[128];
    if (!read_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled", text, sizeof text))
        return finding(FINE, "this kernel has none for shared memory");
    const bool off = strstr(text, "[never]") || strstr(text, "[deny]");
    return finding(FINE,
                   off ? "off for shared memory; 'advise' in shmem_enabled would save the host "
                         "some TLB misses"
                       : "possible for shared memory");
}

/* ---- what containers and hardened kernels forbid ---- */

/* Host code lives in a memfd that is mapped twice. */
static Finding check_code(void)
{
    const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
    const int fd = memfd_create("dbtvm-doctor", MFD_CLOEXEC);
    if (fd < 0)
        return finding(BROKEN, "memfd_create is forbidden here (%s)", g_strerror(errno));
    const bool sized = ftruncate(fd, 4096) == 0 && write(fd, code, sizeof code) == sizeof code;
    void *view = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    const int why = errno;
    close(fd);
    if (!sized || view == MAP_FAILED)
        return finding(BROKEN,
                       "code cannot be executed from memory (%s): SELinux, PaX or a sandbox "
                       "forbids it",
                       g_strerror(why));
    int (*function)(void) = (int (*)(void))(uintptr_t)view;
    const bool works = function() == 42;
    munmap(view, 4096);
    return works ? finding(FINE, "memory can be mapped for execution beside a writable view")
                 : finding(BROKEN, "code in memory does not run");
}

/* In a child, which is then in it for good. */
static Finding check_sandbox(void)
{
    int ends[2], status = -1;
    char why[200] = "no child process";
    if (pipe2(ends, O_CLOEXEC) < 0)
        return finding(FINE, "cannot be tried (%s)", g_strerror(errno));
    const pid_t child = fork();
    if (child == 0) {
        g_autoptr(GError) error = NULL;
        const bool entered = sandbox_enter(SANDBOX_MACHINE, &error);
        if (error && write(ends[1], error->message, strlen(error->message) + 1) < 0)
            _exit(2);
        _exit(entered ? 0 : 1);
    }
    close(ends[1]);
    if (child > 0 && read(ends[0], why, sizeof why - 1) >= 0)
        waitpid(child, &status, 0);
    close(ends[0]);
    if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return finding(FINE, "a running machine gives up the system calls it does not need");
    return finding(FINE, "none here (%s): a machine keeps all system calls", why);
}

static sigjmp_buf probe_way_out;

static void on_probe_fault(int number)
{
    siglongjmp(probe_way_out, 1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A fault caught, a page protected and opened again: what a window's page costs. */
static uint64_t fault_cost(void)
{
    struct sigaction action = {.sa_handler = on_probe_fault, .sa_flags = SA_NODEFER}, before;
    volatile uint8_t *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return UINT64_MAX;
    *page = 1;
    sigaction(SIGSEGV, &action, &before);
    volatile uint64_t least = UINT64_MAX; /* others use this host, too: the best round counts */
    for (volatile unsigned i = 0; i < FAULT_ROUNDS; i++) {
        const uint64_t start = now_ns();
        mprotect((void *)(uintptr_t)page, 4096, PROT_NONE);
        if (sigsetjmp(probe_way_out, 0) == 0)
            *page = 2;
        mprotect((void *)(uintptr_t)page, 4096, PROT_READ | PROT_WRITE);
        least = MIN(least, now_ns() - start);
    }
    sigaction(SIGSEGV, &before, NULL);
    munmap((void *)(uintptr_t)page, 4096);
    return least;
}

static Finding check_faults(void)
{
    const double us = (double)fault_cost() / 1000.0;
    if (us * 1000 < FAULT_COSTLY_NS)
        return finding(FINE, "%.1f us each (caught, with two mprotect): as on a plain host", us);
    if (us * 1000 < FAULT_HOPELESS_NS)
        return finding(SLOWER,
                       "%.1f us each: a sandbox or nested virtualization makes them costly; "
                       "try -no-window",
                       us);
    return finding(SLOWER, "%.1f us each: very costly here; use -no-window", us);
}

/* An ELF32 program of one segment: mov eax, 1; xor ebx, ebx; int 80h. */
static bool runs_32_bit(void)
{
    enum { BASE = 0x08048000, HEAD = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr) };
    static const uint8_t code[] = {0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80};
    const Elf32_Ehdr head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                             .e_type = ET_EXEC,
                             .e_machine = EM_386,
                             .e_version = EV_CURRENT,
                             .e_entry = BASE + HEAD,
                             .e_phoff = sizeof(Elf32_Ehdr),
                             .e_ehsize = sizeof(Elf32_Ehdr),
                             .e_phentsize = sizeof(Elf32_Phdr),
                             .e_phnum = 1};
    const Elf32_Phdr segment = {.p_type = PT_LOAD,
                                .p_vaddr = BASE,
                                .p_filesz = HEAD + sizeof code,
                                .p_memsz = HEAD + sizeof code,
                                .p_flags = PF_R | PF_X,
                                .p_align = 4096};
    char *const argv[] = {(char *)(uintptr_t) "dbtvm-doctor", NULL};
    const int fd = memfd_create("dbtvm-doctor", MFD_CLOEXEC);
    int status = -1;
    if (fd < 0 || write(fd, &head, sizeof head) < 0 || write(fd, &segment, sizeof segment) < 0 ||
        write(fd, code, sizeof code) < 0)
        return false;
    const pid_t child = fork();
    if (child == 0) {
        fexecve(fd, argv, argv + 1);
        _exit(1);
    }
    if (child > 0)
        waitpid(child, &status, 0);
    close(fd);
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static Finding check_32_bit(void)
{
    return finding(FINE, runs_32_bit() ? "this kernel runs them; the tests compare with them"
                                       : "this kernel runs none; only some tests want them");
}

/* ---- what guests are started from ---- */

static Finding check_firmware(void)
{
    char *argv[] = {(char *)(uintptr_t) "dbtvm", NULL};
    Config config = {0};
    int code;
    g_autoptr(GError) error = NULL;
    GBytes *bios = NULL;
    if (config_parse(&config, 1, argv, &code, &error))
        bios = firmware_load(&config, "bios-256k.bin", &error);
    Finding result = bios ? finding(FINE, "found, %zu KiB", g_bytes_get_size(bios) / 1024)
                          : finding(BROKEN, "%s", error ? error->message : "no configuration");
    g_clear_pointer(&bios, g_bytes_unref);
    config_clear(&config);
    return result;
}

static Finding check_display(void)
{
    if (g_getenv("DISPLAY") || g_getenv("WAYLAND_DISPLAY"))
        return finding(FINE, "there is one; -nographic does without");
    return finding(FINE, "none: use -nographic, or the monitor's screentext and screendump");
}

static const struct {
    const char *name;
    Finding (*check)(void);
} checks[] = {
    {"processor", check_cpu},
    {"vector state", check_vectors},
    {"processors", check_cpus},
    {"memory", check_memory},
    {"address windows", check_windows},
    {"jump tables", check_jump_tables},
    {"address limit", check_limit},
    {"overcommit", check_overcommit},
    {"mappings", check_maps},
    {"low addresses", check_low_addresses},
    {"huge pages", check_huge_pages},
    {"generated code", check_code},
    {"sandbox", check_sandbox},
    {"page faults", check_faults},
    {"32-bit programs", check_32_bit},
    {"firmware", check_firmware},
    {"display", check_display},
};

int doctor_run(void)
{
    static const char *const words[] = {[FINE] = "ok", [SLOWER] = "slower", [BROKEN] = "BROKEN"};
    static const char *const verdicts[] = {
        [FINE] = "Nothing is in the way of guests.",
        [SLOWER] = "Guests run, but slower than they could.",
        [BROKEN] = "Guests will not run on this host as it is.",
    };
    Severity worst = FINE;
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        const Finding result = checks[i].check();
        printf("%-7s %-16s %s\n", words[result.severity], checks[i].name, result.text);
        worst = MAX(worst, result.severity);
    }
    printf("%s\n", verdicts[worst]);
    return (int)worst;
}
