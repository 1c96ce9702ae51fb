#!/usr/bin/env python3
"""A server of one thread, which serves a few connections and is then kept from accepting the next one by something that is no request.

Usage: accepts.py PORT cpu|sleep|poll SECONDS. Prints JSON: what the client of that one waited, ms.
"""
import json
import os
import select
import signal
import socket
import sys
import time

port, what, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
listener = socket.create_server(("127.0.0.1", port))


def burn() -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


#: Outside of any request: a collector of garbage, a job every hour; or it waits for something else to happen.
KEPT = {"cpu": burn, "sleep": lambda: time.sleep(seconds), "poll": lambda: select.select([], [], [], seconds)}


def ask() -> float:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        began = time.monotonic()
        connection.sendall(b"ask")
        connection.recv(100)
        return (time.monotonic() - began) * 1000


server = os.fork()
if server == 0:
    signal.signal(signal.SIGUSR1, lambda *_: KEPT[what]())
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"answer")
listener.close()
try:
    for _ in range(3):
        ask()
    time.sleep(0.2)
    os.kill(server, signal.SIGUSR1)
    time.sleep(0.1)
    print(json.dumps({"waited": ask()}))
finally:
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)
