"""What the kernel says of BPF programs and maps, by bpftool, and the recorder's control socket."""

import json
import os
import re
import socket
import subprocess
import time

STATS = "/proc/sys/kernel/bpf_stats_enabled"


def bpftool(*arguments):
    return json.loads(subprocess.run(["bpftool", "-j", *arguments], check=True, capture_output=True).stdout)


class Own:
    """Programs and maps a process holds; others of this machine's are none of our concern."""

    def __init__(self, pid):
        self.pid = pid

    def ids(self, field):
        """Of its descriptors: `prog_id` or `map_id` (bpf_prog_show_fdinfo, bpf_map_show_fdinfo)."""
        found = set()
        for name in os.listdir(f"/proc/{self.pid}/fdinfo"):
            try:
                with open(f"/proc/{self.pid}/fdinfo/{name}") as f:
                    found |= {int(line.split()[1]) for line in f if line.startswith(field + ":")}
            except FileNotFoundError:
                pass  # closed since it was listed
        return found

    def programs(self):
        """All but those libbpf loads to learn what the kernel can."""
        mine = self.ids("prog_id")
        return [p for p in bpftool("prog", "show") if p["id"] in mine
                and re.search(r"_(tp|fentry|fexit|kprobe|kretprobe)|^walk_|_resu$", p.get("name", ""))]

    def maps(self):
        mine = self.ids("map_id")
        return [m for m in bpftool("map", "show") if m["id"] in mine]

    def run_times(self):
        """Name → (ns, runs)."""
        return {p["name"]: (p.get("run_time_ns", 0), p.get("run_cnt", 0)) for p in self.programs()}

    def variables(self, section):
        """Bytes of the object's variables."""
        # The kernel keeps "flightre.rodata", libbpf's way to shorten.
        for one in self.maps():
            if one.get("name", "").endswith(section):
                entry = bpftool("map", "dump", "id", str(one["id"]))[0]
                return bytes(int(byte, 16) for byte in entry["value"])
        raise SystemExit(f"the recorder has no {section}")


def bpf_time(own, load, seconds=5):
    """Rows of (program, ns a run, runs a request, ns a request), the costliest first; and requests meanwhile."""
    with open(STATS, "w") as f:
        f.write("1")
    try:
        first = own.run_times()
        _, served = load.rate_of(seconds)
        last = own.run_times()
    finally:
        with open(STATS, "w") as f:
            f.write("0")
    rows = []
    for name, (ns, runs) in last.items():
        before = first.get(name, (0, 0))
        ns, runs = ns - before[0], runs - before[1]
        if runs:
            rows.append([name, ns / runs, runs / served, ns / served])
    return sorted(rows, key=lambda row: -row[3]), served


def ask(directory, command):
    """One request to the recorder's control socket."""
    path = os.path.join(directory, "control.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind("")  # autobind, unix(7): an address to answer to
        s.settimeout(10)
        s.connect(path)
        s.send(json.dumps({"command": command}).encode())
        reply = json.loads(s.recv(1 << 17))
    if reply.get("error"):
        raise SystemExit(f"{command}: {reply['error']}")
    return reply


def cpu_time(pid):
    """ns on a CPU of all threads of a process (schedstat, Documentation/scheduler/sched-stats.rst)."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
                total += int(f.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass  # ended since it was listed
    return total


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not come within {seconds} s")
        time.sleep(0.05)
