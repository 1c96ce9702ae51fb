"""Faults on the way to another host."""

import subprocess

from host import Host
from trial import Fault, Trial, Truth
from wire import FAR, HERE, Wire, is_syn, tcp_payload

wires: list[Wire] = []


def far(host: Host) -> None:
    if not wires:
        wires.append(Wire(host))


def calm(host: Host) -> None:
    wires[0].calm()


def ask_far(trial: Trial, command: str, ms: float, style: str) -> subprocess.Popen:
    return trial.host.client("client", "ask", FAR, "80", command, str(ms), style)


def lost(count: int):
    """The request is lost so many times on its way."""

    def inject(trial: Trial) -> Truth:
        wire = wires[0]
        asking = ask_far(trial, "none", 0, "keep-alive")
        trial.began(asking)
        wire.lose = lambda frame, outward: outward and tcp_payload(frame) > 0 and wire.lost < count
        waited = trial.asked(asking)["ms"]
        if wire.lost != count:
            raise RuntimeError(f"the wire lost {wire.lost} segments, not {count}")
        return Truth(waited, waited)

    return inject


def syn_lost(trial: Trial) -> Truth:
    wire = wires[0]
    wire.lose = lambda frame, outward: outward and is_syn(frame) and wire.lost < 1
    waited = trial.asked(ask_far(trial, "none", 0, "connect"))["ms"]
    return Truth(waited, waited)


def long_path(trial: Trial) -> Truth:
    """Every frame takes half of the trial's time, from the request on."""
    asking = ask_far(trial, "none", 0, "keep-alive")
    trial.began(asking)
    wires[0].delay = trial.ms / 2000
    waited = trial.asked(asking)["ms"]
    return Truth(waited, trial.ms)


def slow_peer(trial: Trial) -> Truth:
    return Truth(trial.asked(ask_far(trial, "sleep", trial.ms, "keep-alive"))["ms"], trial.ms)


def published(host: Host) -> None:
    far(host)
    host.service("api", options=("-p", f"{HERE}:8080:80", "-e", "SNDBUF=8192"))


def full_send_buffer(trial: Trial) -> Truth:
    """A large answer over a long path, from a socket whose buffer holds a few segments of it."""
    wires[0].delay = 0.05
    # A round trip of 100 ms for every 16 KiB.
    kilobytes = (trial.ms // 370 + 2) * 64
    trial.asked(wires[0].far("sink", HERE, "8080", str(kilobytes), "0"))
    return Truth(None)


ONE_WAY = {"families": (4,), "styles": ("keep-alive",), "container": "client", "busy": False}

FAULTS = [
    Fault("request lost, RTO", "net.retransmit", far, lost(3), clean=calm, sizes=(900, 1000), **ONE_WAY),
    Fault("request lost once", "net.retransmit", far, lost(1), clean=calm, sizes=(120, 150), **ONE_WAY),
    Fault("SYN lost", "net.connect", far, syn_lost, clean=calm, sizes=(1000, 1001), **ONE_WAY),
    Fault("long path", "net.path", far, long_path, clean=calm, sizes=(100, 180), **ONE_WAY),
    # Longer than the retransmission timer: the kernel sends again what was only late.
    Fault("long path, suddenly", "net.path|net.retransmit", far, long_path, clean=calm, sizes=(300, 2000), plain=False, **ONE_WAY),
    Fault("remote peer slow", "peer.slow", far, slow_peer, clean=calm, **ONE_WAY),
    Fault("send buffer full", "tcp.sndbuf", published, full_send_buffer, clean=calm, sizes=(800, 2000), threshold=0.3,
          **(ONE_WAY | {"container": "api"})),
]
