"""Faults on the way to another host."""

import subprocess

from host import Host
from trial import Fault, Trial, Truth
from wire import FAR, HERE, Wire, is_syn

wires: list[Wire] = []


def far(host: Host) -> None:
    if not wires:
        wires.append(Wire(host))


def calm(host: Host) -> None:
    wires[0].calm()


def ask_far(trial: Trial, command: str, ms: float, style: str | None = None, environment: dict[str, str] | None = None) -> subprocess.Popen:
    return trial.host.client(
        "client", "ask", FAR[trial.family], "80", command, str(ms), style or trial.style, environment=environment)


def lost(count: int):
    """The request is lost so many times on its way."""

    def inject(trial: Trial) -> Truth:
        wire = wires[0]
        trip = 60 if trial.variant == "far away" else 0
        wire.delay = trip / 2000
        asking = ask_far(trial, "none", 0)
        trial.began(asking)
        wire.lose_first_data(count)
        waited = trial.asked(asking)["ms"]
        wire.lost_all(count)
        return Truth(waited, wire.lost_for())

    return inject


def segment_lost(trial: Trial) -> Truth:
    """One of the first segments of a large request is lost, on a path with a long round trip: the acknowledgements of those
    behind it tell, after one; then it is sent again."""
    wire = wires[0]
    wire.delay = trial.ms / 2000
    asking = ask_far(trial, "none", 0, environment={"PADDING": "12000"})
    trial.began(asking)
    wire.lose_first_data(1, number=3)
    waited = trial.asked(asking)["ms"]
    wire.lost_all(1)
    return Truth(waited, waited - trial.ms)


def syn_lost(trial: Trial) -> Truth:
    wire = wires[0]
    wire.lose = lambda frame, outward: outward and is_syn(frame) and wire.lost < 1
    waited = trial.asked(ask_far(trial, "none", 0, "connect"))["ms"]
    return Truth(waited, waited)


def long_path(trial: Trial) -> Truth:
    """Every frame takes half of the trial's time, from the request on."""
    asking = ask_far(trial, "none", 0)
    trial.began(asking)
    wires[0].delay = trial.ms / 2000
    waited = trial.asked(asking)["ms"]
    return Truth(waited, trial.ms)


def slow_peer(trial: Trial) -> Truth:
    return Truth(trial.asked(ask_far(trial, "sleep", trial.ms))["ms"], trial.ms)


def published(host: Host) -> None:
    far(host)
    host.service("api", options=("-p", f"{HERE[4]}:8080:80", "-e", "SNDBUF=8192"))


def full_send_buffer(trial: Trial) -> Truth:
    """A large answer over a long path, from a socket whose buffer holds a few segments of it."""
    wires[0].delay = 0.05
    # A round trip of 100 ms for every 16 KiB.
    kilobytes = (trial.ms // 370 + 2) * 64
    to = (HERE[4], "8080") if trial.family == 4 else (trial.host.address("api", 6), "80")
    trial.asked(wires[0].far("sink", *to, str(kilobytes), "0"))
    return Truth(None)


AWAY = {"container": "client", "busy": False, "clean": calm}

FAULTS = [
    Fault("request lost, RTO", "net.retransmit", far, lost(3), sizes=(900, 1000), variants=("near", "far away"), **AWAY),
    Fault("request lost once", "net.retransmit", far, lost(1), sizes=(120, 150), variants=("near", "far away"), **AWAY),
    Fault("segment lost, fast", "net.retransmit", far, segment_lost, sizes=(100, 400), threshold=1.4, says="× fast retransmit", **AWAY),
    Fault("SYN lost", "net.connect", far, syn_lost, sizes=(1000, 1001), styles=("fresh",), **AWAY),
    Fault("long path", "net.path", far, long_path, sizes=(100, 180), **AWAY),
    # Longer than the retransmission timer: the kernel sends again what was only late.
    Fault("long path, suddenly", "net.path|net.retransmit", far, long_path, sizes=(300, 2000), plain=False, **AWAY),
    Fault("remote peer slow", "peer.slow", far, slow_peer, **AWAY),
    Fault("send buffer full", "tcp.sndbuf", published, full_send_buffer, sizes=(800, 2000), threshold=0.3, styles=("keep-alive",),
          **(AWAY | {"container": "api"})),
]
