#!/usr/bin/env python3
"""Answers of any size, for the live tests of loss.

Usage: sized.py serve PORT...                        until killed; a request is `SIZE\n`
       sized.py once PORT                            the same for one connection; its listener is closed at once
       sized.py ask HOST PORT SIZE [REST]            rests REST s after the connect; prints ms from request to answer
       sized.py hold HOST PORT SIGNAL [FROM FPORT]   connects (from that address), asks for 1 byte, and for another when the
                                                     file SIGNAL is there
       sized.py again HOST PORT SIGNAL               the same, and 0.5 s later once more
"""
import os
import socket
import sys
import threading
import time


def listen(port):
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::", port))
    listener.listen(8)
    return listener


def serve(port):
    listener = listen(port)
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def answer(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as requests:
        for request in requests:
            connection.sendall(b"a" * int(request))


def ask(connection, size):
    start = time.monotonic()
    connection.sendall(b"%d\n" % size)
    left = size
    while left:
        part = connection.recv(min(left, 1 << 16))
        if not part:
            raise SystemExit("closed early")
        left -= len(part)
    return (time.monotonic() - start) * 1000


mode, *rest = sys.argv[1:]
if mode == "serve":
    for port in rest:
        threading.Thread(target=serve, args=(int(port),), daemon=True).start()
    threading.Event().wait()
if mode == "once":
    listener = listen(int(rest[0]))
    connection, _ = listener.accept()
    listener.close()
    answer(connection)
    sys.exit()
source = (rest[3], int(rest[4])) if mode == "hold" and len(rest) > 4 else None
client = socket.create_connection((rest[0], int(rest[1])), timeout=15, source_address=source)
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
if mode == "ask":
    time.sleep(float(rest[3]) if len(rest) > 3 else 0)
    print(ask(client, int(rest[2])))
else:
    ask(client, 1)
    deadline = time.monotonic() + 30
    while not os.path.exists(rest[2]) and time.monotonic() < deadline:
        time.sleep(0.02)
    print(ask(client, 1))
    if mode == "again":
        time.sleep(0.5)
        print(ask(client, 1))
