"""A recorder and what it takes."""

import ctypes
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parent.parent / "cost"))
import probes  # noqa: E402

MEMORY = 32  # MiB of window
libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)


class Recorder:
    """Of both ends (`--host`): every socket there is carries state. In a memory cgroup of its own where version 1 has one, so
    that the kernel's memory for its maps can be read."""

    def __init__(self, flightrec):
        self.captures = os.path.join(os.getcwd(), "captures")
        shutil.rmtree(self.captures, ignore_errors=True)
        memory = pathlib.Path("/sys/fs/cgroup/memory/memory.kmem.usage_in_bytes")
        self.cgroup = memory.parent / f"flightrec-scale-recorder-{os.getpid()}" if memory.exists() else None
        if self.cgroup:
            self.cgroup.mkdir(exist_ok=True)
        self.log = open("recorder.log", "w+")
        self.process = subprocess.Popen(
            [flightrec, "record", "--host", "--port", "7000", "--dir", self.captures, "--threshold", "10s", "--memory", f"{MEMORY}M",
             "--docker-socket", "/nonexistent", "--keep-free", "0"], stderr=self.log, preexec_fn=self.join)
        probes.wait_for(lambda: "armed" in open("recorder.log").read(), 60, "the recorder")
        self.own = probes.Own(self.process.pid)

    def join(self):
        if self.cgroup:
            (self.cgroup / "cgroup.procs").write_text("0")

    def status(self):
        return probes.ask(self.captures, "status")["status"]

    def kernel_memory(self):
        """Bytes the kernel holds for it: maps, sockets' and threads' state, programs; None where that can't be read."""
        return int((self.cgroup / "memory.kmem.usage_in_bytes").read_text()) if self.cgroup else None

    def maps(self):
        return self.own.maps()

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            fields = dict(line.split(":", 1) for line in f)
        return int(fields["VmRSS"].split()[0]) << 10, int(fields["VmHWM"].split()[0]) << 10

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def walk(self, program):
        """ms of one pass of that iterator, median of 5; None where it has not run yet. Its link is the recorder's own."""
        ids = [p["id"] for p in self.own.programs() if p["name"] == program]
        links = [link["id"] for link in probes.bpftool("link", "show") if link.get("prog_id") in ids]
        if not links:
            return None
        link = libbpf.bpf_link_get_fd_by_id(links[0])
        times = []
        for _ in range(5):
            begin = time.monotonic()
            reader = libbpf.bpf_iter_create(link)
            while os.read(reader, 65536):
                pass
            times.append((time.monotonic() - begin) * 1000)
            os.close(reader)
            time.sleep(0.03)
        os.close(link)
        return statistics.median(times)

    def stop(self):
        """Its last line: the books."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        if self.cgroup:
            for _ in range(100):
                try:
                    self.cgroup.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)
        self.log.seek(0)
        said = [line for line in self.log if "stopped:" in line]
        if not said:
            self.log.seek(0)
            raise SystemExit("the recorder did not end as it should: " + self.log.read()[-2000:])
        return said[-1].split("stopped: ")[1].strip()
