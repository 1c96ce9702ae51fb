"""Paired on/off slices of one load. Arguments: flightrec, Redis address, pairs, clients, Docker socket."""

import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import time

SLICE = 0.3
flightrec, address, pairs, clients, docker = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
captures = os.path.join(os.getcwd(), "captures")


def ask(command):
    """One request to the recorder's control socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind("")  # autobind, unix(7): an address to answer to
        s.settimeout(10)
        s.connect(os.path.join(captures, "control.sock"))
        s.send(json.dumps({"command": command}).encode())
        reply = json.loads(s.recv(1 << 17))
    if reply.get("error"):
        sys.exit(f"{command}: {reply['error']}")
    return reply


class Redis:
    """GETs served so far, by Redis's own count."""

    def __init__(self):
        self.s = socket.create_connection((address, 6379))

    def gets(self):
        self.s.sendall(b"INFO commandstats\r\n")
        data = b""
        while b"\r\n\r\n" not in data and not data.endswith(b"\r\n\r\n"):
            data += self.s.recv(65536)
            head = re.match(rb"\$(\d+)\r\n", data)
            if head and len(data) >= len(head.group(0)) + int(head.group(1)) + 2:
                break
        found = re.search(rb"cmdstat_get:calls=(\d+)", data)
        return time.monotonic(), int(found.group(1)) if found else 0


def rate(redis, seconds):
    begin, before = redis.gets()
    time.sleep(seconds)
    end, after = redis.gets()
    return (after - before) / (end - begin), after - before


def interval(values, statistic=statistics.median, rounds=4000):
    """95 % bootstrap interval."""
    random.seed(1)
    found = sorted(statistic(random.choices(values, k=len(values))) for _ in range(rounds))
    return found[int(rounds * 0.025)], found[int(rounds * 0.975)]


def shown():
    return json.loads(subprocess.run(["bpftool", "prog", "show", "-j"], check=True, capture_output=True).stdout)


def programs():
    """Run time and count of the programs that were not there before the recorder, by name."""
    return {
        p["name"]: (p.get("run_time_ns", 0), p.get("run_cnt", 0))
        for p in shown()
        if p["id"] not in foreign and re.search(r"_(tp|fentry|fexit|kprobe|kretprobe)$|^walk_", p.get("name", ""))
    }


def stats_enabled(on):
    with open("/proc/sys/kernel/bpf_stats_enabled", "w") as f:
        f.write("1" if on else "0")


foreign = {p["id"] for p in shown()}
recorder = subprocess.Popen(
    [flightrec, "record", "--dir", captures, "--threshold", "10s", "--docker-socket", docker, "--quiet"])
load = None
try:
    for _ in range(100):
        if os.path.exists(os.path.join(captures, "control.sock")):
            break
        time.sleep(0.1)
    load = subprocess.Popen(
        ["redis-benchmark", "-h", address, "-t", "get", "-c", clients, "-n", "1000000000", "-q"],
        stdout=subprocess.DEVNULL)
    redis = Redis()
    time.sleep(3)
    ratios, on_rates, off_rates = [], [], []
    for pair in range(pairs):
        # Which half comes first alternates: a drift of the machine then falls on both.
        rates = {}
        for state in ("attach", "detach") if pair % 2 else ("detach", "attach"):
            if state == "detach" or pair or ratios:
                try:
                    ask(state)
                except SystemExit as error:
                    if "already" not in str(error):
                        raise
            time.sleep(0.02)
            rates[state], _ = rate(redis, SLICE)
        on_rates.append(rates["attach"])
        off_rates.append(rates["detach"])
        ratios.append(rates["attach"] / rates["detach"])
    try:
        ask("attach")
    except SystemExit as error:
        if "already" not in str(error):
            raise
    low, high = interval(ratios)
    print(f"throughput: off {statistics.median(off_rates):.0f}/s, on {statistics.median(on_rates):.0f}/s")
    print(f"cost: {(1 - statistics.median(ratios)) * 100:.2f} % "
          f"[{(1 - high) * 100:.2f}, {(1 - low) * 100:.2f}] (median of {pairs} pairs, 95 % bootstrap)")

    before_cpu = ask("status")["status"]
    stats_enabled(True)
    first = programs()
    _, turns = rate(redis, 5)
    last = programs()
    stats_enabled(False)
    after_cpu = ask("status")["status"]
    total = 0
    for name in sorted(last, key=lambda n: first.get(n, (0, 0))[0] - last[n][0]):
        ns = last[name][0] - first.get(name, (0, 0))[0]
        count = last[name][1] - first.get(name, (0, 0))[1]
        total += ns
        if count:
            print(f"  {name:<20} {ns / count:7.0f} ns a run  {count / turns:6.2f} runs a turn  {ns / turns:7.1f} ns a turn")
    print(f"BPF: {total / turns:.0f} ns a turn (with the cost of measuring, about 20 ns a run)")
    events = after_cpu["events"] - before_cpu["events"]
    print(f"recorder: {(after_cpu['cpuNs'] - before_cpu['cpuNs']) / max(events, 1):.0f} ns an event, "
          f"{events / 5:.0f} events/s, RSS {after_cpu['rssBytes'] >> 20} MiB of a window of "
          f"{after_cpu['windowBytes'] >> 20} MiB, {after_cpu['lost']} lost")
finally:
    for process in (load, recorder):
        if process:
            process.send_signal(signal.SIGINT)
            process.wait(20)
