#!/usr/bin/env python3
"""Connections for the live test of drops.

Usage: connects.py listen PORT BACKLOG SECONDS [ADDRESS]  listens and never accepts
       connects.py try HOST PORT COUNT SECONDS       starts COUNT connects at once, and gives them up after SECONDS
       connects.py take PORT SECONDS                 takes one connection and reads what comes
       connects.py send HOST PORT SECONDS            connects, says so, and sends a little when a line comes on standard input
"""
import socket
import sys
import time

mode, *rest = sys.argv[1:]
if mode == "listen":
    listener = socket.create_server((rest[3] if len(rest) > 3 else "", int(rest[0])), backlog=int(rest[1]))
    time.sleep(float(rest[2]))
elif mode == "take":
    one, _ = socket.create_server(("", int(rest[0]))).accept()
    one.settimeout(float(rest[1]))
    while one.recv(4096):
        pass
elif mode == "send":
    one = socket.create_connection((rest[0], int(rest[1])))
    print("connected", flush=True)
    sys.stdin.readline()
    one.sendall(b"x" * 100)
    time.sleep(float(rest[2]))
else:
    sockets = [socket.socket() for _ in range(int(rest[2]))]
    for one in sockets:
        one.setblocking(False)
        one.connect_ex((rest[0], int(rest[1])))
    time.sleep(float(rest[3]))
