"""The tools compared. Each is started once under a load, turned on and off many times, and stopped."""

import os
import re
import signal
import subprocess
import time

import probes

TRACING = "/sys/kernel/tracing"
CAPTURES = os.path.join(os.getcwd(), "captures")


class Tool:
    #: Seconds of a slice: for tools that can't be off in 20 ms, longer.
    slice = 0.3
    how = ""

    def __init__(self, flightrec, hooks):
        self.flightrec = flightrec
        #: What the recorder took on this host: see `Hooks`.
        self.hooks = hooks
        self.process = None

    def start(self):
        """Off at its return."""

    def on(self):
        pass

    def off(self):
        pass

    def cpu(self):
        """ns of CPU it used so far; None where it has no process of its own."""
        return probes.cpu_time(self.process.pid) if self.process else None

    def finish(self, load):
        """What else is to be told, on and under the load: a dictionary."""
        return {}

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
            self.process = None


class Nothing(Tool):
    title = "nothing"
    how = "turned on and off like the others: what the method itself says"


class Flightrec(Tool):
    title = "flightrec"
    how = "probes attached and detached through its control socket; it goes on running"

    def start(self):
        self.process = subprocess.Popen(
            [self.flightrec, "record", "--dir", CAPTURES, "--threshold", "10s", "--quiet",
             "--docker-socket", os.environ["docker_root"] + "/docker.sock"])
        probes.wait_for(lambda: os.path.exists(os.path.join(CAPTURES, "control.sock")), 15, "the recorder")
        self.own = probes.Own(self.process.pid)
        time.sleep(1)
        self.off()

    def on(self):
        probes.ask(CAPTURES, "attach")

    def off(self):
        probes.ask(CAPTURES, "detach")

    def finish(self, load):
        first = probes.ask(CAPTURES, "status")["status"]
        rows, served = probes.bpf_time(self.own, load)
        last = probes.ask(CAPTURES, "status")["status"]
        # Of half a second each.
        reckoned = []
        for _ in range(6):
            time.sleep(0.6)
            reckoned.append(probes.ask(CAPTURES, "status")["status"]["overheadShare"])
        events = max(last["events"] - first["events"], 1)
        return {
            "programs": rows, "events_per_second": events / 5, "events_per_request": events / served,
            "cpu_ns_per_event": (last["cpuNs"] - first["cpuNs"]) / events,
            "reckoned_share": sorted(reckoned)[3], "resident_mib": last["rssBytes"] >> 20, "window_mib": last["windowBytes"] >> 20, "lost": last["lost"],
        }


class Hooks:
    """Reads from a running recorder what it attached and how its variables are set."""

    def __init__(self, flightrec):
        recorder = Flightrec(flightrec, None)
        recorder.start()
        try:
            programs = recorder.own.programs()
            self.programs = [p["name"] for p in programs]
            for section in ("rodata", "data"):
                with open(section, "wb") as f:
                    f.write(recorder.own.variables("." + section))
        finally:
            recorder.stop()
        shown = subprocess.run([flightrec, "doctor", "--json"], check=True, capture_output=True, text=True).stdout
        self.points = points = re.findall(r'"tp_btf\\?/(\w+)"', shown)
        with open(os.path.join(TRACING, "available_events")) as f:
            known = {line.strip().split(":")[1]: line.strip() for line in f}
        #: Those that are events too; a bare tracepoint (tcp_sendmsg_locked) can be had with BPF alone.
        self.events = [known[point] for point in points if point in known]
        self.bare = [point for point in points if point not in known]


