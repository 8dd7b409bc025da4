/* LD_PRELOAD: records what a process does to files below $CHAOS_ROOT, makes their writes and syncs fail, moves its clock.
 *
 * $CHAOS_TRACE: file that every call is appended to, in order (format: chaos/trace.py); unset means no trace.
 * $CHAOS_CONTROL: 64 bytes shared with the test (chaos/shim.py), read at each call; unset means no faults.
 * Not here: what a crash makes of a trace (chaos/trace.py). Not traced: -shm files of SQLite, which are rebuilt.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    volatile int64_t clock_offset_ns;
    volatile int32_t write_errno, write_permille, sync_errno, sync_permille;
    volatile int64_t faults; /* how many were made to fail */
    volatile int32_t left;   /* how many more may be made to fail */
    int32_t spare[7];
};

enum op { OPEN = 1, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, UNLINK, RENAME, LINK, MKDIR, RMDIR, SYNC_FAILED };

struct __attribute__((packed)) front {
    uint8_t op;
    uint32_t fd;
    uint64_t at;
    uint32_t name_bytes, payload_bytes;
};

#define MAX_FD 4096
#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static char is_ours[MAX_FD];
static const char *root;
static size_t root_bytes;
static int trace_fd = -1;
static struct control *control;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *trace = getenv("CHAOS_TRACE"), *shared = getenv("CHAOS_CONTROL");
    root = getenv("CHAOS_ROOT");
    root_bytes = root ? strlen(root) : 0;
    if (trace) trace_fd = (int)syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (shared) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC, 0);
        if (fd >= 0) {
            void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (page != MAP_FAILED) control = page;
            syscall(SYS_close, fd);
        }
    }
}

static int below(const char *path) {
    if (!root || !path || strncmp(path, root, root_bytes) != 0) return 0;
    if (path[root_bytes] && path[root_bytes] != '/') return 0;
    size_t length = strlen(path);
    return length < 4 || strcmp(path + length - 4, "-shm") != 0;
}

static int ours(int fd) { return fd >= 0 && fd < MAX_FD && is_ours[fd]; }

static void note(enum op op, int fd, uint64_t at, const char *name, const void *payload, size_t bytes) {
    if (trace_fd < 0) return;
    struct front front = {(uint8_t)op, (uint32_t)fd, at, (uint32_t)(name ? strlen(name) : 0), (uint32_t)bytes};
    size_t total = sizeof front + front.name_bytes + bytes;
    char *record = malloc(total);
    if (!record) abort();
    memcpy(record, &front, sizeof front);
    if (name) memcpy(record + sizeof front, name, front.name_bytes);
    if (bytes) memcpy(record + sizeof front + front.name_bytes, payload, bytes);
    for (size_t done = 0; done < total;) {
        long wrote = syscall(SYS_write, trace_fd, record + done, total - done);
        if (wrote <= 0) abort();
        done += (size_t)wrote;
    }
    free(record);
}

static int fails(int is_sync) {
    if (!control) return 0;
    int code = is_sync ? control->sync_errno : control->write_errno;
    int share = is_sync ? control->sync_permille : control->write_permille;
    if (!code || rand() % 1000 >= share || __sync_fetch_and_sub(&control->left, 1) <= 0) return 0;
    __sync_fetch_and_add(&control->faults, 1);
    errno = code;
    return 1;
}

static int opened(int fd, const char *path, int flags) {
    if (fd >= 0 && fd < MAX_FD) {
        is_ours[fd] = (char)below(path);
        if (is_ours[fd]) note(OPEN, fd, (uint64_t)flags, path, NULL, 0);
    }
    return fd;
}

/* A full or read-only disk refuses new names too; a failing one is tried with writes and syncs alone. */
static int refuses_names(const char *path) {
    return control && (control->write_errno == EROFS || control->write_errno == ENOSPC) && below(path) && fails(0);
}

static int open_at(int folder, const char *path, int flags, mode_t mode) {
    if ((flags & O_CREAT) && refuses_names(path)) return -1;
    pthread_mutex_lock(&order);
    int fd = opened((int)syscall(SYS_openat, folder, path, flags, mode), path, flags), kept = errno;
    pthread_mutex_unlock(&order);
    errno = kept;
    return fd;
}

#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list list; va_start(list, last); mode = va_arg(list, mode_t); va_end(list); }

int open(const char *path, int flags, ...) { MODE(flags, flags) return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, flags) return open_at(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags, flags) return open_at(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags, flags) return open_at(folder, path, flags, mode); }

