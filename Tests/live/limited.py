"""A service that needs memory and CPU when it is told to work, and its client.

serve PORT          `ping` is answered at once, `work BYTES MS` after that much was written to a file and computed
ask HOST PORT SECONDS BYTES MS    pings for so long, then asks for one work; prints the milliseconds that took
"""

import os
import socket
import sys
import threading
import time


def work(size, seconds):
    with open("/tmp/written", "wb") as out:
        for _ in range(size // 65536):
            out.write(bytes(65536))
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    os.unlink("/tmp/written")


def serve_one(connection):
    with connection:
        for line in connection.makefile("r"):
            words = line.split()
            if words[0] == "work":
                work(int(words[1]), int(words[2]) / 1000)
            connection.sendall(b"ok\n")


if sys.argv[1] == "serve":
    with socket.create_server(("", int(sys.argv[2])), backlog=64) as listener:
        while True:
            threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()
else:
    host, port, seconds, size, milliseconds = sys.argv[2], *map(int, sys.argv[3:])
    with socket.create_connection((host, port)) as s:
        replies = s.makefile("r")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            s.sendall(b"ping\n")
            replies.readline()
            time.sleep(0.02)
        print("working", file=sys.stderr, flush=True)
        begin = time.monotonic()
        s.sendall(f"work {size} {milliseconds}\n".encode())
        replies.readline()
        print((time.monotonic() - begin) * 1000)
