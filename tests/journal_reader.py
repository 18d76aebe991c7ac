#!/usr/bin/env python3
"""Reads a spool by docs/JOURNAL_FORMAT.md alone and prints what `fastrelay journal export` prints.

    journal_reader.py SPOOL [FOLDER-FOR-BODIES]

It shares nothing with the relay but that page: a test compares the two, so the page suffices to write a reader.
"""
import datetime
import json
import os
import re
import struct
import sys

BLOCK = 4096
TABLE = []
for n in range(256):
    for _ in range(8):
        n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc(data, start=0):
    state = start ^ 0xFFFFFFFF
    for byte in data:
        state = TABLE[(state ^ byte) & 255] ^ (state >> 8)
    return state ^ 0xFFFFFFFF


def u16(b, at):
    return struct.unpack_from("<H", b, at)[0]


def u32(b, at):
    return struct.unpack_from("<I", b, at)[0]


def u64(b, at):
    return struct.unpack_from("<Q", b, at)[0]


class Segment:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        head = self.data[:BLOCK]
        self.good = head[:8] == b"FRJRNL\r\n" and u32(head, 4092) == crc(head[:4092])
        if self.good and u32(head, 8) != 1:
            sys.exit(f"{path}: format version {u32(head, 8)} is not known")
        self.epoch, self.number, self.first = u64(head, 16), u64(head, 24), u64(head, 32)
        self.previous, self.previous_end, self.oldest = u64(head, 40), u64(head, 56), u64(head, 64)

    def groups(self, sealed):
        """Payloads with their tags, up to the sealed end, or in the last segment until no good frame follows."""
        at, expected = BLOCK, self.first
        end = sealed or len(self.data)
        while at + 64 <= end:
            frame = self.data[at:at + 64]
            size = u32(frame, 12)
            if u64(frame, 0) != self.epoch or u32(frame, 60) != crc(struct.pack("<Q", self.epoch) + frame[:60]):
                return
            payload = self.data[at + 64:at + 64 + size]
            if u64(frame, 16) != expected or crc(payload) != u32(frame, 24):
                return
            yield payload, u32(frame, 32)
            expected += 1
            at += (64 + size + BLOCK - 1) // BLOCK * BLOCK


class Message:
    def __init__(self):
        self.chunks, self.envelope, self.held, self.last, self.pending = {}, None, set(), {}, None

    def everybody(self):
        return set(range(u32(self.envelope, 4)))

    def head(self, record, body):
        self.chunk_count, self.length, self.crc, self.dots = u32(record, 36), u64(record, 40), u32(record, 48), u32(record, 52)
        size, settled, words = u32(record, 32), u32(record, 64), u32(record, 68)
        self.envelope, self.rest = record[72:72 + size], body
        if self.pending is None:
            self.pending = self.everybody()
        at = 72 + size + 4 * settled
        if words:
            bits = int.from_bytes(record[at:at + 8 * words], "little")
            self.pending = {i for i in self.everybody() if bits >> i & 1}
        if record[4] == 5:
            self.held = self.everybody() if record[5] & 2 else set()
            if record[5] & 4:
                self.held = {i for i in self.everybody() if bits >> 32 * words + i & 1}
        return u64(record, 56), [u32(record, 72 + size + 4 * i) for i in range(settled)]

    def body(self):
        return b"".join(self.chunks.get(i, b"") for i in range(self.chunk_count)) + self.rest


def records(payload, tag):
    at = 0
    while at + 32 <= len(payload):
        length, body = u32(payload, at), u32(payload, at + 16)
        record = payload[at:at + length]
        if u32(record, 24) == tag and u32(record, 28) == crc(record[32:length - body], crc(record[:28])):
            yield record, record[length - body:]
        at += (length + 7) // 8 * 8


def replay(folder):
    segments = [Segment(os.path.join(folder, n)) for n in sorted(os.listdir(folder)) if re.fullmatch(r"\d{16}\.seg", n)]
    segments = sorted((s for s in segments if s.good), key=lambda s: s.number)
    live = [s for s in segments if s.number >= segments[-1].oldest] if segments else []
    messages = {}
    for segment, following in zip(live, live[1:] + [None]):
        sealed = following.previous_end if following and following.previous == segment.number else 0
        for payload, tag in segment.groups(sealed):
            for record, body in records(payload, tag):
                apply(messages, record, body)
    return {i: m for i, m in messages.items() if m.envelope is not None}


