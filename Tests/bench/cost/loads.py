"""The loads: each is one process that goes on until it is stopped, and a count of what was served so far."""

import os
import re
import signal
import socket
import struct
import subprocess
import time


class Load:
    """A saturating load. `served` is the server's own count."""

    #: What is counted, and how the load is told in the table.
    unit = "requests"
    paced = False

    def __init__(self, clients, rate):
        self.clients = clients
        self.rate = rate
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command(), stdout=self.output())
        time.sleep(2)
        if self.process.poll() is not None:
            raise SystemExit(f"the load ended at once ({self.process.returncode}): {' '.join(self.command())}")

    def output(self):
        return subprocess.DEVNULL

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def rate_of(self, seconds):
        """Served a second over so many seconds, and served."""
        begin, before = self.served()
        time.sleep(seconds)
        end, after = self.served()
        if after == before:
            raise SystemExit(f"nothing was served in {seconds} s: is the load still there?")
        return (after - before) / (end - begin), after - before


class Redis(Load):
    title = "Redis GET, saturated"

    def command(self):
        return ["redis-benchmark", "-h", os.environ["cache"], "-t", "get", "-c", str(self.clients),
                "-n", "1000000000", "-q"]

    def start(self):
        self.control = socket.create_connection((os.environ["cache"], 6379))
        super().start()

    def served(self):
        self.control.sendall(b"INFO commandstats\r\n")
        data = b""
        while True:
            data += self.control.recv(65536)
            head = re.match(rb"\$(\d+)\r\n", data)
            if head and len(data) >= len(head.group(0)) + int(head.group(1)) + 2:
                break
        found = re.search(rb"cmdstat_get:calls=(\d+)", data)
        return time.monotonic(), int(found.group(1)) if found else 0


class KeepAlive(Load):
    title = "wrk on nginx, keep-alive"
    headers: list[str] = []

    def command(self):
        return ["wrk", "-t1", f"-c{self.clients}", "-d86400s", *self.headers, f"http://{os.environ['web']}:8080/"]

    def start(self):
        self.control = socket.create_connection((os.environ["web"], 8080))
        super().start()

    def served(self):
        self.control.sendall(b"GET /status HTTP/1.1\r\nHost: web\r\n\r\n")
        data = b""
        # The last line of stub_status ends with a space.
        while not re.search(rb"Waiting: \d+ \n", data):
            data += self.control.recv(65536)
        found = re.search(rb"requests\n \d+ \d+ (\d+)", data)
        return time.monotonic(), int(found.group(1))


class Connections(KeepAlive):
    title = "wrk on nginx, a connection a request"
    headers = ["-H", "Connection: close"]


class Paced(Redis):
    """Redis at a fixed rate, from an open-loop client that tells each request's latency."""

    paced = True

    @property
    def title(self):
        return f"Redis GET, {self.rate:,}/s"

    def command(self):
        return ["./paced", os.environ["cache"], "6379", str(self.rate), str(self.clients)]

    def output(self):
        self.records = open("paced.records", "w+b")
        return self.records

    def latencies(self, spans):
        """Of every (from, to) in CLOCK_MONOTONIC seconds the latencies in ns of what was due in it, once stopped."""
        self.records.seek(0)
        data = self.records.read()
        rows = list(struct.iter_unpack("=QQ", data[:len(data) // 16 * 16]))
        rows.sort()
        found, at = [], 0
        for begin, end in spans:
            while at < len(rows) and rows[at][0] < begin * 1e9:
                at += 1
            here = at
            while here < len(rows) and rows[here][0] < end * 1e9:
                here += 1
            found.append(sorted(latency for _, latency in rows[at:here]))
            at = here
        self.records.close()
        return found


LOADS = {"redis": Redis, "keepalive": KeepAlive, "connections": Connections, "paced": Paced}
