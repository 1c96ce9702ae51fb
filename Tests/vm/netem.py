"""Faults made by netem, which many hosts' kernels lack: delay, jitter, loss, reordering, duplicates."""

import contextlib
import time
from collections.abc import Callable, Iterator

from applications import api
from host import run
from place import Place
from trial import Fault, Trial, Truth


@contextlib.contextmanager
def netem(host: Place, *words: str, both: bool = False) -> Iterator[None]:
    """On the way to `api`, and on the way back too."""
    devices = [host.device(name) for name in (("api", "client") if both else ("api",))]
    for device in devices:
        run("tc", "qdisc", "add", "dev", device, "root", "netem", *words)
    try:
        yield
    finally:
        for device in devices:
            run("tc", "qdisc", "del", "dev", device, "root")


def late(*words: str, exact: bool = False) -> Callable[[Trial], Truth]:
    """One request that waits in the queue: `exact`, so long as netem was told; else as long as the client waits for it."""

    def inject(trial: Trial) -> Truth:
        asking = trial.ask("api", "none", 0, environment={"GO": "1"})
        trial.began(asking)
        with netem(trial.host, *(word.format(ms=trial.ms, part=trial.ms // 4) for word in words)):
            trial.go(asking)
            waited = trial.asked(asking)["ms"]
        if waited < 0.7 * trial.ms:
            raise RuntimeError(f"netem {words} cost {waited} ms, not {trial.ms}")
        return Truth(waited, trial.ms if exact else waited)

    return inject


def lost(trial: Trial) -> Truth:
    """All that goes to `api` for a while."""
    asking = trial.ask("api", "none", 0, environment={"GO": "1"})
    trial.began(asking)
    with netem(trial.host, "loss", "100%"):
        trial.go(asking)
        time.sleep(trial.ms / 1000)
    # The request begins at once, or where a process is slow to go on a little later.
    return Truth(trial.asked(asking)["ms"], least_ms=trial.ms - 60)


def meanwhile(*words: str) -> Callable[[Trial], Truth]:
    """The handler sleeps; what netem does to its packets is not why the request is slow."""

    def inject(trial: Trial) -> Truth:
        with netem(trial.host, *words, both=True):
            waited = trial.asked(trial.ask("api", "sleep"))["ms"]
        return Truth(None if "delay" in words else waited, trial.ms)

    return inject


def warm(host: Place) -> None:
    """`api`, asked before: emulated, its first answer takes longer than the delays here."""
    api()(host)
    for family in (4, 6):
        client = host.client("client", "ask", host.address("api", family), "80", "none", "0", "keep-alive")
        _, errors = client.communicate(timeout=60)
        if client.returncode != 0:
            raise RuntimeError("the client: " + errors)


QUIET = {"container": "client", "busy": False}

FAULTS = [
    Fault("netem delay", "host.qdisc", warm, late("delay", "{ms}ms", exact=True), sizes=(180, 190), **QUIET),
    Fault("netem delay, longer than RTO", "host.qdisc", warm, late("delay", "{ms}ms", exact=True), sizes=(700, 900), **QUIET),
    Fault("netem jitter", "host.qdisc", warm, late("delay", "{ms}ms", "{part}ms"), sizes=(180, 190), **QUIET),
    Fault("netem loss", "net.retransmit|bridge.drop|host.qdisc", warm, lost, sizes=(300, 600), **QUIET),
    Fault("sleep, netem duplicate", "app.sleep", warm, meanwhile("duplicate", "100%"), sizes=(400, 800), busy=False),
    Fault("sleep, netem reorder", "app.sleep", warm, meanwhile("delay", "8ms", "reorder", "50%"), sizes=(400, 800), busy=False),
]
