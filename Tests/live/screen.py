#!/usr/bin/env python3
"""Runs a full-screen program on a terminal of its own and tells what it drew.

Usage: screen.py COLUMNS ROWS PROGRAM ARGUMENT... -- STEP...   Steps: wait:S, key:K, resize:CxR, signal:N. At the end it waits up to
5 s for the program. Prints JSON: status, text (all that was written, without control sequences), widest (the widest line of each
size) and rows (the lines of the last whole frame of each size), restored (the main screen and the cursor are back), cooked (echo
and line mode are).
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

columns, rows = int(sys.argv[1]), int(sys.argv[2])
split = sys.argv.index("--", 3)
program, steps = sys.argv[3:split], sys.argv[split + 1:]
master, slave = pty.openpty()


def resize(columns, rows):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


resize(columns, rows)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for descriptor in range(3):
        os.dup2(slave, descriptor)
    os.environ["TERM"] = "xterm"
    os.environ["LANG"] = "C.UTF-8"
    os.environ.pop("COLUMNS", None)
    os.execv(program[0], program)
parts = [b""]


def read_for(seconds):
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([master], [], [], left)[0]:
            try:
                parts[-1] += os.read(master, 65536)
            except OSError:
                return


for step in steps:
    kind, value = step.split(":", 1)
    if kind == "wait":
        read_for(float(value))
    elif kind == "key":
        os.write(master, value.encode())
    elif kind == "resize":
        parts.append(b"")
        resize(*map(int, value.split("x")))
    elif kind == "signal":
        os.kill(child, int(value))
deadline = time.monotonic() + 5
while True:
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        break
    if time.monotonic() > deadline:
        os.kill(child, signal.SIGKILL)
        raise SystemExit("the program did not end")
    read_for(0.05)
read_for(0.05)
written = b"".join(parts).decode()
plain = lambda text: re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
flags = termios.tcgetattr(slave)[3]
# A frame begins at the upper left corner; the first and the last of a size may be cut short by what is around them.
frames = [[plain(frame).split("\r\n") for frame in part.decode().split("\x1b[H")[1:-1]] for part in parts]
print(json.dumps({
    "status": os.waitstatus_to_exitcode(status), "text": plain(written),
    "widest": [max((len(line) for frame in some for line in frame), default=0) for some in frames],
    "rows": [len(some[-1]) if some else 0 for some in frames],
    "restored": written.rstrip().endswith("\x1b[?1049l") and "\x1b[?25h" in written,
    "cooked": bool(flags & termios.ECHO) and bool(flags & termios.ICANON),
}))
