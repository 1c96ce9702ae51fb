"""Packets that wait because the CPU that handles them is busy with others' packets."""

import os
import pathlib
import subprocess
import time

from bridge import veth
from host import Host, run
from trial import Fault, Trial, Truth

TABLE = "flightrec_lab_slow"
BACKLOG = pathlib.Path("/proc/sys/net/core/netdev_max_backlog")
BACKLOG_BEFORE = BACKLOG.read_text()
#: Where packets are handled; the containers run on the other one.
CPU, OTHER = 1, 0
#: Rules each packet of the flood has to pass: what makes it dear. A host with thousands of services has as many.
RULES = 8000
#: Of them the cost of one is measured.
SAMPLE = 500


def prepare(host: Host) -> None:
    if (os.cpu_count() or 1) < 2:
        raise RuntimeError("one CPU: what handles packets there also runs everything else")
    pinned = ("--cpuset-cpus", str(OTHER))
    host.service("api", options=pinned)
    # On the busy CPU the client's own thread would be held up too, between its clock's readings and its system calls.
    host.start("client", "/bin/busybox", "sleep", "86400", options=pinned)
    host.start("flood", "/bin/busybox", "sleep", "86400", options=pinned)


def steer(host: Host, mask: int) -> None:
    """Receive packet steering: what these containers send is handled on the CPUs of the mask."""
    for name in ("client", "api", "flood"):
        pathlib.Path(f"/sys/class/net/{veth(host, name)}/queues/rx-0/rps_cpus").write_text(f"{mask:x}")


def clean(host: Host) -> None:
    run("nft", "delete", "table", "bridge", TABLE, check=False)
    BACKLOG.write_text(BACKLOG_BEFORE)
    steer(host, 0)


def slow_rules() -> None:
    """Everything to the discard port passes them, and is dropped."""
    rules = "\n".join(f"udp sport {port} drop" for port in range(1, RULES + 1))
    script = (f"table bridge {TABLE} {{\nchain slow {{\n{rules}\ndrop\n}}\n"
              "chain forward { type filter hook forward priority 0; meta l4proto udp th dport 9 jump slow\n}\n}\n")
    run("nft", "-f", "-", input=script)


def handled() -> int:
    """Packets that CPU has taken from its backlog since boot."""
    return int(pathlib.Path("/proc/net/softnet_stat").read_text().splitlines()[CPU].split()[0], 16)


def cost(trial: Trial, flood: subprocess.Popen) -> float:
    """Seconds that CPU needs for a packet of the flood."""
    # Of packets to an address that is being resolved the kernel keeps a hundred or so (neigh/default/unres_qlen_bytes).
    trial.go(flood, "1")
    trial.began(flood)
    time.sleep(0.1)
    before = handled()

    def reached(count: int) -> tuple[float, int]:
        """When so many were handled, and how many they are by then."""
        for _ in range(5000):
            if (done := handled() - before) >= count:
                return time.monotonic(), done
            time.sleep(0.001)
        raise RuntimeError(f"{done} of {count} packets were handled on CPU {CPU}")

    trial.go(flood, str(SAMPLE))
    (begin, first), (end, last) = reached(SAMPLE // 5), reached(SAMPLE)
    trial.began(flood)
    return (end - begin) / max(last - first, 1)


def flooded(trial: Trial) -> Truth:
    """Another container sends so many packets that the CPU has to do with them for the trial's time."""
    host = trial.host
    BACKLOG.write_text("100000")
    slow_rules()
    steer(host, 1 << CPU)
    flood = host.client("flood", "flood", host.address("api", trial.family))
    try:
        trial.began(flood)
        each = cost(trial, flood)
        asking = trial.ask("api", "none", 0, environment={"GO": "1"})
        trial.began(asking)
        # While they are sent, about a sixth are handled already.
        trial.go(flood, str(round(1.2 * trial.ms / 1000 / each)))
        trial.began(flood)
        trial.go(asking)
        waited = trial.asked(asking)["ms"]
        if waited < trial.ms / 2:
            raise RuntimeError(f"{each * 1e6:.0f} µs a packet, and the flood was over after {waited:.0f} ms")
    finally:
        flood.communicate(timeout=60)
    return Truth(waited, waited)


FAULTS = [
    Fault("flood on the CPU", "host.softirq", prepare, flooded, container="client", clean=clean, says=f"on CPU {CPU}, busy with packets of flood", sizes=(150, 800), busy=False),
]