ssize_t write(int fd, const void *bytes, size_t count) {
    if (!ours(fd)) return syscall(SYS_write, fd, bytes, count);
    if (fails(0)) return -1;
    pthread_mutex_lock(&order);
    ssize_t wrote = syscall(SYS_write, fd, bytes, count);
    int kept = errno;
    if (wrote > 0) note(WRITE, fd, (uint64_t)syscall(SYS_lseek, fd, 0, SEEK_CUR) - (uint64_t)wrote, NULL, bytes, (size_t)wrote);
    pthread_mutex_unlock(&order);
    errno = kept;
    return wrote;
}

static ssize_t write_at(int fd, const void *bytes, size_t count, off_t at) {
    if (!ours(fd)) return syscall(SYS_pwrite64, fd, bytes, count, at);
    if (fails(0)) return -1;
    pthread_mutex_lock(&order);
    ssize_t wrote = syscall(SYS_pwrite64, fd, bytes, count, at);
    int kept = errno;
    if (wrote > 0) note(WRITE, fd, (uint64_t)at, NULL, bytes, (size_t)wrote);
    pthread_mutex_unlock(&order);
    errno = kept;
    return wrote;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return write_at(fd, bytes, count, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return write_at(fd, bytes, count, at); }

static int cut(int fd, off_t size) {
    pthread_mutex_lock(&order);
    int done = (int)syscall(SYS_ftruncate, fd, size), kept = errno;
    if (!done && ours(fd)) note(TRUNCATE, fd, (uint64_t)size, NULL, NULL, 0);
    pthread_mutex_unlock(&order);
    errno = kept;
    return done;
}

int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size); }

static int sync_fd(int fd, long call) {
    if (!ours(fd)) return (int)syscall(call, fd);
    if (fails(1)) {
        pthread_mutex_lock(&order);
        note(SYNC_FAILED, fd, 0, NULL, NULL, 0);
        pthread_mutex_unlock(&order);
        errno = control->sync_errno;
        return -1;
    }
    /* Only what was written before it began is sure: others may write meanwhile. */
    pthread_mutex_lock(&order);
    note(SYNC_BEGIN, fd, 0, NULL, NULL, 0);
    pthread_mutex_unlock(&order);
    int done = (int)syscall(call, fd), kept = errno;
    pthread_mutex_lock(&order);
    if (!done) note(SYNC_END, fd, 0, NULL, NULL, 0);
    pthread_mutex_unlock(&order);
    errno = kept;
    return done;
}

int fsync(int fd) { return sync_fd(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_fd(fd, SYS_fdatasync); }

static int named(enum op op, const char *path, const char *other, long result) {
    int kept = errno; /* `result` was computed under the lock that this lets go of */
    if (!result && below(path)) note(op, -1, 0, path, other, other ? strlen(other) : 0);
    pthread_mutex_unlock(&order);
    errno = kept;
    return (int)result;
}

#define LOCKED(call) (pthread_mutex_lock(&order), (call))

int unlink(const char *path) { return named(UNLINK, path, NULL, LOCKED(syscall(SYS_unlink, path))); }
int unlinkat(int folder, const char *path, int flags) {
    long done = LOCKED(syscall(SYS_unlinkat, folder, path, flags));
    return named((flags & AT_REMOVEDIR) ? RMDIR : UNLINK, path, NULL, done);
}
int rmdir(const char *path) { return named(RMDIR, path, NULL, LOCKED(syscall(SYS_rmdir, path))); }
int mkdir(const char *path, mode_t mode) {
    if (refuses_names(path)) return -1;
    return named(MKDIR, path, NULL, LOCKED(syscall(SYS_mkdir, path, mode)));
}
int rename(const char *path, const char *other) { return named(RENAME, path, other, LOCKED(syscall(SYS_rename, path, other))); }
int renameat(int from, const char *path, int to, const char *other) {
    return named(RENAME, path, other, LOCKED(syscall(SYS_renameat2, from, path, to, other, 0)));
}
int linkat(int from, const char *path, int to, const char *other, int flags) {
    return named(LINK, path, other, LOCKED(syscall(SYS_linkat, from, path, to, other, flags)));
}
int link(const char *path, const char *other) { return linkat(AT_FDCWD, path, AT_FDCWD, other, 0); }

int clock_gettime(clockid_t id, struct timespec *now) {
    REAL(clock_gettime);
    int done = real(id, now);
    if (!done && control && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t ns = now->tv_sec * INT64_C(1000000000) + now->tv_nsec + control->clock_offset_ns;
        now->tv_sec = ns / INT64_C(1000000000);
        now->tv_nsec = ns % INT64_C(1000000000);
    }
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (into) *into = exact.tv_sec;
    return exact.tv_sec;
}
