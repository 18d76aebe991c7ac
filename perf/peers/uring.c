// perf/peers/epoll.c by io_uring: one thread, one io_uring_enter a turn, which sends all replies and waits; connections and
// octets come without being asked for again (multishot), into buffers that the ring hands out. It answers whether io_uring
// would make FastRelay's loop cheaper (docs/decisions/0021).
//   uring PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "dialogue.h"

enum { ENTRIES = 4096, BUFFERS = 512, BUFFER = 16384, STRIDE = BUFFER + 64, OUT = 1024 };
enum kind { ACCEPT, RECEIVE, SEND, CLOSE };

struct peer {
    struct client client;
    int sending;          // replies on their way
    int flip;
    int gone;             // what still comes is not looked at
    int ended;            // and nothing comes any more
    char out[2][OUT];
};

static int ring;
static unsigned *sq_tail, *sq_mask, *cq_head, *cq_tail, *cq_mask, to_submit;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static struct io_uring_buf_ring *buffers;
static char *memory;

static struct io_uring_sqe *next(enum kind kind, void *whom)
{
    unsigned tail = *sq_tail;
    struct io_uring_sqe *sqe = &sqes[tail & *sq_mask];
    memset(sqe, 0, sizeof *sqe);
    sqe->user_data = (uint64_t)(uintptr_t)whom | kind;
    __atomic_store_n(sq_tail, tail + 1, __ATOMIC_RELEASE);
    if (++to_submit == ENTRIES) {
        to_submit -= (unsigned)syscall(SYS_io_uring_enter, ring, to_submit, 0, 0, NULL, 0);
    }
    return sqe;
}

static void give(unsigned short id)
{
    struct io_uring_buf *buffer = &buffers->bufs[buffers->tail & (BUFFERS - 1)];
    buffer->addr = (uint64_t)(uintptr_t)(memory + (size_t)id * STRIDE + 64);
    buffer->len = BUFFER;
    buffer->bid = id;
    __atomic_store_n(&buffers->tail, buffers->tail + 1, __ATOMIC_RELEASE);
}

static void receive(struct peer *peer)
{
    struct io_uring_sqe *sqe = next(RECEIVE, peer);
    sqe->opcode = IORING_OP_RECV;
    sqe->fd = peer->client.socket;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
}

static void answer(struct peer *peer)
{
    if (replies == 0) {
        return;
    }
    if (replies > OUT || peer->sending > 1) {
        fprintf(stderr, "uring: a client does not wait for replies\n");
        exit(1);
    }
    char *out = peer->out[peer->flip ^= 1];
    memcpy(out, output, replies);
    struct io_uring_sqe *sqe = next(SEND, peer);
    sqe->opcode = IORING_OP_SEND;
    sqe->fd = peer->client.socket;
    sqe->addr = (uint64_t)(uintptr_t)out;
    sqe->len = (unsigned)replies;
    sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    peer->sending++;
}

static void leave(struct peer *peer)
{
    if (peer->ended && peer->sending == 0) {
        struct io_uring_sqe *sqe = next(CLOSE, NULL);
        sqe->opcode = IORING_OP_CLOSE;
        sqe->fd = peer->client.socket;
        free(peer);
    }
}

static void accepted(int socket)
{
    struct peer *peer = socket < 0 ? NULL : aligned_alloc(64, (sizeof *peer + 63) / 64 * 64);
    int yes = 1;
    if (peer == NULL) {
        return;
    }
    memset(peer, 0, sizeof *peer);
    peer->client.socket = socket;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    replies = 0;
    reply("220 uring.test ESMTP\r\n");
    answer(peer);
    receive(peer);
}

static void received(struct peer *peer, const struct io_uring_cqe *cqe)
{
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned short id = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        replies = 0;
        if (cqe->res > 0 && !peer->gone && !take(&peer->client, memory + (size_t)id * STRIDE + 64, (size_t)cqe->res)) {
            peer->gone = 1;
            shutdown(peer->client.socket, SHUT_RD);   // ends the reading that goes on
        }
        give(id);
        answer(peer);
    }
    if (cqe->flags & IORING_CQE_F_MORE) {
        return;
    }
    if (cqe->res > 0 || cqe->res == -105) {           // ENOBUFS: buffers were short for a moment
        receive(peer);
        return;
    }
    peer->ended = 1;
    leave(peer);
}

static void *map(size_t length, off_t what)
{
    void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, what);
    if (at == MAP_FAILED) {
        perror("uring: mmap");
        exit(1);
    }
    return at;
}

static void open_ring(void)
{
    struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE, .cq_entries = 4 * ENTRIES };
    ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    if (ring < 0) {
        perror("uring: io_uring_setup");
        exit(1);
    }
    char *rings = map(p.cq_off.cqes + p.cq_entries * sizeof *cqes + p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    sq_tail = (unsigned *)(rings + p.sq_off.tail);
    sq_mask = (unsigned *)(rings + p.sq_off.ring_mask);
    cq_head = (unsigned *)(rings + p.cq_off.head);
    cq_tail = (unsigned *)(rings + p.cq_off.tail);
    cq_mask = (unsigned *)(rings + p.cq_off.ring_mask);
    cqes = (struct io_uring_cqe *)(rings + p.cq_off.cqes);
    unsigned *array = (unsigned *)(rings + p.sq_off.array);
    for (unsigned i = 0; i < p.sq_entries; i++) {
        array[i] = i;
    }
    sqes = map(p.sq_entries * sizeof *sqes, IORING_OFF_SQES);
    memory = aligned_alloc(4096, ((size_t)BUFFERS * STRIDE + 4095) / 4096 * 4096);
    buffers = aligned_alloc(4096, BUFFERS * sizeof(struct io_uring_buf));
    memset(buffers, 0, BUFFERS * sizeof(struct io_uring_buf));
    struct io_uring_buf_reg group = { .ring_addr = (uint64_t)(uintptr_t)buffers, .ring_entries = BUFFERS };
    if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_PBUF_RING, &group, 1) != 0) {
        perror("uring: buffers");
        exit(1);
    }
    for (unsigned short i = 0; i < BUFFERS; i++) {
        give(i);
    }
}

int main(int count, char **words)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) }, .sin_port = htons((unsigned short)atoi(count > 1 ? words[1] : "2525")) };
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 1024) != 0) {
        perror("uring");
        return 1;
    }
    open_ring();
    for (int accepting = 0;;) {
        if (!accepting) {
            struct io_uring_sqe *sqe = next(ACCEPT, NULL);
            sqe->opcode = IORING_OP_ACCEPT;
            sqe->fd = listener;
            sqe->ioprio = IORING_ACCEPT_MULTISHOT;
            accepting = 1;
        }
        long entered = syscall(SYS_io_uring_enter, ring, to_submit, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        if (entered > 0) {
            to_submit -= (unsigned)entered;
        }
        unsigned head = *cq_head, tail = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
        for (; head != tail; head++) {
            const struct io_uring_cqe cqe = cqes[head & *cq_mask];
            struct peer *peer = (struct peer *)(uintptr_t)(cqe.user_data & ~(uint64_t)3);
            switch ((enum kind)(cqe.user_data & 3)) {
            case ACCEPT:
                accepted(cqe.res);
                accepting = (cqe.flags & IORING_CQE_F_MORE) != 0;
                break;
            case RECEIVE:
                received(peer, &cqe);
                break;
            case SEND:
                peer->sending--;
                leave(peer);
                break;
            case CLOSE:
                break;
            }
        }
        __atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
    }
}
