#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process: start, stop, signals, systemd's protocols, limits under load."""
import json
import os
import queue
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon_fixture import (Client, Daemon, doubling_model, is_sanitized,  # noqa: E402
                                    program, wait_until)

INFER = b"/v2/models/model/infer"
# Sanitizers make the loading of a long chain slow, and its running too.
SLOW_ROWS, SLOW_NODES = (40000, 1000) if is_sanitized() else (60000, 36000)


def infer(rows=1, *headers):
    body = (b'{"inputs":[{"name":"x","shape":[%d,4],"datatype":"FP32","data":[' % rows +
            b",".join([b"1"] * (4 * rows)) + b"]}]}")
    lines = [b"POST " + INFER + b" HTTP/1.1", b"Host: t", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def live(*headers):
    return b"\r\n".join([b"GET /v2/health/live HTTP/1.1", b"Host: t", *headers]) + b"\r\n\r\n"


def slow_daemon(*arguments, **more):
    """A model that takes about a second for SLOW_ROWS rows, some milliseconds for one."""
    return Daemon("--batch-size-max", str(SLOW_ROWS), "--queue-rows-max", str(64 * SLOW_ROWS),
                  *arguments, model=doubling_model(SLOW_NODES), **more)


def run(*arguments, timeout=20, environment=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("INFERD_", "NOTIFY_"))}
    clean.update(environment or {})
    return subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=timeout,
                          env=clean)


