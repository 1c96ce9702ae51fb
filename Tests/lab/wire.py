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

FAR, HERE = "10.77.0.2", "10.77.0.1"
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
        run("ip", "netns", "del", NAMESPACE, check=False)
        run("ip", "netns", "add", NAMESPACE)
        host.undo.append(("ip", "netns", "del", NAMESPACE))
        self._near, self._far = _tap(NEAR_TAP), _tap(FAR_TAP)
        run("ip", "link", "set", FAR_TAP, "netns", NAMESPACE)
        run("ip", "addr", "add", f"{HERE}/24", "dev", NEAR_TAP)
        run("ip", "link", "set", NEAR_TAP, "up")
        for command in (("addr", "add", f"{FAR}/24", "dev", FAR_TAP), ("link", "set", FAR_TAP, "up"), ("link", "set", "lo", "up")):
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
                    continue
                count += 1
                heapq.heappush(under_way, (now + self.delay, count, self._far if outward else self._near, frame))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, target, frame = heapq.heappop(under_way)
                os.write(target, frame)

    def calm(self) -> None:
        self.delay, self.lost = 0.0, 0
        self.lose = lambda frame, outward: False

    def close(self) -> None:
        self.server.terminate()
        self.server.wait()
        self._ended.set()
        self._thread.join()
        os.close(self._near)
        os.close(self._far)
        self._cgroup.rmdir()


def tcp_payload(frame: bytes) -> int:
    """Bytes of TCP data in an IPv4 frame; -1: not TCP."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return -1
    header = (frame[14] & 15) * 4
    total = struct.unpack("!H", frame[16:18])[0]
    return total - header - (frame[14 + header + 12] >> 4) * 4


def is_syn(frame: bytes) -> bool:
    return tcp_payload(frame) >= 0 and frame[14 + (frame[14] & 15) * 4 + 13] & 0x12 == 0x02
