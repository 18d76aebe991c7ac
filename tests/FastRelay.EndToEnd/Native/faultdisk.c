/*
 * faultdisk CONTROL FOLDER PROGRAM [ARGUMENT ...]
 * faultdisk CONTROL FOLDER
 *
 * Runs a program and decides what comes of its pwrite, fsync and fdatasync calls on files below FOLDER. It uses the
 * kernel's seccomp notifications, so it works on a static executable, where LD_PRELOAD does nothing. CONTROL holds one
 * word and is looked at on every call; CONTROL.count says how many calls were changed.
 *
 * Without a program it ends with 0 when it can do on this machine what it is for.
 *
 *   off            nothing is changed
 *   sync-eio       every fsync and fdatasync fails with EIO, and nothing is synced
 *   write-eio      every pwrite fails with EIO, and nothing is written
 *   write-enospc   the same with ENOSPC
 *   short          every pwrite of more than one byte writes about half of it
 *   eintr          every second call is interrupted
 *   some           one call in twenty meets one of these
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

static const char *control, *folder;
static pid_t child;
static int counter = -1;
static unsigned long changed, calls, seed = 20261125;

static void die(const char *what) { perror(what); exit(125); }

static int send_fd(int socket, int fd)
{
    char byte = 0, room[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec io = {&byte, 1};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    return sendmsg(socket, &message, 0);
}

static int receive_fd(int socket)
{
    int fd;
    char byte, room[CMSG_SPACE(sizeof fd)];
    struct iovec io = {&byte, 1};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    if (recvmsg(socket, &message, 0) <= 0 || CMSG_FIRSTHDR(&message) == NULL) die("the filter was not installed");
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static int install(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_pwrite64, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fdatasync, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fsync, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("no_new_privs");
    int fd = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (fd < 0) die("seccomp");
    return fd;
}

static unsigned long chance(unsigned long n)
{
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    return (seed >> 33) % n;
}

static int is_ours(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", child, fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

static void mode_now(char *word, size_t size)
{
    int fd = open(control, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, word, size - 1);
    if (fd >= 0) close(fd);
    word[length < 0 ? 0 : length] = 0;
    word[strcspn(word, " \n")] = 0;
}

/* Writes part of what the program wanted to write: its memory is read, its file borrowed. */
static int half_write(const struct seccomp_data *call, struct seccomp_notif_resp *reply)
{
    size_t count = call->args[2] / 2 + (call->args[2] > 2 ? 1 : 0);
    char *bytes = malloc(count);
    struct iovec local = {bytes, count}, remote = {(void *)call->args[1], count};
    int pidfd = syscall(SYS_pidfd_open, child, 0);
    int fd = pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, (int)call->args[0], 0);
    ssize_t result = fd < 0 || process_vm_readv(child, &local, 1, &remote, 1, 0) != (ssize_t)count
        ? -1 : pwrite(fd, bytes, count, (off_t)call->args[3]);
    reply->val = result < 0 ? 0 : result;
    reply->error = result < 0 ? -errno : 0;
    free(bytes);
    if (fd >= 0) close(fd);
    if (pidfd >= 0) close(pidfd);
    return 1;
}

static int decide(const struct seccomp_data *call, struct seccomp_notif_resp *reply)
{
    char mode[32];
    int write = call->nr == __NR_pwrite64;
    mode_now(mode, sizeof mode);
    if (strcmp(mode, "off") == 0 || mode[0] == 0 || !is_ours((int)call->args[0])) return 0;
    calls++;
    if (strcmp(mode, "some") == 0) {
        static const char *const ways[] = {"sync-eio", "write-eio", "write-enospc", "short", "eintr"};
        if (chance(20) != 0) return 0;
        strcpy(mode, write ? ways[1 + chance(4)] : ways[chance(2) ? 0 : 4]);
        calls = 0;
    }
    if (!write && strcmp(mode, "sync-eio") == 0) reply->error = -EIO;
    else if (write && strcmp(mode, "write-eio") == 0) reply->error = -EIO;
    else if (write && strcmp(mode, "write-enospc") == 0) reply->error = -ENOSPC;
    else if (strcmp(mode, "eintr") == 0 && calls % 2 == 0) reply->error = -EINTR;
    else if (write && strcmp(mode, "short") == 0 && call->args[2] > 1) return half_write(call, reply);
    else return 0;
    return 1;
}

static void serve(int listener)
{
    struct seccomp_notif *request = calloc(1, 1024);
    struct seccomp_notif_resp *reply = calloc(1, 1024);
    for (;;) {
        memset(request, 0, 1024);
        memset(reply, 0, 1024);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, request) != 0) {
            int status;
            if (waitpid(child, &status, WNOHANG) == child) exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
            continue;
        }
        reply->id = request->id;
        if (decide(&request->data, reply)) {
            char text[32];
            int length = snprintf(text, sizeof text, "%lu\n", ++changed);
            if (pwrite(counter, text, length, 0) < 0) die("count");
        } else {
            reply->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        }
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, reply);
    }
}

/* In mode "short": half of a write must get through, and the program must hear of it. */
static int try_it(void)
{
    char name[4096];
    snprintf(name, sizeof name, "%s/try", folder);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || pwrite(fd, "12345678", 8, 0) != 5) { perror(name); return 125; }
    unlink(name);
    return 0;
}

static void on_child(int signal) { (void)signal; }

int main(int count, char **arguments)
{
    int pair[2];
    char name[4096];
    if (count < 3) { fprintf(stderr, "faultdisk CONTROL FOLDER [PROGRAM [ARGUMENT ...]]\n"); return 125; }
    control = arguments[1];
    folder = arguments[2];
    snprintf(name, sizeof name, "%s.count", control);
    if ((counter = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0) die(name);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) die("socketpair");
    struct sigaction ended = {.sa_handler = on_child}; /* no SA_RESTART: it interrupts the wait for a call */
    sigaction(SIGCHLD, &ended, NULL);
    if ((child = fork()) < 0) die("fork");
    if (child == 0) {
        int listener = install();
        if (send_fd(pair[1], listener) < 0) die("sendmsg");
        close(listener);
        if (count == 3) _exit(try_it());
        execv(arguments[3], arguments + 3);
        die(arguments[3]);
    }
    close(pair[1]);
    serve(receive_fd(pair[0]));
    return 0;
}
