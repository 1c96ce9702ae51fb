#!/usr/bin/env python3
"""Requests on one connection, for the live test of what the recorder tells the kernel while it runs.

Usage: settings.py slow PORT ROUNDS     a quick answer and one after 90 ms, so many times
       settings.py detached PORT DIR    an answer that comes while the probes of the recorder on DIR are detached
"""
import json
import os
import socket
import sys
import threading
import time


def serve(connection):
    while delay := connection.recv(4):
        time.sleep(int(delay) / 1000)
        connection.sendall(b"a")


def control(directory, command):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.settimeout(5)
        one.bind("\0flightrec-settings-%d" % os.getpid())
        one.connect(directory + "/control.sock")
        one.send(json.dumps({"command": command}).encode())
        reply = json.loads(one.recv(1 << 16))
        if "error" in reply:
            raise SystemExit(reply["error"])


mode, port, rest = sys.argv[1], int(sys.argv[2]), sys.argv[3]
listener = socket.create_server(("127.0.0.1", port))
client = socket.create_connection(("127.0.0.1", port), timeout=10)
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
server, _ = listener.accept()
threading.Thread(target=serve, args=(server,), daemon=True).start()


def ask(ms):
    client.sendall(b"%04d" % ms)
    client.recv(1)


if mode == "slow":
    for _ in range(int(rest)):
        ask(0)
        ask(90)
else:
    ask(0)
    client.sendall(b"0100")
    time.sleep(0.05)
    control(rest, "detach")
    client.recv(1)
    time.sleep(0.1)
    control(rest, "attach")
    # Nothing is asked any more: a turn still open here was answered unseen.
    time.sleep(1.5)
