"""What goes on in the background: steady requests, new connections, containers that live for seconds."""

import contextlib
import pathlib
import struct
import subprocess
import threading
import time

from host import Host, run


class Background:
    """Runs until `stop`."""

    def __init__(self, host: Host, scratch: pathlib.Path):
        self.host = host
        self.scratch = scratch
        self.containers = 0
        self.failures: list[str] = []
        self._ended = threading.Event()
        host.start("cache", "/bin/redis", "--save", "", "--protected-mode", "no")
        host.await_port("cache", 6379)
        host.service("web")
        host.start("visitors", "/bin/busybox", "sleep", "864000")
        self.records = open(scratch / "paced.records", "w+b")
        self.steady = subprocess.Popen(
            [str(scratch / "paced"), host.address("cache"), "6379", "500", "20"], stdout=self.records)
        # Each connection is for one request.
        self.visits = [host.client("visitors", "fresh", host.address("web"), "80", "864000", "200") for _ in range(2)]
        self.churn = threading.Thread(target=self._churn, daemon=True)
        self.churn.start()

    def _churn(self) -> None:
        """Containers that start, ask for a second, and are gone."""
        web = self.host.address("web")
        while not self._ended.wait(4):
            self.containers += 1
            name = f"guest-{self.containers}"
            done = subprocess.run(
                ["docker", "run", "--rm", "--name", name, "--network", "lab", "lab:1", "/bin/python3", "/service.py", "fresh", web, "80",
                 "1", "20"], capture_output=True, text=True)
            if done.returncode != 0:
                self.failures.append(f"{name}: {done.stderr.strip()[-200:]}")

    def connections(self) -> int:
        """TCP connections opened on this host's containers so far."""
        total = 0
        for name in ("web",):
            rows = pathlib.Path(f"/proc/{self.host.pid(name)}/net/snmp").read_text().splitlines()
            heads, values = [row.split() for row in rows if row.startswith("Tcp:")]
            total += int(values[heads.index("PassiveOpens")])
        return total

    def stop(self) -> list[tuple[float, float]]:
        """(when it was due, CLOCK_MONOTONIC seconds; latency in seconds) of the steady client's requests."""
        self._ended.set()
        self.churn.join()
        if self.steady.poll() is not None:
            self.failures.append("the steady client ended")
        self.steady.terminate()
        self.steady.wait()
        for visit in self.visits:
            if visit.poll() is not None:
                self.failures.append("a client of new connections ended: " + visit.stderr.read()[-200:])
            visit.kill()
            visit.wait()
        self.records.seek(0)
        data = self.records.read()
        return [(due / 1e9, latency / 1e9) for due, latency in struct.iter_unpack("=QQ", data[:len(data) // 16 * 16])]


def remove_guests() -> None:
    with contextlib.suppress(RuntimeError):
        names = run("docker", "ps", "-aq", "--filter", "name=guest-").split()
        if names:
            run("docker", "rm", "-f", *names)
