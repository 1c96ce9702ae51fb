"""A service that is slow in the way each request tells it to, and its clients. Runs inside the lab's containers.

serve threads|loop PORT [DOWNSTREAM]   a thread a connection, or one event loop; DOWNSTREAM is HOST4,HOST6 and port 80
ask HOST PORT COMMAND MS [STYLE]       prints {"ms": what the client waited, "detail": what the server measured}
load HOST PORT SECONDS RATE [COMMAND]  sequential requests; prints {"max_ms": …, "count": …}
flood HOST                             sends HOST as many UDP packets as each line of its standard input says
sink HOST PORT KIB PAUSE [BUFFER]      asks for so much and reads it after a pause of PAUSE seconds
crowd HOST PORT N                      opens N connections, and says how long the last one took
hold HOST PORT N SECONDS               keeps N connections for a while
burn SECONDS                           computes
idle|poll|push|fresh|pipeline|download|chain HOST PORT SECONDS [N]   healthy traffic: see `Healthy`

A request is a line `COMMAND MS [PADDING]`, an answer a line `ok DETAIL`. `call:COMMAND` asks the downstream to do COMMAND, over
the same family. What is no command is answered at once.
STYLE: keep-alive (warm connection), fresh (a connection of its own), pipelined (before another request), split (two writes),
connect (the connection alone).
Variables of `ask`: NAGLE (no TCP_NODELAY), PADDING (bytes added to the request), GO (the request waits for a line).
"""

import fcntl
import mmap
import os
import socket
import sys
import threading
import time

# A client starts anew for each request, which in an emulated guest takes seconds: it has no use for these.
if sys.argv[1:2] == ["serve"]:
    import subprocess
    import tempfile
if sys.argv[1:3] == ["serve", "loop"]:
    import asyncio

PAYLOAD = b"x" * 65536
#: Less than the ten segments a new connection may have under way.
PADDED = 12000
lock = threading.Lock()
#: By family.
downstream: dict[int, tuple[str, int]] = {}
local = threading.local()


def tell(**values: float | str) -> None:
    """Prints them as JSON. To import what does takes a client longer than all else it does; strings are plain words here."""
    print("{" + ", ".join(f'"{name}": "{value}"' if isinstance(value, str) else f'"{name}": {value}' for name, value in values.items()) + "}")