def apply(messages, record, body):
    kind, ident = record[4], u64(record, 8)
    message = messages.get(ident)
    if kind == 1:
        messages.setdefault(ident, Message()).chunks[u32(record, 32)] = body
    elif kind in (2, 5):
        message = messages.setdefault(ident, Message())
        other, settled = message.head(record, body)
        if other in messages:
            settle(messages, other, settled)
    elif kind in (3, 4) and (message is not None or kind == 3):
        message = messages.setdefault(ident, Message())
        attempts, due, count = u32(record, 36), u64(record, 40), u32(record, 32)
        end = 56 + 4 * count + u16(record, 48)
        target = record[end - u16(record, 50):end]
        reason = record[56 + 4 * count:end - len(target)]
        done = []
        for i in range(count):
            index, result = divmod(u32(record, 56 + 4 * i), 256)
            message.last.pop(index, None)
            if result == 1:
                message.last[index] = (attempts, due, reason, target, u32(record, 52))
            else:
                done.append(index)
        if message.envelope is not None:
            settle(messages, ident, done)
    elif kind == 6 and message is not None and message.envelope is not None:
        words = u32(record, 36)
        bits = int.from_bytes(record[40:40 + 8 * words], "little")
        named = {i for i in message.everybody() if bits >> i & 1 or not words}
        message.held = message.held | named if u32(record, 32) == 1 else message.held - named


def settle(messages, ident, recipients):
    message = messages[ident]
    if message.envelope is not None:
        message.pending -= set(recipients)
        if not message.pending:
            del messages[ident]


def name(ident):
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[ident >> 5 * i & 31] for i in range(12, -1, -1))


def time(ms):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def text(octets):
    return octets.decode("utf-8", "replace")


def export(ident, message):
    e = message.envelope
    at = [u16(e, 0)]
    for size in (u16(e, 16), u16(e, 18), u16(e, 20), u16(e, 22)):
        at.append(at[-1] + size)
    body = message.body()
    shown = {
        "id": name(ident), "arrived": time(u64(e, 8)), "sender": text(e[at[0]:at[1]]), "peer": text(e[at[1]:at[2]]),
        "helo": text(e[at[2]:at[3]]), "eightBit": bool(e[2] & 1), "smtpUtf8": bool(e[2] & 2), "bounce": bool(e[2] & 4),
        "held": bool(message.held & message.pending), "bodyBytes": message.length, "bodyCrc": f"{message.crc:08x}", "stuffedDots": message.dots,
        "recipients": [],
    }
    if e[3]:
        shown["ret"] = ("", "FULL", "HDRS")[e[3]]
    if at[4] > at[3]:
        shown["envid"] = text(e[at[3]:at[4]])
    if u16(e, 0) > 24 and e[24]:
        shown["tenant"] = text(e[25:25 + e[24]])
    if e[2] & 0x30 in (0x10, 0x20):
        shown["priority"] = "high" if e[2] & 0x10 else "low"
    if len(body) != message.length or crc(body) != message.crc:
        shown["damaged"] = "its body is not what was received"
    where = at[4]
    for i in range(u32(e, 4)):
        size = u16(e, where) & 0x7FFF
        options = u16(e, where) & 0x8000
        recipient = {"mailbox": text(e[where + 2:where + 2 + size])}
        where += 2 + size
        if options:
            size = u16(e, where)
            if e[where + 2]:
                recipient["notify"] = e[where + 2]
            if size > 1:
                recipient["orcpt"] = text(e[where + 3:where + 2 + size])
            where += 2 + size
        if i not in message.pending:
            recipient["state"] = "settled"
        elif i in message.last:
            attempts, due, reason, target, moved = message.last[i]
            recipient.update(state="deferred", attempts=attempts, due=time(due), reason=text(reason))
            if target:
                recipient.update(movedTo=text(target), moved=time(1000 * moved))
        else:
            recipient["state"] = "ready"
        if i in message.pending & message.held:
            recipient["held"] = True
        shown["recipients"].append(recipient)
    return shown, body


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    for ident, message in sorted(replay(sys.argv[1]).items()):
        shown, body = export(ident, message)
        print(json.dumps(shown))
        if len(sys.argv) == 3:
            lines = body.split(b"\n")
            with open(os.path.join(sys.argv[2], shown["id"] + ".eml"), "wb") as file:
                file.write(b"\n".join(line[1:] if line.startswith(b".") else line for line in lines))


if __name__ == "__main__":
    main()
