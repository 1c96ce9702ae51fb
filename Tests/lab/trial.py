"""What a fault is, and how one trial of it is judged."""

import dataclasses
import json
import random
import subprocess
import time
from collections.abc import Callable

from host import Host


@dataclasses.dataclass
class Truth:
    """What was done to the request, known from the injection itself."""

    #: What its client waited, ms; None where that is not the turn's own time.
    client_ms: float | None
    #: What the fault cost it, ms; None where only the client's wait is known.
    injected_ms: float | None = None
    #: What it cost it at the least, ms, where chance decides how much more: what was lost is sent again at times TCP chooses.
    least_ms: float | None = None
    #: The container the verdict must be about, where the trial's variant decides.
    container: str = ""


@dataclasses.dataclass
class Trial:
    """The conditions of one trial, drawn from the seed."""

    host: Host
    ms: int
    family: int
    busy: bool
    style: str
    #: One of the fault's own.
    variant: str
    random: random.Random

    def ask(self, server: str, command: str, ms: float | None = None, style: str | None = None,
            client: str = "client", environment: dict[str, str] | None = None) -> subprocess.Popen:
        return self.host.client(
            client, "ask", self.host.address(server, self.family), "80", command, str(ms or self.ms),
            style or self.style, environment=environment)

    def asked(self, process: subprocess.Popen) -> dict:
        """The client's own report."""
        out, err = process.communicate(timeout=60)
        if process.returncode != 0:
            raise RuntimeError("the client: " + err)
        return json.loads(out)

    def began(self, process: subprocess.Popen) -> None:
        """Returns when the client has its connection and sends the request that matters in 100 ms, or when it is told to."""
        assert process.stderr
        line = process.stderr.readline()
        if not line.startswith("ready"):
            raise RuntimeError("the client: " + line + process.stderr.read())

    def go(self, process: subprocess.Popen, line: str = "") -> None:
        """Tells it to."""
        assert process.stdin
        process.stdin.write(line + "\n")
        process.stdin.flush()


@dataclasses.dataclass
class Fault:
    name: str
    #: The verdict's cause; several where the evidence allows either.
    cause: str
    #: Makes the containers, once for all trials.
    prepare: Callable[[Host], None]
    inject: Callable[[Trial], Truth]
    #: The container the verdict is about; several where either end may be the one that fired.
    container: str = "api"
    #: Cause and container at the end of the chain.
    tail: tuple[str, str] | None = None
    #: Words that must be in the verdict's summary or evidence.
    says: str = ""
    #: One that admits no excuse. The others must never be wrong with high confidence.
    plain: bool = True
    styles: tuple[str, ...] = ("keep-alive", "fresh", "pipelined")
    families: tuple[int, ...] = (4, 6)
    sizes: tuple[int, int] = (100, 2000)
    busy: bool = True
    #: Ways to do it, by turns; each fault begins with another one.
    variants: tuple[str, ...] = ("",)
    #: The service others load meanwhile, of a variant.
    loaded: Callable[[str], str] = lambda variant: "api"
    #: Threshold as a part of the size.
    threshold: float = 0.6
    #: Undoes what a trial may have left.
    clean: Callable[[Host], None] = lambda host: None
    options: tuple[str, ...] = ()
    #: ms the explained time may be off for a reason of the evidence's own: the freezer's state is read ten times a second, and
    #: only while a request is slow already.
    slack_ms: float = 5


@dataclasses.dataclass
class Result:
    fault: Fault
    got: str
    confidence: str
    wrong: list[str]
    unexplained: float
    disagreement_ms: float | None
    text: str
    seconds: float


def judge(fault: Fault, truth: Truth, incidents: list[dict], show: dict | None, books: str, began: float,
          stolen_ms: float = 0) -> Result:
    """Compares what flightrec says with what was done. `stolen_ms`: what the machine's own host took of a CPU meanwhile (steal in
    proc_stat(5)): it is in what a handler takes, and neither in what it was told to compute nor in anything that a guest can see of one
    process. It excuses 15 % at most."""
    wrong = [books] if books else []
    if not show:
        return Result(fault, "nothing", "-", [*wrong, f"no incident; the client waited {truth.client_ms} ms"], 0, None, "", time.monotonic() - began)
    verdict, turn = show["verdict"], show["turn"]
    if len(incidents) != 1:
        wrong.append(f"{len(incidents)} incidents: " + "; ".join(
            f"{row['container']['name']} {row['peak_ns'] / 1e6:.0f} ms {row['verdict']['cause']}, {row['trigger']} at {row['started_at']}" for row in incidents))
    container = truth.container or fault.container
    if show["container"]["name"] not in container.split("|"):
        wrong.append(f"container {show['container']['name']}, not {container}")
    if verdict["cause"] not in fault.cause.split("|"):
        wrong.append(f"cause {verdict['cause']}, not {fault.cause}")
    total = turn["total_ns"] / 1e6
    if truth.client_ms is not None and abs(total - truth.client_ms) > max(10, 0.02 * truth.client_ms):
        wrong.append(f"total {total:.1f} ms, the client waited {truth.client_ms:.1f} ms")
    if sum(stage["ns"] for stage in turn["stages"]) + turn["unexplained_ns"] != turn["total_ns"]:
        wrong.append("the stages do not sum to the total")
    disagreement = None
    if truth.injected_ms is not None:
        disagreement = verdict["share"] * total - truth.injected_ms
        if abs(disagreement) > max(fault.slack_ms, 0.05 * truth.injected_ms) + min(stolen_ms, 0.15 * truth.injected_ms):
            wrong.append(f"explains {verdict['share'] * total:.1f} ms, injected were {truth.injected_ms:.1f} ms")
    if truth.least_ms is not None and verdict["share"] * total < truth.least_ms - max(fault.slack_ms, 0.05 * truth.least_ms):
        wrong.append(f"explains {verdict['share'] * total:.1f} ms, injected were {truth.least_ms:.1f} ms at least")
    if fault.tail:
        last = verdict["chain"][-1]
        if (last["cause"], last["container"]) != fault.tail:
            wrong.append(f"the chain ends with {last['cause']} of {last['container']}, not {fault.tail[0]} of {fault.tail[1]}")
    text = f"{verdict['summary']} | " + " | ".join(verdict["evidence"])
    if fault.says not in text:
        wrong.append(f"does not say: {fault.says}")
    return Result(fault, verdict["cause"], verdict["confidence"], wrong, turn["unexplained_ns"] / max(1, turn["total_ns"]),
                  disagreement, text, time.monotonic() - began)
