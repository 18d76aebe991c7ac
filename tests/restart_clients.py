#!/usr/bin/env python3
"""Clients that send while a relay is restarted, and the server that its mail goes to.

    restart_clients.py PORT SINK     until /run/clients.stop is there; then waits for what was answered 250 and says what came of
                                     it. /run/clients.taken has an octet for each 250. Ends with 1 when a connection was refused,
                                     mail was lost or a reply made no sense.
    restart_clients.py --banner PORT      ends with 0 when somebody greets there
    restart_clients.py --nonsense PORT    says one command that is wrong

A connection for each message. One that is told 421, or breaks, is made again for the same message.
"""
import collections
import os
import socket
import sys
import threading
import time

STOP, TAKEN = "/run/clients.stop", "/run/clients.taken"
CLIENTS = 4


class Sink(threading.Thread):
    """Takes mail and counts it by recipient."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.arrived = collections.Counter()
        self.listener = socket.create_server(("127.0.0.1", port))

    def run(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        to = ""
        with client, client.makefile("rb") as lines:
            client.sendall(b"220 sink.test\r\n")
            for line in lines:
                verb = line[:4].upper()
                if verb == b"RCPT":
                    to = line[line.index(b"<") + 1:line.index(b">")].decode()
                elif verb == b"DATA":
                    client.sendall(b"354 go\r\n")
                    while (text := lines.readline()) not in (b".\r\n", b""):
                        pass
                    if text == b"":
                        return
                    self.arrived[to] += 1
                try:
                    client.sendall(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                except OSError:
                    # It was ended while it waited.
                    return


class Client(threading.Thread):
    """Sends one message after the other."""

    def __init__(self, number, port):
        super().__init__()
        self.number, self.port = number, port
        self.taken, self.wrong = [], []

    def run(self):
        while not os.path.exists(STOP) and not self.wrong:
            self.send(f"{self.number}-{len(self.taken)}@a.test")

    def send(self, to):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as link, link.makefile("rb") as lines:
                reply = answer(lines)
                for said in ("EHLO client.test", "MAIL FROM:<clients@b.test>", f"RCPT TO:<{to}>", "DATA", "Subject: x\r\n\r\nhello\r\n."):
                    if reply[:1] not in (b"2", b"3"):
                        break
                    link.sendall(said.encode() + b"\r\n")
                    reply = answer(lines)
        except ConnectionRefusedError as refused:
            self.wrong.append(f"refused: {refused}")
            return
        except (ConnectionError, BrokenPipeError):
            # It ended in the middle of what we said.
            return
        except OSError as broken:
            self.wrong.append(f"{type(broken).__name__}: {broken}")
            return
        if reply.startswith(b"250 2.0.0"):
            self.taken.append(to)
            with open(TAKEN, "a", encoding="ascii") as file:
                file.write(".")
        elif reply[:3] not in (b"421", b""):
            self.wrong.append(f"answered {reply!r}")


def answer(lines):
    line = lines.readline()
    while line[3:4] == b"-":
        line = lines.readline()
    return line


def main():
    if sys.argv[1] in ("--banner", "--nonsense"):
        with socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=60) as link, link.makefile("rb") as lines:
            if answer(lines)[:4] != b"220 ":
                return 1
            link.sendall(b"NONSENSE\r\n" if sys.argv[1] == "--nonsense" else b"QUIT\r\n")
            return 0 if answer(lines)[:1] in (b"2", b"5") else 1
    sink = Sink(int(sys.argv[2]))
    sink.start()
    clients = [Client(number, int(sys.argv[1])) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    taken = {to for client in clients for to in client.taken}
    wrong = [what for client in clients for what in client.wrong]
    end = time.monotonic() + 60
    while taken - sink.arrived.keys() and time.monotonic() < end:
        time.sleep(0.1)
    lost = taken - sink.arrived.keys()
    for what in wrong + sorted(lost):
        print(what)
    print(f"{len(taken)} messages answered 250, {len(lost)} lost, {sum(sink.arrived.values()) - len(sink.arrived)} delivered twice, {len(wrong)} connections refused or wrong")
    return 0 if taken and not lost and not wrong else 1


sys.exit(main())
