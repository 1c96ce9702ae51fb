#!/usr/bin/env python3
"""One scenario of request and answer over TCP on this host, with the client's own times: the truth of the turn tests.

Usage: exchange.py SCENARIO PORT [ADDRESS]. Server and client are two processes, so that neither delays the other.
Prints JSON: what the client measured, in ms, and `queued_ms`, how long both waited for a CPU while other work had it. Every scenario ends by itself within about 10 s.
"""
import json
import os
import select
import socket
import struct
import sys
import time


def now():
    return time.monotonic() * 1000


def queued():
    """Milliseconds this process's thread has waited on run queues (Documentation/scheduler/sched-stats.rst)."""
    with open("/proc/thread-self/schedstat") as f:
        return int(f.read().split()[1]) / 1e6


def exactly(connection, size):
    got = 0
    while got < size:
        part = connection.recv(min(1 << 16, size - got))
        if not part:
            raise SystemExit(f"closed after {got} of {size} bytes")
        got += len(part)


def ask(client, size=5, answer=5):
    start = now()
    client.sendall(b"q" * size)
    exactly(client, answer)
    return now() - start


def reply(server, delay=0.0, size=5, answer=5):
    exactly(server, size)
    time.sleep(delay)
    server.sendall(b"a" * answer)


class Hang:
    """(a) The second request hangs for 3 s."""
    def server(self, s):
        reply(s)
        reply(s, 3)

    def client(self, c):
        return {"quick": ask(c), "asked_at": time.time(), "slow": ask(c), "ended_at": time.time()}


class Post:
    """(a) As Hang, with a request of 300 KB that is read in many parts."""
    def server(self, s):
        reply(s)
        reply(s, 1.5, 300_000)

    def client(self, c):
        return {"quick": ask(c), "slow": ask(c, 300_000)}


class Pushes:
    """(c) An upgrade, 10 messages unasked 300 ms apart, then client pings between more of them, 350 ms apart."""
    def server(self, s):
        reply(s)
        for _ in range(10):
            time.sleep(0.3)
            s.sendall(b"p" * 7)
        s.settimeout(0)
        next_push, end = now() + 300, now() + 3000
        while now() < end:
            try:
                if s.recv(5):
                    s.sendall(b"a" * 5)
            except BlockingIOError:
                pass
            if now() >= next_push:
                s.sendall(b"p" * 7)
                next_push += 300
            time.sleep(0.002)

    def client(self, c):
        first = ask(c)
        exactly(c, 70)
        start = now()
        c.settimeout(0.35)
        while now() - start < 2800:
            c.sendall(b"q" * 5)
            deadline = now() + 350
            while (left := deadline - now()) > 0:
                c.settimeout(left / 1000)
                try:
                    if not c.recv(64):
                        return {"upgrade": first}
                except TimeoutError:
                    break
        return {"upgrade": first}


class Unasked:
    """(c) The server alone speaks, on a connection that never carried a request."""
    def server(self, s):
        for _ in range(8):
            time.sleep(0.3)
            s.sendall(b"p" * 7)

    def client(self, c):
        exactly(c, 56)
        return {}


class Pipeline:
    """(d) Ten requests in one segment, each answered 30 ms after the one before."""
    def server(self, s):
        for _ in range(10):
            reply(s, 0.03)

    def client(self, c):
        start = now()
        c.sendall(b"q" * 50)
        exactly(c, 50)
        return {"total": now() - start}


class Idle:
    """(e) Two requests with 3 s of nothing between them."""
    def server(self, s):
        reply(s)
        reply(s)

    def client(self, c):
        first = ask(c)
        time.sleep(3)
        return {"first": first, "second": ask(c)}


class Upload:
    """(f) 50 MB in 50 parts, 40 ms apart, and one answer 50 ms after the last."""
    def server(self, s):
        reply(s, 0.05, 50_000_000)

    def client(self, c):
        start = now()
        for _ in range(50):
            c.sendall(b"q" * 1_000_000)
            time.sleep(0.04)
        sent = now()
        exactly(c, 5)
        return {"transfer": sent - start, "total": now() - start}


