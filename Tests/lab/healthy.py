"""Healthy traffic of many kinds at once must not make an incident: thresholds are flightrec's own, `auto`."""

import time

from host import Host
from recorder import Recorder


def run(host: Host, flightrec: str, seconds: int) -> bool:
    """Mixed load for so long; whether no incident came of it."""
    host.remove_all()
    for name in ("client", "neighbour"):
        host.start(name, "/bin/busybox", "sleep", "86400")
    host.service("db")
    host.service("api", downstream=host.addresses("db"))
    host.service("loop", "loop", downstream=host.addresses("db"))
    recorder = Recorder(flightrec, host.scratch / "healthy", host.socket, "auto")
    try:
        span = str(seconds)
        api = host.address("api")
        # The first poll begins when nothing is known of its service yet.
        loads = [host.client("client", "poll", api, "80", span, "8")]
        time.sleep(3)
        loads += [
            host.client("client", "load", api, "80", span, "50"),
            host.client("client", "load", host.address("loop", 6), "80", span, "20"),
            host.client("client", "idle", api, "80", span, "10"),
            host.client("client", "push", host.address("client"), "81", span),
            host.client("neighbour", "fresh", api, "80", span, "10"),
            host.client("neighbour", "pipeline", api, "80", span, "10"),
            host.client("neighbour", "download", api, "80", span),
            host.client("neighbour", "chain", api, "80", span, "20"),
        ]
        end = time.monotonic() + seconds + 60
        for load in loads:
            _, err = load.communicate(timeout=max(1, end - time.monotonic()))
            if load.returncode != 0:
                print(f"broken healthy load: {err}")
                return False
        books = recorder.stop()
        incidents = recorder.list()
        for row in incidents:
            print(f"wrong  healthy: {row['container']['name']} {row['peak_ns'] / 1e6:.0f} ms: {row['verdict']['summary']}")
            for fired in recorder.query(row["path"], "SELECT kind, local_port, observed_ns / 1000000 AS ms, rule"
                                                     " FROM trigger JOIN socket ON socket = id ORDER BY at_ns"):
                print(f"       {fired['kind']} on local port {fired['local_port']}: {fired['ms']} ms, {fired['rule']}")
        print(f"{'wrong' if incidents or books else 'right'}  healthy mixed load for {seconds} s: {len(incidents)} incidents. {books}")
        return not incidents and not books
    finally:
        recorder.kill()
