/* SPDX-License-Identifier: MIT */
/* System calls, processes, page tables and signals. */
#include "bench.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* The slow gate and the fast one; 64-bit code has SYSCALL for both. */
#ifdef __x86_64__
#define GATE     "syscall"
#define FAST     "syscall"
#define CLOBBERS "rcx", "r11", "memory"
#define REG_IP   REG_RIP
#else
#define GATE     "int $0x80"
#define FAST     "call *%2" /* what AT_SYSINFO names: SYSENTER, or SYSCALL on a 64-bit AMD kernel */
#define CLOBBERS "memory"
#define REG_IP   REG_EIP
#endif

static uint32_t int80(void)
{
    uint32_t wrong = 1;
    for (int i = 0; i < 1000; i++) {
        long got;
        __asm__ volatile(GATE : "=a"(got) : "0"(SYS_getuid) : CLOBBERS);
        wrong += got < 0;
    }
    return wrong;
}

static uintptr_t fast_call;

static const char *find_fast_call(void)
{
    fast_call = getauxval(AT_SYSINFO);
    return fast_call || sizeof(void *) == 8 ? NULL : "the kernel offers no fast system call";
}

static uint32_t sysenter(void)
{
    uint32_t wrong = 1;
    for (int i = 0; i < 1000; i++) {
        long got;
        __asm__ volatile(FAST : "=a"(got) : "0"(SYS_getuid), "r"(fast_call) : CLOBBERS);
        wrong += got < 0;
    }
    return wrong;
}

static int file;

static const char *make_file(void)
{
    static uint8_t page[PAGE];
    file = memfd_create("bench", 0);
    if (file < 0) {
        return "no memfd_create";
    }
    for (int i = 0; i < 64; i++) {
        memset(page, i, sizeof(page));
        if (write(file, page, sizeof(page)) != sizeof(page)) {
            bench_die("write");
        }
    }
    return NULL;
}

static uint32_t read_file(void)
{
    static uint8_t page[PAGE];
    uint32_t sum = 0;
    for (int i = 0; i < 500; i++) {
        if (pread(file, page, sizeof(page), (i & 63) * PAGE) != sizeof(page)) {
            bench_die("pread");
        }
        sum = sum * 3 + page[i];
    }
    return sum;
}

static uint32_t wait_for(pid_t child)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        bench_die("fork");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000u + WTERMSIG(status);
}

static uint32_t fork_exit(void)
{
    uint32_t sum = 0;
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (!child) {
            _exit(i + 1);
        }
        sum = sum * 7 + wait_for(child);
    }
    return sum;
}

static uint32_t fork_exec(void)
{
    uint32_t sum = 0;
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        if (!child) {
            execl("/proc/self/exe", "system", "exit", (char *)NULL);
            _exit(99);
        }
        sum = sum * 7 + wait_for(child);
    }
    return sum;
}

static uint8_t *pages;

static const char *make_pages(void)
{
    pages = bench_alloc(256 * PAGE);
    return NULL;
}

static uint32_t cow_fork(void)
{
    uint32_t sum = 0;
    for (int turn = 0; turn < 4; turn++) {
        memset(pages, turn, PAGE);
        pid_t child = fork();
        if (!child) {
            uint32_t mine = 0;
            for (int i = 0; i < 256; i++) {
                pages[i * PAGE] += i + 1;
                mine += pages[i * PAGE];
            }
            _exit(mine & 0x7f);
        }
        sum = sum * 7 + wait_for(child) + pages[0];
    }
    return sum;
}

static uint32_t pipe_ping_pong(void)
{
    int there[2], back[2];
    uint8_t byte = 1;
    if (pipe(there) || pipe(back)) {
        bench_die("pipe");
    }
    pid_t child = fork();
    if (!child) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1) {
            byte = byte * 5 + 1;
            if (write(back[1], &byte, 1) != 1) {
                _exit(1);
            }
        }
        _exit(byte & 0x7f);
    }
    for (int i = 0; i < 1000; i++) {
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) {
            bench_die("ping");
        }
        byte += i;
    }
    close(there[1]);
    close(there[0]);
    close(back[0]);
    close(back[1]);
    return byte * 1000u + wait_for(child);
}

static uint32_t mmap_touch(void)
{
    uint32_t sum = 1;
    for (int turn = 0; turn < 10; turn++) {
        uint8_t *p =
            mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            bench_die("mmap");
        }
        for (int i = 0; i < 64; i++) {
            sum += p[i * PAGE]++ + 1;
        }
        munmap(p, 64 * PAGE);
    }
    return sum;
}

static uint32_t protect(void)
{
    uint32_t sum = 0;
    pages[0] = 0;
    for (int i = 0; i < 200; i++) {
        if (mprotect(pages, PAGE, PROT_READ)) {
            bench_die("mprotect");
        }
        sum += ((volatile uint8_t *)pages)[0];
        mprotect(pages, PAGE, PROT_READ | PROT_WRITE);
        ((volatile uint8_t *)pages)[0]++;
    }
    return sum;
}

static volatile uint32_t faults;
extern const char after_fault[];

static void on_fault(int number, siginfo_t *info, void *context)
{
    faults += info->si_addr == pages && number == SIGSEGV;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_IP] = (greg_t)(uintptr_t)after_fault;
}

static const char *make_fault(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    make_pages();
    mprotect(pages, PAGE, PROT_NONE);
    sigaction(SIGSEGV, &action, NULL);
    return NULL;
}

static __attribute__((noinline)) uint32_t segv(void)
{
    faults = 0;
    for (int i = 0; i < 100; i++) {
        __asm__ volatile("call 1f\n\t"
                         "jmp 2f\n"
                         "1: movb (%0), %%al\n"
                         ".globl after_fault\n"
                         "after_fault: ret\n"
                         "2:"
                         :
                         : "r"(pages)
                         : "eax", "memory");
    }
    return faults;
}

static const BenchRow rows[] = {
    {"int80", "system", 32, int80, 1, NULL},
    {"sysenter", "system", 740, sysenter, 1, find_fast_call},
    {"pread", "system", 530, read_file, 0x2d42884a, make_file},
    {"fork-exit", "system", 80, fork_exit, 0x5cc32f1a, NULL},
    {"fork-exec", "system", 27, fork_exec, 0x75db9c90, NULL},
    {"cow-fork", "system", 49, cow_fork, 0x00000084, make_pages},
    {"pipe", "system", 24, pipe_ping_pong, 0x00018b06, NULL},
    {"mmap-touch", "system", 70, mmap_touch, 0x00000281, NULL},
    {"mprotect", "system", 140, protect, 0x00004dbc, make_pages},
    {"sigsegv", "system", 140, segv, 100, make_fault},
};

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "exit")) {
        return 42; /* what fork-exec runs */
    }
    return bench_main(argc, argv, rows, sizeof(rows) / sizeof(rows[0]));
}
