/* SPDX-License-Identifier: MIT */
#include "cli/pid-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

struct PidFile {
    char *path;
    int fd; /* locked */
    dev_t device;
    ino_t inode;
};

/* As disks are locked: flock where there are no open-file-description locks. */
static bool lock_file(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int rc = fcntl(fd, F_OFD_SETLK, &lock);
    if (rc < 0 && errno == EINVAL)
        rc = flock(fd, LOCK_EX | LOCK_NB);
    return rc == 0;
}

static bool still_there(const PidFile *file)
{
    struct stat st;
    return stat(file->path, &st) == 0 && st.st_dev == file->device && st.st_ino == file->inode;
}

/* What went wrong, as errno says, or NULL. */
static const char *open_and_lock(PidFile *file)
{
    for (;;) {
        struct stat st;
        file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file->fd < 0)
            return "open";
        if (!lock_file(file->fd))
            return "lock";
        if (fstat(file->fd, &st) < 0)
            return "look at";
        file->device = st.st_dev;
        file->inode = st.st_ino;
        if (still_there(file)) /* else its owner was just about to remove it */
            return NULL;
        close(file->fd);
    }
}

static bool write_id(const PidFile *file)
{
    return ftruncate(file->fd, 0) == 0 && dprintf(file->fd, "%d\n", (int)getpid()) > 0;
}

PidFile *pid_file_new(const char *path, GError **error)
{
    PidFile *file = g_new0(PidFile, 1);
    file->path = g_strdup(path);
    const char *failed = open_and_lock(file);
    if (!failed && !write_id(file)) {
        failed = "write";
        unlink(path);
    }
    if (!failed)
        return file;
    g_set_error(error, DBTVM_ERROR, DBTVM_ERROR_FILE,
                "cannot create PID file: Cannot %s pid file '%s': %s", failed, path,
                g_strerror(errno));
    if (file->fd >= 0)
        close(file->fd);
    g_free(file->path);
    g_free(file);
    return NULL;
}

void pid_file_free(PidFile *file)
{
    if (still_there(file))
        unlink(file->path);
    close(file->fd); /* the lock as well: nobody takes the file before it is gone */
    g_free(file->path);
    g_free(file);
}
