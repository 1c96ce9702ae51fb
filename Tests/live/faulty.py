"""A server that is slow in the way it is told to, one thread a connection, and its client.

serve PORT [DOWNSTREAM-PORT]      ask PORT COMMAND MS: prints the milliseconds the client waited
"""

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

lock = threading.Lock()
downstream = int(sys.argv[3]) if sys.argv[1] == "serve" and len(sys.argv) > 3 else 0


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def hold(seconds, held):
    with lock:
        held.set()
        time.sleep(seconds)


def handle(command, seconds):
    if command == "sleep":
        time.sleep(seconds)
    elif command == "cpu":
        burn(seconds)
    elif command == "lock":
        held = threading.Event()
        threading.Thread(target=hold, args=(seconds, held)).start()
        held.wait()
        with lock:
            pass
    elif command == "child":
        subprocess.run(["sleep", str(seconds)])
    elif command == "flock":
        with tempfile.NamedTemporaryFile() as mine:
            other = subprocess.Popen(
                ["flock", mine.name, "sh", "-c", f"echo held; sleep {seconds}"], stdout=subprocess.PIPE)
            other.stdout.readline()
            fcntl.flock(mine, fcntl.LOCK_EX)
            other.wait()
    elif command == "call":
        ask(downstream, "sleep", seconds)


def serve_one(connection):
    with connection:
        for line in connection.makefile("r"):
            command, milliseconds = line.split()
            handle(command, float(milliseconds) / 1000)
            connection.sendall(b"ok\n")


def ask(port, command, seconds):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = s.makefile("r")
        for _ in range(5):  # the thread is known by the time it matters, as in a service that was running
            s.sendall(b"none 0\n")
            replies.readline()
        begin = time.monotonic()
        s.sendall(f"{command} {seconds * 1000}\n".encode())
        replies.readline()
        return time.monotonic() - begin


if sys.argv[1] == "serve":
    with socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=64) as listener:
        while True:
            threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()
else:
    print(ask(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]) / 1000) * 1000)