def connect(host: str, port: int, nodelay: bool = True) -> socket.socket:
    connection = socket.create_connection((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(nodelay))
    return connection


def run_delay() -> int:
    """ns this thread waited for a CPU since it exists (Documentation/scheduler/sched-stats.rst)."""
    with open("/proc/thread-self/schedstat") as file:
        return int(file.read().split()[1])


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def hold(seconds: float, held: threading.Event) -> None:
    with lock:
        held.set()
        time.sleep(seconds)


def wait_for_lock(seconds: float) -> None:
    held = threading.Event()
    threading.Thread(target=hold, args=(seconds, held)).start()
    held.wait()
    with lock:
        pass


def wait_for_file_lock(seconds: float) -> None:
    with tempfile.NamedTemporaryFile() as mine:
        holder = (
            "import fcntl,sys,time\nf=open(sys.argv[1])\nfcntl.flock(f,fcntl.LOCK_EX)\nprint(1,flush=True)\n"
            f"time.sleep({seconds})"
        )
        other = subprocess.Popen([sys.executable, "-S", "-c", holder, mine.name], stdout=subprocess.PIPE)
        assert other.stdout
        other.stdout.readline()
        fcntl.flock(mine, fcntl.LOCK_EX)
        other.wait()


def sync_file(seconds: float) -> str:
    """Writes what the throttled disk takes so long for (2 MiB/s) and returns how long fsync took."""
    path = "/slow/file"
    with open(path, "wb", buffering=0) as file:
        file.write(os.urandom(max(4096, int(seconds * (2 << 20)))))
        begin = time.monotonic()
        os.fsync(file.fileno())
        return str((time.monotonic() - begin) * 1000)


def fill_memory(megabytes: float) -> None:
    """Dirties more than the container may hold: its own limit makes it write pages back before it gets others."""
    size = int(megabytes) << 20
    with open("/slow/big", "w+b") as file:
        file.truncate(size)
        with mmap.mmap(file.fileno(), size) as pages:
            for at in range(0, size, 4096):
                pages[at] = 1


def leave(connection: socket.socket) -> None:
    """Lets the server close first: the end that does keeps its port for a minute (TIME_WAIT)."""
    connection.sendall(b"close 0\n")
    connection.recv(1)
    connection.close()


def connect_until_it_works(host: str, port: int) -> None:
    """As a client that retries when no local port is free."""
    while True:
        try:
            leave(connect(host, port))
            return
        except OSError:
            time.sleep(0.02)


def family_of(peer: tuple) -> int:
    """4 or 6; an IPv4 client of a socket for both has a mapped address."""
    return 6 if ":" in peer[0] and not peer[0].startswith("::ffff:") else 4


def handle(command: str, amount: float, family: int) -> str:
    if command == "sleep":
        time.sleep(amount)
    elif command == "cpu":
        before = run_delay()
        burn(amount)
        return str((run_delay() - before) / 1e6)
    elif command == "lock":
        wait_for_lock(amount)
    elif command == "child":
        subprocess.run([sys.executable, "-S", "-c", f"import time; time.sleep({amount})"], check=True)
    elif command == "flock":
        wait_for_file_lock(amount)
    elif command == "fsync":
        return sync_file(amount)
    elif command == "fill":
        fill_memory(amount * 1000)
    elif command == "port":
        connect_until_it_works(*downstream[family])
    elif command.startswith("call:"):
        return call(command.removeprefix("call:"), amount, family)
    return "-"


def question(command: str, amount: float) -> bytes:
    """To the downstream. One that is large needs many segments."""
    padding = "x" * PADDED if command == "padded" else ""
    return f"{command} {amount * 1000} {padding}\n".encode()


def call(command: str, amount: float, family: int) -> str:
    """On the thread's own connection to the downstream, which it keeps."""
    if not hasattr(local, "connection"):
        local.connection = connect(*downstream[family])
        local.replies = local.connection.makefile("r")
    local.connection.sendall(question(command, amount))
    return local.replies.readline().split()[-1]


def answer(command: str, detail: str, amount: float) -> bytes:
    if command == "big":
        return PAYLOAD * int(amount * 1000 / 64) + b"\n"
    return f"ok {detail}\n".encode()


def serve_connection(connection: socket.socket) -> None:
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        family = family_of(connection.getpeername())
        for line in connection.makefile("r"):
            command, amount = line.split()[:2]
            seconds = float(amount) / 1000
            if command == "close":
                return
            connection.sendall(answer(command, handle(command, seconds, family), seconds))


def serve_threads(port: int, backlog: int) -> None:
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog) as listener:
        if os.environ.get("SNDBUF"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, int(os.environ["SNDBUF"]))
        while True:
            connection, _ = listener.accept()
            if os.path.exists("/tmp/stall"):
                time.sleep(float(open("/tmp/stall").read()))
            threading.Thread(target=serve_connection, args=(connection,), daemon=True).start()


async def serve_loop(port: int) -> None:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calling = None
        family = family_of(writer.get_extra_info("peername"))
        while line := await reader.readline():
            command, amount = line.decode().split()[:2]
            seconds = float(amount) / 1000
            detail = "-"
            if command.startswith("call:"):
                calling = calling or await asyncio.open_connection(*downstream[family])
                calling[1].write(question(command.removeprefix("call:"), seconds))
                detail = (await calling[0].readline()).decode().split()[-1]
            elif command == "sleep":
                await asyncio.sleep(seconds)
            else:
                detail = handle(command, seconds, family)
            writer.write(f"ok {detail}\n".encode())
        writer.close()

    server = await asyncio.start_server(connection, "", port)
    async with server:
        await server.serve_forever()


