// An SMTP server that stores nothing: one thread, one epoll set, one read and one write a flight, no allocation after a
// client's first. It is the least that taking mail can cost, and what durable accept is measured against.
//   epoll PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FLIGHT = 65536, CARRY = 4, LINE = 2048, REPLIES = 16384 };

struct client {
    int socket;
    int content;         // between DATA and its final dot
    char last[CARRY];    // the content's last octets: the final dot may come in two reads
    size_t length;       // of a line that has not ended
    char line[LINE];
};

static char input[CARRY + FLIGHT], output[REPLIES];
static size_t replies;

static void reply(const char *text)
{
    size_t length = strlen(text);
    if (replies + length <= sizeof output) {
        memcpy(output + replies, text, length);
        replies += length;
    }
}

static int is(const struct client *client, const char *verb)
{
    return client->length >= 4 && strncasecmp(client->line, verb, 4) == 0;
}

// Returns 0 when the client is to go.
static int command(struct client *client)
{
    if (is(client, "DATA")) {
        client->content = 1;
        memcpy(client->last, "\0\0\r\n", CARRY);   // a dot alone may be the first line
        reply("354 go on\r\n");
    } else if (is(client, "EHLO")) {
        reply("250-epoll.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250 8BITMIME\r\n");
    } else if (is(client, "QUIT")) {
        reply("221 2.0.0 bye\r\n");
        return 0;
    } else {
        reply("250 2.0.0 ok\r\n");
    }
    client->length = 0;
    return 1;
}

// Takes the octets from input + CARRY.
static int take(struct client *client, size_t length)
{
    char *at = input + CARRY, *end = at + length;
    while (at < end) {
        if (client->content) {
            memcpy(at - CARRY, client->last, CARRY);   // what was there has been taken
            char *dot = memmem(at - CARRY, (size_t)(end - at) + CARRY, "\r\n.\r\n", 5);
            if (dot == NULL) {
                memcpy(client->last, end - CARRY, CARRY);
                return 1;
            }
            client->content = 0;
            reply("250 2.0.0 Ok: taken\r\n");
            at = dot + 5;
            continue;
        }
        char *feed = memchr(at, '\n', (size_t)(end - at));
        size_t part = (size_t)((feed == NULL ? end : feed + 1) - at);
        if (client->length + part > LINE) {
            return 0;
        }
        memcpy(client->line + client->length, at, part);
        client->length += part;
        at += part;
        if (feed != NULL && !command(client)) {
            return 0;
        }
    }
    return 1;
}

int main(int count, char **words)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), set = epoll_create1(0), yes = 1;
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) }, .sin_port = htons((unsigned short)atoi(count > 1 ? words[1] : "2525")) };
    struct epoll_event events[256], event = { .events = EPOLLIN, .data.ptr = NULL };
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 1024) != 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) != 0) {
        perror("epoll");
        return 1;
    }
    for (;;) {
        int ready = epoll_wait(set, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            replies = 0;
            if (client == NULL) {
                int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (socket < 0 || (client = calloc(1, sizeof *client)) == NULL) {
                    continue;
                }
                client->socket = socket;
                setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                event.data.ptr = client;
                epoll_ctl(set, EPOLL_CTL_ADD, socket, &event);
                reply("220 epoll.test ESMTP\r\n");
                if (write(socket, output, replies) < 0) {
                    perror("epoll: write");
                }
                continue;
            }
            ssize_t length = read(client->socket, input + CARRY, FLIGHT);
            int stays = length > 0 && take(client, (size_t)length);
            if ((replies > 0 && write(client->socket, output, replies) < 0) || !stays) {
                close(client->socket);
                free(client);
            }
        }
    }
}
