"""One recorder around a trial or several, and what it caught."""

import json
import pathlib
import shutil
import signal
import subprocess
import time


class Recorder:
    """Incidents of one container are rationed within a recording: six in ten minutes."""

    def __init__(self, flightrec: str, directory: pathlib.Path, socket: pathlib.Path, threshold: str, *options: str,
                 around: str = "3s"):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self.flightrec, self.directory = flightrec, directory
        self.log = directory / "log"
        self.settings = directory / "settings"
        self.settings.write_text(f"threshold = {threshold}\n")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [flightrec, "record", "--dir", str(directory), "--config", str(self.settings), "--before", around, "--after", around,
                 "--window", "20s", "--memory", "64M", "--docker-socket", str(socket), *options], stderr=log, stdout=log)
        # Seconds under software emulation.
        for _ in range(400):
            if "armed" in self.log.read_text():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError("the recorder did not start: " + self.log.read_text())

    def set(self, threshold: str) -> None:
        """Another threshold, from when this returns."""
        before = self.log.read_text().count("reloaded: ")
        self.settings.write_text(f"threshold = {threshold}\n")
        self.process.send_signal(signal.SIGHUP)
        for _ in range(400):
            if self.log.read_text().count("reloaded: ") > before:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("the recorder did not take another threshold: " + self.log.read_text())

    def stop(self) -> str:
        """Ends it; it finishes the capture it has open. Returns what is wrong with its books, or nothing."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "the recorder did not end"
        log = self.log.read_text()
        return "" if " 0 lost, 0 unreadable, 0 unaccounted" in log else "the books: " + log[-500:]

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def query(self, capture: str, statement: str) -> list[dict]:
        return json.loads(self._read("sql", capture, "--json", statement))

    def list(self) -> list[dict]:
        return json.loads(self._read("list", "--json"))

    def show(self, identifier: str) -> dict:
        return json.loads(self._read("show", identifier, "--json"))

    def _read(self, *command: str) -> str:
        done = subprocess.run([self.flightrec, *command, "--dir", str(self.directory)], capture_output=True, text=True)
        if done.returncode not in (0, 3):
            raise RuntimeError(done.stderr)
        return done.stdout or "[]"
