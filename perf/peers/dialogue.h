// The dialogue of an SMTP server that stores nothing, for perf/peers/epoll.c and uring.c: no allocation, no system call.
#include <string.h>
#include <strings.h>

enum { FLIGHT = 65536, CARRY = 4, LINE = 2048, REPLIES = 16384 };

struct client {
    int socket;
    int content;         // between DATA and its final dot
    char last[CARRY];    // the content's last octets: the final dot may come in two reads
    size_t length;       // of a line that has not ended
    char line[LINE];
};

static char output[REPLIES];
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

// Takes what was read, before which CARRY octets may be written. Returns 0 when the client is to go.
static int take(struct client *client, char *at, size_t length)
{
    char *end = at + length;
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
