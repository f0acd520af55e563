#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Datasets over HTTP: stored whole or not at all, described, replaced, removed, within limits, and there again
after a restart."""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon_fixture import Daemon, wait_until  # noqa: E402

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


def read(*path):
    with open(os.path.join(TOP, *path), "rb") as file:
        return file.read()


class Datasets(unittest.TestCase):
    LIMITS = ["--dataset-bytes-max", "2M", "--dataset-bytes-total-max", "3M", "--request-timeout-ms", "5000"]

    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="inferd-datasets-")
        self.start()

    def start(self):
        self.daemon = Daemon("--state-dir", self.state, *self.LIMITS)

    def kill(self):
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.stop()

    def tearDown(self):
        self.assertEqual(self.daemon.stop(), 0)
        shutil.rmtree(self.state)

    def call(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(*self.daemon.address, timeout=20)
        try:
            connection.request(method, "/v2/datasets" + path, body,
                               {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def files(self):
        return sorted(os.listdir(os.path.join(self.state, "datasets")))

    def test_a_dataset_lives(self):
        status, about = self.call("PUT", "/digits", read("examples", "data", "digits.csv.gz"),
                                  Content_Type="application/gzip")
        self.assertEqual((status, about["format"], about["rows"], len(about["columns"])), (201, "csv", 1797, 65), about)
        self.assertEqual(about["columns"][64], {"name": "class", "datatype": "INT64", "shape": []})
        self.assertEqual(self.call("GET", "/digits"), (200, about))
        status, iris = self.call("PUT", "/digits", read("examples", "data", "iris.csv.gz"))
        self.assertEqual((status, iris["rows"]), (200, 150))
        self.assertEqual(self.call("GET", "/digits"), (200, iris))
        status, arrays = self.call("PUT", "/arrays", read("tests", "proto", "tables", "deflated.npz"))
        self.assertEqual((status, arrays["columns"][0]), (201, {"name": "x", "datatype": "FP32", "shape": [3]}))
        self.assertEqual(self.call("GET", "")[1]["datasets"], [{"name": "arrays", "bytes": arrays["bytes"]},
                                                              {"name": "digits", "bytes": iris["bytes"]}])
        self.kill()
        self.start()
        self.assertEqual(self.call("GET", "/digits"), (200, iris))
        self.assertEqual(self.call("DELETE", "/digits"), (200, {"name": "digits", "removed": True}))
        self.assertEqual(self.call("GET", "/digits")[0], 404)
        self.assertEqual(self.call("DELETE", "/digits")[0], 404)
        self.assertEqual(self.files(), ["arrays"])

    def test_a_chunked_body_and_rows_with_missing_values(self):
        status, about = self.call("PUT", "/d", iter([b"a,b\n1,", b"2\n,3\n", b"4,5\n"]))
        self.assertEqual((status, about["rows"], about["rows_with_missing_values"]), (201, 2, 1))

    def test_bad_files_are_refused_and_leave_what_was(self):
        self.assertEqual(self.call("PUT", "/d", b"a,b\n1,2\n")[0], 201)
        good = read("tests", "proto", "tables", "stored.npz")
        for body, text in ((b"", "empty"), (b"a,b\n1,2\n3\n", "line 3 has 1 cells; 2 are expected"),
                           (good[:-30], "ZIP"), (good.replace(b"\x00\x00\x80\x3f", b"\x00\x00\x81\x3f"), "checksum"),
                           (read("tests", "proto", "tables", "u1.idx")[:-1], "ends before all values")):
            status, answer = self.call("PUT", "/d", body)
            self.assertEqual(status, 400, answer)
            self.assertIn(text, answer["error"])
        self.assertEqual(self.call("GET", "/d")[1]["bytes"], 8)
        self.assertEqual(self.files(), ["d"])

    def test_names_and_methods(self):
        for name in ("/.upload-1", "/-x", "/" + "a" * 65, "/a%20b", "/..%2fx"):
            self.assertIn(self.call("PUT", name, b"1\n")[0], (400, 404), name)
        self.assertEqual(self.call("POST", "/d", b"1\n")[0], 405)
        self.assertEqual(self.call("PUT", "/d", b"1\n", Content_Encoding="gzip")[0], 415)
        self.assertEqual(self.files(), [])

    def test_limits(self):
        row = b"1234567890123456789\n"
        status, answer = self.call("PUT", "/d", row * 150000, Content_Length="3000000")
        self.assertEqual(status, 413, answer)
        with self.assertRaises((ConnectionError, http.client.HTTPException, AssertionError)):
            # A chunked body is cut off where it exceeds the limit.
            self.assertEqual(self.call("PUT", "/d", iter([row * 5000] * 30))[0], 201)
        self.assertTrue(wait_until(lambda: self.files() == [], 5), self.files())
        self.assertEqual(self.call("PUT", "/a", row * 100000)[0], 201)
        self.assertIn(self.call("PUT", "/b", row * 60000)[0], (413, 507))
        self.assertEqual(self.call("PUT", "/b", row * 50000)[0], 201)
        self.assertEqual(self.call("PUT", "/c", row * 40000)[0], 413)
        self.assertEqual(self.call("DELETE", "/a")[0], 200)
        self.assertEqual(self.call("PUT", "/c", row * 40000)[0], 201)

    def test_half_an_upload_leaves_nothing(self):
        client = socket.create_connection(self.daemon.address)
        client.sendall(b"PUT /v2/datasets/d HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n1,2\n3,4\n")
        self.assertTrue(wait_until(lambda: len(self.files()) == 1, 5))
        client.close()
        self.assertTrue(wait_until(lambda: self.files() == [], 5), self.files())
        client = socket.create_connection(self.daemon.address)
        client.sendall(b"PUT /v2/datasets/d HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n1,2\n3,4\n")
        self.assertTrue(wait_until(lambda: len(self.files()) == 1, 5))
        self.kill()
        client.close()
        self.start()
        self.assertEqual(self.files(), [])

    def test_many_at_once_see_whole_files(self):
        bodies = [b"a,b\n" + b"1,2\n" * rows for rows in (1, 10, 5000, 20000)]
        known = {(len(body), body.count(b"\n") - 1) for body in bodies}
        wrong = []

        def work(seed):
            source = random.Random(seed)
            for _ in range(25):
                method = source.choice(["PUT", "PUT", "GET", "GET", "DELETE"])
                name = source.choice(["/p", "/q"])
                status, about = self.call(method, name, source.choice(bodies) if method == "PUT" else None)
                if status not in (200, 201, 404) or \
                        (method != "DELETE" and status != 404 and (about["bytes"], about["rows"]) not in known):
                    wrong.append((method, status, about))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertLessEqual(set(self.files()), {"p", "q"})
        total = sum(os.path.getsize(os.path.join(self.state, "datasets", name)) for name in self.files())
        self.assertEqual(sum(each["bytes"] for each in self.call("GET", "")[1]["datasets"]), total)

    def test_without_a_state_directory(self):
        with Daemon() as daemon:
            connection = http.client.HTTPConnection(*daemon.address, timeout=5)
            connection.request("PUT", "/v2/datasets/d", b"1\n")
            answer = connection.getresponse()
            self.assertEqual(answer.status, 503)
            self.assertIn(b"--state-dir", answer.read())
            connection.close()


if __name__ == "__main__":
    unittest.main()