def ask(host: str, port: int, command: str, ms: str, style: str) -> None:
    nodelay = os.environ.get("NAGLE") is None
    if style == "connect":
        begin = time.monotonic()
        with connect(host, port):
            tell(ms=(time.monotonic() - begin) * 1000, detail="-")
        return
    with connect(host, port, nodelay) as connection:
        replies = connection.makefile("r")
        if style != "fresh":
            # The service and its threads are known by the time it matters, as where it was running.
            # Down to the last of them: where that is Redis, to it too.
            calls = command.rpartition(":")[0]
            for warm in ["none", "none", f"{calls}:get" if calls else "none"]:
                connection.sendall(f"{warm} 0\n".encode())
                replies.readline()
        print("ready", file=sys.stderr, flush=True)
        if os.environ.get("GO"):
            sys.stdin.readline()
        else:
            time.sleep(0.1)
        line = f"{command} {ms} {'x' * int(os.environ.get('PADDING', '0'))}\n".encode()
        begin = time.monotonic()
        if style == "split":
            # Two small writes: without TCP_NODELAY the second waits for the first one's acknowledgement.
            connection.sendall(line[:3])
            connection.sendall(line[3:])
        else:
            connection.sendall(line + (b"none 0\n" if style == "pipelined" else b""))
        reply = replies.readline()
        if not reply:
            sys.exit("the server closed the connection without an answer")
        # The server may be kept from the second one: the turn ends with it.
        if style == "pipelined":
            replies.readline()
        waited = (time.monotonic() - begin) * 1000
        tell(ms=waited, detail=(reply.split() + ["-"])[1] if len(reply) < 100 else "-")


def load(host: str, port: int, seconds: float, rate: float, command: str) -> None:
    longest, count, end = 0.0, 0, time.monotonic() + seconds
    with connect(host, port) as connection:
        replies = connection.makefile("r")
        while time.monotonic() < end:
            begin = time.monotonic()
            connection.sendall(f"{command} 0\n".encode())
            replies.readline()
            longest = max(longest, time.monotonic() - begin)
            count += 1
            time.sleep(1 / rate)
    tell(max_ms=longest * 1000, count=count)


def sink(host: str, port: int, amount: str, pause: float, buffer: int) -> None:
    """A reader that closes its window: it asks for much, and reads after a pause. The detail is for how many ms it did not read: each
    buffer full closes the window anew until it is read, which under emulation adds up to as much as a short pause."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as connection:
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.connect((host, port))
        for _ in range(3):
            connection.sendall(b"none 0\n")
            read_line(connection)
        begin = time.monotonic()
        connection.sendall(f"big {amount}\n".encode())
        time.sleep(pause)
        reading = read_line(connection)
        waited = time.monotonic() - begin
        tell(ms=waited * 1000, detail=f"{(waited - reading) * 1000:.3f}")


def read_line(connection: socket.socket) -> float:
    """Reads to the end of an answer; returns the seconds it was in the system calls that do."""
    reading = 0.0
    while True:
        began = time.monotonic()
        part = connection.recv(65536)
        reading += time.monotonic() - began
        if not part:
            sys.exit("the server closed the connection without an answer")
        if part.endswith(b"\n"):
            return reading


def crowd(host: str, port: int, count: int) -> None:
    opened = []
    for _ in range(count - 1):
        opened.append(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        opened[-1].setblocking(False)
        opened[-1].connect_ex((host, port))
        time.sleep(0.02)
    begin = time.monotonic()
    connect(host, port).close()
    tell(ms=(time.monotonic() - begin) * 1000, detail="-")


def keep(host: str, port: int, count: int, seconds: float) -> None:
    held = [connect(host, port) for _ in range(count)]
    print("ready", file=sys.stderr, flush=True)
    time.sleep(seconds)
    for connection in held:
        leave(connection)


def flood(host: str) -> None:
    """To the discard port, where nobody listens. What is under way counts against its socket's buffer: hence many of them."""
    sockets = [socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) for _ in range(100)]
    print("ready", file=sys.stderr, flush=True)
    for line in sys.stdin:
        for number in range(int(line)):
            sockets[number % len(sockets)].sendto(b"x" * 64, (host, 9))
        print("ready", file=sys.stderr, flush=True)