class Download:
    """(f) A 50 MB answer to a client that reads 2 MB and rests 40 ms."""
    def server(self, s):
        reply(s, 0, 5, 50_000_000)

    def client(self, c):
        start = now()
        c.sendall(b"q" * 5)
        for _ in range(25):
            exactly(c, 2_000_000)
            time.sleep(0.04)
        return {"total": now() - start}


class Trickle:
    """(f) A 10 MB answer of a server that never blocks, to a client that reads 2 MB and rests 250 ms."""
    def server(self, s):
        exactly(s, 5)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
        s.setblocking(False)
        rest = memoryview(b"a" * 10_000_000)
        while rest:
            select.select([], [s], [], 5)
            rest = rest[s.send(rest):]

    def client(self, c):
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        start = now()
        c.sendall(b"q" * 5)
        for _ in range(5):
            exactly(c, 2_000_000)
            last = now()
            time.sleep(0.25)
        return {"total": last - start}


class HalfClose:
    """(g) The client ends its side, then waits 300 ms for the answer."""
    def server(self, s):
        exactly(s, 5)
        if s.recv(1):
            raise SystemExit("no end of the request")
        time.sleep(0.3)
        s.sendall(b"a" * 5)

    def client(self, c):
        start = now()
        c.sendall(b"q" * 5)
        c.shutdown(socket.SHUT_WR)
        exactly(c, 5)
        return {"total": now() - start}


class Split:
    """(h) One request in three segments 150 ms apart; the answer 20 ms after the last."""
    def server(self, s):
        reply(s, 0.02, 15)

    def client(self, c):
        start = now()
        for rest in (0.15, 0.15, 0):
            c.sendall(b"q" * 5)
            time.sleep(rest)
        exactly(c, 5)
        return {"total": now() - start}


class Continue:
    """(i) Headers, `100 Continue` after 20 ms, body 60 ms later, answer after another 50 ms."""
    def server(self, s):
        reply(s, 0.02, 5, 4)
        reply(s, 0.05, 9, 6)

    def client(self, c):
        first = ask(c, 5, 4)
        time.sleep(0.06)
        return {"first": first, "second": ask(c, 9, 6)}


class Abort:
    """(j) The server closes after 100 ms without an answer."""
    def server(self, s):
        exactly(s, 5)
        time.sleep(0.1)

    def client(self, c):
        start = now()
        c.sendall(b"q" * 5)
        if c.recv(5):
            raise SystemExit("an answer")
        return {"total": now() - start}


class Reset:
    """(j) The server resets after 100 ms without an answer (SO_LINGER 0)."""
    def server(self, s):
        exactly(s, 5)
        time.sleep(0.1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def client(self, c):
        start = now()
        c.sendall(b"q" * 5)
        try:
            c.recv(5)
            raise SystemExit("no reset")
        except ConnectionResetError:
            return {"total": now() - start}


scenario = {kind.__name__.lower(): kind for kind in (
    Hang, Post, Pushes, Unasked, Pipeline, Idle, Upload, Download, Trickle, HalfClose, Split, Continue, Abort, Reset)}[sys.argv[1]]()
port = int(sys.argv[2])
address = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
family = socket.AF_INET6 if ":" in address else socket.AF_INET
listener = socket.socket(family, socket.SOCK_STREAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, port))
listener.listen(8)
from_server, to_client = os.pipe()
child = os.fork()
if child == 0:
    connection, _ = listener.accept()
    connection.settimeout(15)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    scenario.server(connection)
    connection.close()
    os.write(to_client, str(queued()).encode())
    os._exit(0)
listener.close()
client = socket.create_connection((address, port), timeout=15)
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
at_first = queued()
measured = scenario.client(client)
measured["queued_ms"] = queued() - at_first
client.close()
_, status = os.waitpid(child, 0)
if status != 0:
    raise SystemExit(f"the server ended with {status}")
measured["queued_ms"] += float(os.read(from_server, 64))
print(json.dumps(measured))
