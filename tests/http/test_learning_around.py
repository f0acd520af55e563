#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Around the step of a model that learns: who asked and what came of it, when predictions see it, and past examples
mixed in."""
import contextlib
import glob
import json
import os
import random
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
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
            self.assertTrue(wait_until(lambda: lines_of(service, path="/v2/models/digits/infer")))
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


class Replay(unittest.TestCase):
    """Past examples mixed into updates."""

    def rows(self, service, **wanted):
        lineage = service.call("GET", "/generations")[1]["generations"]
        return [{key: row[key] for key in ("kind", "examples", "replayed", "erased")} for row in lineage]

    def test_mixed_and_recovered(self):
        """An update's own examples and the others are told apart; after kill -9 all is as it was, the sample too."""
        with Service({"learning_rate": 0.05, "replay_examples": 6, "replay_ratio": 1.5}) as service:
            alone, mixed = service.teach(IMAGES[:4], LABELS[:4])[1], service.teach(IMAGES[4:8], LABELS[4:8])[1]
            self.assertEqual((alone["examples"], mixed["examples"]), (4, 4))
            service.teach(IMAGES[8:10], LABELS[8:10])
            self.assertEqual(self.rows(service), [{"kind": "finetune", "examples": n, "replayed": m, "erased": 0}
                                                  for n, m in ((2, 3), (4, 4), (4, 0))])
            seen = metrics(service)
            self.assertEqual(seen["inferd_learning_replay_examples"], 6)
            self.assertEqual(seen["inferd_learning_replayed_examples_total"], 7)
            self.assertEqual(seen["inferd_learning_examples_total"], 10)
            self.assertGreater(seen["inferd_learning_replay_bytes"], 6 * 64 * 4)
            before = service.predict(IMAGES[:16])
            service.stop(signal.SIGKILL)
            service.start()
            self.assertEqual(service.predict(IMAGES[:16]), before)
            self.assertEqual(metrics(service)["inferd_learning_replay_examples"], 6)
            service.teach(IMAGES[10:11], LABELS[10:11])
            self.assertEqual(self.rows(service)[0], {"kind": "finetune", "examples": 1, "replayed": 2, "erased": 0})

    def test_loss_is_of_the_update_s_own(self):
        """What is mixed in does not count in the score of new examples."""
        with Service({"learning_rate": 0.05, "replay_examples": 8}) as service, Service({"learning_rate": 0.05}) as plain:
            for one in (service, plain):
                one.teach(IMAGES[:8], LABELS[:8])
            wrong = [(label + 1) % 10 for label in LABELS[8:12]]
            a, b = (one.teach(IMAGES[8:12], wrong)[1] for one in (service, plain))
            self.assertAlmostEqual(a["loss"], b["loss"], delta=1e-5 * b["loss"])
            self.assertEqual(a["metrics"], b["metrics"])

    def test_erased_with_its_copies(self):
        training = {"learning_rate": 0.05, "checkpoint_updates": 2, "replay_examples": 3, "replay_ratio": 3}
        secret = [0.25 + k / 256 for k in range(len(IMAGES[0]))]
        needle = struct.pack("<8f", *secret[8:16])
        with Service(training) as service:
            service.teach([secret, IMAGES[1], IMAGES[2]], [7, LABELS[1], LABELS[2]])
            for k in range(3, 7):
                service.teach(IMAGES[k:k + 1], LABELS[k:k + 1])
            self.assertEqual(self.rows(service)[0]["replayed"], 3)
            before = service.predict(IMAGES[:8])
            status, answer, _ = service.call("POST", "/erase", {"examples": [{"generation": 2, "row": 0}]})
            self.assertEqual((status, answer["examples"]), (200, 1), answer)
            self.assertNotIn("complete", answer["parameters"])
            self.assertEqual(service.files_with(needle), [])
            after = service.predict(IMAGES[:8])
            self.assertNotEqual(after[0], before[0])
            self.assertEqual([row["erased"] for row in self.rows(service)], [0, 0, 0, 0, 0, 1])
            for _ in range(4):    # nor does it come back out of memory
                service.teach(IMAGES[8:9], LABELS[8:9])
            self.assertEqual(service.files_with(needle), [])
            now = service.predict(IMAGES[:8])
            service.stop(signal.SIGKILL)
            service.start()
            self.assertEqual(service.predict(IMAGES[:8]), now)

    def test_copies_outlive_their_update(self):
        """... as they are to; they can be erased, but not what their own update taught, and the answer says so."""
        training = {"learning_rate": 0.05, "checkpoint_updates": 1, "keep_updates": 2, "replay_examples": 16,
                    "replay_ratio": 4}
        secret = [0.25 + k / 256 for k in range(len(IMAGES[0]))]
        needle = struct.pack("<8f", *secret[8:16])
        with Service(training) as service:
            def kept():
                """The rows that hold the example, by the journal itself."""
                path, = glob.glob(os.path.join(service.state, "learning", "*", "journal.db"))
                with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % path, uri=True)) as journal:
                    return [place >> 20 for place, in journal.execute(
                        "select place from example where inputs is not null and instr(inputs, ?)", (needle,))]

            service.teach([secret], [7])
            for k in range(60):
                service.teach(IMAGES[k:k + 1], LABELS[k:k + 1])
                if kept() and 1 not in kept():
                    break
            self.assertNotIn(1, kept())
            self.assertTrue(kept())
            generations = [row["generation"] for row in service.call("GET", "/generations")[1]["generations"]]
            self.assertNotIn(2, generations)
            status, answer, _ = service.call("POST", "/erase", {"examples": [{"generation": 2, "row": 0}]})
            self.assertEqual(status, 200, answer)
            self.assertIs(answer["parameters"]["complete"], False)
            self.assertEqual(kept(), [])
            self.assertEqual(service.files_with(needle), [])
            status, answer, _ = service.call("POST", "/erase", {"examples": [{"generation": 2, "row": 0}]})
            self.assertEqual((status, answer["parameters"]["complete"]), (200, False))

    def test_rewound_with_its_copies(self):
        """A bad update is left out with all that later ones took from it: as if those had been mixed without."""
        training = {"learning_rate": 0.05, "replay_examples": 64, "replay_ratio": 1}
        with Service(training) as service:
            service.teach(IMAGES[:4], LABELS[:4])
            service.teach(IMAGES[4:8], [(label + 5) % 10 for label in LABELS[4:8]])
            for k in range(8, 24, 4):
                service.teach(IMAGES[k:k + 4], LABELS[k:k + 4])
            poisoned = service.predict(IMAGES[:16])[0]
            status, answer, _ = service.call("POST", "/rewind", {"first": 3, "last": 3})
            self.assertEqual(status, 200, answer)
            clean = service.predict(IMAGES[:16])
            self.assertNotEqual(clean[0], poisoned)
            self.assertTrue(wait_until(lambda: "inferd_learning_replay_examples" in metrics(service)))
            service.teach(IMAGES[24:28], LABELS[24:28])
            self.assertEqual(metrics(service)["inferd_learning_replay_examples"], 24)    # without the four
            now = service.predict(IMAGES[:16])
            service.stop(signal.SIGKILL)
            service.start()
            self.assertEqual(service.predict(IMAGES[:16]), now)
            status, answer, _ = service.call("POST", "/rollback", {"generation": 7})
            self.assertEqual(status, 200, answer)
            self.assertEqual(service.predict(IMAGES[:16])[0], poisoned)

    def test_other_shapes_are_learnt_without(self):
        with Service({"learning_rate": 0.05, "replay_examples": 8}) as service:
            service.teach(IMAGES[:4], LABELS[:4])
            lesson = service.lesson(IMAGES[4:8], LABELS[4:8])
            lesson["targets"][0]["datatype"] = "INT32"
            status, answer, _ = service.call("POST", "/finetune", lesson)
            self.assertEqual(status, 200, answer)
            service.teach(IMAGES[8:12], LABELS[8:12])
            self.assertEqual([row["replayed"] for row in self.rows(service)], [4, 0, 0])

    def test_less_is_forgotten(self):
        """New digits alone, over and over: without replay the others are forgotten."""
        groups = [[k for k in range(len(LABELS)) if (LABELS[k] < 3) == old] for old in (True, False)]
        halves = [group[:len(group) // 2] for group in groups], [group[len(group) // 2:] for group in groups]
        results = []
        for replay in ({}, {"replay_examples": 400, "replay_balanced": True, "replay_ratio": 1}):
            with Service({"learning_rate": 0.1, "optimiser": "sgd", **replay}) as service:
                def teach(numbers):
                    for k in range(0, len(numbers), 8):
                        some = numbers[k:k + 8]
                        status, answer, _ = service.teach([IMAGES[i] for i in some], [LABELS[i] for i in some])
                        self.assertEqual(status, 200, answer)

                def accuracy(numbers):
                    lesson = service.lesson([IMAGES[i] for i in numbers], [LABELS[i] for i in numbers])
                    status, answer, _ = service.call("POST", "/evaluate", lesson)
                    self.assertEqual(status, 200, answer)
                    return answer["metrics"]["accuracy"]

                teach(sorted(halves[0][0] + halves[0][1]))
                for _ in range(20):
                    teach(halves[0][1])
                results.append([accuracy(halves[1][0]), accuracy(halves[1][1])])
                seen = metrics(service)
                self.assertEqual(seen["inferd_learning_replay_examples"] > 0, bool(replay))
        (forgot, new), (kept, new_too) = results
        print("accuracy on old digits %.3f without replay, %.3f with; on new ones %.3f, %.3f" %
              (forgot, kept, new, new_too), file=sys.stderr)
        self.assertGreater(kept, forgot + 0.1)
        self.assertGreater(kept, 0.8)
        self.assertGreater(new_too, new - 0.1)


class MicroBatches(unittest.TestCase):
    def test_cut_as_it_was(self):
        """How an update was cut is in its row: another configuration rebuilds the same weights."""
        with Service({"learning_rate": 0.05, "micro_batch": 16}) as service:
            for _ in range(3):
                self.assertEqual(service.teach(IMAGES[:90], LABELS[:90])[0], 200)
            before = service.predict(IMAGES[:16])
            service.stop(signal.SIGKILL)
            with open(os.path.join(service.models, "digits", "config.json"), "w") as file:
                json.dump({"training": {"learning_rate": 0.05, "micro_batch": 0}}, file)
            service.start()
            self.assertEqual(service.predict(IMAGES[:16]), before)
            self.assertEqual(service.teach(IMAGES[:90], LABELS[:90])[0], 200)

    def test_a_share_of_the_cpu(self):
        """--training-cpu holds however much is asked for, and nothing is lost by it."""
        with Service({"learning_rate": 0.001}) as service:
            restart(service, "--training-cpu=5")

            def cpu_s():
                path = "/proc/%d/task" % service.daemon.process.pid
                ticks = 0
                for task in os.listdir(path):
                    with contextlib.suppress(FileNotFoundError), open("%s/%s/stat" % (path, task)) as file:
                        words = file.read().rsplit(")", 1)[1].split()
                        ticks += int(words[11]) + int(words[12]) if int(words[16]) > 0 else 0
                return ticks / os.sysconf("SC_CLK_TCK")

            service.teach(IMAGES[:64], LABELS[:64])
            began, used, updates = time.monotonic(), cpu_s(), 0
            while time.monotonic() - began < 4:
                self.assertEqual(service.teach(IMAGES[:256], LABELS[:256])[0], 200)
                updates += 1
            share = (cpu_s() - used) / (time.monotonic() - began)
            self.assertGreater(updates, 0)
            self.assertLess(share, 0.12 if updates > 2 else 0.5)    # of a burst of 50 ms, and coarse ticks


class Drift(unittest.TestCase):
    """What new inputs and new losses look like, in metrics, readiness and the log."""

    def test_inputs(self):
        """Live predictions against the first ones; the reference outlives the process, and the alarm ends."""
        dice = random.Random(7)

        def changed(image):
            return [16 - x for x in image]

        with Service({"drift_reference": 1000}) as service:
            def send(rows, how=lambda image: image):
                for _ in range(0, rows, 50):
                    service.predict([how(dice.choice(IMAGES)) for _ in range(50)])

            def until(condition, how=lambda image: image):
                self.assertTrue(wait_until(lambda: send(200, how) or condition(), 30), service.daemon.log())

            def ready():
                return service.call("GET", "/ready")[1].get("learning", {})

            until(lambda: "reference of inputs is whole" in service.daemon.log())
            until(lambda: metrics(service).get("inferd_learning_input_psi", 0) > 0)
            usual = metrics(service)["inferd_learning_input_psi"]
            self.assertEqual(metrics(service)["inferd_learning_input_drifting"], 0)
            self.assertEqual((ready()["input_drifting"], ready()["input_psi"]), (False, usual))
            service.stop(signal.SIGKILL)
            service.start()
            until(lambda: metrics(service).get("inferd_learning_input_drifting") == 1, changed)
            self.assertNotIn("reference of inputs is whole", service.daemon.log())
            self.assertGreater(metrics(service)["inferd_learning_input_psi"], 4 * usual)
            self.assertTrue(ready()["input_drifting"])
            self.assertRegex(ready()["worst_input"], r"^image\[\d+\]$")
            self.assertRegex(service.daemon.log(), r"the inputs of predictions have changed.* input=image\[\d+\] psi=")
            until(lambda: metrics(service)["inferd_learning_input_drifting"] == 0)
            self.assertIn("the inputs of predictions are as they were", service.daemon.log())

    def test_loss(self):
        with Service({"learning_rate": 1e-6}) as service:
            for k in range(0, 320, 2):
                service.teach(IMAGES[k:k + 2], LABELS[k:k + 2])
            self.assertEqual(metrics(service)["inferd_learning_loss_drifting"], 0)
            for k in range(0, 120, 2):
                service.teach(IMAGES[k:k + 2], [(label + 3) % 10 for label in LABELS[k:k + 2]])
            seen = metrics(service)
            self.assertEqual(seen["inferd_learning_loss_drifting"], 1)
            self.assertGreaterEqual(seen["inferd_learning_drift_total"], 1)
            self.assertTrue(service.call("GET", "/ready")[1]["learning"]["loss_drifting"])
            self.assertTrue(0 < seen["inferd_learning_kappa"] < seen["inferd_learning_accuracy"] < 1)

    def test_norms_by_layer(self):
        with Service({"learning_rate": 0.05}) as plain, Service({"learning_rate": 0.05, "layer_norms": True}) as service:
            for one in (plain, service):
                one.teach(IMAGES[:4], LABELS[:4])
            self.assertFalse([name for name in metrics(plain) if "layer" in name])
            seen = metrics(service)
            for kind in ("gradient", "update"):
                parts = [value for name, value in seen.items() if name.startswith("inferd_learning_layer_%s_norm{layer=" % kind)]
                self.assertGreater(len(parts), 1)
                self.assertTrue(all(value > 0 for value in parts))
                self.assertAlmostEqual(sum(x * x for x in parts) ** 0.5, seen["inferd_learning_%s_norm" % kind], places=4)


class Inferctl(unittest.TestCase):
    def test_going_back(self):
        program = os.path.join(os.path.dirname(os.environ.get("INFERD", "./inferd")), "inferctl")
        with Service({"learning_rate": 0.05}) as service:
            def ctl(*arguments, code=0):
                done = subprocess.run([program, "--url", "http://%s:%d" % service.daemon.address, *arguments],
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, code, done)
                return done.stdout + done.stderr

            values = []
            for k in range(4):
                service.teach(IMAGES[k:k + 1], LABELS[k:k + 1])
                values.append(service.predict(IMAGES[:4])[0])
            self.assertRegex(ctl("rewind", "digits", "--first", "5"), "^generation 6, 0 examples, durable\n$")
            self.assertEqual(service.predict(IMAGES[:4])[0], values[2])
            self.assertRegex(ctl("rewind", "digits", "--first", "3", "--last", "4", "--key", "k"), "^generation 7, ")
            self.assertIn("applied before", ctl("rewind", "digits", "--first", "3", "--last", "4", "--key", "k"))
            self.assertEqual(service.predict(IMAGES[:4])[0], values[0])
            answer = json.loads(ctl("erase", "digits", "--example", "2.0", "--output", "json"))
            self.assertEqual((answer["examples"], answer["parameters"]["generation"]), (1, 8))
            for line in (["rewind", "digits"], ["erase", "digits"], ["erase", "digits", "--example", "2"],
                         ["erase", "digits", "--example", "2.0x"], ["erase", "digits", "--example", "2.-1"],
                         ["rewind", "digits", "--first", "x"], ["rewind", "digits", "--to", "2"]):
                ctl(*line, code=2)
            self.assertIn("no generation 99", ctl("rewind", "digits", "--first", "99", code=1))
            self.assertIn("keeps no row 7", ctl("erase", "digits", "--example", "2.7", code=1))


if __name__ == "__main__":
    unittest.main()
