"""Faults in a container that others wait for: chains of two and of three, of threads and of event loops.

`api` and `web` have a thread a connection, `api-loop` and `web-loop` are event loops: `web` → `api` → `db`.
"""

import os
import signal
import time
from collections.abc import Callable

import network
from applications import limited_memory, longest, slow_disk_options
from host import Host, run
from trial import Fault, Trial, Truth
from wire import FAR

#: The first container of each variant, and the calls from there to `db`.
FRONTS = {"two": ("api", 1), "two, loop": ("api-loop", 1), "three": ("web", 2), "three, loops": ("web-loop", 2)}
#: Long commands of `db` are nobody's concern by themselves.
FRONTS_ALONE = ("--container", "db=60s")
DB_ADDRESS = ("172.30.1.250", "fd30::ffff:250")


def fronts(host: Host) -> None:
    host.service("api", downstream=",".join(DB_ADDRESS))
    host.service("api-loop", "loop", downstream=",".join(DB_ADDRESS))
    host.service("web", downstream=host.addresses("api"))
    host.service("web-loop", "loop", downstream=host.addresses("api-loop"))


def chain(kind: str = "threads", downstream: str = "", options: Callable[[Host], tuple[str, ...]] = lambda host: ()):
    """`db` is what has the fault; those before it are the same for all."""

    def prepare(host: Host) -> None:
        fixed = ("--ip", DB_ADDRESS[0], "--ip6", DB_ADDRESS[1], *options(host))
        if kind == "redis":
            if host.start("db", "/bin/redis", "--save", "", "--protected-mode", "no", "--enable-debug-command", "yes", "--port", "80", options=fixed):
                host.await_port("db", 80)
        else:
            host.service("db", kind, downstream, fixed)
        fronts(host)

    return prepare


def ask(trial: Trial, command: str, ms: float | None = None):
    """The client's request, and the container that has it first."""
    front, calls = FRONTS[trial.variant]
    return trial.ask(front, "call:" * calls + command, ms), front


def through(command: str, part: float = 1):
    """A request that reaches the last service through the others."""

    def inject(trial: Trial) -> Truth:
        asking, front = ask(trial, command, trial.ms * part)
        return Truth(trial.asked(asking)["ms"], container=front)

    return inject


def stall(begin: Callable[[Trial], None], end: Callable[[Trial], None]):
    """Something is done to `db` while it handles a short request."""

    def inject(trial: Trial) -> Truth:
        asking, front = ask(trial, "sleep", 150)
        trial.began(asking)
        time.sleep(0.15)
        begin(trial)
        time.sleep(trial.ms / 1000)
        end(trial)
        return Truth(trial.asked(asking)["ms"], container=front)

    return inject


def pause(trial: Trial) -> None:
    trial.host.pause("db")


def unpause(trial: Trial) -> None:
    trial.host.unpause("db")


def stop(trial: Trial) -> None:
    os.kill(trial.host.server_pid("db"), signal.SIGSTOP)


def resume(trial: Trial) -> None:
    os.kill(trial.host.server_pid("db"), signal.SIGCONT)


def neighbours(trial: Trial) -> Truth:
    """Others begin to compute on the one CPU `db` may use, with more shares."""
    asking, front = ask(trial, "cpu", 400)
    trial.began(asking)
    hogs = [trial.host.client("hog", "burn", str(trial.ms / 2000)) for _ in range(2)]
    waited = trial.asked(asking)["ms"]
    for hog in hogs:
        hog.wait()
    return Truth(waited, container=front)


def with_neighbours(host: Host) -> None:
    host.start("hog", "/bin/busybox", "sleep", "86400", options=("--cpuset-cpus", "1", "--cpu-shares", "4096"))
    chain(options=lambda host: ("--cpuset-cpus", "1", "--cpu-shares", "128"))(host)


def busy_loop(trial: Trial) -> Truth:
    """Another client's request keeps the single-threaded `db` busy: its handler blocks all others."""
    long = trial.ask("db", "lock", trial.ms + 100, "keep-alive", "neighbour", {"GO": "1"})
    trial.began(long)
    asking, front = ask(trial, "get", 0)
    trial.began(asking)
    trial.go(long)
    waited = trial.asked(asking)["ms"]
    trial.asked(long)
    return Truth(waited, container=front)


def busy_redis(trial: Trial) -> Truth:
    """Another client's long command, while the front asks Redis all the time."""
    front, calls = FRONTS[trial.variant]
    load = trial.host.client("client", "load", trial.host.address(front, trial.family), "80", str(1.5 + trial.ms / 1000), "50", "call:" * calls + "get")
    time.sleep(1)
    run("docker", "exec", "neighbour", "/bin/redis-cli", "-h", DB_ADDRESS[0], "-p", "80", "DEBUG", "SLEEP", str(trial.ms / 1000))
    return Truth(longest(load), container=front)


def far_chain(host: Host) -> None:
    network.far(host)
    chain(downstream=",".join(FAR.values()))(host)


def lost(trial: Trial) -> Truth:
    """`db`'s own request to another host is lost once."""
    wire = network.wires[0]
    asking, front = ask(trial, "call:none", 0)
    trial.began(asking)
    wire.lose_first_data(1)
    waited = trial.asked(asking)["ms"]
    wire.lost_all(1)
    return Truth(waited, container=front)


def fault(name: str, cause: str, inject, prepare=None, tail: str = "db", **more) -> Fault:
    return Fault(
        f"chain, {name}", "downstream.slow", prepare or chain(), inject, tail=(cause, tail), variants=tuple(FRONTS),
        loaded=lambda variant: FRONTS[variant][0], **more)


FAULTS = [
    fault("sleep", "app.sleep", through("sleep")),
    fault("cpu", "app.cpu", through("cpu"), busy=False),
    fault("lock", "app.lock", through("lock")),
    fault("child", "app.blocked", through("child")),
    fault("file lock", "app.blocked", through("flock")),
    fault("paused", "app.frozen", stall(pause, unpause), sizes=(300, 2000)),
    fault("stopped", "app.frozen", stall(stop, resume), sizes=(300, 2000)),
    fault("fsync", "storage.io", through("fsync"), chain(options=slow_disk_options), sizes=(200, 1500)),
    fault("quota", "cpu.throttled", through("cpu", 0.2), chain(options=lambda host: ("--cpus", "0.2")), sizes=(500, 2000), threshold=0.4, busy=False),
    fault("noisy neighbours", "cpu.runqueue", neighbours, with_neighbours, sizes=(800, 2000), busy=False, threshold=0.8),
    fault("memory limit", "memory.reclaim", through("fill"), chain(options=limited_memory), sizes=(40, 48), busy=False, threshold=2),
    fault("busy event loop", "app.lock", busy_loop, chain("loop"), sizes=(200, 2000), busy=False, options=FRONTS_ALONE),
    fault("busy Redis", "app.sleep", busy_redis, chain("redis"), busy=False, styles=("keep-alive",), options=FRONTS_ALONE),
    fault("loss to another host", "net.retransmit", lost, far_chain, clean=network.calm, sizes=(120, 150), busy=False),
    fault("slow other host", "peer.slow", through("call:sleep"), far_chain, busy=False),
]
