# SPDX-License-Identifier: Apache-2.0
"""The real daemon on a free port, for black-box tests. Standard library only."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def build_folder():
    """Where the daemon was built: of $INFERD, the program, as tests/http/run sets it."""
    return pathlib.Path(os.environ.get("INFERD", "./inferd")).resolve().parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """with Daemon(build, "--model-repository", path) as daemon: ...; leaves nothing running. `log`
    holds its standard error; stop() checks that it ends with the status expected."""

    def __init__(self, build, *arguments, wrapper=(), environment=None, ready_s=60):
        self.port = free_port()
        self.log = []
        command = [*wrapper, str(pathlib.Path(build) / "inferd"), "--listen", f"127.0.0.1:{self.port}",
                   *map(str, arguments)]
        started = time.monotonic()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        env={**os.environ, **(environment or {})}, text=True, errors="replace")
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        self._wait_ready(started + ready_s)
        self.ready_s = time.monotonic() - started

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))

    def _wait_ready(self, until):
        while time.monotonic() < until:
            if self.process.poll() is not None:
                self.reader.join(5)
                raise RuntimeError(f"the daemon ended with {self.process.returncode}:\n" + "\n".join(self.log))
            try:
                if self.get("/v2/health/ready")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.005)
        raise RuntimeError("the daemon did not become ready:\n" + "\n".join(self.log))

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, connection=None):
        """(status, headers, body bytes)."""
        connection = connection or self.connect()
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def get(self, path):
        return self.request("GET", path)

    def post_json(self, path, document, connection=None):
        """(status, decoded body)."""
        status, _, body = self.request("POST", path, json.dumps(document), {"Content-Type": "application/json"},
                                       connection)
        return status, json.loads(body) if body else None

    def raw(self, data, timeout=5):
        """Sends bytes, half-closes nothing, returns all that comes until the server closes or goes quiet."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            received = b""
            try:
                while chunk := connection.recv(65536):
                    received += chunk
            except OSError:
                pass
            return received

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def stop(self, expected=0, timeout=60):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError("the daemon did not end after SIGTERM:\n" + "\n".join(self.log[-50:])) from None
        finally:
            self.reader.join(5)
        if status != expected:
            raise RuntimeError(f"the daemon ended with {status}, expected {expected}:\n" + "\n".join(self.log[-200:]))

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
        elif self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Tally:
    """Counts checks; a failed one is printed and the test goes on."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, truth, what):
        if truth:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {what}", flush=True)
        return truth

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0
