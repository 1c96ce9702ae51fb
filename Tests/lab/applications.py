"""Faults inside one container: its code, its CPU, its memory, its disk."""

import json
import os
import pathlib
import signal
import subprocess
import time

from host import Host, run, SLOW_DISK
from trial import Fault, Trial, Truth


def api(*options: str, kind: str = "threads"):
    return lambda host: host.service("api", kind, options=options)


def command(name: str, injected: bool = True):
    """The request itself asks for the fault; it lasts what was asked for."""

    def inject(trial: Trial) -> Truth:
        waited = trial.asked(trial.ask("api", name))["ms"]
        return Truth(waited, trial.ms if injected else None)

    return inject


def reported(name: str, own_part: float = 1):
    """The service measures the fault itself and answers with it."""

    def inject(trial: Trial) -> Truth:
        report = trial.asked(trial.ask("api", name, trial.ms * own_part))
        return Truth(report["ms"], float(report["detail"]))

    return inject


def during(begin, end):
    """Something is done to the container while it handles a short request: what is left of that goes by meanwhile."""

    def inject(trial: Trial) -> Truth:
        asking = trial.ask("api", "sleep", 150)
        trial.began(asking)
        sent = time.monotonic()
        time.sleep(0.15)
        begin(trial)
        begun = time.monotonic()
        time.sleep(trial.ms / 1000)
        end(trial)
        waited = trial.asked(asking)["ms"]
        return Truth(waited, waited - (begun - sent - 0.1) * 1000)

    return inject


def pause(trial: Trial) -> None:
    trial.host.pause("api")


def unpause(trial: Trial) -> None:
    trial.host.unpause("api")


def stop(trial: Trial) -> None:
    os.kill(trial.host.server_pid("api"), signal.SIGSTOP)


def resume(trial: Trial) -> None:
    os.kill(trial.host.server_pid("api"), signal.SIGCONT)


def paused_load(begin, end):
    """A client that asks all the time, and the container stands still for a while."""

    def inject(trial: Trial) -> Truth:
        load = trial.host.client("client", "load", trial.host.address("api", trial.family), "80", str(2 + trial.ms / 1000), "50")
        time.sleep(1)
        begin(trial)
        time.sleep(trial.ms / 1000)
        end(trial)
        return Truth(longest(load))

    return inject


def longest(load: subprocess.Popen) -> float:
    out, err = load.communicate(timeout=60)
    if load.returncode != 0:
        raise RuntimeError(err)
    return json.loads(out)["max_ms"]


def quota(trial: Trial) -> Truth:
    """A fifth of a CPU for a handler that computes: it is held back four fifths of the time."""
    needed = trial.ms / 5
    waited = trial.asked(trial.ask("api", "cpu", needed))["ms"]
    # Not the cgroup's own throttled time: that adds up what its CPUs were held back at once. Where others want the CPU it waits for these,
    # too, and on the only one the client and the recorder do.
    return Truth(waited, None if trial.busy or os.cpu_count() == 1 else waited - needed)


def neighbours(trial: Trial) -> Truth:
    """Others begin to compute on the one CPU the service may use, with more shares."""
    asking = trial.ask("api", "cpu", 400)
    trial.began(asking)
    hogs = [trial.host.client("hog", "burn", str(trial.ms / 2000)) for _ in range(2)]
    report = trial.asked(asking)
    for hog in hogs:
        hog.wait()
    return Truth(report["ms"], float(report["detail"]))


def with_neighbours(host: Host) -> None:
    host.service("api", options=("--cpuset-cpus", "1", "--cpu-shares", "128"))
    host.start("hog", "/bin/busybox", "sleep", "86400", options=("--cpuset-cpus", "1", "--cpu-shares", "4096"))


def redis(host: Host) -> None:
    host.start("api", "/bin/redis", "--save", "", "--protected-mode", "no", "--enable-debug-command", "yes")
    host.await_port("api", 6379)


