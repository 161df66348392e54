/* A record of what is on disk for certain. Preloaded into a program (LD_PRELOAD), it writes down each
 * flush (fsync, fdatasync) of a file or folder below $POWER_ROOT into the folder $POWER_RECORD:
 *
 *   NUMBER-file-ID     the content of the file
 *   NUMBER-folder-ID   the entries of the folder, each `TYPE ID NAME` with a zero byte behind it
 *
 * NUMBER counts from 1. ID is the inode and the time when it was made, as inodes are used again. A flush
 * is written down before the program learns that it has succeeded.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static int number;

static void stop(const char *what) {
    perror(what);
    abort();
}

/* Type and ID of what a descriptor, or an entry of a folder, is. Zero if it is gone. */
static int identify(int fd, const char *name, char *type, char id[80]) {
    struct statx found;
    int flags = name[0] == '\0' ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
    if (statx(fd, name, flags, STATX_TYPE | STATX_INO | STATX_BTIME, &found) != 0)
        return 0;
    *type = S_ISDIR(found.stx_mode) ? 'd' : 'f';
    snprintf(id, 80, "%llu.%lld.%u", (unsigned long long)found.stx_ino,
             (long long)found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
    return 1;
}

static int is_below_root(int fd) {
    char link[64], path[4096];
    const char *root = getenv("POWER_ROOT");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (root == NULL || length < 0)
        return 0;
    path[length] = '\0';
    size_t above = strlen(root);
    return strncmp(path, root, above) == 0 && (path[above] == '/' || path[above] == '\0');
}

static void write_all(int to, const char *bytes, ssize_t count) {
    while (count > 0) {
        ssize_t written = write(to, bytes, (size_t)count);
        if (written < 0)
            stop("the record cannot be written");
        bytes += written;
        count -= written;
    }
}

static void copy_file(int fd, int to) {
    static char bytes[1 << 16];
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    /* The descriptor may be for writing only. The program's own locks on a database are not on its
     * log, and closing this would free those on a database: so a database is read through its own. */
    int from = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY ? open(path, O_RDONLY | O_CLOEXEC) : fd;
    ssize_t count;
    for (off64_t at = 0; (count = pread64(from, bytes, sizeof bytes, at)) > 0; at += count)
        write_all(to, bytes, count);
    if (count < 0)
        stop("a file cannot be recorded");
    if (from != fd)
        close(from);
}

static void copy_folder(int fd, int to) {
    char type, id[80];
    DIR *folder = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder == NULL)
        stop("a folder cannot be recorded");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || !identify(fd, name, &type, id))
            continue;
        dprintf(to, "%c %s %s", type, id, name);
        write_all(to, "", 1);
    }
    closedir(folder);
}

static int flush(int fd, int (*next)(int)) {
    char type, id[80], path[4096], unfinished[4096];
    const char *record = getenv("POWER_RECORD");
    if (record == NULL || !is_below_root(fd))
        return next(fd);
    pthread_mutex_lock(&writing);
    if (!identify(fd, "", &type, id))
        stop("a flush cannot be recorded");
    snprintf(unfinished, sizeof unfinished, "%s/unfinished", record);
    int to = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        stop("the record cannot be written");
    if (type == 'd')
        copy_folder(fd, to);
    else
        copy_file(fd, to);
    close(to);
    int result = next(fd), error = errno;
    if (result == 0) {
        const char *kind = type == 'd' ? "folder" : "file";
        snprintf(path, sizeof path, "%s/%08d-%s-%s", record, ++number, kind, id);
        if (rename(unfinished, path) != 0)
            stop("the record cannot be named");
    }
    pthread_mutex_unlock(&writing);
    errno = error;
    return result;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd) {
    return flush(fd, NEXT(fsync));
}

int fdatasync(int fd) {
    return flush(fd, NEXT(fdatasync));
}
