#!/usr/bin/env python3
"""Types at flightrec's SQL prompt on a terminal of its own. Usage: prompt.py TERM COMMAND…"""
import os
import pty
import select
import sys
import time

term, command = sys.argv[1], sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = term
    os.execv(command[0], command)
screen = b""


def until(text, seconds=20):
    """Waits until the screen shows it after what was waited for last."""
    global screen
    deadline = time.monotonic() + seconds
    while text not in screen:
        if time.monotonic() > deadline:
            sys.exit(f"no {text!r} but {screen!r}")
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                screen += os.read(terminal, 65536)
            except OSError:
                sys.exit(f"it ended with {screen!r}")
    screen = screen[screen.index(text) + len(text):]


def say(text):
    # As a person would: when it waits for the next key, not while it prepares the terminal.
    time.sleep(0.4)
    os.write(terminal, text)


until(b"flightrec> ")
say(b"SELECT 6 *\n")
until(b"...> ")
say(b"7 AS answer;\n")
until(b"42")
until(b"flightrec> ")
say(b"a line given up")
until(b"given up")
say(b"\x03")
until(b"flightrec> ")
say(b"SELECT 40 + 3 AS next;\n")
until(b"43")
until(b"flightrec> ")
say(b"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;\n")
time.sleep(0.7)
say(b"\x03")
until(b"interrupted")
until(b"flightrec> ")
say(b"SELECT 40 + 4 AS last;\n")
until(b"44")
until(b"flightrec> ")
say(b"\x04")
deadline = time.monotonic() + 10
while True:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        break
    if time.monotonic() > deadline:
        sys.exit("Ctrl-D does not end it")
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            os.read(terminal, 65536)
        except OSError:
            time.sleep(0.05)
sys.exit(os.waitstatus_to_exitcode(status))
