"""What hooks of kernel functions time, against what the sender itself measures around send(2). Needs fentry or kprobes.

A service in a container sends an answer to a client that reads it late, and one over a long path from a small send buffer; and
every turn has a stage for TCP's receive path, shorter than the whole. Prints a line each for the host to show, and one for its
table. Usage: timed.py RUNG FLIGHTREC
"""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

PORT = 80
SEND_BUFFER = 16384


def serve(directory: str) -> None:
    """Answers `NUMBER BYTES` with that many bytes in one send(2), and writes how long that was off the CPU into DIRECTORY/NUMBER, ns: to
    copy so much takes an emulated one tens of ms."""
    with socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        while True:
            connection, _ = listener.accept()
            with connection:
                for line in connection.makefile("r"):
                    number, length = line.split()
                    data = b"a" * int(length)
                    ran, began = time.thread_time_ns(), time.monotonic_ns()
                    sent = connection.send(data)
                    took = time.monotonic_ns() - began - (time.thread_time_ns() - ran)
                    if sent != len(data):
                        raise SystemExit(f"send(2) took {sent} of {len(data)} bytes")
                    (pathlib.Path(directory) / "part").write_text(str(took))
                    (pathlib.Path(directory) / "part").rename(pathlib.Path(directory) / number)


def ask(address: str, number: int, length: int, rest: float) -> None:
    """Reads the answer `rest` seconds after it began. Quick answers first, for a service that is warm."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << (13 if rest else 18))
        s.connect((address, PORT))
        for warm in range(5):
            s.sendall(f"warm{warm} 10\n".encode())
            exactly(s, 10)
        s.sendall(f"{number} {length}\n".encode())
        time.sleep(rest)
        exactly(s, length)


def exactly(s: socket.socket, length: int) -> None:
    while length:
        data = s.recv(min(length, 1 << 16))
        if not data:
            raise SystemExit("the service hung up")
        length -= len(data)


def main() -> int:
    sys.path.append(str(pathlib.Path(__file__).parent.parent / "lab"))
    from host import run
    from place import Place
    from recorder import Recorder

    rung, flightrec = sys.argv[1:]
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="timed-"))
    host = Place(scratch)
    host.start("client", "/bin/sleep", "86400")
    host.start("sender", "/bin/python3", __file__, "serve", str(scratch))
    host.await_port("sender", PORT)
    failed = False

    def wrong(what: str) -> None:
        nonlocal failed
        failed = True
        print(f"guest: FAIL {rung}: {what}", flush=True)

    # Name, family, bytes, seconds until the client reads, delay of its acknowledgements, cause.
    trials = [("reader rests", 4, 96 << 10, 1.5, 0, "peer.reader"), ("reader rests", 6, 96 << 10, 1.5, 0, "peer.reader"),
              # The delay is in a queueing discipline of this host, which may be named first.
              ("long path", 4, 128 << 10, 0, 400, "tcp.sndbuf|host.qdisc")]
    for number, (name, family, length, rest, delay, cause) in enumerate(trials):
        name = f"{name}, IPv{family}"
        recorder = Recorder(flightrec, scratch / "captures", host.socket, "400ms", "--tcp-receive", around="1500ms")
        try:
            if delay:
                run("ip", "netns", "exec", "client", "tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", f"{delay}ms")
            asked = host.execute("client", "/bin/python3", __file__, "ask", host.address("sender", family), str(number), str(length),
                                 str(rest))
            _, errors = asked.communicate(timeout=60)
            if delay:
                run("ip", "netns", "exec", "client", "tc", "qdisc", "del", "dev", "eth0", "root")
            if asked.returncode:
                wrong(f"{name}: {errors}")
                continue
            time.sleep(2)
            if books := recorder.stop():
                wrong(f"{name}: {books}")
            incidents = [row for row in recorder.list() if row["container"]["name"] == "sender"]
            if not incidents:
                wrong(f"{name}: nothing caught: {recorder.log.read_text()}")
                continue
            show = recorder.show(incidents[0]["id"])
        finally:
            recorder.kill()
        took = int((scratch / str(number)).read_text())
        turn = show["turn"]
        stages = {stage["name"]: stage["ns"] for stage in turn["stages"]}
        waited = stages.get("send-buffer", 0) + stages.get("peer-window", 0)
        print(f"guest: {rung}: {name}: blocked in send(2) for {took / 1e6:.1f} ms, stages {waited / 1e6:.1f} ms ({show['verdict']['cause']})", flush=True)
        release = pathlib.Path("/proc/sys/kernel/osrelease").read_text().strip()
        print("\t".join(["guest: result", release, rung, "counted", f"ms blocked in send(2), {name}: sender {took / 1e6:.1f}, flightrec {waited / 1e6:.1f}"]),
              flush=True)
        if abs(waited - took) > max(5_000_000, took / 50):
            wrong(f"{name}: the sender was blocked in send(2) for {took} ns, the stages say {stages}")
        if sum(stages.values()) + turn["unexplained_ns"] != turn["total_ns"]:
            wrong(f"{name}: stages do not sum up: {json.dumps(turn)}")
        if show["verdict"]["cause"] not in cause.split("|"):
            wrong(f"{name}: {json.dumps(show['verdict'])}")
        if not any(line.startswith(("sk_stream_wait_memory: ", "also tcp.sndbuf: ")) for line in show["verdict"]["evidence"]):
            wrong(f"{name}: where the time comes from is not said: {show['verdict']['evidence']}")
        query = ("SELECT role, count(*) AS turns, sum(tcp_receive_ns > 0) AS timed, sum(tcp_receive_ns >= total_ns) AS whole,"
                 " max(tcp_receive_ns) AS most, sum(tcp_stack_ns + tcp_receive_ns + receive_queue_ns > total_ns) AS over FROM turns GROUP BY role")
        for row in json.loads(run(flightrec, "sql", str(scratch / "captures" / f"{show['id']}.flightrec"), "--json", query)):
            print(f"guest: {rung}: {name}: {row}", flush=True)
            if row["timed"] < row["turns"] - 1 or row["whole"] or row["over"]:
                wrong(f"{name}: {row}")
    host.close()
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    elif sys.argv[1] == "ask":
        ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
    else:
        sys.exit(main())
