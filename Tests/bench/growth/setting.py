"""What a point of a curve is made of: containers, a recorder, and loads."""

import contextlib
import hashlib
import os
import pathlib
import resource
import signal
import subprocess
import time


def cgroup_roots():
    """Mounts a container has a cgroup in: version 2's, and of version 1 those the recorder reads."""
    found = []
    with open("/proc/mounts") as f:
        for line in f:
            _, place, kind, options, *_ = line.split()
            if kind == "cgroup2" or (kind == "cgroup" and {"cpu", "memory"} & set(options.split(","))):
                found.append(pathlib.Path(place))
    return found


class Containers:
    """Cgroups named as Docker names them, with a serving process in each: for the recorder, containers."""

    def __init__(self, count):
        self.own = [root / f"flightrec-scale-{os.getpid()}" for root in cgroup_roots()]
        places = []
        for index in range(count):
            name = hashlib.sha256(str(index).encode()).hexdigest()
            mine = [root / "docker" / name for root in self.own]
            for place in mine:
                place.mkdir(parents=True, exist_ok=True)
            places.append(" ".join(str(place / "cgroup.procs") for place in mine))
        self.process = subprocess.Popen(
            ["./peers", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("\n".join(places) + "\n")
        self.process.stdin.close()
        self.process.stdout.readline()
        time.sleep(0.5 + count / 500)

    def stop(self):
        self.process.kill()
        self.process.wait()
        for root in self.own:
            # Processes that ended a moment ago keep their cgroup busy.
            for attempt in range(100):
                for place, _, _ in os.walk(root, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(place)
                if not root.exists():
                    break
                time.sleep(0.1)
            else:
                raise SystemExit(f"could not remove {root}: remove it by hand")


class Load:
    """`peers hold` or `peers churn`: as many processes as the limit of open files asks for."""

    def __init__(self, kind, servers, rate, connections=0):
        count = 1 + connections // (resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4)
        words = [[connections // count, servers, rate / count] if kind == "hold" else [rate, servers]] * count
        self.began = time.monotonic()
        self.processes = [subprocess.Popen(["./peers", kind, *map(str, one)], stdout=subprocess.PIPE, text=True)
                          for one in words]
        for process in self.processes:
            if process.stdout.readline().strip() != "ready":
                raise SystemExit(f"the load did not begin: {kind} {words}")

    def stop(self):
        """(sent, answered, broken, answered a second)."""
        took = time.monotonic() - self.began
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        told = []
        for process in self.processes:
            line = process.communicate(timeout=60)[0].strip()
            told.append([int(word) for word in line.replace(",", "").split() if word.isdigit()])
        sent, answered, broken = map(sum, zip(*told))
        return sent, answered, broken, answered / took


def prepare():
    """Limits and this namespace's settings for 100,000 sockets and 10,000 new ones a second."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name, value in (("ipv4/ip_local_port_range", "1024 65535"), ("ipv4/tcp_max_tw_buckets", "10000"),
                        ("core/somaxconn", "4096")):
        with open(f"/proc/sys/net/{name}", "w") as f:
            f.write(value)
