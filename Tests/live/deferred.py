#!/usr/bin/env python3
"""A server that waits for data before it has a connection (TCP_DEFER_ACCEPT), and accepts late; then a second request on the same
connection; then one that is reset before it is accepted, whose request is read all the same; then one that is reset before its second
request is read.

Usage: deferred.py PORT SECONDS. Prints JSON: what the client waited for the first request, ms.
"""
import json
import socket
import struct
import sys
import threading
import time

port, seconds = int(sys.argv[1]), float(sys.argv[2])
listener = socket.create_server(("127.0.0.1", port))
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 10)
asked, reset, read, left = (threading.Event() for _ in range(4))


def leave(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def serve() -> None:
    asked.wait()
    time.sleep(seconds)
    connection, _ = listener.accept()
    with connection:
        for _ in range(2):
            connection.recv(100)
            connection.sendall(b"reply")
    reset.wait()
    time.sleep(0.1)
    connection, _ = listener.accept()
    with connection:
        try:
            connection.recv(100)
            time.sleep(2 * seconds)
        except ConnectionResetError:
            pass
    read.set()
    connection, _ = listener.accept()
    with connection:
        connection.recv(100)
        connection.sendall(b"reply")
        left.wait()


server = threading.Thread(target=serve, daemon=True)
server.start()
with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
    began = time.monotonic()
    connection.sendall(b"first")
    asked.set()
    connection.recv(100)
    waited = (time.monotonic() - began) * 1000
    connection.sendall(b"second")
    connection.recv(100)
gone = socket.create_connection(("127.0.0.1", port), timeout=30)
gone.sendall(b"third")
time.sleep(0.05)
leave(gone)
reset.set()
read.wait(30)
gone = socket.create_connection(("127.0.0.1", port), timeout=30)
gone.sendall(b"fourth")
gone.recv(100)
gone.sendall(b"fifth")
time.sleep(0.1)
leave(gone)
left.set()
server.join(30)
print(json.dumps({"first": waited}))
