"""What recording costs, beside other tools: see Tests/bench/overhead."""

import argparse
import json
import pathlib
import signal
import sys

import table
from designs import designs
from loads import LOADS
from pairs import compare, tails
from tools import TOOLS, Hooks

HERE = pathlib.Path(__file__).parent


def names(known):
    def parse(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name}: choose from {', '.join(known)}")
        return chosen
    return parse


def one(tool, load_name, options):
    """One tool under one load."""
    load = LOADS[load_name](options.clients, options.rate)
    load.start()
    try:
        tool.start()
        try:
            found, spans = compare(tool, load, options.pairs)
            found |= tool.finish(load)
        finally:
            tool.stop()
    finally:
        load.stop()
    if load.paced:
        found |= tails(load, spans)
    return found | {"title": load.title}


def compare_designs(hooks, options):
    for load_name in options.loads:
        for title, (against, make) in designs(hooks).items():
            found = one(make(), load_name, options) | {"design": title, "against": against}
            for line in table.design_lines(found):
                print(line, flush=True)
            if options.table:
                table.merge_design(HERE.parent, load_name, title, found)


def main():
    parser = argparse.ArgumentParser(prog="overhead", description=__doc__)
    parser.add_argument("flightrec")
    parser.add_argument("pairs", type=int, nargs="?", default=100)
    parser.add_argument("--loads", type=names(LOADS), default=list(LOADS))
    parser.add_argument("--tools", type=names(TOOLS), default=list(TOOLS))
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--designs", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.pairs < 2:
        parser.error("PAIRS must be 2 or more: an interval needs more than one")
    # Ended from outside, what was started is stopped all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    hooks = Hooks(options.flightrec)
    if options.designs:
        compare_designs(hooks, options)
        return 0
    if hooks.bare:
        print(f"not events, so not for perf and ftrace: {', '.join(hooks.bare)}", flush=True)
    for load_name in options.loads:
        for tool_name in options.tools:
            found = one(TOOLS[tool_name](options.flightrec, hooks), load_name, options)
            for line in table.lines(load_name, tool_name, found):
                print(line, flush=True)
            # At once: a run that is cut short has not run for nothing.
            if options.table:
                table.merge(HERE.parent, load_name, tool_name, found, hooks.bare)
    return 0


if __name__ == "__main__":
    sys.exit(main())
