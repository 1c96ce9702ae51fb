#!/usr/bin/env python3
"""A bounded Redis GET load that keeps every latency: the client's own truth.

Usage: redis-load.py HOST PORT SECONDS CONNECTIONS [FAMILY]. One thread a connection. Prints JSON: count, max_ms and
quantiles in ms.
"""
import json
import socket
import sys
import threading
import time

host, port, seconds, connections = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
latencies = [[] for _ in range(connections)]
request = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
deadline = time.monotonic() + seconds


def work(mine):
    connection = socket.create_connection((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while time.monotonic() < deadline:
        start = time.monotonic_ns()
        connection.sendall(request)
        if not connection.recv(4096):
            raise SystemExit("the server closed the connection")
        mine.append(time.monotonic_ns() - start)
        time.sleep(0.001)
    connection.close()


threads = [threading.Thread(target=work, args=(mine,)) for mine in latencies]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
every = sorted(value for mine in latencies for value in mine)
quantile = lambda fraction: every[min(len(every) - 1, int(len(every) * fraction))] / 1e6
print(json.dumps({
    "count": len(every), "max_ms": every[-1] / 1e6, "p50_ms": quantile(0.5), "p99_ms": quantile(0.99),
}))
