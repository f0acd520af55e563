#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers that come later: held, suspended, computed on the network thread or by workers; behind each other on
one connection, beside a slow model, too late, and for clients that have gone."""
import json
import os
import pathlib
import random
import re
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon_fixture import Daemon, doubling_model, is_sanitized, wait_until  # noqa: E402

# A chain that takes some milliseconds for one row: longer than a connection is held for, sometimes.
CHAIN_NODES = 1000 if is_sanitized() else 12000


def infer(values, model="model", parameters="", rows=1):
    data = ",".join(str(value) for value in values)
    body = ('{"inputs":[{"name":"x","shape":[%d,4],"datatype":"FP32","data":[%s]}]%s}'
            % (rows, data, parameters)).encode()
    return (b"POST /v2/models/%s/infer HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n"
            % (model.encode(), len(body)) + body)


def first_value(response):
    return json.loads(response.body)["outputs"][0]["data"][0]


def metric(daemon, name):
    found = re.search(r"^%s(?:\{\})? (\S+)$" % re.escape(name), daemon.get("/metrics").body.decode(), re.M)
    return float(found.group(1)) if found else 0.0


class Waiting(unittest.TestCase):
    def check_pipelined(self, daemon, count, step):
        """All at once, or in pieces of `step` bytes: answers come in the order of the questions."""
        with daemon.client(60) as client:
            sent = b"".join(infer([number, 0, 0, 0]) for number in range(count))
            sender = threading.Thread(target=lambda: [client.send(sent[at:at + step])
                                                      for at in range(0, len(sent), step)])
            sender.start()
            for number in range(count):
                response = client.read()
                self.assertEqual(response.status, 200, response)
                self.assertEqual(first_value(response), 2 * number)
            sender.join()

    def test_pipelined_predictions(self):
        with Daemon() as daemon:
            self.check_pipelined(daemon, 200, 1 << 20)
            self.check_pipelined(daemon, 50, 97)

    def test_pipelined_predictions_of_a_slow_model(self):
        with Daemon(model=doubling_chain()) as daemon:
            with daemon.client(120) as client:
                client.send(b"".join(infer([0, 0, 0, 0]) for _ in range(20)))
                self.assertEqual([client.read().status for _ in range(20)], [200] * 20)

    def test_cheap_batches_are_computed_by_the_network_thread(self):
        with Daemon() as daemon:
            failures = crowd(daemon, clients=16, calls=100)
            self.assertEqual(failures, [])
            self.assertGreater(metric(daemon, "inferd_inline_runs_total"), 0)
            self.assertEqual(metric(daemon, "inferd_in_flight_body_bytes"), 0)

    def test_workers_do_it_where_that_is_wished(self):
        with Daemon("--inline-us-max", "0") as daemon:
            self.assertEqual(crowd(daemon, clients=16, calls=60), [])
            self.assertEqual(metric(daemon, "inferd_inline_runs_total"), 0)

    def test_clients_that_reset_while_they_wait(self):
        """At any moment: while the request is held, once it is suspended, when the answer is being sent."""
        chance = random.Random(7)
        rows = 1024
        with Daemon("--workers", "1", "--inline-us-max", "0", "--batch-size-max", str(rows),
                    "--queue-rows-max", "1000000",
                    model=doubling_chain()) as daemon:
            for _ in range(60):
                with daemon.client() as client:
                    client.send(infer([1] * 4 * rows, rows=rows))
                    time.sleep(chance.random() * 0.03)
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with daemon.client(60) as client:
                client.send(infer([1, 2, 3, 4]))
                self.assertEqual(client.read().status, 200)
            self.assertTrue(wait_until(lambda: metric(daemon, "inferd_in_flight_requests") == 1, 20),
                            "only the question itself is in flight")
            self.assertEqual(metric(daemon, "inferd_in_flight_body_bytes"), 0)
            self.assertIn(b'inferd_request_errors_total{reason="client_gone"}', daemon.get("/metrics").body)

    def test_half_closed_clients_get_their_answer(self):
        with Daemon(model=doubling_chain()) as daemon:
            for _ in range(5):
                with daemon.client(60) as client:
                    client.send(infer([1, 2, 3, 4]))
                    client.socket.shutdown(socket.SHUT_WR)
                    self.assertEqual(client.read().status, 200)

    def test_a_deadline_that_passes_while_held(self):
        with Daemon("--workers", "1", "--batch-size-max", "60000", "--queue-rows-max", "600000",
                    "--deadline-ms", "20", model=doubling_chain()) as daemon:
            rows = 20000
            answers = []
            for _ in range(5):
                with daemon.client(60) as client:
                    client.send(infer([1] * 4 * rows, rows=rows))
                    answers.append(client.read().status)
            self.assertIn(504, answers)
            self.assertLessEqual(set(answers), {200, 503, 504})
            self.assertTrue(daemon.is_live())

    def test_a_slow_model_stops_no_fast_one(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, model in (("slow", doubling_chain()), ("fast", doubling_model())):
                place = pathlib.Path(folder, name, "1")
                place.mkdir(parents=True)
                (place / "model.onnx").write_bytes(model)
            with Daemon("--model-repository", folder, "--workers", "2") as daemon:
                self.assertTrue(wait_until(lambda: daemon.get("/v2/models/slow/ready").status == 200 and
                                           daemon.get("/v2/models/fast/ready").status == 200, 60))
                stop, slow_done = threading.Event(), []

                def ask_slow():
                    with daemon.client(120) as client:
                        while not stop.is_set():
                            client.send(infer([0] * 4 * 64, model="slow", rows=64))
                            slow_done.append(client.read().status)

                threads = [threading.Thread(target=ask_slow) for _ in range(3)]
                for thread in threads:
                    thread.start()
                waits = []
                with daemon.client(60) as client:
                    for number in range(200):
                        begun = time.monotonic()
                        client.send(infer([number, 0, 0, 0], model="fast"))
                        self.assertEqual(first_value(client.read()), 2 * number)
                        waits.append(time.monotonic() - begun)
                stop.set()
                for thread in threads:
                    thread.join()
                self.assertEqual(set(slow_done), {200})
                if not is_sanitized():
                    self.assertLess(sorted(waits)[len(waits) // 2], 0.05, "the fast one waits for the slow one")


def doubling_chain():
    return doubling_model(CHAIN_NODES)


def crowd(daemon, clients, calls):
    """Every client's answers are its own; what went wrong."""
    failures = []

    def one(number):
        try:
            with daemon.client(60) as client:
                for call in range(calls):
                    value = number * 1000 + call
                    client.send(infer([value, 0, 0, 0]))
                    response = client.read()
                    if response.status != 200 or first_value(response) != 2 * value:
                        failures.append((value, response))
        except Exception as error:                       # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


if __name__ == "__main__":
    unittest.main()
