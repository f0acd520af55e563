# SPDX-License-Identifier: Apache-2.0
"""A real inferd on a free port, for black-box tests: start it, talk to it in raw bytes, stop it and
look at how it went. Standard library only.

$INFERD names the program (make check sets it)."""
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time


def program():
    return os.environ.get("INFERD", "./inferd")


def is_sanitized():
    """Sanitizers cost memory and time: bounds are wider with them."""
    with open(program(), "rb") as file:
        data = file.read()
    return b"__asan_init" in data or b"__tsan_init" in data


# A model in ONNX's wire format, by hand: y = x + x for x of shape [n, 4].

def _varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number, data):
    if isinstance(data, int):
        return _varint(number << 3) + _varint(data)
    if isinstance(data, str):
        data = data.encode()
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _value(name, *dims):
    shape = b"".join(_field(1, _field(2, d) if isinstance(d, str) else _field(1, d)) for d in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))


def doubling_model(nodes=1):
    """`nodes` of them make a chain, for something that takes time."""
    names = ["x"] + ["t%d" % i for i in range(nodes - 1)] + ["y"]
    graph = b"".join(_field(1, _field(1, names[i]) + _field(1, names[i]) + _field(2, names[i + 1]) +
                            _field(4, "Add")) for i in range(nodes))
    graph += _field(2, "g") + _field(11, _value("x", "n", 4)) + _field(12, _value("y", "n", 4))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 13))


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return "<%d %r>" % (self.status, self.body[:80])


class Client:
    """One connection; every read has a time limit."""

    def __init__(self, address, timeout=5.0):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.data = b""

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        try:
            got = self.socket.recv(65536)
        except ConnectionError:
            return False
        self.data += got
        return bool(got)

    def read(self, head=False):
        """The next response; None when the connection ended before a whole one."""
        while b"\r\n\r\n" not in self.data:
            if not self._more():
                return None
        header, self.data = self.data.split(b"\r\n\r\n", 1)
        lines = header.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if status == 100:
            return self.read(head)
        length = 0 if head or status == 204 else int(headers.get("content-length", 0))
        while len(self.data) < length:
            if not self._more():
                return None
        body, self.data = self.data[:length], self.data[length:]
        return Response(status, headers, body)

    def closed(self, timeout=3.0):
        """True when the server ends the connection within the time."""
        self.socket.settimeout(timeout)
        try:
            while self._more():
                pass
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Daemon:
    def __init__(self, *arguments, model=None, environment=None, listen="127.0.0.1:0", wait=True,
                 pass_fds=(), wrapper=()):
        self.directory = tempfile.TemporaryDirectory(prefix="inferd-test-")
        path = os.path.join(self.directory.name, "model.onnx")
        with open(path, "wb") as file:
            file.write(model or doubling_model())
        command = [*wrapper, program(), *(["--listen", listen] if listen else []), *arguments, path]
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("INFERD_", "NOTIFY_", "LISTEN_", "WATCHDOG_"))}
        clean.update(environment or {})
        self.lines = []
        self.address = None
        self.told_to_stop = False
        self.ready = threading.Event()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=clean,
                                        pass_fds=pass_fds, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if wait and not self.ready.wait(30):
            self.process.kill()
            raise RuntimeError("inferd did not start:\n" + self.log())

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r"listening address=(\S+)", line)
            if found and self.address is None:
                name = found.group(1)
                if name.startswith("unix:"):
                    self.address = name[5:]
                else:
                    host, _, port = name.rpartition(":")
                    self.address = (host, int(port))
                self.ready.set()
        self.ready.set()

    def log(self):
        return "".join(self.lines)

    def client(self, timeout=5.0):
        return Client(self.address, timeout)

    def get(self, path, timeout=5.0):
        with self.client(timeout) as client:
            client.send(b"GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" % path.encode())
            return client.read()

    def is_live(self):
        response = self.get("/v2/health/live")
        return response is not None and response.status == 200

    def rss_kib(self):
        with open("/proc/%d/status" % self.process.pid) as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def signal(self, number):
        self.told_to_stop |= number == signal.SIGTERM
        self.process.send_signal(number)

    def wait(self, timeout=20):
        code = self.process.wait(timeout)
        self.reader.join(5)
        return code

    def stop(self):
        """SIGTERM, unless it was sent; the exit code."""
        if self.process.poll() is None and not self.told_to_stop:
            self.signal(signal.SIGTERM)
        try:
            return self.wait()
        finally:
            self.process.kill()
            self.process.stderr.close()
            self.directory.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def wait_until(condition, timeout=5.0):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
