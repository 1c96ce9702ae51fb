"""What stands for containers in a virtual machine without Docker: network namespaces on a bridge, and cgroups named as nerdctl's.

Offers the fault lab what its own `Host` does.
"""

import json
import os
import pathlib
import subprocess
import time
import uuid

from host import run

CGROUPS = pathlib.Path("/sys/fs/cgroup")
BUNDLES = pathlib.Path("/run/containerd/io.containerd.runtime.v2.task/default")
BRIDGE = "br-lab"


class Place:
    """Containers live as long as the machine, but for those that are started anew."""

    def __init__(self, scratch: pathlib.Path):
        self.scratch = scratch
        #: No daemon listens there.
        self.socket = scratch / "docker.sock"
        self.undo: list[tuple[str, ...]] = []
        #: By name.
        self._identifiers: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen] = {}
        self._running: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        (scratch / "service.py").write_bytes(pathlib.Path("/service.py").read_bytes())
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "link", "set", BRIDGE, "up")
        run("ip", "addr", "add", "172.30.1.1/24", "dev", BRIDGE)
        run("ip", "addr", "add", "fd30::1/64", "dev", BRIDGE, "nodad")
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        pathlib.Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")

    def cgroup(self, name: str) -> pathlib.Path:
        return CGROUPS / f"nerdctl-{self._identifiers[name]}.scope"

    def device(self, name: str) -> str:
        """This end of a container's interface."""
        return f"lab{self._numbers[name]}"

    def start(self, name: str, *command: str, options: tuple[str, ...] = ()) -> bool:
        """Whether it was not there already, the same. Of Docker's options: -e, --cpus."""
        if self._running.get(name) == (command, options):
            return False
        self._running[name] = (command, options)
        if name not in self._numbers:
            self._make(name)
        if process := self._processes.pop(name, None):
            process.kill()
            process.wait()
        environment = {}
        (self.cgroup(name) / "cpu.max").write_text("max")
        for option, value in zip(options[::2], options[1::2], strict=True):
            if option == "-e":
                variable, _, text = value.partition("=")
                environment[variable] = text
            elif option == "--cpus":
                (self.cgroup(name) / "cpu.max").write_text(f"{int(float(value) * 100000)} 100000")
            else:
                raise ValueError(f"{option} means nothing here")
        self._processes[name] = self._join(name, command, environment, stdout=subprocess.DEVNULL)
        return True

    def _make(self, name: str) -> None:
        number = self._numbers[name] = len(self._numbers) + 2
        identifier = self._identifiers[name] = uuid.uuid4().hex * 2
        self.cgroup(name).mkdir()
        bundle = BUNDLES / identifier
        bundle.mkdir(parents=True)
        (bundle / "config.json").write_text(json.dumps({"annotations": {"nerdctl/name": name, "nerdctl/image-name": "lab"}}))
        run("ip", "netns", "add", name)
        run("ip", "link", "add", self.device(name), "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", self.device(name), "master", BRIDGE, "up")
        for command in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up"), ("addr", "add", f"{self.address(name)}/24", "dev", "eth0"),
                        ("addr", "add", f"{self.address(name, 6)}/64", "dev", "eth0", "nodad"),
                        ("route", "add", "default", "via", "172.30.1.1"), ("-6", "route", "add", "default", "via", "fd30::1")):
            run("ip", "-n", name, *command)

    def _join(self, name: str, command: tuple[str, ...], environment: dict[str, str], **streams) -> subprocess.Popen:
        script = f'echo $$ >{self.cgroup(name)}/cgroup.procs && exec ip netns exec {name} "$@"'
        return subprocess.Popen(["bash", "-c", script, name, *command], env=os.environ | environment, **streams)

    def service(self, name: str, kind: str = "threads", downstream: str = "", options: tuple[str, ...] = ()) -> None:
        """A service on port 80, answering when this returns."""
        if self.start(name, "/bin/python3", "-S", "/service.pyc", "serve", kind, "80", *([downstream] if downstream else []), options=options):
            self.await_port(name, 80)

    def await_port(self, name: str, port: int) -> None:
        for _ in range(600):
            tables = pathlib.Path(f"/proc/{self.pid(name)}/net/tcp").read_text() + pathlib.Path(f"/proc/{self.pid(name)}/net/tcp6").read_text()
            if any(f":{port:04X} " in line and " 0A " in line for line in tables.splitlines()):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{name} does not listen")

    def address(self, name: str, family: int = 4) -> str:
        return f"172.30.1.{self._numbers[name]}" if family == 4 else f"fd30::{self._numbers[name]}"

    def addresses(self, name: str) -> str:
        """As a service takes its downstream's."""
        return f"{self.address(name)},{self.address(name, 6)}"

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    server_pid = pid

    def pause(self, name: str) -> None:
        (self.cgroup(name) / "cgroup.freeze").write_text("1")

    def unpause(self, name: str) -> None:
        (self.cgroup(name) / "cgroup.freeze").write_text("0")

    def execute(self, name: str, *command: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
        """A program in a container; its standard streams are pipes."""
        return self._join(name, command, environment or {}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def client(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
        return self.execute(name, "/bin/python3", "-S", "/service.pyc", *arguments, environment=environment)

    def names(self) -> list[str]:
        return sorted(self._running)

    def close(self) -> None:
        """So that another rung finds the machine as this one did."""
        for process in self._processes.values():
            process.kill()
            process.wait()
        for name in self._numbers:
            run("ip", "netns", "del", name)
            self.cgroup(name).rmdir()
        for command in reversed(self.undo):
            run(*command, check=False)
        run("ip", "link", "del", BRIDGE)
