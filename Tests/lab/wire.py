"""Another host, at the end of a wire the kernel knows nothing of: what is lost there no counter of this host sees.

Two TAP devices, one here and one in a network namespace of its own, and a thread that carries frames between them.
"""

import fcntl
import heapq
import os
import pathlib
import select
import struct
import subprocess
import threading
import time
from collections.abc import Callable

from host import Host, run

#: By family.
FAR, HERE = {4: "10.77.0.2", 6: "fd77::2"}, {4: "10.77.0.1", 6: "fd77::1"}
NAMESPACE, NEAR_TAP, FAR_TAP = "fr-lab-far", "fr-lab-near", "fr-lab-tap"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def _tap(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


class Wire:
    def __init__(self, host: Host):
        #: Seconds each frame is under way, and which are lost: asked with the frame and whether it goes away from here.
        self.delay = 0.0
        self.lose: Callable[[bytes, bool], bool] = lambda frame, outward: False
        self.lost = 0
        #: Seconds of time.monotonic(): when the first of those was lost, and when data went out that was not, after them.
        self.lost_at: float | None = None
        self.resent_at: float | None = None
        run("ip", "netns", "del", NAMESPACE, check=False)
        run("ip", "netns", "add", NAMESPACE)
        host.undo.append(("ip", "netns", "del", NAMESPACE))
        self._near, self._far = _tap(NEAR_TAP), _tap(FAR_TAP)
        run("ip", "link", "set", FAR_TAP, "netns", NAMESPACE)
        # Without duplicate address detection, which takes a second.
        for command in (("link", "set", NEAR_TAP, "up"), ("addr", "add", f"{HERE[4]}/24", "dev", NEAR_TAP),
                        ("addr", "add", f"{HERE[6]}/64", "dev", NEAR_TAP, "nodad")):
            run("ip", *command)
        # Containers' IPv6 addresses are not translated.
        for command in (("link", "set", "lo", "up"), ("link", "set", FAR_TAP, "up"), ("addr", "add", f"{FAR[4]}/24", "dev", FAR_TAP),
                        ("addr", "add", f"{FAR[6]}/64", "dev", FAR_TAP, "nodad"), ("-6", "route", "add", "fd30::/64", "via", HERE[6])):
            run("ip", "-n", NAMESPACE, *command)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        # Its processes are in no container: a cgroup of their own, and not the root, which is what cgroup v1 alone leaves
        # a container's in.
        self._service = host.scratch / "service.py"
        self._cgroup = next(path for path in (pathlib.Path("/sys/fs/cgroup/unified"), pathlib.Path("/sys/fs/cgroup")) if (path / "cgroup.procs").exists()) / "flightrec-lab-far"
        self._cgroup.mkdir(exist_ok=True)
        self.server = self.far("serve", "threads", "80")
        for _ in range(50):
            if run("ip", "netns", "exec", NAMESPACE, "ss", "-Hltn", "sport = :80"):
                return
            time.sleep(0.1)
        raise RuntimeError("the far server does not listen")

    def far(self, *arguments: str) -> subprocess.Popen:
        """The lab's service there, as a server or a client."""
        join = f"echo $$ > {self._cgroup}/cgroup.procs && exec ip netns exec {NAMESPACE} python3 {self._service} \"$@\""
        return subprocess.Popen(["bash", "-c", join, "far", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _carry(self) -> None:
        """Until closed: reads frames, and lets those that are not lost go on when they are due."""
        under_way: list[tuple[float, int, int, bytes]] = []
        count = 0
        while not self._ended.is_set():
            wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else 0.05
            ready, _, _ = select.select([self._near, self._far], [], [], min(wait, 0.05))
            now = time.monotonic()
            for source in ready:
                frame = os.read(source, 65536)
                outward = source == self._near
                if self.lose(frame, outward):
                    self.lost += 1
                    self.lost_at, self.resent_at = self.lost_at or now, None
                    continue
                if self.lost_at and not self.resent_at and outward and tcp_payload(frame) > 0:
                    self.resent_at = now
                count += 1
                heapq.heappush(under_way, (now + self.delay, count, self._far if outward else self._near, frame))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, target, frame = heapq.heappop(under_way)
                os.write(target, frame)

    def lose_first_data(self, count: int, number: int = 1) -> None:
        """From now on, of what goes away with data, the segment of this number and those after it, so many of them."""
        seen = 0

        def lose(frame: bytes, outward: bool) -> bool:
            nonlocal seen
            if not outward or tcp_payload(frame) <= 0:
                return False
            seen += 1
            return number <= seen < number + count

        self.lose = lose

    def lost_all(self, count: int) -> None:
        """The lab is wrong when it did not lose what it should have."""
        if self.lost != count:
            raise RuntimeError(f"the wire lost {self.lost} segments, not {count}")

    def lost_for(self) -> float:
        """ms from what was lost to what went out in its place: by the wire, for what else a client waited for is no part of the loss."""
        if self.lost_at is None or self.resent_at is None:
            raise RuntimeError("nothing went out in place of what the wire lost")
        return (self.resent_at - self.lost_at) * 1000

    def calm(self) -> None:
        self.delay, self.lost, self.lost_at, self.resent_at = 0.0, 0, None, None
        self.lose = lambda frame, outward: False

    def close(self) -> None:
        self.server.terminate()
        self.server.wait()
        self._ended.set()
        self._thread.join()
        os.close(self._near)
        os.close(self._far)
        self._cgroup.rmdir()


def _tcp(frame: bytes) -> tuple[int, int] | None:
    """Where the TCP header of a frame begins, and how many bytes of data follow it; None: not TCP over IP."""
    if frame[12:14] == b"\x08\x00" and frame[23] == 6:
        at = 14 + (frame[14] & 15) * 4
        end = 14 + struct.unpack("!H", frame[16:18])[0]
    elif frame[12:14] == b"\x86\xdd" and frame[20] == 6:
        at = 14 + 40
        end = at + struct.unpack("!H", frame[18:20])[0]
    else:
        return None
    return at, end - at - (frame[at + 12] >> 4) * 4


def tcp_payload(frame: bytes) -> int:
    """Bytes of TCP data in a frame; -1: not TCP."""
    found = _tcp(frame)
    return found[1] if found else -1


def is_syn(frame: bytes) -> bool:
    found = _tcp(frame)
    return found is not None and frame[found[0] + 13] & 0x12 == 0x02
