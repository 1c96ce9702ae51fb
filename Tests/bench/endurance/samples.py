"""What the recorder takes, looked at every few seconds."""

import os
import pathlib
import statistics
import sys
import threading
import time

sys.path.append(str(pathlib.Path(__file__).parent.parent / "cost"))
import probes  # noqa: E402

#: Memory over the window's budget, MiB.
ALLOWANCE = 32


class Samples:
    """A row every `interval` s: seconds since the start, MiB resident, MiB of these that are no file's (heap, window and stacks; the
    rest is code as it comes to be used, and the kernel's ring), descriptors, threads, BPF maps and programs, kB of maps, CPU seconds."""

    heads = ("s", "resident MiB", "own MiB", "fds", "threads", "maps", "programs", "maps KiB", "CPU s")

    def __init__(self, pid: int, own: probes.Own, interval: float):
        self.pid, self.own, self.interval = pid, own, interval
        self.rows: list[tuple] = []
        #: The recorder was not there any more at a look.
        self.lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        begin = time.monotonic()
        while not self._ended.wait(self.interval):
            try:
                self.rows.append(self._look(begin))
            except (FileNotFoundError, ProcessLookupError):
                self.lost = True
                return

    def _look(self, begin: float) -> tuple:
        maps = self.own.maps()
        with open(f"/proc/{self.pid}/status") as f:
            fields = dict(line.split(":", 1) for line in f)
        return (
            round(time.monotonic() - begin), int(fields["VmRSS"].split()[0]) / 1024,
            int(fields["RssAnon"].split()[0]) / 1024, len(os.listdir(f"/proc/{self.pid}/fd")),
            int(fields["Threads"]), len(maps), len(self.own.programs()), sum(m["bytes_memlock"] for m in maps) // 1024,
            probes.cpu_time(self.pid) / 1e9)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def column(self, name: str) -> list:
        return [row[self.heads.index(name)] for row in self.rows]

    def wrong(self, budget: int) -> list[str]:
        """What did not stay as it was. The first quarter is for the window to fill. `budget`: MiB of window."""
        if self.lost:
            return ["the recorder ended by itself"]
        if len(self.rows) < 8:
            return [f"only {len(self.rows)} samples: too short a run to say that anything is flat"]
        found = []
        quarter = len(self.rows) // 4
        for name, slack in (("resident MiB", 4), ("own MiB", 2), ("fds", 10), ("threads", 4)):
            values = self.column(name)
            early, late = statistics.median(values[quarter:2 * quarter]), statistics.median(values[-quarter:])
            if late > early + max(slack, 0.05 * early):
                found.append(f"{name}: median {early:.0f} in the second quarter, {late:.0f} in the last")
        for name in ("maps", "programs"):
            if len(set(self.column(name)[1:])) != 1:
                found.append(f"{name}: {sorted(set(self.column(name)[1:]))}")
        peak = max(self.column("resident MiB"))
        if peak > budget + ALLOWANCE:
            found.append(f"{peak:.0f} MiB resident for a window of {budget} MiB")
        return found
