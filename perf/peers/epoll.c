// An SMTP server that stores nothing: one thread, one epoll set, one read and one write a flight, no allocation after a
// client's first. It is the least that taking mail can cost, and what durable accept is measured against.
//   epoll PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dialogue.h"

static char input[CARRY + FLIGHT];

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
            int stays = length > 0 && take(client, input + CARRY, (size_t)length);
            if ((replies > 0 && write(client->socket, output, replies) < 0) || !stays) {
                close(client->socket);
                free(client);
            }
        }
    }
}