class Healthy:
    """Kinds of traffic that take long, or none, without anything being wrong."""

    def __init__(self, host: str, port: int, seconds: float, amount: float):
        self.host, self.port, self.amount = host, port, amount
        self.end = time.monotonic() + seconds

    def __iter__(self):
        """Rounds until the time is over."""
        while time.monotonic() < self.end:
            yield

    def exchange(self, connection: socket.socket, replies, line: bytes) -> None:
        connection.sendall(line)
        replies.readline()

    def idle(self) -> None:
        """Keep-alive connections that ask once in `amount` seconds."""
        with connect(self.host, self.port) as connection:
            replies = connection.makefile("rb")
            for _ in self:
                self.exchange(connection, replies, b"none 0\n")
                time.sleep(min(self.amount, max(0, self.end - time.monotonic())))

    def poll(self) -> None:
        """Long polls: each answered when something happens, after seconds."""
        with connect(self.host, self.port) as connection:
            replies = connection.makefile("rb")
            for _ in self:
                self.exchange(connection, replies, f"sleep {self.amount * 1000}\n".encode())

    def push(self) -> None:
        """A subscriber that asked once, and gets messages now and then."""
        listener = socket.create_server(("", self.port))

        def publish() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                for _ in self:
                    connection.sendall(b"message\n")
                    time.sleep(0.7)

        threading.Thread(target=publish).start()
        with connect(self.host, self.port) as connection:
            connection.sendall(b"subscribe\n")
            while connection.recv(100):
                pass

    def fresh(self) -> None:
        for _ in self:
            with connect(self.host, self.port) as connection:
                self.exchange(connection, connection.makefile("rb"), b"none 0\n")
            time.sleep(1 / self.amount)

    def pipeline(self) -> None:
        with connect(self.host, self.port) as connection:
            replies = connection.makefile("rb")
            for _ in self:
                connection.sendall(b"none 0\n" * 5)
                for _ in range(5):
                    replies.readline()
                time.sleep(1 / self.amount)

    def download(self) -> None:
        """Large answers, one after another."""
        with connect(self.host, self.port) as connection:
            replies = connection.makefile("rb")
            for _ in self:
                self.exchange(connection, replies, b"big 4096\n")
                time.sleep(0.2)

    def chain(self) -> None:
        with connect(self.host, self.port) as connection:
            replies = connection.makefile("rb")
            for _ in self:
                self.exchange(connection, replies, b"call:none 0\n")
                time.sleep(1 / self.amount)


def main(arguments: list[str]) -> None:
    global downstream
    mode, *rest = arguments
    if mode == "serve":
        if len(rest) > 2:
            downstream = {family_of((host, 80)): (host, 80) for host in rest[2].split(",")}
        if rest[0] == "threads":
            serve_threads(int(rest[1]), int(os.environ.get("BACKLOG", "128")))
        else:
            asyncio.run(serve_loop(int(rest[1])))
    elif mode == "ask":
        ask(rest[0], int(rest[1]), rest[2], rest[3], rest[4] if len(rest) > 4 else "keep-alive")
    elif mode == "load":
        load(rest[0], int(rest[1]), float(rest[2]), float(rest[3]), rest[4] if len(rest) > 4 else "none")
    elif mode == "flood":
        flood(rest[0])
    elif mode == "sink":
        sink(rest[0], int(rest[1]), rest[2], float(rest[3]), int(rest[4]) if len(rest) > 4 else 0)
    elif mode == "crowd":
        crowd(rest[0], int(rest[1]), int(rest[2]))
    elif mode == "hold":
        keep(rest[0], int(rest[1]), int(rest[2]), float(rest[3]))
    elif hasattr(Healthy, mode):
        getattr(Healthy(rest[0], int(rest[1]), float(rest[2]), float(rest[3]) if len(rest) > 3 else 1), mode)()
    elif mode == "burn":
        burn(float(rest[0]))


main(sys.argv[1:])
