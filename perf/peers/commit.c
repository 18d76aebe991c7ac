// What making mail durable costs without a journal; perf/commit sets our journal beside both.
//   commit files FOLDER WAITERS MESSAGES BYTES    one file a message, as most servers keep mail: written, synced, renamed,
//                                                 its folder synced; so many threads at once
//   commit bare FILE GROUPS BYTES                 nothing but pwrite + fdatasync over a file that was written before
// Prints the messages or groups, the seconds they took, and the seconds of processor.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { FILE_BYTES = 256 << 20, ZEROS = 1 << 20, NAME = 64 };

static int folder;
static long messages, begun;
static size_t bytes;
static char *content;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static double processor(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void *keep(void *unused)
{
    (void)unused;
    long number;
    while ((number = __atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED)) < messages) {
        char temporary[NAME], name[NAME];
        snprintf(temporary, sizeof temporary, "%ld.new", number);
        snprintf(name, sizeof name, "%ld", number);
        int file = openat(folder, temporary, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (file < 0 || write(file, content, bytes) != (ssize_t)bytes || fsync(file) != 0 || close(file) != 0)
            fail("writing a message");
        if (renameat(folder, temporary, folder, name) != 0 || fsync(folder) != 0)
            fail("naming a message");
    }
    return NULL;
}

static void files(const char *path, int waiters)
{
    if ((folder = open(path, O_RDONLY | O_DIRECTORY)) < 0)
        fail(path);
    pthread_t threads[1024];
    for (int i = 0; i < waiters; i++)
        if (pthread_create(&threads[i], NULL, keep, NULL) != 0)
            fail("a thread");
    for (int i = 0; i < waiters; i++)
        pthread_join(threads[i], NULL);
}

static int prepare(const char *path)
{
    int file = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    char *zeros = calloc(1, ZEROS);
    for (long at = 0; file >= 0 && at < FILE_BYTES; at += ZEROS)
        if (pwrite(file, zeros, ZEROS, at) != ZEROS)
            fail(path);
    if (file < 0 || fsync(file) != 0)
        fail(path);
    free(zeros);
    return file;
}

static void bare(int file)
{
    size_t at = 0;
    for (long i = 0; i < messages; i++, at += bytes) {
        if (at + bytes > FILE_BYTES)
            at = 0;
        if (pwrite(file, content, bytes, at) != (ssize_t)bytes || fdatasync(file) != 0)
            fail("a group");
    }
}

int main(int count, char **arguments)
{
    int is_files = count == 6 && strcmp(arguments[1], "files") == 0;
    if (!is_files && !(count == 5 && strcmp(arguments[1], "bare") == 0)) {
        fputs("usage: commit files FOLDER WAITERS MESSAGES BYTES | commit bare FILE GROUPS BYTES\n", stderr);
        return 2;
    }
    messages = atol(arguments[count - 2]);
    bytes = strtoul(arguments[count - 1], NULL, 10);
    content = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    memset(content, 'x', bytes);
    int file = is_files ? -1 : prepare(arguments[2]);
    double began = seconds(), used = processor();
    if (is_files)
        files(arguments[2], atoi(arguments[3]));
    else
        bare(file);
    printf("%ld %.6f %.6f\n", messages, seconds() - began, processor() - used);
    return 0;
}