def long_command(*words: str):
    """Another client's command keeps Redis busy; ours waits for its turn."""

    def inject(trial: Trial) -> Truth:
        host = trial.host
        address = host.address("api", trial.family)
        size = [word.format(s=trial.ms / 1000) for word in words]
        script = (
            "import socket,time,sys,json\n"
            f"c=socket.create_connection(('{address}',6379));r=c.makefile('rb')\n"
            "def get():\n c.sendall(b'GET x\\r\\n');r.readline()\n"
            "longest=0;end=time.monotonic()+float(sys.argv[1])\n"
            "while time.monotonic()<end:\n b=time.monotonic();get();longest=max(longest,time.monotonic()-b);time.sleep(.01)\n"
            "print(json.dumps({'max_ms':longest*1000}))\n"
        )
        victim = host.execute("client", "/bin/python3", "-c", script, str(1.5 + trial.ms / 1000))
        time.sleep(1)
        run("docker", "exec", "neighbour", "/bin/redis-cli", "-h", address, *size)
        return Truth(longest(victim))

    return inject


def slow_disk_options(host: Host) -> tuple[str, ...]:
    return "-v", f"{host.slow}:/slow", "--device-write-bps", f"{host.loop}:{SLOW_DISK}"


def slow_disk(host: Host) -> None:
    host.service("api", options=slow_disk_options(host))


def limited_memory(host: Host) -> tuple[str, ...]:
    """Options of a container with less memory than it needs, and a disk that is slow to take what it must write back."""
    # Under cgroup v1 what reclaim waits for is written by the kernel's own threads, which no container's limit holds back.
    root = pathlib.Path("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device")
    if root.exists():
        number = os.stat(host.loop).st_rdev
        device = f"{os.major(number)}:{os.minor(number)}"
        host.undo.append(("sh", "-c", f"echo {device} 0 > {root}"))
        root.write_text(f"{device} {8 * SLOW_DISK}")
    return "-m", "28m", "-v", f"{host.slow}:/slow", "--device-write-bps", f"{host.loop}:{8 * SLOW_DISK}"


def little_memory(host: Host) -> None:
    host.service("api", options=limited_memory(host))


FAULTS = [
    Fault("handler sleeps", "app.sleep", api(), command("sleep")),
    Fault("handler computes", "app.cpu", api(), command("cpu"), busy=False),
    Fault("handler waits for a lock", "app.lock", api(), command("lock")),
    Fault("handler waits for a child", "app.blocked", api(), command("child", injected=False)),
    Fault("handler waits for a file lock", "app.blocked", api(), command("flock", injected=False)),
    Fault("fsync on a slow disk", "storage.io", slow_disk, reported("fsync"), sizes=(200, 1500)),
    Fault("container paused", "app.frozen", api(), paused_load(pause, unpause)),
    Fault("container paused in a request", "app.frozen", api(), during(pause, unpause), sizes=(300, 2000),
          slack_ms=300),
    Fault("process stopped", "app.frozen", api(), during(stop, resume), sizes=(300, 2000)),
    Fault("CPU quota", "cpu.throttled", api("--cpus", "0.2"), quota, sizes=(500, 2000), threshold=0.4),
    Fault("noisy neighbours", "cpu.runqueue", with_neighbours, neighbours, sizes=(800, 2000), busy=False, threshold=0.8),
    Fault("busy with DEBUG SLEEP", "app.busy", redis, long_command("DEBUG", "SLEEP", "{s}"), tail=("app.sleep", "api"), busy=False),
    Fault("busy with a script", "app.busy", redis,
          long_command("EVAL", "local e=redis.call('TIME') local s=e[1]*1e6+e[2]+{s}*1e6 while true do local t=redis.call('TIME') if t[1]*1e6+t[2]>s then return 1 end end", "0"),
          tail=("app.cpu", "api"), busy=False),
    Fault("memory limit", "memory.reclaim", little_memory, command("fill", injected=False), sizes=(40, 48), busy=False, threshold=2),
]
