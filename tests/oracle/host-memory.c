/* SPDX-License-Identifier: MIT
 * Memory at fixed addresses: the control block, the landing page, code and data of
 * the snippets. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/oracle/host-priv.h"

#define CHECK_OFFSET(field, offset) static_assert(offsetof(HostControl, field) == (offset), #field)
CHECK_OFFSET(long_mode, CTL_LONG);
CHECK_OFFSET(mxcsr, CTL_MXCSR);
CHECK_OFFSET(host_rsp, CTL_HOST_RSP);
CHECK_OFFSET(host_fs, CTL_HOST_FS);
CHECK_OFFSET(host_gs, CTL_HOST_GS);
CHECK_OFFSET(fs_base, CTL_FS_BASE);
CHECK_OFFSET(gs_base, CTL_GS_BASE);
CHECK_OFFSET(sel, CTL_SEL);
CHECK_OFFSET(iret, CTL_IRET);
CHECK_OFFSET(gpr_in, CTL_GPR_IN);
CHECK_OFFSET(gpr_out, CTL_GPR_OUT);
CHECK_OFFSET(eflags_out, CTL_EFLAGS_OUT);
CHECK_OFFSET(fx_in, CTL_FX_IN);
CHECK_OFFSET(fx_out, CTL_FX_OUT);
static_assert(sizeof(HostControl) < CTL_STACK_TOP - 64, "room for the stack in the control block");

static void *map_at(uintptr_t address, size_t size, int prot, int flags, int fd, off_t offset,
                    GError **error)
{
    void *p = mmap((void *)address, size, prot, flags | MAP_FIXED_NOREPLACE, fd, offset);
    if (p == (void *)address)
        return p;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST, "no memory at 0x%lx for snippets: %s",
                (unsigned long)address, g_strerror(errno));
    return NULL;
}

static bool map_file(const Host *host, uintptr_t address, size_t size, int prot, off_t offset,
                     GError **error)
{
    return map_at(address, size, prot, MAP_SHARED | MAP_POPULATE, host->code_fd, offset, error);
}

/* Recoded code runs apart from the addresses that the snippet knows it by; data, which does not
 * run, is there too, for the faults. Where a snippet may write, it runs in place: SDM 3A "Handling
 * Self- and Cross-Modifying Code" asks for one linear address. */
static bool map_code(const Host *host, GError **error)
{
    const int run = PROT_READ | PROT_EXEC;
    const size_t rw_size = ORACLE_CODE_SIZE - ORACLE_CODE_RW;
    const uintptr_t rw = ORACLE_CODE + ORACLE_CODE_RW;
    if (!map_file(host, rw, rw_size, run | PROT_WRITE, ORACLE_CODE_RW, error))
        return false;
    if (host->mode == HOST_COMPAT)
        return map_file(host, ORACLE_CODE, ORACLE_CODE_RW, run, 0, error);
    return map_file(host, ORACLE_CODE, ORACLE_CODE_RW, PROT_READ, FILE_READ, error) &&
           map_file(host, ORACLE_CODE + HOST_SHIFT, ORACLE_CODE_SIZE, run, 0, error) &&
           map_file(host, ORACLE_DATA + HOST_SHIFT, ORACLE_DATA_SIZE, PROT_READ, 0, error) &&
           map_file(host, HOST_STUBS, HOST_STUBS_SIZE, run, FILE_STUBS, error);
}

static bool map_all(Host *host, GError **error)
{
    const int private = MAP_PRIVATE | MAP_ANONYMOUS;
    host->ctl = map_at(HOST_CTL, HOST_CTL_SIZE, PROT_READ | PROT_WRITE, private, -1, 0, error);
    uint8_t *landing =
        host->ctl ? map_at(HOST_LANDING, 4096, PROT_READ | PROT_WRITE, private, -1, 0, error)
                  : NULL;
    host->data = landing ? map_at(ORACLE_DATA, ORACLE_DATA_SIZE, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0, error)
                         : NULL;
    if (!host->data)
        return false;
    /* jmp *[rip+2], and the pointer, aligned since EFLAGS.AC may be on */
    static const uint8_t jump[8] = {0xff, 0x25, 2, 0, 0, 0};
    void (*target)(void) = host_exit;
    memcpy(landing, jump, sizeof jump);
    memcpy(landing + sizeof jump, &target, sizeof target);
    mprotect(landing, 4096, PROT_READ | PROT_EXEC);
    host->code_fd = memfd_create("oracle-code", MFD_CLOEXEC);
    if (host->code_fd < 0 || ftruncate(host->code_fd, FILE_SIZE) < 0) {
        g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_HOST, "no memfd for snippets: %s",
                    g_strerror(errno));
        return false;
    }
    host->file = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, host->code_fd, 0);
    return host->file != MAP_FAILED && map_code(host, error);
}

/* The read-only page is filled before it becomes so. */
static bool fill_pages(Host *host)
{
    oracle_fill_background(host->background);
    memcpy(host->data, host->background, ORACLE_DATA_SIZE);
    memset(host->file, ORACLE_FILLER, FILE_SIZE);
    return mprotect(host->data + ORACLE_DATA_RW, ORACLE_DATA_SIZE - ORACLE_DATA_RW, PROT_READ) == 0;
}
bool host_map_memory(Host *host, GError **error)
{
    return map_all(host, error) && fill_pages(host);
}

void host_unmap_memory(Host *host)
{
    munmap((void *)(uintptr_t)HOST_CTL, HOST_CTL_SIZE);
    munmap((void *)(uintptr_t)HOST_LANDING, 4096);
    munmap((void *)(uintptr_t)HOST_STUBS, HOST_STUBS_SIZE);
    munmap((void *)(uintptr_t)(ORACLE_CODE + HOST_SHIFT), ORACLE_CODE_SIZE);
    munmap((void *)(uintptr_t)(ORACLE_DATA + HOST_SHIFT), ORACLE_DATA_SIZE);
    munmap((void *)(uintptr_t)ORACLE_CODE, ORACLE_CODE_SIZE);
    munmap((void *)(uintptr_t)ORACLE_DATA, ORACLE_DATA_SIZE);
    if (host->file && host->file != MAP_FAILED)
        munmap(host->file, FILE_SIZE);
    if (host->code_fd >= 0)
        close(host->code_fd);
}
