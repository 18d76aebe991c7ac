#!/usr/bin/env python3
"""What systemd does for fastrelay, in small: holds its listening socket, starts it with the socket as descriptor 3, and
prints what it is told (sd_notify(3)), one line a message, its lines joined by " ; ".

    service_manager.py ADDRESS PORT PROGRAM ARGUMENT...

Standard input takes "restart" (SIGTERM, wait, start again, without closing the socket), "reload" (SIGHUP), "freeze"
(SIGSTOP: nothing turns any more) and "thaw". Its end stops the program.
"""
import os
import signal
import socket
import sys
import threading


def start(listener, notify, arguments):
    pid = os.fork()
    if pid == 0:
        os.dup2(listener.fileno(), 3)
        # It may have been 3 before, and then nothing was copied.
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", NOTIFY_SOCKET="@" + notify, WATCHDOG_USEC="400000")
        os.execv(arguments[0], arguments)
    say(f"started {pid}")
    return pid


def say(line):
    print(line, flush=True)


def hear(manager):
    while True:
        say("told " + manager.recv(65536).decode().replace("\n", " ; "))


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((sys.argv[1], int(sys.argv[2])))
    listener.listen(4096)
    name = f"fastrelay-manager-{os.getpid()}"
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind("\0" + name)
    threading.Thread(target=hear, args=(manager,), daemon=True).start()
    pid = start(listener, name, sys.argv[3:])
    for line in sys.stdin:
        word = line.strip()
        if word == "restart":
            os.kill(pid, signal.SIGTERM)
            say(f"ended {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")
            pid = start(listener, name, sys.argv[3:])
        else:
            os.kill(pid, {"reload": signal.SIGHUP, "freeze": signal.SIGSTOP, "thaw": signal.SIGCONT}[word])
    os.kill(pid, signal.SIGTERM)
    say(f"ended {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")


main()
