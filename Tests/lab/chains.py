"""Faults in a container that others wait for: chains of two and of three."""

import time

from applications import pause, unpause
from host import Host, run
from trial import Fault, Trial, Truth


def chain(*kinds: str, options: tuple[str, ...] = ()):
    """Services that call one another, the last one called db: `web` → `api` → `db`."""
    names = ["db", "api", "web"][: len(kinds)]

    def prepare(host: Host) -> None:
        downstream = ""
        for name, kind in zip(names, reversed(kinds)):
            host.service(name, kind, downstream, options if name == "db" else ())
            downstream = f"{host.address(name)}:80"

    return prepare


def through(hops: int, command: str, part: float = 1):
    """A request that reaches the last service through the others."""
    first = ["db", "api", "web"][hops]

    def inject(trial: Trial) -> Truth:
        asked = trial.ask(first, "call:" * hops + command, trial.ms * part)
        return Truth(trial.asked(asked)["ms"])

    return inject


def paused(hops: int):
    first = ["db", "api", "web"][hops]

    def inject(trial: Trial) -> Truth:
        asking = trial.ask(first, "call:" * hops + "sleep", 150, "keep-alive")
        trial.began(asking)
        time.sleep(0.15)
        run("docker", "pause", "db")
        time.sleep(trial.ms / 1000)
        run("docker", "unpause", "db")
        return Truth(trial.asked(asking)["ms"])

    return inject


def fault(name: str, kinds: tuple[str, ...], command: str, cause: str, **more) -> Fault:
    part = more.pop("part", 1)
    options = more.pop("options", ())
    return Fault(
        name, "downstream.slow", chain(*kinds, options=options), more.pop("inject", None) or through(len(kinds) - 1, command, part),
        container=["api", "web"][len(kinds) - 2], tail=(cause, "db"), **more)


two, three = ("threads", "threads"), ("threads", "threads", "threads")
loop = ("loop", "threads")

FAULTS = [
    fault("chain of two, sleep", two, "sleep", "app.sleep"),
    fault("chain of two, cpu", two, "cpu", "app.cpu", busy=False),
    fault("chain of two, lock", two, "lock", "app.lock"),
    fault("chain of two, paused", two, "", "app.frozen", inject=paused(1), styles=("keep-alive",), sizes=(300, 2000)),
    fault("chain of two, quota", two, "cpu", "cpu.throttled", part=0.2, options=("--cpus", "0.2"), sizes=(500, 2000), threshold=0.4, busy=False),
    fault("chain of three, sleep", three, "sleep", "app.sleep"),
    fault("chain of three, paused", three, "", "app.frozen", inject=paused(2), styles=("keep-alive",), sizes=(300, 2000)),
    fault("chain of three, quota", three, "cpu", "cpu.throttled", part=0.2, options=("--cpus", "0.2"), sizes=(500, 2000), threshold=0.4, busy=False),
    fault("event loop, sleep", loop, "sleep", "app.sleep", plain=False),
    fault("event loop, lock", ("loop", "loop", "threads"), "lock", "app.lock", plain=False),
]
