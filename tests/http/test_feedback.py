#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Labels that come late: a prediction is logged by its id, and its label is learnt once, whatever is killed in
between. On the digits that the example model was never trained on."""
import glob
import json
import math
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon_fixture import wait_until  # noqa: E402
from test_learning import IMAGES, LABELS, Service, replayed  # noqa: E402


class Late(Service):
    def ask(self, images, identity=None, log=True, **parameters):
        """A prediction to be logged: its answer."""
        body = {"inputs": self.inputs(images), "parameters": {"log": log, **parameters}}
        if identity is not None:
            body["id"] = identity
        status, answer, _ = self.call("POST", "/infer", body)
        assert status == 200, answer
        return answer

    def label(self, identity, labels, datatype="INT64", headers=None, **parameters):
        body = {"id": identity, "targets": [{"name": "label", "shape": [len(labels)], "datatype": datatype,
                                             "data": labels}]}
        if parameters:
            body["parameters"] = parameters
        return self.call("POST", "/feedback", body, **(headers or {}))

    def metric(self, name):
        for line in self.daemon.get("/metrics").body.decode().splitlines():
            if line.startswith(name + "{"):
                return float(line.split()[-1])
        return None


def served_loss(answer, labels):
    """Cross-entropy of the probabilities that were served."""
    values, rows = answer["outputs"][0]["data"], len(labels)
    width = len(values) // rows
    return -sum(math.log(values[r * width + label]) for r, label in enumerate(labels)) / rows


class Feedback(unittest.TestCase):
    def test_label_is_joined_and_scored_as_made(self):
        with Late({"learning_rate": 0.05}) as service, Late({"learning_rate": 0.05}) as other:
            made = service.ask(IMAGES[:3], "tx-1")
            self.assertEqual((made["id"], made["parameters"]["logged"]), ("tx-1", True))
            base = made["parameters"]["generation"]
            for lessons in (service, other):     # the model moves on in between
                for k in range(4):
                    self.assertEqual(lessons.teach(IMAGES[8 + k:9 + k], LABELS[8 + k:9 + k])[0], 200)
            status, answer, headers = service.label("tx-1", LABELS[:3])
            self.assertEqual(status, 200, answer)
            self.assertEqual(answer["id"], "tx-1")
            self.assertEqual(answer["parameters"], {"generation": base + 5, "durable": True})
            self.assertEqual(headers["Inferd-Generation"], str(base + 5))
            self.assertEqual(answer["examples"], 3)
            prediction = answer["prediction"]
            self.assertEqual(prediction["generation"], base)
            self.assertLess(abs(prediction["time_ms"] / 1000 - time.time()), 60)
            self.assertAlmostEqual(prediction["loss"], served_loss(made, LABELS[:3]), places=4)
            best = [max(range(10), key=lambda k: made["outputs"][0]["data"][10 * r + k]) for r in range(3)]
            right = sum(a == b for a, b in zip(best, LABELS)) / 3
            self.assertAlmostEqual(prediction["metrics"]["accuracy"], right)
            self.assertAlmostEqual(service.metric("inferd_learning_feedback_accuracy"), right)
            self.assertAlmostEqual(service.metric("inferd_learning_feedback_loss"), prediction["loss"], places=5)
            self.assertEqual(service.metric("inferd_learning_feedback_examples_total"), 3)
            # What a finetune with the same examples would have taught, bit for bit.
            self.assertEqual(other.teach(IMAGES[:3], LABELS[:3])[0], 200)
            self.assertEqual(service.predict(IMAGES[:16]), other.predict(IMAGES[:16]))
            kinds = [row["kind"] for row in service.call("GET", "/generations")[1]["generations"]]
            self.assertEqual(kinds, ["feedback"] + ["finetune"] * 4)

    def test_once(self):
        """The same label again has the same answer, another one is refused: also after kill -9 and a restart."""
        with Late({"learning_rate": 0.05}) as service:
            service.ask(IMAGES[:2], "a")
            service.ask(IMAGES[2:3], "b")
            first = service.label("a", LABELS[:2])
            self.assertEqual(first[0], 200, first[1])
            expected = service.predict(IMAGES[:8])
            for how in (None, signal.SIGKILL, signal.SIGTERM):
                if how is not None:
                    service.stop(how)
                    service.start()
                again = service.label("a", LABELS[:2])
                self.assertEqual((again[0], again[1]), (200, replayed(first[1])))
                again = service.label("a", [float(label) for label in LABELS[:2]], "FP32")     # 3 is 3
                self.assertEqual((again[0], again[1]), (200, replayed(first[1])))
                status, answer, _ = service.label("a", [LABELS[0], (LABELS[1] + 1) % 10])
                self.assertEqual(status, 409, answer)
                self.assertIn("another label", answer["error"])
                self.assertEqual(service.predict(IMAGES[:8]), expected)
            # Whose label has not come yet is still there.
            status, answer, _ = service.label("b", LABELS[2:3])
            self.assertEqual(status, 200, answer)
            self.assertNotIn("replayed", answer["parameters"])

    def test_with_an_idempotency_key(self):
        with Late({"learning_rate": 0.05, "log_ttl_s": 2}) as service:
            for name in ("a", "b", "c"):
                service.ask(IMAGES[:1], name)
            key = {"Idempotency_Key": "k1"}
            first = service.label("a", LABELS[:1], headers=key)
            self.assertEqual(first[0], 200, first[1])
            for headers in (key, {"Idempotency_Key": "k2"}, {}):     # known by its key, and by its id
                again = service.label("a", LABELS[:1], headers=headers)
                self.assertEqual((again[0], again[1]), (200, replayed(first[1])), headers)
            self.assertEqual(service.label("b", LABELS[:1], headers=key)[0], 409)     # the key of another request
            self.assertEqual(service.label("b", LABELS[:1])[0], 200)
            self.assertEqual(service.label("a", [(LABELS[0] + 1) % 10], headers={"Idempotency_Key": "k3"})[0], 409)
            # Too old: the id is not known any more, but the key is.
            self.assertTrue(wait_until(lambda: service.label("c", LABELS[:1])[0] == 404, 10))
            again = service.label("a", LABELS[:1], headers=key)
            self.assertEqual((again[0], again[1]), (200, replayed(first[1])))
            self.assertEqual(service.label("a", LABELS[:1])[0], 404)
            self.assertEqual(service.label("a", LABELS[:1], headers={"Idempotency_Key": "new"})[0], 404)

    def test_what_does_not_fit(self):
        with Late({"learning_rate_max": 0.5}) as service:
            status, answer, _ = service.label("a", [1])
            self.assertEqual(status, 404, answer)
            self.assertIn("log", answer["error"])
            service.ask(IMAGES[:2], "a")
            service.ask(IMAGES[:2], "plain", log=False)
            before = service.predict(IMAGES[:4])
            target = {"name": "label", "shape": [2], "datatype": "INT64", "data": LABELS[:2]}
            good = {"id": "a", "targets": [target]}
            rows = [
                ({"id": "none", "targets": [target]}, 404, "none"),
                ({"id": "plain", "targets": [target]}, 404, "plain"),
                ({"targets": [target]}, 400, "id"),
                ({"id": "a"}, 400, "targets"),
                ({"id": "a", "targets": []}, 400, "targets"),
                (dict(good, inputs=service.inputs(IMAGES[:2])), 400, "inputs"),
                ({"id": "a", "targets": [dict(target, data=[3, 10])]}, 422, "10"),
                ({"id": "a", "targets": [dict(target, shape=[1], data=[3])]}, 422, "rows"),
                ({"id": "a", "targets": [dict(target, datatype="BYTES", data=["a", "b"])]}, 422, "BYTES"),
                ({"id": "a", "targets": [target, dict(target, name="other")]}, 422, "2 targets"),
                (dict(good, parameters={"learning_rate": 0.6}), 422, "0.5"),
                (dict(good, parameters={"log": True}), 400, "parameters.log"),
            ]
            for body, wanted, text in rows:
                with self.subTest(text):
                    status, answer, _ = service.call("POST", "/feedback", body)
                    self.assertEqual(status, wanted, answer)
                    self.assertIn(text, answer["error"])
            self.assertEqual(service.predict(IMAGES[:4]), before)
            self.assertEqual(service.metric("inferd_learning_feedback_examples_total"), 0)
            status, answer, _ = service.call("POST", "/feedback", good)     # the right label can still follow
            self.assertEqual(status, 200, answer)
            long = "x" * 129
            status, answer, _ = service.call("POST", "/infer", {"id": long, "inputs": service.inputs(IMAGES[:1]),
                                                                "parameters": {"log": True}})
            self.assertEqual((status, "128" in answer["error"]), (400, True), answer)
            status, answer, _ = service.call("POST", "/infer", {"id": long, "inputs": service.inputs(IMAGES[:1])})
            self.assertEqual((status, answer["id"]), (200, long))

    def test_ids(self):
        with Late({"learning_rate": 0.05}) as service:
            made = [service.ask(IMAGES[:1])["id"] for _ in range(3)]
            self.assertEqual(len(set(made)), 3)
            self.assertEqual({len(name) for name in made}, {32})
            self.assertEqual(service.label(made[1], LABELS[:1])[0], 200)
            self.assertEqual(len(service.ask(IMAGES[:1], "")["id"]), 32)
            # An id that is used again means its newest prediction, also when its label has come before.
            service.ask(IMAGES[:1], "again")
            service.ask(IMAGES[:2], "again")
            self.assertEqual(service.label("again", LABELS[:1])[0], 422)
            status, answer, _ = service.label("again", LABELS[:2])
            self.assertEqual((status, answer["examples"]), (200, 2), answer)
            service.ask(IMAGES[:3], "again")
            status, answer, _ = service.label("again", LABELS[:3])
            self.assertEqual((status, answer["examples"]), (200, 3), answer)
            # Not asked for: no id, nothing said of a log.
            answer = service.ask(IMAGES[:1], log=False)
            self.assertNotIn("id", answer)
            self.assertNotIn("logged", answer["parameters"])

    def test_many_predictors_and_labels(self):
        """Joined right under load: each label belongs to the picture that was asked for under its id."""
        with Late({"learning_rate": 0.001}) as service:
            failures = []

            def work(which):
                for k in range(12):
                    name = "%d.%d" % (which, k)
                    row = (which * 12 + k) % len(IMAGES)
                    made = service.ask(IMAGES[row:row + 1], name)
                    status, answer, _ = service.label(name, LABELS[row:row + 1])
                    if status != 200 or abs(answer["prediction"]["loss"] - served_loss(made, LABELS[row:row + 1])) > 1e-3:
                        failures.append((name, status, answer))

            threads = [threading.Thread(target=work, args=(which,)) for which in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])
            self.assertEqual(service.metric("inferd_learning_feedback_examples_total"), 72)
            self.assertEqual(service.metric("inferd_learning_logged_total"), 72)

    def test_kill_between(self):
        """Killed while labels are on their way: each is learnt once, as its answer says, and no more."""
        with Late({"learning_rate": 0.01}) as service:
            names = ["%d" % k for k in range(40)]
            for k, name in enumerate(names):
                service.ask(IMAGES[k:k + 1], name)
            self.assertTrue(wait_until(lambda: service.metric("inferd_learning_logged_total") == 40, 10))
            _, base = service.predict(IMAGES[:1])
            acknowledged = {}

            def work(offset):
                for k in range(offset, 40, 4):
                    try:
                        status, answer, _ = service.label(names[k], LABELS[k:k + 1])
                    except OSError:
                        return
                    if status == 200:
                        acknowledged[names[k]] = answer

            for delay in (0.05, 0.02, 0.1):
                threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
                for thread in threads:
                    thread.start()
                time.sleep(delay)
                service.stop(signal.SIGKILL)
                for thread in threads:
                    thread.join()
                service.start()
            for k, name in enumerate(names):
                status, answer, _ = service.label(name, LABELS[k:k + 1])
                self.assertEqual(status, 200, answer)
                if name in acknowledged:
                    answer["parameters"].pop("replayed")
                    before = acknowledged[name]
                    before["parameters"].pop("replayed", None)
                    self.assertEqual(answer, before)
            _, generation = service.predict(IMAGES[:1])
            self.assertEqual(generation, base + 40, "one update for each label")

    def test_the_log_is_bounded_and_restartable(self):
        with Late({"log_bytes_max": 1 << 20}) as service:
            for k in range(0, 64, 8):
                threads = [threading.Thread(target=service.ask, args=(IMAGES[:8] * 16, "n%d" % j)) for j in range(k, k + 8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            self.assertTrue(wait_until(lambda: service.metric("inferd_learning_logged_total") == 64, 10))
            files = glob.glob(os.path.join(service.state, "learning", "digits@1.predictions", "predictions.db"))
            self.assertEqual(len(files), 1)
            self.assertLessEqual(os.path.getsize(files[0]), (1 << 20) + (256 << 10))
            self.assertEqual(service.label("n0", LABELS[:8] * 16)[0], 404)
            self.assertEqual(service.label("n63", LABELS[:8] * 16)[0], 200)
            service.stop(signal.SIGTERM)
            with open(files[0], "r+b") as file:
                file.write(b"not a database")
            service.start()
            self.assertEqual(service.label("n62", LABELS[:8] * 16)[0], 404)
            self.assertTrue(os.path.exists(files[0] + ".damaged"))
            self.assertIn("predictions.db", service.daemon.log())
            self.assertTrue(service.ask(IMAGES[:1], "new")["parameters"]["logged"])
            self.assertEqual(service.label("new", LABELS[:1])[0], 200)

    def test_erased_examples_are_in_no_file(self):
        with Late({"learning_rate": 0.05}) as service:
            secret = [0.25 + k / 256 for k in range(len(IMAGES[0]))]
            needle = struct.pack("<8f", *secret[8:16])
            service.ask([secret], "s")
            status, answer, _ = service.label("s", [7])
            self.assertEqual(status, 200, answer)
            self.assertTrue(service.files_with(needle))
            status, answer, _ = service.call("POST", "/erase", {"examples": [
                {"generation": answer["parameters"]["generation"], "row": 0}]})
            self.assertEqual(status, 200, answer)
            self.assertEqual(service.files_with(needle), [])

    def test_with_every_policy(self):
        """Candidates, held-out and replayed examples, hidden generations, cut updates: each label is learnt once."""
        for policy in ({"publish": "manual"}, {"publish": "gate", "holdout_every": 2, "promotion_examples": 8},
                       {"replay_examples": 64}, {"publish_every": 3}, {"micro_batch": 1}):
            with self.subTest(policy), Late(dict(policy, learning_rate=0.05)) as service:
                for k in range(8):
                    service.ask(IMAGES[k:k + 2], str(k))
                for k in range(8):
                    status, answer, _ = service.label(str(k), LABELS[k:k + 2])
                    self.assertEqual(status, 200, answer)
                    self.assertEqual(answer["prediction"]["generation"], 1)
                expected = service.predict(IMAGES[:8])
                service.stop(signal.SIGKILL)
                service.start()
                for k in range(8):
                    status, answer, _ = service.label(str(k), LABELS[k:k + 2])
                    self.assertEqual((status, answer["parameters"].get("replayed")), (200, True), answer)
                if "publish_every" not in policy:
                    self.assertEqual(service.predict(IMAGES[:8]), expected)

    def test_inferctl(self):
        with Late({"learning_rate": 0.05}) as service, tempfile.TemporaryDirectory() as folder:
            program = os.path.join(os.path.dirname(os.environ.get("INFERD", "./inferd")), "inferctl")
            rows = os.path.join(folder, "rows.csv")
            with open(rows, "w") as file:
                file.writelines(",".join(map(str, image)) + "\n" for image in IMAGES[:2])

            def ctl(*arguments, code=0):
                done = subprocess.run([program, "--url", "http://%s:%d" % service.daemon.address, *arguments],
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, code, done)
                return done.stdout + done.stderr

            self.assertRegex(ctl("predict", "digits", "--input", "image=@" + rows, "--log", "--id", "a"), "(?m)^id a$")
            made = re.search("(?m)^id ([0-9a-f]{32})$", ctl("predict", "digits", "--input", "image=@" + rows, "--log"))
            self.assertTrue(made)
            self.assertNotRegex(ctl("predict", "digits", "--input", "image=@" + rows), "(?m)^id ")
            labels = ("--target", "label=%d,%d" % tuple(LABELS[:2]))
            self.assertRegex(ctl("feedback", "digits", "--id", "a", *labels),
                             r"^generation 2, 2 examples, loss .*, durable\nthe prediction, made by generation 1, loss .*, accuracy")
            self.assertIn("applied before", ctl("feedback", "digits", "--id", "a", *labels))
            answer = json.loads(ctl("feedback", "digits", "--id", made.group(1), *labels, "--output", "json"))
            self.assertEqual((answer["id"], answer["prediction"]["generation"]), (made.group(1), 1))
            self.assertIn("none", ctl("feedback", "digits", "--id", "none", *labels, code=1))
            self.assertIn("--id", ctl("feedback", "digits", *labels, code=2))

    def test_without_a_state_directory(self):
        with Late(state=False) as service:
            self.assertFalse(service.ask(IMAGES[:1], "a")["parameters"]["logged"])
            self.assertEqual(service.label("a", LABELS[:1])[0], 409)

    def test_metrics_and_readonly_learning(self):
        with Late({"enabled": False}) as service:
            self.assertTrue(service.ask(IMAGES[:1], "a")["parameters"]["logged"])
            status, answer, _ = service.label("a", LABELS[:1])
            self.assertEqual((status, "enabled" in answer["error"]), (409, True), answer)


if __name__ == "__main__":
    unittest.main()
