/* A disk that fails when a test says so. Preloaded into a program (LD_PRELOAD), it stands in front of
 * the C library's calls. The folder $FAULTY_DISK holds one file a fault; while it is there, the calls
 * on files whose path, with a `$` behind it, contains the file's text fail:
 *
 *   flush   fsync, fdatasync: EIO
 *   full    write, pwrite, ftruncate that make a file longer: ENOSPC, as on a file system without room
 *   write   write, pwrite: EIO
 *   read    read, pread: EIO
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* System calls of its own, so that it does not meet itself. */
static int fails(const char *fault, int fd) {
    char marker[4096], wanted[256], path[64], file[4096];
    const char *folder = getenv("FAULTY_DISK");
    int saved = errno, result = 0;
    if (folder == NULL || snprintf(marker, sizeof marker, "%s/%s", folder, fault) >= (int)sizeof marker)
        return 0;
    int opened = (int)syscall(SYS_openat, AT_FDCWD, marker, O_RDONLY | O_CLOEXEC);
    if (opened >= 0) {
        long length = syscall(SYS_read, opened, wanted, sizeof wanted - 1);
        syscall(SYS_close, opened);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        long found = readlink(path, file, sizeof file - 2);
        if (length > 0 && found > 0) {
            wanted[length] = '\0';
            strcpy(file + found, "$");
            result = strstr(file, wanted) != NULL;
        }
    }
    errno = saved;
    return result;
}

static int refuse(int error) {
    errno = error;
    return -1;
}

/* Whether a file of this length, in bytes, would be longer than it is. */
static int grows(int fd, off64_t length) {
    struct stat64 found;
    return fstat64(fd, &found) == 0 && length > found.st_size;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd) {
    return fails("flush", fd) ? refuse(EIO) : NEXT(fsync)(fd);
}

int fdatasync(int fd) {
    return fails("flush", fd) ? refuse(EIO) : NEXT(fdatasync)(fd);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    if (fails("write", fd))
        return refuse(EIO);
    if (fails("full", fd) && grows(fd, lseek64(fd, 0, SEEK_CUR) + (off64_t)count))
        return refuse(ENOSPC);
    return NEXT(write)(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    if (fails("write", fd))
        return refuse(EIO);
    if (fails("full", fd) && grows(fd, offset + (off64_t)count))
        return refuse(ENOSPC);
    return NEXT(pwrite64)(fd, bytes, count, offset);
}

int ftruncate64(int fd, off64_t length) {
    return fails("full", fd) && grows(fd, length) ? refuse(ENOSPC) : NEXT(ftruncate64)(fd, length);
}

ssize_t read(int fd, void *bytes, size_t count) {
    return fails("read", fd) ? refuse(EIO) : NEXT(read)(fd, bytes, count);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) {
    return fails("read", fd) ? refuse(EIO) : NEXT(pread64)(fd, bytes, count, offset);
}
