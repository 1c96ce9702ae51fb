#!/usr/bin/env python3
"""Long polls: connections that are answered DELAY s after every request, round after round.

Usage: long-poll.py PORT CONNECTIONS ROUNDS DELAY. Prints JSON: rounds, when each began (seconds since 1970).
"""
import json
import socket
import sys
import threading
import time

port, count, rounds = (int(argument) for argument in sys.argv[1:4])
delay = float(sys.argv[4])
listener = socket.create_server(("127.0.0.1", port))


def serve(connection):
    while connection.recv(5):
        time.sleep(delay)
        connection.sendall(b"a" * 5)


def accept():
    for _ in range(count):
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(count)]
began = []
for _ in range(rounds):
    began.append(time.time())
    for client in clients:
        client.sendall(b"q" * 5)
    for client in clients:
        if len(client.recv(5)) != 5:
            raise SystemExit("no answer")
print(json.dumps({"rounds": began}))
