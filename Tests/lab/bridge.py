"""Faults between two containers of this host."""

import contextlib
import json
import pathlib
import socket
import subprocess
import time

from applications import api
from host import Host, run
from trial import Fault, Trial, Truth

TABLE = "flightrec_lab"
#: asm-generic/socket.h: more than net.core.wmem_max, for root.
SO_SNDBUFFORCE = 32


def veth(host: Host, name: str) -> str:
    """The host's end of a container's interface."""
    index = pathlib.Path(f"/proc/{host.pid(name)}/root/sys/class/net/eth0/iflink").read_text().strip()
    for path in pathlib.Path("/sys/class/net").iterdir():
        if (path / "ifindex").read_text().strip() == index:
            return path.name
    raise RuntimeError(f"no interface of {name} here")


def clean(host: Host) -> None:
    run("nft", "delete", "table", "bridge", TABLE, check=False)


def dropped(trial: Trial) -> Truth:
    """Netfilter drops what goes to the container for a while."""
    protocol = "ip" if trial.family == 4 else "ip6"
    asking = trial.ask("api", "none", 0)
    trial.began(asking)
    run("nft", f"add table bridge {TABLE}; add chain bridge {TABLE} forward {{ type filter hook forward priority 0; }}; "
        f"add rule bridge {TABLE} forward {protocol} daddr {trial.host.address('api', trial.family)} tcp dport 80 counter drop")
    time.sleep(0.1 + trial.ms / 1000)
    clean(trial.host)
    waited = trial.asked(asking)["ms"]
    return Truth(waited, waited)


def shaped(trial: Trial) -> Truth:
    """1 Mbit/s to the container, and enough in the queue already to last for the trial's time."""
    device, address = veth(trial.host, "api"), trial.host.address("api", trial.family)
    asking = trial.ask("api", "none", 0)
    trial.began(asking)
    run("tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", "1mbit", "burst", "1600", "limit", "1000000")
    try:
        family = socket.AF_INET if trial.family == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as flood:
            # What waits in the queue counts against it.
            flood.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 << 20)
            # The request follows 100 ms after the client said that it was ready.
            for _ in range(round((trial.ms + 100) * 125 / 1442)):
                with contextlib.suppress(ConnectionRefusedError):
                    flood.sendto(b"x" * 1400, (address, 9))
        waited = trial.asked(asking)["ms"]
    finally:
        run("tc", "qdisc", "del", "dev", device, "root")
    return Truth(waited, waited)


def overflow(trial: Trial) -> Truth:
    """The service does not accept for a while, and others have filled its short queue."""
    run("docker", "exec", "api", "/bin/busybox", "sh", "-c", "echo 1.5 > /tmp/stall")
    asking = trial.host.client("client", "crowd", trial.host.address("api", trial.family), "80", "4")
    report = trial.asked(asking)
    run("docker", "exec", "api", "/bin/busybox", "rm", "/tmp/stall")
    time.sleep(1.6)
    return Truth(report["ms"], report["ms"])


def few_ports(host: Host) -> None:
    host.service("db")
    host.service("api", downstream=host.addresses("db"), options=("--sysctl", "net.ipv4.ip_local_port_range=40000 40001"))


def no_port(trial: Trial) -> Truth:
    """Both local ports are taken for a while; the service tries again until one is free."""
    holder = trial.host.client("api", "hold", trial.host.address("db", trial.family), "80", "2", str(trial.ms / 1000 + 0.5))
    trial.began(holder)
    report = trial.asked(trial.ask("api", "port", 0))
    holder.wait()
    return Truth(report["ms"], report["ms"])


def small_buffer(host: Host) -> None:
    host.service("api", options=("-e", "SNDBUF=16384"))


def slow_reader(trial: Trial) -> Truth:
    """A client that does not read its large answer for a while."""
    asking = trial.host.client("client", "sink", trial.host.address("api", trial.family), "80", "128", str(trial.ms / 1000), "8192")
    report = trial.asked(asking)
    return Truth(report["ms"], float(report["detail"]))


def nagle(trial: Trial) -> Truth:
    """A request in two small writes, without TCP_NODELAY, to a peer that delays its acknowledgement by 40 ms."""
    report = trial.asked(trial.ask("api", "none", 0, "split", environment={"NAGLE": "1"}))
    if report["ms"] < 35:
        raise RuntimeError(f"no delayed ACK: {report['ms']} ms")
    return Truth(report["ms"], report["ms"])


FAULTS = [
    # Quiet: it would hit the neighbour's requests just as well.
    Fault("dropped on the bridge", "bridge.drop", api(), dropped, container="client", clean=clean, sizes=(100, 1000), busy=False),
    Fault("shaped veth", "host.qdisc", api(), shaped, container="client", busy=False),
    Fault("listen queue full", "host.backlog", api("-e", "BACKLOG=1"), overflow, container="client", sizes=(1000, 1001), busy=False),
    Fault("no local port", "net.connect", few_ports, no_port, sizes=(300, 1500), busy=False),
    Fault("reader stops", "peer.reader", small_buffer, slow_reader, styles=("keep-alive",), sizes=(300, 2000), busy=False, slack_ms=12),
    Fault("Nagle and delayed ACK", "tcp.delayed-ack", api(), nagle, container="api|client", styles=("split",), sizes=(42, 43), busy=False),
]
