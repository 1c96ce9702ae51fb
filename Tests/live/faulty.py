"""A server that is slow in the way it is told to, one thread a connection, and its client.

serve PORT [DOWNSTREAM-PORT]
ask PORT COMMAND MS: prints, in milliseconds, how long the client waited, how long its thread waited for a CPU meanwhile, and
how long the server's thread ran and waited for a CPU (schedstat of both threads): what flightrec must agree with.
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
address = os.environ.get("ADDRESS", "127.0.0.1")
downstream = int(sys.argv[3]) if sys.argv[1] == "serve" and len(sys.argv) > 3 else 0


def scheduled():
    """Milliseconds this thread ran and waited on a run queue (Documentation/scheduler/sched-stats.rst)."""
    with open("/proc/thread-self/schedstat") as f:
        ran, waited, _ = f.read().split()
    return int(ran) / 1e6, int(waited) / 1e6


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
    elif command == "naps":  # hundreds of blocks, each too short for a slice of its own
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.0003)
    elif command == "doze":  # blocks that are kept one by one, and soon more than are kept
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.0045)
    elif command == "call":
        ask(downstream, "sleep", seconds)


def serve_one(connection):
    with connection:
        for line in connection.makefile("r"):
            command, milliseconds = line.split()
            ran, waited = scheduled()
            handle(command, float(milliseconds) / 1000)
            ran_now, waited_now = scheduled()
            connection.sendall(f"{ran_now - ran} {waited_now - waited}\n".encode())


def ask(port, command, seconds):
    with socket.create_connection((address, port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = s.makefile("r")
        for _ in range(5):  # the thread is known by the time it matters, as in a service that was running
            s.sendall(b"none 0\n")
            replies.readline()
        if "PAUSE" in os.environ:
            print("warm", file=sys.stderr, flush=True)
            time.sleep(float(os.environ["PAUSE"]))
        waited = scheduled()[1]
        begin = time.monotonic()
        s.sendall(f"{command} {seconds * 1000}\n".encode())
        server = replies.readline().strip()
        return (time.monotonic() - begin) * 1000, scheduled()[1] - waited, server


if sys.argv[1] == "serve":
    with socket.create_server((address, int(sys.argv[2])), backlog=64) as listener:
        while True:
            threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()
else:
    print(*ask(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]) / 1000))
