#!/usr/bin/env python3
"""The first seconds of three services. The first request of one is never answered, and its client gives up after a while. The
others answer 30 short requests. Then on one the server stops for as long before it has read a new connection's request, and on
the other a new connection's first request is answered after as long: a long poll.

Usage: early.py DEAD-PORT STOPPED-PORT POLLED-PORT SECONDS. Prints JSON: what the client waited for each, ms.
"""
import json
import os
import signal
import socket
import sys
import time

dead, stopped, polled = (int(argument) for argument in sys.argv[1:4])
seconds = float(sys.argv[4])


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
            request = connection.recv(5)
            if request == b"never":
                connection.recv(5)  # till the client closes
                continue
            if request == b"later":
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


def give_up(port: int) -> float:
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"never")
        time.sleep(seconds)
    return (time.monotonic() - begin) * 1000


children = [serve(port) for port in (stopped, polled, dead)]
try:
    given_up = give_up(dead)
    time.sleep(3)  # an incident of its own
    for port in (stopped, polled):
        for _ in range(30):
            ask(port, b"quick")
    os.kill(children[0], signal.SIGSTOP)
    # Till it is: a signal takes effect when its process is next scheduled.
    os.waitpid(children[0], os.WUNTRACED)

    def proceed() -> None:
        time.sleep(seconds)
        os.kill(children[0], signal.SIGCONT)

    print(json.dumps({"dead": given_up, "unread": ask(stopped, b"quick", proceed), "poll": ask(polled, b"later")}))
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