class CommandLine(unittest.TestCase):
    def test_exit_codes(self):
        with tempfile.TemporaryDirectory() as directory:
            broken = os.path.join(directory, "broken.onnx")
            with open(broken, "wb") as file:
                file.write(b"not a model")
            rows = [
                (["--help"], 0, "--body-bytes-max"),
                (["--help-man"], 0, ".TP"),
                (["--version"], 0, "inferd "),
                ([], 64, "nothing to serve"),
                (["--no-such"], 64, "--no-such"),
                (["--workers", "x", "m.onnx"], 64, "0 to 1024"),
                (["--listen", "nonsense", "m.onnx"], 64, "nonsense"),
                (["--listen", "127.0.0.1:99999", "m.onnx"], 64, "99999"),
                (["--config", directory + "/none", "m.onnx"], 66, "none"),
                (["--listen", "127.0.0.1:0", broken], 65, "model load failed"),
                (["--state-dir", "/proc/none", broken], 73, "state-dir"),
            ]
            for arguments, code, shown in rows:
                with self.subTest(arguments):
                    result = run(*arguments)
                    self.assertEqual(result.returncode, code, result)
                    self.assertIn(shown, result.stdout + result.stderr)

    def test_address_in_use(self):
        with Daemon() as daemon:
            result = run("--listen", "%s:%d" % daemon.address, "m.onnx")
            self.assertEqual(result.returncode, 69, result)
            self.assertIn("in use", result.stderr)

    def test_two_daemons_on_one_state_directory(self):
        with tempfile.TemporaryDirectory() as directory:
            with Daemon("--state-dir", directory) as daemon:
                result = run("--listen", "127.0.0.1:0", "--state-dir", directory, "m.onnx")
                self.assertEqual(result.returncode, 75, result)
                self.assertIn("pid %d" % daemon.process.pid, result.stderr)
            with Daemon("--state-dir", directory) as daemon:      # the lock went with its holder
                self.assertTrue(daemon.is_live())

    def test_configuration_file_and_environment(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("# test\nlisten = 127.0.0.1:0\nlog-format = json\n")
            file.flush()
            with Daemon("--config", file.name, listen=None, wait=False,
                        environment={"INFERD_ACCESS_LOG": "yes"}) as daemon:
                self.assertTrue(wait_until(lambda: '"message":"listening"' in daemon.log()))
                lines = [json.loads(line) for line in daemon.log().splitlines()]
                line = next(line for line in lines if line["message"] == "listening")
                host, _, port = line["address"].rpartition(":")
                with Client((host, int(port))) as client:
                    client.send(live(b"X-Request-Id: abc-1"))
                    self.assertEqual(client.read().status, 200)
                self.assertTrue(wait_until(lambda: '"id":"abc-1"' in daemon.log()))
                line = next(json.loads(line) for line in daemon.log().splitlines() if "abc-1" in line)
                self.assertEqual((line["method"], line["path"], line["status"]),
                                 ("GET", "/v2/health/live", 200))


class Sockets(unittest.TestCase):
    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "s")
            with Daemon("--socket-mode", "0600", listen="unix:" + path) as daemon:
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
                self.assertTrue(daemon.is_live())
                result = run("--listen", "unix:" + path, "m.onnx")
                self.assertEqual(result.returncode, 69, result)
            self.assertFalse(os.path.exists(path), "the socket stays behind")

    def test_stale_unix_socket_is_replaced(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "s")
            with socket.socket(socket.AF_UNIX) as stale:
                stale.bind(path)
            with Daemon(listen="unix:" + path) as daemon:
                self.assertTrue(daemon.is_live())

    def test_a_file_in_the_way_is_left_alone(self):
        with tempfile.NamedTemporaryFile() as file:
            result = run("--listen", "unix:" + file.name, "m.onnx")
            self.assertEqual(result.returncode, 69, result)
            self.assertTrue(os.path.exists(file.name))

    def test_several_addresses_and_threads(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "s")
            with Daemon("--listen", "unix:" + path, "--network-threads", "3") as daemon:
                clients = [Client(path if i % 2 else daemon.address) for i in range(12)]
                for _ in range(3):
                    for client in clients:
                        client.send(infer())
                    for client in clients:
                        self.assertEqual(client.read().status, 200)
                for client in clients:
                    client.close()

    def test_not_loopback_is_warned_about(self):
        with Daemon(listen="0.0.0.0:0") as daemon:
            self.assertTrue(wait_until(lambda: "no authentication" in daemon.log()))
        with Daemon() as daemon:
            self.assertNotIn("no authentication", daemon.log())

    def test_socket_activation(self):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        early = Client(listener.getsockname())       # waits in the backlog until the daemon is there
        early.send(live())
        script = 'exec 3<&%d; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"' % listener.fileno()
        with Daemon(listen=None, pass_fds=(listener.fileno(),),
                    wrapper=("sh", "-c", script, "sh")) as daemon:
            self.assertEqual(daemon.address, listener.getsockname())
            self.assertEqual(early.read().status, 200)
            self.assertEqual(daemon.stop(), 0)
        late = Client(listener.getsockname())        # the socket is systemd's: it outlives the daemon
        late.close()
        early.close()
        listener.close()

    def test_a_passed_descriptor_must_listen(self):
        with socket.socket() as plain:
            script = 'exec 3<&%d; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"' % plain.fileno()
            daemon = Daemon(listen=None, pass_fds=(plain.fileno(),), wait=False,
                            wrapper=("sh", "-c", script, "sh"))
            self.assertEqual(daemon.wait(), 69)
            self.assertIn("not a listening", daemon.log())
            daemon.stop()


