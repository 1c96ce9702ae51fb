#!/usr/bin/env python3
"""Turns the lines of `flightrec show ID --events` (stdin) into JSON, joined with the sockets of `show ID --json`.

Usage: flightrec show ID --events | events.py SHOW.json. Prints an array of {kind, socket, container, port, local, remote,
process_role, text} and, for turns, role, ms, in, out, open, aborted.
"""
import json
import re
import sys

SCALE = {"ns": 1e-6, "µs": 1e-3, "us": 1e-3, "ms": 1, "s": 1e3}
with open(sys.argv[1]) as file:
    sockets = {row["socket"]: row for row in json.load(file)["sockets"]}
events = []
line_of = re.compile(r"^(\d\d:\d\d:\d\d\.\d{9})  (\w+)\s+(?:#(\d+))?\s+(.*)$")
turn_of = re.compile(r"(served|called) ([\d.]+) (ns|µs|us|ms|s), in ([\d.]+ \w+), out ([\d.]+ \w+)(.*)$")
for line in sys.stdin:
    match = line_of.match(line.rstrip("\n"))
    if not match:
        continue
    at, kind, socket, rest = match.groups()
    socket = int(socket or 0)
    row = sockets.get(socket, {})
    event = {"at": at, "kind": kind, "socket": socket, "text": rest, "container": row.get("container"),
             "local": row.get("local"), "remote": row.get("remote")}
    if row:
        server = row["local"] if row["role"] == "served" else row["remote"]
        event["port"] = int(server.rsplit(":", 1)[1])
        event["socket_role"] = row["role"]
    if turn := turn_of.search(rest):
        role, value, unit, received, sent, notes = turn.groups()
        event |= {"role": role, "ms": float(value) * SCALE[unit], "in": received, "out": sent,
                  "open": "still open" in notes, "aborted": "aborted" in notes}
    events.append(event)
print(json.dumps(events))
