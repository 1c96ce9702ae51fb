"""A softirq that is late: a request waits in its CPU's backlog while ksoftirqd, to which that was left, waits for the CPU.

The client makes it so itself. A large ping's answer comes in more pieces than the kernel handles at once, so that the rest is left to
ksoftirqd; then the client, which runs before all ordinary threads, sends its request and keeps the CPU for a while. Whether packets
wait all the while, the kernel tells (softnet_stat). Kernels that handle softirqs at once though ksoftirqd is to run can't be made
late like this: there, nothing may be said to be late, but that the client itself was at work. And where the recorder looks for pending
softirqs is compared with the kernel's own symbols. Prints a line for the host to show. Usage: late.py RUNG FLIGHTREC
"""

import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

PORT = 80
#: Seconds that the client keeps the CPU for.
HELD = 0.4
CORE = pathlib.Path("/proc/sys/net/core")


def serve() -> None:
    with socket.create_server(("0.0.0.0", PORT)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                while connection.recv(100):
                    connection.sendall(b"answer")


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo(length: int) -> bytes:
    """An ICMP echo request (RFC 792)."""
    body = bytes(length)
    return struct.pack("!BBHHH", 8, 0, checksum(struct.pack("!BBHHH", 8, 0, 0, 1, 1) + body), 1, 1) + body


def waiting() -> int:
    """Packets in the backlogs of all CPUs (softnet_seq_show)."""
    with open("/proc/net/softnet_stat") as f:
        return sum(int(line.split()[11], 16) for line in f)


def ask(address: str) -> None:
    """Prints how many packets wait when the CPU was held long enough, and how long the request took, ms."""
    with socket.socket() as s, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as ping:
        s.connect((address, PORT))
        for _ in range(5):
            s.sendall(b"warm")
            s.recv(100)
        ping.connect((address, 0))
        data = echo(20000 - 8)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
        ping.send(data)
        began = time.monotonic()
        s.sendall(b"request")
        while time.monotonic() < began + HELD:
            pass
        left = waiting()
        s.recv(100)
        print(json.dumps({"waiting": left, "ms": (time.monotonic() - began) * 1e3}))


def expected_offset() -> int | None:
    """From a CPU's run queue to its pending softirqs, by /proc/kallsyms and, for the member, bpftool; None: no symbols."""
    symbols = {}
    with open("/proc/kallsyms") as lines:
        for line in lines:
            address, _, name = line.split()[:3]
            if name in ("runqueues", "__softirq_pending", "pcpu_hot", "irq_stat"):
                symbols[name] = int(address, 16)
    if "runqueues" not in symbols:
        return None
    if "__softirq_pending" in symbols:
        return symbols["__softirq_pending"] - symbols["runqueues"]
    dump = subprocess.run(["bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux"], check=True, capture_output=True, text=True).stdout
    member = re.search(r"'(?:__)?softirq_pending' type_id=\d+ bits_offset=(\d+)", dump)
    variable = "pcpu_hot" if "pcpu_hot" in symbols else "irq_stat"
    return symbols[variable] + int(member.group(1)) // 8 - symbols["runqueues"] if member and variable in symbols else None


def recorded_offset() -> int:
    """Where the recorder looks."""
    maps = json.loads(subprocess.run(["bpftool", "-j", "map", "show"], check=True, capture_output=True).stdout)
    [number] = [one["id"] for one in maps if one.get("name", "").endswith(".rodata")][-1:]
    dump = subprocess.run(["bpftool", "-j", "map", "dump", "id", str(number)], check=True, capture_output=True).stdout
    return int(re.search(rb'"fr_pending_from_rq":\s*(-?\d+)', dump).group(1))


def main() -> int:
    sys.path.append(str(pathlib.Path(__file__).parent.parent / "lab"))
    from place import Place
    from recorder import Recorder

    rung, flightrec = sys.argv[1:]
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="late-"))
    host = Place(scratch)
    host.start("client", "/bin/sleep", "86400")
    host.start("api", "/bin/python3", __file__, "serve")
    host.await_port("api", PORT)
    recorder = Recorder(flightrec, scratch / "captures", host.socket, "200ms", around="1500ms")
    # One packet at a time, so that a few are enough.
    changes = {"netdev_budget": "1", "dev_weight": "1"}
    before = {name: (CORE / name).read_text() for name in changes}
    try:
        wanted, found = expected_offset(), recorded_offset()
        print(f"guest: {rung}: pending softirqs: {found} bytes from the run queue, by the kernel's symbols {wanted}", flush=True)
        if wanted is not None and wanted != found or not found:
            print(f"guest: FAIL {rung}: pending softirqs are not where they are looked for", flush=True)
            return 1
        for name, value in changes.items():
            (CORE / name).write_text(value)
        asked = host.execute("client", "/bin/python3", __file__, "ask", host.address("api", 4))
        output, errors = asked.communicate(timeout=60)
        for name, value in before.items():
            (CORE / name).write_text(value)
        if asked.returncode:
            print(f"guest: FAIL {rung}: late softirq: {errors}", flush=True)
            return 1
        time.sleep(2)
        books = recorder.stop()
        incidents = recorder.list()
        shows = [recorder.show(row["id"]) for row in incidents]
    finally:
        recorder.kill()
    truth = json.loads(output)
    verdicts = [show["verdict"] for show in shows]
    found = [f"{show['verdict']['cause']}: {show['verdict']['summary']}" for show in shows]
    late = truth["waiting"] > 0
    print(f"guest: {rung}: late softirq: {truth['waiting']} packets wait after {HELD * 1e3:.0f} ms; {'; '.join(found)}", flush=True)
    wrong = [books] if books else []
    if not shows:
        wrong.append(f"nothing caught of {truth}: {recorder.log.read_text()}")
    if late and not any(verdict["cause"] == "host.softirq" and verdict["share"] > 0.8 and "busy with other work" in verdict["summary"] for verdict in verdicts):
        wrong.append(f"the request was not handled, and that was not said: {json.dumps(shows)}")
    if not late and any(verdict["cause"] != "app.cpu" for verdict in verdicts):
        wrong.append(f"packets were handled at once, and the client computed: {json.dumps(shows)}")
    for what in wrong:
        print(f"guest: FAIL {rung}: late softirq: {what}", flush=True)
    return bool(wrong)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    elif sys.argv[1] == "ask":
        ask(sys.argv[2])
    else:
        sys.exit(main())
