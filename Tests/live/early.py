#!/usr/bin/env python3
"""The first seconds of two services, 30 short requests each. Then on the first the server stops for a while before it has read a new
connection's request, and on the second a new connection's first request is answered after as long: a long poll.

Usage: early.py STOPPED-PORT POLLED-PORT SECONDS. Prints JSON: what the client waited for each, ms.
"""
import json
import os
import signal
import socket
import sys
import time

stopped, polled = int(sys.argv[1]), int(sys.argv[2])
seconds = float(sys.argv[3])


def serve(port: int) -> int:
    """One connection after another, in a process of its own; its id."""
    listener = socket.create_server(("127.0.0.1", port))
    child = os.fork()
    if child:
        listener.close()
        return child
    signal.alarm(60)
    while True:
        connection, _ = listener.accept()
        with connection:
            if connection.recv(5) == b"later":
                time.sleep(seconds)
            connection.sendall(b"reply")


def ask(port: int, request: bytes, meanwhile=lambda: None) -> float:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        begin = time.monotonic()
        connection.sendall(request)
        meanwhile()
        if connection.recv(5) != b"reply":
            raise SystemExit("no answer")
        return (time.monotonic() - begin) * 1000


children = [serve(port) for port in (stopped, polled)]
try:
    for port in (stopped, polled):
        for _ in range(30):
            ask(port, b"quick")
    os.kill(children[0], signal.SIGSTOP)
    # Till it is: a signal takes effect when its process is next scheduled.
    os.waitpid(children[0], os.WUNTRACED)

    def proceed() -> None:
        time.sleep(seconds)
        os.kill(children[0], signal.SIGCONT)

    print(json.dumps({"unread": ask(stopped, b"quick", proceed), "poll": ask(polled, b"later")}))
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