class Bare(Tool):
    title = "bare C consumer"
    how = "the same programs and variables; its C program reads the ring every 100 ms and throws all away"

    def start(self):
        self.process = subprocess.Popen(
            ["./drain", "probes.o", "rodata", "data", *self.hooks.programs],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.own = probes.Own(self.process.pid)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline().decode()
        if not line:
            raise SystemExit("the bare consumer ended: see its message above")
        return line

    def say(self, command):
        self.process.stdin.write(command)
        self.process.stdin.flush()
        return self.answer()

    def on(self):
        self.say(b"a")

    def off(self):
        self.say(b"d")

    def finish(self, load):
        before = int(self.say(b"s").split()[0])
        rows, served = probes.bpf_time(self.own, load)
        events = int(self.say(b"s").split()[0]) - before
        return {"programs": rows, "events_per_second": events / 5, "events_per_request": events / served}

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process = None


class Perf(Tool):
    title = "perf record --overwrite"
    how = "the same tracepoints, all CPUs; `--control fifo`, enable and disable"

    def start(self):
        for name in ("perf.control", "perf.ack"):
            if not os.path.exists(name):
                os.mkfifo(name)
        events = [word for event in self.hooks.events for word in ("-e", event)]
        self.process = subprocess.Popen(
            ["perf", "record", "--overwrite", "-a", "-D", "-1", "--control", "fifo:perf.control,perf.ack",
             "-o", "perf.data", *events], stdout=subprocess.DEVNULL, stderr=open("perf.log", "w"))
        # Opening waits for the other end.
        self.control = open("perf.control", "wb", buffering=0)
        self.ack = open("perf.ack", "rb", buffering=0)
        self.off()

    def say(self, command):
        self.control.write(command)
        if not self.ack.readline():
            raise SystemExit("perf ended: " + open("perf.log").read())

    def on(self):
        self.say(b"enable\n")

    def off(self):
        self.say(b"disable\n")

    def stop(self):
        super().stop()
        self.control.close()
        self.ack.close()
        # A ring that holds nothing has cost nothing.
        if not os.path.exists("perf.data") or os.path.getsize("perf.data") < 100_000:
            raise SystemExit("perf recorded nothing: " + open("perf.log").read())
        os.remove("perf.data")


class Ftrace(Tool):
    title = "ftrace ring"
    how = "the same tracepoints into a ring of 4 MiB a CPU, an instance of its own; events enabled and disabled"
    instance = os.path.join(TRACING, "instances", f"flightrec-bench-{os.getpid()}")

    def write(self, name, text, mode="w"):
        with open(os.path.join(self.instance, name), mode) as f:
            f.write(text)

    def start(self):
        os.mkdir(self.instance)
        self.write("buffer_size_kb", "4096")
        self.write("tracing_on", "1")

    def on(self):
        for event in self.hooks.events:
            self.write(f"events/{event.replace(':', '/')}/enable", "1")

    def off(self):
        self.write("events/enable", "0")

    def recorded(self):
        """Events since it was made, those overwritten too."""
        total = 0
        for cpu in os.listdir(os.path.join(self.instance, "per_cpu")):
            with open(os.path.join(self.instance, "per_cpu", cpu, "stats")) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith(("entries:", "overrun:")))
        return total

    def finish(self, load):
        before = self.recorded()
        time.sleep(5)
        after = self.recorded()
        if after == before:
            raise SystemExit("ftrace recorded nothing")
        return {"events_per_second": (after - before) / 5}

    def stop(self):
        self.off()
        os.rmdir(self.instance)


class Tcpdump(Tool):
    title = "tcpdump -C -W"
    how = "the bridge's packets into a ring of 4 files of 32 MB; started and ended each time, so its slices are longer"
    slice = 1.0

    def start(self):
        self.spent = 0
        self.dropped = self.taken = 0

    def on(self):
        self.log = open("tcpdump.log", "w+")
        self.process = subprocess.Popen(
            ["tcpdump", "-i", "docker0", "-n", "-w", "ring.pcap", "-C", "32", "-W", "4", "-Z", "root"], stderr=self.log)
        probes.wait_for(lambda: "listening on" in open("tcpdump.log").read(), 10, "tcpdump")

    def off(self):
        if self.process:
            self.spent += probes.cpu_time(self.process.pid)
            super().stop()
            self.log.seek(0)
            said = self.log.read()
            self.taken += int(re.search(r"(\d+) packets? captured", said).group(1))
            self.dropped += int(re.search(r"(\d+) packets? dropped by kernel", said).group(1))

    def cpu(self):
        return self.spent + (probes.cpu_time(self.process.pid) if self.process else 0)

    def finish(self, load):
        self.off()
        return {"packets": self.taken, "dropped": self.dropped}

    def stop(self):
        self.off()


TOOLS = {"flightrec": Flightrec, "bare": Bare, "perf": Perf, "ftrace": Ftrace, "tcpdump": Tcpdump, "nothing": Nothing}