class Notify(unittest.TestCase):
    """A stand-in for systemd's end of $NOTIFY_SOCKET."""

    def listen(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.addCleanup(self.socket.close)
        self.messages = queue.Queue()
        threading.Thread(target=self.collect, daemon=True).start()

    def collect(self):
        try:
            while True:
                self.messages.put(self.socket.recv(4096).decode())
        except OSError:
            pass

    def expect(self, text):
        seen = []
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                seen.append(self.messages.get(timeout=1))
            except queue.Empty:
                continue
            if text in seen[-1]:
                return seen
        self.fail("no %s in %r" % (text, seen))

    def test_life(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "notify")
            self.listen(path)
            with Daemon(environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"}) as daemon:
                self.expect("READY=1")
                for _ in range(5):
                    self.expect("WATCHDOG=1")
                daemon.signal(signal.SIGHUP)
                self.expect("RELOADING=1\nMONOTONIC_USEC=")
                self.expect("READY=1")
                self.expect("WATCHDOG=1")
                daemon.signal(signal.SIGTERM)
                self.expect("STOPPING=1")
                self.assertEqual(daemon.wait(), 0)

    def test_a_receiver_that_does_not_read_stops_nothing(self):
        name = "inferd-test-deaf-%d" % os.getpid()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
            deaf.bind("\0" + name)
            with Daemon(environment={"NOTIFY_SOCKET": "@" + name, "WATCHDOG_USEC": "4000"}) as daemon:
                time.sleep(2)
                self.assertTrue(daemon.is_live())
                self.assertEqual(daemon.stop(), 0)

    def test_abstract_socket(self):
        name = "inferd-test-%d" % os.getpid()
        self.listen("\0" + name)
        with Daemon(environment={"NOTIFY_SOCKET": "@" + name}):
            self.assertIn("1 models ready", self.expect("READY=1")[-1])

    def test_watchdog_of_another_process_is_not_fed(self):
        name = "inferd-test-other-%d" % os.getpid()
        self.listen("\0" + name)
        with Daemon(environment={"NOTIFY_SOCKET": "@" + name, "WATCHDOG_USEC": "100000",
                                 "WATCHDOG_PID": "1"}) as daemon:
            time.sleep(0.5)
            daemon.signal(signal.SIGTERM)
            self.assertFalse([text for text in self.expect("STOPPING=1") if "WATCHDOG" in text])

    def test_a_stopped_thread_starves_the_watchdog(self):
        """The compute takes longer than the watchdog allows: no worker moves, so it is not fed."""
        name = "inferd-test-stuck-%d" % os.getpid()
        self.listen("\0" + name)
        with slow_daemon(environment={"NOTIFY_SOCKET": "@" + name, "WATCHDOG_USEC": "200000"}) as daemon:
            self.expect("WATCHDOG=1")
            with daemon.client(60) as client:
                client.send(infer(SLOW_ROWS))
                self.assertTrue(wait_until(lambda: "not feeding the watchdog" in daemon.log(), 20))
                self.assertEqual(client.read().status, 200)
            self.expect("WATCHDOG=1")


class Stopping(unittest.TestCase):
    def test_requests_in_flight_are_answered(self):
        daemon = slow_daemon()
        busy = [daemon.client(60) for _ in range(3)]
        idle = daemon.client()
        idle.send(live())
        self.assertEqual(idle.read().status, 200)
        for client in busy:
            client.send(infer(SLOW_ROWS))
        time.sleep(0.3)
        daemon.signal(signal.SIGTERM)
        self.assertTrue(idle.closed(), "an idle connection stays open")
        with self.assertRaises(ConnectionError):
            for _ in range(100):
                daemon.client().close()
                time.sleep(0.02)
        for client in busy:
            response = client.read()
            self.assertEqual(response.status, 200)
            self.assertEqual(response.headers.get("connection"), "close")
            self.assertTrue(client.closed())
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("stopped", daemon.log())

    def test_ready_turns_503_while_draining(self):
        daemon = slow_daemon()
        with daemon.client(60) as busy, daemon.client() as other:
            other.send(b"GET /v2/health/ready HTTP/1.1\r\nHost: t\r\n\r\n")
            self.assertEqual(other.read().status, 200)
            other.send(b"GET /v2/health/ready HTTP/1.1\r\n")         # the rest comes later
            busy.send(infer(SLOW_ROWS))
            time.sleep(0.2)
            daemon.signal(signal.SIGTERM)
            time.sleep(0.1)
            other.send(b"Host: t\r\n\r\n")
            self.assertEqual(other.read().status, 503)
            self.assertTrue(other.closed())
            self.assertEqual(busy.read().status, 200)
        self.assertEqual(daemon.stop(), 0)

    def test_drain_timeout_ends_it(self):
        daemon = slow_daemon("--drain-timeout-s", "0")
        with daemon.client(60) as client:
            client.send(infer(SLOW_ROWS))
            time.sleep(0.2)
            self.assertEqual(daemon.stop(), 0)
            self.assertIn("still in flight", daemon.log())

    def test_second_signal_ends_it_now(self):
        daemon = slow_daemon()
        with daemon.client(60) as client:
            client.send(infer(SLOW_ROWS))
            time.sleep(0.2)
            daemon.signal(signal.SIGTERM)
            self.assertTrue(wait_until(lambda: "stopping connections" in daemon.log()))
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait(), 0)
            self.assertIn("stopping at once", daemon.log())
        daemon.stop()

    def test_many_starts_and_stops(self):
        for _ in range(10):
            daemon = Daemon()
            clients = [daemon.client() for _ in range(8)]
            for client in clients:
                client.send(infer() * 4)
            self.assertEqual(daemon.stop(), 0, daemon.log())
            for client in clients:
                client.close()


class Reload(unittest.TestCase):
    def test_sighup_takes_over_what_it_can(self):
        with tempfile.NamedTemporaryFile("w+", suffix=".conf") as file:
            def write(text):
                file.seek(0)
                file.truncate()
                file.write(text)
                file.flush()

            write("access-log = no\n")
            with Daemon("--config", file.name) as daemon:
                self.assertTrue(daemon.is_live())
                self.assertNotIn("method=GET", daemon.log())
                write("access-log = yes\nworkers = 3\n")
                daemon.signal(signal.SIGHUP)
                self.assertTrue(wait_until(lambda: "info reloaded" in daemon.log()))
                self.assertIn("needs a restart name=workers", daemon.log())
                self.assertTrue(daemon.is_live())
                self.assertTrue(wait_until(lambda: "method=GET" in daemon.log()))
                write("access-log = perhaps\n")
                daemon.signal(signal.SIGHUP)
                self.assertTrue(wait_until(lambda: "kept as it was" in daemon.log()))
                self.assertTrue(daemon.is_live())


class Limits(unittest.TestCase):
    def test_45_connection_flood(self):
        with Daemon("--connections-max", "20", "--request-timeout-ms", "60000") as daemon:
            held = [daemon.client() for _ in range(20)]
            for client in held:
                client.send(live())
                self.assertEqual(client.read().status, 200)
            with daemon.client() as over:                # one more: health yes, work no
                over.send(live())
                response = over.read()
                self.assertEqual((response.status, response.headers["connection"]), (200, "close"))
                self.assertTrue(over.closed())
            with daemon.client() as over:
                over.send(infer())
                response = over.read()
                self.assertEqual(response.status, 503)
                self.assertIn("retry-after", response.headers)
                self.assertTrue(over.closed())
            flood = [daemon.client() for _ in range(200)]
            for client in held:                          # the others do not notice
                client.send(infer())
                self.assertEqual(client.read().status, 200)
            for client in flood:
                self.assertTrue(client.closed(10), "a flooding connection stays open")
                client.close()
            for client in held:
                client.close()
            self.assertTrue(wait_until(lambda: daemon.is_live()))
            self.assertTrue(wait_until(
                lambda: b"inferd_connections 1\n" in daemon.get("/metrics").body))

    def test_descriptors_run_out(self):
        with Daemon(wrapper=("sh", "-c", 'ulimit -n 40; exec "$@"', "sh")) as daemon:
            clients = []
            for _ in range(60):
                clients.append(daemon.client())
            time.sleep(0.5)
            clients[0].send(live())
            self.assertEqual(clients[0].read().status, 200)
            for client in clients:
                client.close()
            self.assertTrue(wait_until(lambda: daemon.is_live()))
            self.assertIn("cannot accept", daemon.log())

    def test_bodies_share_a_budget(self):
        with Daemon("--body-bytes-max", "4M", "--body-bytes-total-max", "6M",
                    "--request-timeout-ms", "60000") as daemon:
            head = (b"POST " + INFER + b" HTTP/1.1\r\nHost: t\r\nContent-Length: 4000000\r\n\r\n")
            one, two = daemon.client(), daemon.client()
            one.send(head + b" " * 3999999)
            self.assertTrue(wait_until(lambda: b"inferd_in_flight_body_bytes 4000000\n" in
                                       daemon.get("/metrics").body))
            try:
                two.send(head + b" " * 3999999)
            except ConnectionError:
                pass
            response = two.read()
            self.assertEqual(response.status, 503)
            self.assertTrue(two.closed())
            one.send(b" ")
            self.assertEqual(one.read().status, 400)
            for client in (one, two):
                client.close()
            self.assertTrue(wait_until(lambda: b"inferd_in_flight_body_bytes 0\n" in
                                       daemon.get("/metrics").body))

    def test_announcing_costs_nothing(self):
        with Daemon("--request-timeout-ms", "60000") as daemon:
            before = daemon.rss_kib()
            clients = [daemon.client() for _ in range(100)]
            for client in clients:
                client.send(b"POST " + INFER + b" HTTP/1.1\r\nHost: t\r\n"
                            b"Content-Length: 60000000\r\n\r\n" + b" " * 100)
            self.assertTrue(daemon.is_live())
            with daemon.client() as client:
                client.send(infer())
                self.assertEqual(client.read().status, 200)
            self.assertLess(daemon.rss_kib() - before, 400000 if is_sanitized() else 20000)
            for client in clients:
                client.close()

    def test_a_refused_upload_gets_its_answer(self):
        """The client writes all before it reads: the answer must not be lost in a reset."""
        with Daemon("--body-bytes-max", "1M") as daemon:
            for coding in (b"Content-Length: 8000000", b"Transfer-Encoding: chunked"):
                with self.subTest(coding), daemon.client(10) as client:
                    head = b"POST " + INFER + b" HTTP/1.1\r\nHost: t\r\n" + coding + b"\r\n\r\n"
                    chunk = b"%x\r\n" % 8000000 if b"chunked" in coding else b""
                    try:
                        client.send(head + chunk + b" " * 8000000)
                    except ConnectionError:
                        pass
                    response = client.read()
                    self.assertIsNotNone(response)
                    self.assertEqual(response.status, 413)
                    self.assertEqual(response.headers["content-type"], "application/json")

    def test_deadline(self):
        with slow_daemon("--deadline-ms", "150") as daemon:
            with daemon.client(60) as client:
                client.send(infer())
                self.assertEqual(client.read().status, 200)
                client.send(infer(SLOW_ROWS))
                self.assertEqual(client.read().status, 504)
                self.assertTrue(wait_until(
                    lambda: b'inferd_request_errors_total{reason="deadline"} 1' in
                    daemon.get("/metrics").body))
                time.sleep(2)                            # the late answer is thrown away
                client.send(infer())
                self.assertEqual(client.read().status, 200)

    def test_abandoned_work_is_dropped(self):
        with slow_daemon("--workers", "1") as daemon:
            with daemon.client(60) as first:
                first.send(infer(SLOW_ROWS))
                time.sleep(0.1)
                for _ in range(8):                       # each would take as long again
                    with daemon.client() as gone:
                        gone.send(infer(SLOW_ROWS))
                self.assertEqual(first.read().status, 200)
                first.send(infer())
                self.assertEqual(first.read().status, 200)
            self.assertIn(b'inferd_request_errors_total{reason="client_gone"}',
                          daemon.get("/metrics").body, "work for those who left was done")


class Crowd(unittest.TestCase):
    def test_many_at_once(self):
        """32 clients, all kinds of requests: each answer belongs to its question."""
        with Daemon("--network-threads", "2") as daemon:
            failures = []

            def one(number):
                try:
                    with daemon.client(30) as client:
                        for i in range(60):
                            value = number * 1000 + i
                            body = (b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32",'
                                    b'"data":[%d,0,0,0]}]}' % value)
                            client.send(b"POST " + INFER + b" HTTP/1.1\r\nHost: t\r\n"
                                        b"Content-Length: %d\r\n\r\n" % len(body) + body)
                            answer = json.loads(client.read().body)
                            if answer["outputs"][0]["data"][0] != 2 * value:
                                failures.append((value, answer))
                except Exception as error:               # pylint: disable=broad-except
                    failures.append(error)

            threads = [threading.Thread(target=one, args=(n,)) for n in range(32)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
