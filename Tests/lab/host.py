"""The lab's own corner of this machine: a private Docker daemon, its images and containers, a slow disk."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import time

HERE = pathlib.Path(__file__).parent
#: Bytes a second the slow disk takes from a container that is started with it.
SLOW_DISK = 2 << 20


def run(*command: str, check: bool = True, **options) -> str:
    """Runs a command to its end; its standard output."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


class Host:
    """Everything made here is removed by `close`."""

    def __init__(self, scratch: pathlib.Path):
        self.scratch = scratch
        self.socket = scratch / "docker.sock"
        self.loop = ""
        self.undo: list[tuple[str, ...]] = []
        #: What each container was started with.
        self._running: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        os.environ["DOCKER_HOST"] = f"unix://{self.socket}"
        self.daemon: subprocess.Popen | None = None
        self.slow = scratch / "slow"
        try:
            self._make_slow_disk()
            self._start_docker()
            self._make_image()
        except BaseException:
            self.close()
            raise

    def _make_slow_disk(self) -> None:
        """A file system on a loop device; docker throttles it for the containers that get it."""
        image = self.scratch / "slow.img"
        with open(image, "wb") as file:
            file.truncate(256 << 20)
        run("mkfs.ext4", "-q", str(image))
        self.loop = run("losetup", "--find", "--show", str(image))
        self.slow.mkdir()
        run("mount", self.loop, str(self.slow))

    def _start_docker(self) -> None:
        command = (
            'mount --make-rprivate / && exec dockerd --data-root "$0/data" --exec-root "$0/exec" -H "unix://$0/docker.sock"'
            ' --pidfile "$0/docker.pid" --storage-driver vfs --bip 172.30.0.1/24'
        )
        log = open(self.scratch / "docker.log", "wb")
        self.daemon = subprocess.Popen(["unshare", "-m", "bash", "-c", command, str(self.scratch)], stdout=log, stderr=log)
        for _ in range(100):
            if subprocess.run(["docker", "info"], capture_output=True).returncode == 0:
                break
            time.sleep(0.2)
        else:
            raise RuntimeError("dockerd did not start: " + (self.scratch / "docker.log").read_text()[-2000:])
        run("docker", "network", "create", "--ipv6", "--subnet", "172.30.1.0/24", "--subnet", "fd30::/64",
            "--opt", "com.docker.network.bridge.name=br-lab", "lab")

    def _make_image(self) -> None:
        """One image with Python, Redis and the lab's service: this machine's own programs and their libraries."""
        root = self.scratch / "root"
        programs = [os.path.realpath(sys.executable), shutil.which("redis-server"), shutil.which("redis-cli"), "/bin/busybox"]
        modules = pathlib.Path(sysconfig.get_path("platstdlib"))
        linked = [str(path) for path in (modules / "lib-dynload").glob("*.so")]
        for program in programs:
            assert program
            self._copy(root, program)
        libraries: set[str] = set()
        for program in [*programs, *linked]:
            out = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout
            libraries |= {word for word in out.split() if word.startswith("/")}
        for library in libraries:
            self._copy(root, library)
        shutil.copytree(modules, root / str(modules).lstrip("/"), ignore=shutil.ignore_patterns(
            "test", "tests", "idlelib", "tkinter", "dist-packages", "site-packages", "__pycache__", "ensurepip", "lib2to3", "config-*"))
        (root / "tmp").mkdir()
        (root / "slow").mkdir()
        (root / "bin").mkdir(exist_ok=True)
        for link, target in {"python3": os.path.realpath(sys.executable), "sh": "/bin/busybox", "redis": shutil.which("redis-server"),
                             "redis-cli": shutil.which("redis-cli")}.items():
            (root / "bin" / link).symlink_to(str(target))
        shutil.copy(HERE / "service.py", root / "service.py")
        shutil.copy(HERE / "service.py", self.scratch / "service.py")
        tar = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(["docker", "import", "-", "lab:1"], stdin=tar.stdout, check=True, capture_output=True)
        shutil.rmtree(root)

    @staticmethod
    def _copy(root: pathlib.Path, path: str) -> None:
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(path, target)

    # Containers

    def start(self, name: str, *command: str, options: tuple[str, ...] = ()) -> bool:
        """Whether it was not there already, the same."""
        if self._running.get(name) == (command, options):
            return False
        self._running[name] = (command, options)
        run("docker", "rm", "-f", name, check=False)
        run("docker", "run", "-d", "--init", "--name", name, "--network", "lab", *options, "lab:1", *command)
        return True

    def service(self, name: str, kind: str = "threads", downstream: str = "", options: tuple[str, ...] = ()) -> None:
        """A service on port 80, answering when this returns."""
        if self.start(name, "/bin/python3", "/service.py", "serve", kind, "80", *([downstream] if downstream else []), options=options):
            self.await_port(name, 80)

    def await_port(self, name: str, port: int) -> None:
        hexadecimal = f":{port:04X} "
        for _ in range(100):
            tables = "".join(pathlib.Path(f"/proc/{self.pid(name)}/net/{table}").read_text() for table in ("tcp", "tcp6"))
            if any(hexadecimal in line and " 0A " in line for line in tables.splitlines()):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{name} does not listen: " + run("docker", "logs", name, check=False))

    def addresses(self, name: str) -> str:
        """As a service takes its downstream's."""
        return f"{self.address(name)},{self.address(name, 6)}"

    def address(self, name: str, family: int = 4) -> str:
        network = json.loads(run("docker", "inspect", name))[0]["NetworkSettings"]["Networks"]["lab"]
        return network["IPAddress" if family == 4 else "GlobalIPv6Address"]

    def pid(self, name: str) -> int:
        """Of the container's first process, docker's init."""
        return int(run("docker", "inspect", "-f", "{{.State.Pid}}", name))

    def server_pid(self, name: str) -> int:
        parent = self.pid(name)
        return int(pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])

    def pause(self, name: str) -> None:
        run("docker", "pause", name)

    def unpause(self, name: str) -> None:
        run("docker", "unpause", name)

    def identifier(self, name: str) -> str:
        return run("docker", "inspect", "-f", "{{.Id}}", name)

    def execute(self, name: str, *command: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
        """A program in a running container; its standard streams are pipes."""
        variables = [word for key, value in (environment or {}).items() for word in ("-e", f"{key}={value}")]
        return subprocess.Popen(["docker", "exec", "-i", *variables, name, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def client(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
        return self.execute(name, "/bin/python3", "/service.py", *arguments, environment=environment)

    def names(self) -> list[str]:
        """Of the containers there are."""
        return sorted(self._running)

    def remove_all(self) -> None:
        self._running.clear()
        names = run("docker", "ps", "-aq", check=False).split()
        if names:
            run("docker", "rm", "-f", *names, check=False)

    def close(self) -> None:
        try:
            for command in reversed(self.undo):
                run(*command, check=False)
            if self.daemon:
                self.remove_all()
                self.daemon.terminate()
                self.daemon.wait(30)
        finally:
            run("umount", "-R", str(self.slow), check=False)
            if self.loop:
                run("losetup", "-d", self.loop, check=False)
            run("umount", "-R", str(self.scratch), check=False)
            shutil.rmtree(self.scratch, ignore_errors=True)


def stolen_ms() -> list[float]:
    """What the machine's own host took of each CPU since boot (steal in proc_stat(5), of machines that are guests)."""
    cpus = [line.split() for line in pathlib.Path("/proc/stat").read_text().splitlines() if re.match(r"cpu\d", line)]
    return [int(words[8]) * 1000 / os.sysconf("SC_CLK_TCK") for words in cpus]


def processor_times() -> tuple[int, int]:
    """Of all CPUs, in ticks since boot: idle (waiting for disks too), and all of it (proc_stat(5))."""
    times = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return times[3] + times[4], sum(times)
