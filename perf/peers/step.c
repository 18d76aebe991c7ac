// Counts the instructions of one thread by single steps: for perf/instructions, where no counter of the processor may be asked.
//   step TID BASE END STOP OUT     addresses in hexadecimal; steps until the file STOP exists, then writes OUT:
//                                  instructions in all, those outside of BASE..END, and a line "offset count" for each address
// A repeated string instruction counts once, however many octets it moves.
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words)
{
    if (count != 6) {
        return 2;
    }
    pid_t thread = atoi(words[1]);
    unsigned long base = strtoul(words[2], NULL, 16), end = strtoul(words[3], NULL, 16), all = 0, outside = 0, last = 0;
    unsigned *seen = calloc(end - base, sizeof *seen);
    int status, pass = 0;
    if (seen == NULL || ptrace(PTRACE_SEIZE, thread, 0, 0) != 0 || ptrace(PTRACE_INTERRUPT, thread, 0, 0) != 0) {
        perror("step");
        return 1;
    }
    waitpid(thread, &status, __WALL);
    for (unsigned long steps = 0; (steps & 1023) != 0 || access(words[4], F_OK) != 0; steps++) {
        if (ptrace(PTRACE_SINGLESTEP, thread, 0, pass) != 0 || waitpid(thread, &status, __WALL) < 0 || !WIFSTOPPED(status)) {
            break;
        }
        pass = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
        unsigned long at = (unsigned long)ptrace(PTRACE_PEEKUSER, thread, offsetof(struct user_regs_struct, rip), 0);
        if (at == last) {
            continue;
        }
        last = at;
        all++;
        if (at >= base && at < end) {
            seen[at - base]++;
        } else {
            outside++;
        }
    }
    ptrace(PTRACE_DETACH, thread, 0, 0);
    FILE *out = fopen(words[5], "w");
    if (out == NULL) {
        perror(words[5]);
        return 1;
    }
    fprintf(out, "%lu %lu\n", all, outside);
    for (unsigned long i = 0; i < end - base; i++) {
        if (seen[i] != 0) {
            fprintf(out, "%lx %u\n", i, seen[i]);
        }
    }
    return fclose(out);
}
