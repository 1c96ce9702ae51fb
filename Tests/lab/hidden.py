"""What this kernel kept from every BPF program.

Some kernels (of guests whose host keeps its agent from being watched) run no BPF program while a thread of process 1 is
current, and so in none of the softirqs that interrupt one. tracefs is not so: what it saw there, no probe can have seen.
"""

import os
import pathlib
import subprocess
import tempfile

EVENTS = ("tcp/tcp_retransmit_skb", "tcp/tcp_retransmit_synack", "tcp/tcp_probe", "tcp/tcp_receive_reset", "sock/inet_sock_set_state")


class Hidden:
    """Watches from the beginning of a `with` to its end, where `events` has a line for each."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.trace: pathlib.Path | None = None
        self.mounted: str | None = None

    def __enter__(self) -> "Hidden":
        root = pathlib.Path("/sys/kernel/tracing")
        if not (root / "events/tcp").is_dir():
            self.mounted = tempfile.mkdtemp(prefix="flightrec-tracefs-")
            if subprocess.run(["mount", "-t", "tracefs", "tracefs", self.mounted], capture_output=True).returncode != 0:
                return self
            root = pathlib.Path(self.mounted)
        self.trace = root / "instances" / f"flightrec-lab-{os.getpid()}"
        self.trace.mkdir()
        threads = " || ".join(f"common_pid == {task}" for task in os.listdir("/proc/1/task"))
        for event in EVENTS:
            files = self.trace / "events" / event
            if files.is_dir():
                (files / "filter").write_text(threads)
                (files / "enable").write_text("1")
        return self

    def __exit__(self, *_: object) -> None:
        if self.trace:
            for line in (self.trace / "trace").read_text().splitlines():
                # task-pid [cpu] flags: the third flag is s or h in a softirq or a hard one
                words = line.split()
                if not line.startswith("#") and len(words) > 2 and words[2][2:3] in ("s", "h"):
                    self.events.append(line.strip())
            self.trace.rmdir()
        if self.mounted:
            subprocess.run(["umount", self.mounted], capture_output=True)
            os.rmdir(self.mounted)
