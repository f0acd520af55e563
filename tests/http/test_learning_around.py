#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Around the step of a model that learns: who asked and what came of it in the access log and the lineage."""
import os
import signal
import socket
import sys
import tempfile
import json
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_learning import IMAGES, LABELS, Service  # noqa: E402
from support.daemon_fixture import wait_until  # noqa: E402


def restart(service, *arguments):
    """With more arguments."""
    service.stop()
    service.arguments += arguments
    service.start()


def lines_of(service, **fields):
    """Access log lines with all of those fields, as dictionaries."""
    found = []
    for line in service.daemon.log().splitlines():
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if all(words.get(key) == value for key, value in fields.items()):
            found.append(words)
    return found


def post_by_unix(path, target, body, headers=""):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(path)
        data = json.dumps(body).encode()
        client.sendall(("POST %s HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nConnection: close\r\n"
                        "Content-Length: %d\r\n%s\r\n" % (target, len(data), headers)).encode() + data)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return int(answer.split()[1])


class AccessLog(unittest.TestCase):
    def test_a_line_for_each_update(self):
        with Service({"learning_rate": 0.05, "loss_max": 50}) as service:
            restart(service, "--access-log=yes")
            key = {"Idempotency_Key": "k", "X_Request_Id": "r1"}
            first = service.teach(IMAGES[:4], LABELS[:4], key)
            self.assertEqual(first[0], 200)
            service.teach(IMAGES[:4], LABELS[:4], dict(key, X_Request_Id="r2"))
            service.teach(IMAGES[:1], [77], {"X_Request_Id": "r3"})
            service.call("POST", "/rollback", {"generation": 1}, X_Request_Id="r4")
            service.call("POST", "/finetune", "{", X_Request_Id="r5")
            service.predict(IMAGES[:1])
            self.assertTrue(wait_until(lambda: len(lines_of(service, update="finetune")) == 4))
            line, = lines_of(service, id="r1")
            self.assertEqual((line["model"], line["version"], line["update"], line["verdict"]),
                             ("digits", "1", "finetune", "learned"))
            self.assertEqual((line["status"], line["generation"], line["examples"]), ("200", "2", "4"))
            self.assertAlmostEqual(float(line["loss"]), first[1]["loss"], delta=1e-4 * first[1]["loss"])
            self.assertGreater(int(line["commit_us"]), 0)
            self.assertTrue(line["peer"].startswith("127.0.0.1:"))
            rows = [("r2", "replayed", "200", "2", "4"), ("r3", "bad_example", "422", "-", "1"),
                    ("r4", "learned", "200", "3", "0"), ("r5", "bad_json", "400", "-", "0")]
            for name, verdict, status, generation, examples in rows:
                with self.subTest(name):
                    line, = lines_of(service, id=name)
                    self.assertEqual((line["verdict"], line["status"], line["generation"], line["examples"]),
                                     (verdict, status, generation, examples))
                    self.assertEqual(line["loss"], "-")
            self.assertNotIn("update", lines_of(service, path="/v2/models/digits/infer")[-1])

    def test_who(self):
        """Lineage says who: an address, or the user behind a unix socket; and it outlives the process."""
        with Service({"learning_rate": 0.05}) as service, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            restart(service, "--access-log=yes", "--listen", "127.0.0.1:0", "--listen", "unix:" + path)
            service.teach(IMAGES[:2], LABELS[:2])
            lesson = service.lesson(IMAGES[2:5], LABELS[2:5])
            self.assertEqual(post_by_unix(path, "/v2/models/digits/finetune", lesson), 200)
            self.assertTrue(wait_until(lambda: lines_of(service, peer="unix:%d" % os.getuid())))
            service.stop(signal.SIGKILL)
            service.start()
            lineage = service.call("GET", "/generations")[1]
            self.assertEqual([(row["principal"], row["examples"]) for row in lineage["generations"]],
                             [("unix:%d" % os.getuid(), 3), ("127.0.0.1", 2)])
            self.assertRegex(lineage["base"]["sha256"], "^[0-9a-f]{64}$")


class Requests(unittest.TestCase):
    def test_timeout(self):
        """parameters.timeout is in microseconds: too late is not learnt."""
        with Service() as service:
            before = service.predict(IMAGES[:1])
            status, answer, _ = service.teach(IMAGES[:1], LABELS[:1], timeout=1)
            self.assertEqual(status, 504, answer)
            self.assertEqual(service.predict(IMAGES[:1]), before)
            self.assertEqual(service.teach(IMAGES[:1], LABELS[:1], timeout=20000000)[0], 200)

    def test_replayed(self):
        with Service() as service:
            key = {"Idempotency_Key": "once"}
            first = service.teach(IMAGES[:2], LABELS[:2], key)[1]
            again = service.teach(IMAGES[:2], LABELS[:2], key)[1]
            self.assertEqual(again["parameters"], dict(first["parameters"], replayed=True))
            self.assertEqual({**again, "parameters": None}, {**first, "parameters": None})


def metrics(service):
    """The learning series by name (and labels but for model and version)."""
    found = {}
    for line in service.daemon.get("/metrics").body.decode().splitlines():
        if line.startswith("inferd_learning"):
            name, value = line.rsplit(" ", 1)
            found[name.replace('{model="digits",version="1"}', "").replace('model="digits",version="1",', "")] = float(value)
    return found


class Publishing(unittest.TestCase):
    def teach(self, service, k):
        """The generation, and whether predictions see it."""
        status, answer, headers = service.teach(IMAGES[k:k + 1], LABELS[k:k + 1])
        self.assertEqual(status, 200, answer)
        self.assertTrue(answer["parameters"]["durable"])
        return answer["parameters"]["generation"], answer["parameters"].get("published", True)

    def test_every_so_many(self):
        with Service({"learning_rate": 0.05, "publish_every": 3}) as service:
            live = []
            for k in range(7):
                seen = self.teach(service, k)
                self.assertEqual(seen, (k + 2, k % 3 == 2))
                live.append(service.predict(IMAGES[:1])[1])
            self.assertEqual(live, [1, 1, 4, 4, 4, 7, 7])
            self.assertEqual(metrics(service)["inferd_learning_generation"], 7)
            self.assertEqual(metrics(service)["inferd_learning_newest_generation"], 8)
            before = service.predict(IMAGES[:4])
            status, answer, _ = service.teach(IMAGES[:1], LABELS[:1], {"If_Match": '"8"'})
            self.assertEqual(status, 200, answer)
            self.assertEqual(service.predict(IMAGES[:4]), before)
            # What was acknowledged is there after a crash, and seen.
            service.stop(signal.SIGKILL)
            service.start()
            self.assertEqual(service.predict(IMAGES[:1])[1], 9)
            # Going back is seen at once.
            status, answer, _ = service.call("POST", "/rollback", {"generation": 7})
            self.assertEqual((status, answer["parameters"].get("published", True)), (200, True))
            self.assertEqual(service.predict(IMAGES[:4]), (before[0], 10))

    def test_after_a_time(self):
        with Service({"learning_rate": 0.05, "publish_every": 0, "publish_ms": 300}) as service:
            self.assertEqual(self.teach(service, 0), (2, False))
            self.assertEqual(self.teach(service, 1), (3, False))
            self.assertTrue(wait_until(lambda: service.predict(IMAGES[:1])[1] == 3, 10))
            self.assertEqual(self.teach(service, 2), (4, False))
            self.assertTrue(wait_until(lambda: service.predict(IMAGES[:1])[1] == 4, 10))


if __name__ == "__main__":
    unittest.main()
