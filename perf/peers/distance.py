"""A TCP proxy that is as far away as it is told: distance.py LISTEN-PORT TARGET-HOST:PORT MILLISECONDS-EACH-WAY.

Every octet arrives that much later, in both directions, and octets on their way do not wait for each other: a long line
holds as many as it is long. A connection counts as opened one way later. Prints one line when it listens.
"""
import asyncio
import sys

listen, (host, port), delay = int(sys.argv[1]), sys.argv[2].rsplit(":", 1), float(sys.argv[3]) / 1000
ON_THE_WAY = 64 << 20  # octets of one direction: bounds memory, far above any window of TCP


async def carry(source, target):
    """Moves octets from one side to the other, each after the delay."""
    loop = asyncio.get_running_loop()
    line, room, held = asyncio.Queue(), asyncio.Event(), 0
    room.set()

    async def arrive():
        nonlocal held
        while True:
            due, octets = await line.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not octets:
                target.write_eof()
                return
            target.write(octets)
            await target.drain()
            held -= len(octets)
            room.set()

    arriving = asyncio.create_task(arrive())
    try:
        while octets := await source.read(256 << 10):
            held += len(octets)
            line.put_nowait((loop.time() + delay, octets))
            while held > ON_THE_WAY:
                room.clear()
                await room.wait()
        line.put_nowait((loop.time() + delay, b""))
        await arriving
    except OSError:
        arriving.cancel()


async def serve(near_reader, near_writer):
    """One connection."""
    await asyncio.sleep(delay)
    try:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
    except OSError:
        near_writer.close()
        return
    await asyncio.gather(carry(near_reader, far_writer), carry(far_reader, near_writer), return_exceptions=True)
    far_writer.close()
    near_writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", listen)
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main())
