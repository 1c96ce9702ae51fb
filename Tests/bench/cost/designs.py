"""What the parts of the probes cost, and what other designs would: each turned on and off in pairs like the tools, against nothing or
against all the probes as they are. All are loaded and read by the bare C consumer."""

import os
import re
import subprocess

from tools import Bare, Tool

#: On every tracepoint that flightrec takes: a program that returns at once.
EMPTY = "empty.o"
#: The probe on each raise of a softirq that there was, which stamped the time.
RAISE = "raise.o"

HEAD = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
"""
STAMP = """\
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 10); __type(key, __u32); __type(value, __u64); } raised SEC(".maps");
SEC("tp_btf/softirq_raise") int raise_tp(unsigned long long *ctx)
{
	__u32 vector = ctx[0];
	__u64 *at = bpf_map_lookup_elem(&raised, &vector);
	if (at)
		*at = bpf_ktime_get_ns();
	return 0;
}
"""


def compile_object(name, source):
    with open("part.c", "w") as f:
        f.write(HEAD + source)
    subprocess.run([os.environ["clang"], "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-I/usr/include/" + os.uname().machine + "-linux-gnu",
                    "-c", "part.c", "-o", name], check=True)


class Consumer(Bare):
    """Some of the probes. `without`: programs left out; `variables`: other values."""

    def __init__(self, hooks, without="", variables=()):
        super().__init__(None, hooks)
        self.command = ["probes.o", "rodata", "data", *variables, *(p for p in hooks.programs if not without or not re.match(without, p))]

    def start(self):
        self.process = subprocess.Popen(["./drain", *self.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answer()


class Foreign(Consumer):
    """Another object's programs."""

    def __init__(self, path, programs):
        Tool.__init__(self, None, None)
        self.command = [path, "-", "-", *programs]


class Instead(Tool):
    """One set of programs while on, another while off."""

    slice = 0.3

    def __init__(self, on, off):
        super().__init__(None, None)
        self.sets = on, off

    def start(self):
        for one in filter(None, self.sets):
            one.start()
        self.off()

    def swap(self, old, new):
        if old:
            old.off()
        if new:
            new.on()

    def on(self):
        self.swap(self.sets[1], self.sets[0])

    def off(self):
        self.swap(self.sets[0], self.sets[1])

    def cpu(self):
        return 0

    def stop(self):
        for one in filter(None, self.sets):
            one.stop()


class Both(Tool):
    def __init__(self, *parts):
        super().__init__(None, None)
        self.parts = parts

    def start(self):
        for part in self.parts:
            part.start()

    def on(self):
        for part in self.parts:
            part.on()

    def off(self):
        for part in self.parts:
            part.off()

    def stop(self):
        for part in self.parts:
            part.stop()


def designs(hooks):
    """Title → (what it is compared with, how to make it)."""
    compile_object(EMPTY, "".join(f'SEC("tp_btf/{point}") int e{index}_tp(void *ctx) {{ return 0; }}\n' for index, point in enumerate(hooks.points)))
    compile_object(RAISE, STAMP)

    def whole():
        return Consumer(hooks)

    def empty():
        return Foreign(EMPTY, [f"e{index}_tp" for index in range(len(hooks.points))])

    return {
        "all the probes": ("nothing", lambda: Instead(whole(), None)),
        "programs that return at once, on the same hooks": ("nothing", lambda: Instead(empty(), None)),
        "turns under 1 ms counted by octave in the kernel, not told": ("all", lambda: Instead(Consumer(hooks, variables=("fr_brief_ns=1000000",)), whole())),
        "no softirq hooks": ("all", lambda: Instead(Consumer(hooks, "softirq_"), whole())),
        "no hooks of context switches and wakeups": ("all", lambda: Instead(Consumer(hooks, "(switch|wakeup)_"), whole())),
        "a stamp at each raise of a softirq too": ("all", lambda: Instead(Both(whole(), Foreign(RAISE, ["raise_tp"])), whole())),
    }
