#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training jobs of a real daemon: a model made of nothing learns from a dataset, tells how far it is, can be
cancelled, killed and gone on with bit for bit, and loses nothing that was learnt beside it."""
import gzip
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon_fixture import Daemon, wait_until  # noqa: E402

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DATA = os.path.join(TOP, "examples", "data")
NET = {"preset": "mlp", "input": {"shape": [64]}, "classes": 10, "seed": 3, "options": {"width": 48}}
FINAL = ("done", "held", "failed", "cancelled")


def data(name):
    with open(os.path.join(DATA, name), "rb") as file:
        return file.read()


def digits():
    rows = gzip.decompress(data("digits.csv.gz")).decode().split()[1:]
    rows = [[float(x) for x in row.split(",")] for row in rows]
    return [row[:-1] for row in rows], [int(row[-1]) for row in rows]


class Service:
    """A daemon with a state directory, a network and a dataset."""

    def __init__(self, *arguments, prepare=True):
        self.state = tempfile.mkdtemp(prefix="inferd-jobs-")
        self.arguments = ["--state-dir", self.state, *arguments]
        self.start()
        if prepare:
            assert self.call("PUT", "/v2/models/net", NET)[0] == 201
            assert self.call("PUT", "/v2/datasets/digits", data("digits.csv.gz"))[0] == 201

    def start(self, **options):
        self.daemon = Daemon(*self.arguments, **options).__enter__()

    def stop(self, how=signal.SIGTERM):
        self.daemon.process.send_signal(how)
        self.daemon.process.wait(40)
        code = self.daemon.stop()
        assert code == (0 if how == signal.SIGTERM else -how), (code, self.daemon.log())

    def restart(self, how):
        self.stop(how)
        self.start()
        assert wait_until(lambda: self.daemon.get("/v2/models/net/ready").status == 200, 20), self.daemon.log()

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        code = self.daemon.stop()
        assert failed or code == 0, (code, self.daemon.log())
        shutil.rmtree(self.state)

    def call(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(*self.daemon.address, timeout=60)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        try:
            return answer.status, json.loads(text), answer.headers
        except ValueError:
            return answer.status, text, answer.headers

    def train(self, dataset="digits", key=None, **parameters):
        headers = {"Idempotency_Key": key} if key else {}
        status, body, _ = self.call("POST", "/v2/models/net/train",
                                    {"dataset": dataset, "parameters": parameters}, **headers)
        assert status == 202, body
        return body["id"]

    def job(self, job):
        status, body, _ = self.call("GET", "/v2/jobs/" + job)
        assert status == 200, body
        return body

    def wait(self, job, states=FINAL, seconds=60):
        assert wait_until(lambda: self.job(job)["state"] in states, seconds), self.job(job)
        return self.job(job)

    def files(self, job):
        return os.listdir(os.path.join(self.state, "jobs", job))

    def under_way(self, job, epochs=2):
        assert wait_until(lambda: self.job(job).get("progress", {}).get("epoch", 0) > epochs, 30), self.job(job)

    def generations(self):
        return self.call("GET", "/v2/models/net/generations")[1]["generations"]

    def teach(self, images, labels, **parameters):
        return self.call("POST", "/v2/models/net/finetune", {
            "inputs": [{"name": "input", "shape": [len(images), 64], "datatype": "FP32",
                        "data": [x for image in images for x in image]}],
            "targets": [{"name": "label", "shape": [len(labels)], "datatype": "INT64", "data": labels}],
            "parameters": parameters})

    def predict(self, images):
        status, body, headers = self.call("POST", "/v2/models/net/infer", {"inputs": [
            {"name": "input", "shape": [len(images), 64], "datatype": "FP32",
             "data": [x for image in images for x in image]}]})
        assert status == 200, body
        return body["outputs"][0]["data"], int(headers["Inferd-Generation"])

    def events(self, job, last=None, seconds=60):
        """All events to the end, as a client reads them."""
        connection = http.client.HTTPConnection(*self.daemon.address, timeout=seconds)
        connection.request("GET", "/v2/jobs/%s/events" % job, headers={"Last-Event-ID": last} if last else {})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream", answer.status
        text = answer.read().decode()
        connection.close()
        found = []
        for block in text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and line[0] != ":")
            if fields:
                found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
        return found


LONG = dict(epochs=100000, batch_size=8, learning_rate=0.001, checkpoint_s=0.05)
# Some seconds of work on a machine of this kind.
SOME = dict(epochs=60, batch_size=4, learning_rate=0.003, metric="accuracy", checkpoint_s=0.05, seed=5)


class Jobs(unittest.TestCase):
    maxDiff = None

    def test_from_nothing(self):
        """A network is made, trained on a dataset, and knows it."""
        with Service() as service:
            job = service.train(epochs=15, learning_rate=0.003, metric="accuracy")
            done = service.wait(job)
            self.assertEqual(done["state"], "done", done)
            self.assertGreater(done["validation"]["job"], 0.9)
            self.assertLess(done["validation"]["serving"], 0.4)
            self.assertEqual(done["generation"], 2)
            row = service.generations()[0]
            self.assertEqual((row["kind"], row["generation"], row["principal"]), ("train", 2, job))
            images, labels = digits()
            scores, generation = service.predict(images[:500])
            right = sum(max(range(10), key=lambda c: scores[10 * i + c]) == labels[i] for i in range(500))
            self.assertGreater(right, 450)
            self.assertEqual(generation, 2)
            self.assertIn('inferd_jobs{state="done"} 1', service.daemon.get("/metrics").body.decode())
            # Only what it was is remembered.
            self.assertTrue(wait_until(lambda: service.files(job) == ["job.json"], 10), service.files(job))
            # A second one goes on from there; after a restart all is as before.
            again = service.wait(service.train(epochs=2, learning_rate=1e-5))
            self.assertEqual(again["base_generation"], 2)
            before = service.predict(images[:50])
            service.restart(signal.SIGKILL)
            self.assertEqual(service.predict(images[:50]), before)
            self.assertEqual(service.job(job)["state"], "done")

    def test_refused_by_name(self):
        with Service() as service:
            for parameters, words in (
                    ({"epoch": 3}, "there is no 'epoch'"),
                    ({"epochs": 0}, "parameters.epochs: expected a whole number from 1"),
                    ({"epochs": 1.5}, "parameters.epochs: expected a whole number"),
                    ({"epochs": "3"}, "parameters.epochs"),
                    ({"learning_rate": -1}, "parameters.learning_rate"),
                    ({"optimiser": "magic"}, "parameters.optimiser: there is no 'magic'"),
                    ({"schedule": "slow"}, "parameters.schedule"),
                    ({"metric": "beauty"}, "parameters.metric: there is no 'beauty'"),
                    ({"flip": 1}, "parameters.flip: expected true or false"),
                    ({"promote": "yes"}, "parameters.promote"),
                    ({"validation": 0}, "parameters.gate must be false"),
                    ({"search": "grid"}, "go together"),
                    ({"search": "luck", "space": {"epochs": [1, 2]}}, "parameters.search"),
                    ({"search": "grid", "space": {"epoch": [1]}}, "there is no 'epoch'"),
                    ({"search": "grid", "space": {"epochs": "1:2:3"}}, "parameters.space"),
                    ({"search": "grid", "space": {"gamma": [0.1 + k * 1e-15 for k in range(32)]}}, "less than 512 bytes"),
                    ({"search": "grid", "space": {"norm": "batch|" * 100}}, "less than 512 bytes"),
                    ({"search": "grid", "space": {"learns": ["w*", "w" * 64]}}, "learns[1]: expected a number"),
                    ({"checkpoint_s": 0}, "parameters.checkpoint_s"),
                    ({"lora": 4}, "there is no 'lora'")):
                status, body, _ = service.call("POST", "/v2/models/net/train",
                                               {"dataset": "digits", "parameters": parameters})
                self.assertEqual(status, 400, (parameters, body))
                self.assertIn(words, body["error"], parameters)
            for body, expected in (({}, 400), ({"dataset": 3}, 400), ({"dataset": "digits", "more": 1}, 400),
                                   ({"dataset": "nothing"}, 404), ([], 400)):
                self.assertEqual(service.call("POST", "/v2/models/net/train", body)[0], expected, body)
            self.assertEqual(service.call("POST", "/v2/models/net/train", {"dataset": "x" * (1 << 20)})[0], 413)
            self.assertEqual(service.call("POST", "/v2/models/other/train", {"dataset": "digits"})[0], 404)
            self.assertEqual(service.call("GET", "/v2/jobs")[1], {"jobs": []})
            self.assertEqual(service.call("GET", "/v2/jobs?state=odd")[0], 400)
            self.assertEqual(service.call("GET", "/v2/jobs/0123456789abcdef")[0], 404)
            self.assertEqual(service.call("DELETE", "/v2/jobs/0123456789abcdef")[0], 404)
            # What only the data can tell ends the job, in the words of the request.
            failed = service.wait(service.train(target="nose"))
            self.assertEqual(failed["state"], "failed")
            self.assertIn("there is no column 'nose'", failed["error"])
            self.assertNotIn(service.state, failed["error"])

    def test_killed_and_resumed(self):
        """kill -9 in the middle, again and again: the weights are those of a run that was left alone."""
        with Service() as calm, Service() as shaken:
            expected = calm.wait(calm.train(**SOME), seconds=120)
            self.assertEqual(expected["state"], "done", expected)
            job = shaken.train(**SOME)
            for epochs in (5, 15, 30):
                assert wait_until(lambda: shaken.job(job).get("progress", {}).get("epoch", 0) > epochs or
                                  shaken.job(job)["state"] in FINAL, 60)
                shaken.restart(signal.SIGKILL)
            shaken.restart(signal.SIGTERM)
            done = shaken.wait(job, seconds=120)
            self.assertEqual(done["state"], "done", done)
            self.assertGreaterEqual(done["restarts"], 2)
            self.assertEqual(done["validation"], expected["validation"])
            self.assertEqual(done["best_epoch"], expected["best_epoch"])
            self.assertEqual(shaken.generations()[0]["digest"], calm.generations()[0]["digest"])

    def test_search_resumed(self):
        """A search goes on behind its last trial, to the same end."""
        search = dict(epochs=4, search="bayes", trials=8, metric="accuracy", checkpoint_s=0.05,
                      space={"learning_rate": "1e-4:1e-1:log", "batch_size": [16, 32]})
        with Service() as calm, Service() as shaken:
            expected = calm.wait(calm.train(**search), seconds=120)
            self.assertEqual((expected["state"], len(expected["trials"])), ("done", 8), expected)
            job = shaken.train(**search)
            assert wait_until(lambda: len(shaken.job(job).get("trials", [])) > 2, 60)
            shaken.restart(signal.SIGKILL)
            done = shaken.wait(job, seconds=120)
            self.assertEqual(done["trials"], expected["trials"])
            self.assertEqual(shaken.generations()[0]["digest"], calm.generations()[0]["digest"])

    def test_cancel_and_forget(self):
        with Service("--jobs-running-max", "1") as service:
            first, second = service.train(**LONG), service.train(**LONG)
            service.under_way(first)
            self.assertEqual(service.job(second)["state"], "queued")
            status, body, _ = service.call("DELETE", "/v2/jobs/" + second)
            self.assertEqual((status, body["state"]), (200, "cancelled"))
            begun = time.monotonic()
            status, body, _ = service.call("DELETE", "/v2/jobs/" + first)
            self.assertEqual(status, 200)
            self.assertEqual(service.wait(first)["state"], "cancelled")
            self.assertLess(time.monotonic() - begun, 2.0)
            self.assertEqual(service.generations(), [])
            self.assertTrue(wait_until(lambda: service.files(first) == ["job.json"], 10), service.files(first))
            self.assertEqual(len(service.call("GET", "/v2/jobs?model=net&state=cancelled")[1]["jobs"]), 2)
            self.assertEqual(service.call("DELETE", "/v2/jobs/" + first + "0")[0], 404)
            self.assertEqual(service.call("DELETE", "/v2/jobs/" + first)[1], {"id": first, "removed": True})
            self.assertEqual(service.call("GET", "/v2/jobs/" + first)[0], 404)
            self.assertFalse(os.path.exists(os.path.join(service.state, "jobs", first)))

    def test_forgotten_at_once(self):
        """Whoever has been told of the end can forget the job."""
        with Service() as service:
            for _ in range(8):
                job = service.train(epochs=1)
                service.events(job)
                self.assertEqual(service.call("DELETE", "/v2/jobs/" + job)[1], {"id": job, "removed": True})

    def test_model_away(self):
        """A promotion does not wait for a model that cannot be loaded, and holds nobody up."""
        with Service() as service:
            job = service.wait(service.train(epochs=1, promote=False))["id"]
            [version] = [root for root, _, files in os.walk(service.state) if "model.onnx" in files
                         and os.path.basename(root) == "1"]
            with open(os.path.join(version, "model.onnx"), "wb") as file:
                file.write(b"nonsense")
            service.stop()
            service.start()
            assert wait_until(lambda: service.call("GET", "/v2/models/net/ready")[0] == 503, 20)
            begun = time.monotonic()
            status, body, _ = service.call("POST", "/v2/models/net/promote", {"job": job})
            self.assertEqual(status, 503, body)
            self.assertEqual(service.call("DELETE", "/v2/jobs/" + job)[0], 200)
            self.assertLess(time.monotonic() - begun, 5)

    def test_ended_while_loading(self):
        """Neither a cancellation nor SIGTERM waits until a large dataset has been read."""
        row = ",".join(str(i % 17) for i in range(64))
        body = gzip.compress("".join("%s,%d\n" % (row, i % 10) for i in range(200000)).encode(), 1)
        with Service() as service:
            begun = time.monotonic()
            self.assertEqual(service.call("PUT", "/v2/datasets/big", body)[0], 201)
            once = time.monotonic() - begun              # a job reads it twice
            first, second = service.train("big"), service.train("big")
            service.wait(first, ("running",))
            begun = time.monotonic()
            service.call("DELETE", "/v2/jobs/" + first)
            self.assertEqual(service.wait(first)["state"], "cancelled")
            self.assertLess(time.monotonic() - begun, once)
            service.wait(second, ("running",))
            begun = time.monotonic()
            service.stop(signal.SIGTERM)
            self.assertLess(time.monotonic() - begun, once)
            service.start()
            self.assertEqual(service.job(second).get("progress"), None)
            service.call("DELETE", "/v2/jobs/" + second)
            self.assertEqual(service.wait(second)["state"], "cancelled")

    def test_cancelled_stays_cancelled(self):
        with Service() as service:
            job = service.train(**LONG)
            service.under_way(job, 0)
            service.call("DELETE", "/v2/jobs/" + job)
            service.restart(signal.SIGKILL)
            self.assertEqual(service.wait(job)["state"], "cancelled")

    def test_bounds(self):
        with Service("--jobs-running-max", "1", "--jobs-queued-max", "2", "--jobs-kept-max", "2") as service:
            running = service.train(**LONG)
            service.under_way(running, 0)
            queued = [service.train(**LONG) for _ in range(2)]
            status, body, headers = service.call("POST", "/v2/models/net/train", {"dataset": "digits"})
            self.assertEqual(status, 503)
            self.assertIn("Retry-After", headers)
            for job in queued + [running]:
                service.call("DELETE", "/v2/jobs/" + job)
            assert wait_until(lambda: len(service.call("GET", "/v2/jobs")[1]["jobs"]) == 2, 10)
            self.assertEqual(len(os.listdir(os.path.join(service.state, "jobs"))), 2)

    def test_not_finite(self):
        """A result that no number can be given for is held, told of as null, and is there after a restart."""
        rows = "".join("%s,%d\n" % (",".join(["3e38" if i % 4 == 0 else str(i % 7)] * 64), i % 10) for i in range(200))
        with Service() as service:
            assert service.call("PUT", "/v2/datasets/wild", rows)[0] == 201
            job = service.train("wild", epochs=2, batch_size=1)
            epochs = [value for _, name, value in service.events(job) if name == "epoch"]
            held = service.wait(job)
            self.assertEqual([epoch["value"] for epoch in epochs], [None, None], held)
            self.assertEqual((held["state"], held["validation"]["job"]), ("held", None), held)
            self.assertIn("not finite", held["error"])
            service.restart(signal.SIGKILL)
            del held["progress"]
            self.assertEqual(service.job(job), held)

    def test_key(self):
        with Service() as service:
            job = service.train(key="once", epochs=1)
            self.assertEqual(service.train(key="once", epochs=1), job)
            status, _, _ = service.call("POST", "/v2/models/net/train",
                                        {"dataset": "digits", "parameters": {"epochs": 2}}, Idempotency_Key="once")
            self.assertEqual(status, 409)
            service.wait(job)
            self.assertEqual(len(service.call("GET", "/v2/jobs")[1]["jobs"]), 1)

    def test_dataset_goes(self):
        """A job keeps the examples that it began with."""
        with Service() as service:
            job = service.train(**SOME)
            self.assertEqual(service.call("DELETE", "/v2/datasets/digits")[0], 200)
            service.under_way(job, 1)
            service.restart(signal.SIGKILL)
            self.assertEqual(service.wait(job, seconds=120)["state"], "done")

    def test_learnt_beside(self):
        """What is finetuned while a job runs is on top of what it comes to: the weights are those of a model that
        was first trained, then taught."""
        images, labels = digits()
        lessons = [(images[4 * i:4 * i + 4], labels[4 * i:4 * i + 4]) for i in range(5)]
        with Service() as service, Service() as after:
            job = service.train(**SOME)
            service.under_way(job, 1)
            for lesson in lessons:
                self.assertEqual(service.teach(*lesson)[0], 200)
            done = service.wait(job, seconds=120)
            self.assertEqual((done["state"], done["generation"]), ("done", 7), done)
            after.wait(after.train(**SOME), seconds=120)
            for lesson in lessons:
                self.assertEqual(after.teach(*lesson)[0], 200)
            digest = service.generations()[0]["digest"]
            self.assertEqual(digest, after.generations()[0]["digest"])
            # Before the job and after it can be gone back to; and the restart finds all of it.
            here = service.predict(images[:20])[0]
            service.teach(images[50:54], labels[50:54])
            self.assertEqual(service.call("POST", "/v2/models/net/rollback", {"generation": 6})[0], 200)
            self.assertNotEqual(service.predict(images[:20])[0], here)
            self.assertEqual(service.call("POST", "/v2/models/net/rollback", {"generation": 7})[0], 200)
            self.assertEqual(service.predict(images[:20])[0], here)
            service.restart(signal.SIGKILL)
            self.assertEqual(service.predict(images[:20])[0], here)
            # What it has learnt from cannot be taken out of it alone.
            status, body, _ = service.call("POST", "/v2/models/net/rewind", {"first": 3, "last": 3})
            self.assertEqual(status, 409, body)
            self.assertIn("training job", body["error"])
            status, body, _ = service.call("POST", "/v2/models/net/erase", {"examples": [{"generation": 3, "row": 0}]})
            self.assertEqual(status, 409, body)
            self.assertEqual(service.call("POST", "/v2/models/net/rollback", {"generation": 6})[0], 200)
            status, body, _ = service.call("POST", "/v2/models/net/erase", {"examples": [{"generation": 3, "row": 0}]})
            self.assertEqual(status, 200, body)
            folder = os.path.join(service.state, "learning")
            self.assertTrue(wait_until(lambda: not [name for _, _, files in os.walk(folder) for name in files
                                                    if name.startswith("trained-")], 10))
            self.assertNotEqual(service.call("POST", "/v2/models/net/rollback", {"generation": 7})[0], 200)

    def test_evaluate(self):
        """The newest generation on a whole dataset: as good as on the same examples sent with the request."""
        images, labels = digits()
        with Service() as service:
            service.wait(service.train(epochs=10, learning_rate=0.003))
            status, found, _ = service.call("POST", "/v2/models/net/evaluate", {"dataset": "digits"})
            self.assertEqual((status, found.get("examples")), (200, 1797), found)
            self.assertEqual(found["parameters"]["generation"], 2)
            inline = service.call("POST", "/v2/models/net/evaluate", {
                "inputs": [{"name": "input", "shape": [len(images), 64], "datatype": "FP32",
                            "data": [x for image in images for x in image]}],
                "targets": [{"name": "label", "shape": [len(labels)], "datatype": "INT64", "data": labels}]})[1]
            self.assertAlmostEqual(found["loss"], inline["loss"], 5)
            self.assertEqual(found["metrics"]["accuracy"], inline["metrics"]["accuracy"])
            self.assertEqual(service.call("POST", "/v2/models/net/evaluate", {"dataset": "none"})[0], 404)
            self.assertEqual(service.call("POST", "/v2/models/none/evaluate", {"dataset": "digits"})[0], 404)
            status, body, _ = service.call("POST", "/v2/models/net/evaluate",
                                           {"dataset": "digits", "parameters": {"target": "nose"}})
            self.assertEqual(status, 400, body)
            for parameters, expected in (({"epochs": 3}, 400), ({"promote": True}, 400),
                                         ({"loss": "ce", "batch_size": 100, "threads": 2}, 200)):
                status, body, _ = service.call("POST", "/v2/models/net/evaluate",
                                               {"dataset": "digits", "parameters": parameters})
                self.assertEqual(status, expected, body)

    def test_held(self):
        """What is worse than what serves is not adopted, but can be by hand; promote false waits for that."""
        images, labels = digits()
        with Service() as service:
            service.wait(service.train(epochs=20, learning_rate=0.003, metric="accuracy"))
            worse = service.wait(service.train(epochs=1, learning_rate=0.9, optimiser="sgd", metric="accuracy",
                                               clip=1000))
            self.assertEqual(worse["state"], "held", worse)
            self.assertLess(worse["validation"]["job"], worse["validation"]["serving"])
            self.assertIn("accuracy", worse["error"])
            self.assertEqual(service.predict(images[:1])[1], 2)
            status, body, _ = service.call("POST", "/v2/models/net/promote", {"job": worse["id"]})
            self.assertEqual((status, body.get("state"), body.get("generation")), (200, "done", 3), body)
            self.assertEqual(service.predict(images[:1])[1], 3)
            # By nobody else's name, and not on a condition that would not be looked at.
            for path, expected in (("net/versions/7", 404), ("other", 404), ("net/versions/1", 200)):
                self.assertEqual(service.call("POST", "/v2/models/%s/promote" % path, {"job": worse["id"]})[0],
                                 expected, path)
            status, body, _ = service.call("POST", "/v2/models/net/promote", {"job": worse["id"]}, If_Match='"3"')
            self.assertEqual(status, 400, body)
            # Once only.
            self.assertEqual(service.call("POST", "/v2/models/net/promote", {"job": worse["id"]})[1]["generation"], 3)
            waiting = service.wait(service.train(epochs=20, learning_rate=0.003, promote=False))
            self.assertEqual((waiting["state"], waiting.get("generation")), ("done", None), waiting)
            service.restart(signal.SIGKILL)
            status, body, _ = service.call("POST", "/v2/models/net/promote", {"job": waiting["id"]})
            self.assertEqual((status, body.get("generation")), (200, 4), body)
            failed = service.wait(service.train(target="nose"))
            self.assertEqual(service.call("POST", "/v2/models/net/promote", {"job": failed["id"]})[0], 409)
            self.assertEqual(service.call("POST", "/v2/models/net/promote", {"job": "nobody"})[0], 404)

    def test_candidate(self):
        """Where what is learnt waits to be promoted a job is compared with what serves, not with the candidate, and
        with "manual" it waits as well."""
        images, labels = digits()
        with Service() as service:
            [folder] = [root for root, folders, _ in os.walk(service.state) if os.path.basename(root) == "net"
                        and "1" in folders]
            good = service.wait(service.train(epochs=20, learning_rate=0.003, metric="accuracy"))

            def become(**training):
                with open(os.path.join(folder, "config.json"), "w") as file:
                    json.dump({"training": training}, file)
                service.restart(signal.SIGTERM)

            become(publish="gate", promotion_examples=1000000, learning_rate=0.01)
            for k in range(12):
                status, body, _ = service.teach(images[16 * k:16 * k + 16], [(x + 5) % 10 for x in labels[:16]])
                self.assertEqual(status, 200, body)
            self.assertEqual(service.predict(images[:1])[1], good["generation"])
            held = service.wait(service.train(epochs=1, learning_rate=0.0001, metric="accuracy"))
            self.assertEqual(held["state"], "held", held)
            self.assertEqual(held["validation"]["serving"], good["validation"]["job"])
            self.assertEqual(service.predict(images[:1])[1], good["generation"])
            become(publish="manual")
            self.assertEqual(service.predict(images[:1])[1], good["generation"])
            waits = service.wait(service.train(epochs=20, learning_rate=0.003, gate=False))
            self.assertEqual(waits["state"], "held", waits)
            self.assertIn("training.publish is manual", waits["error"])
            self.assertEqual(service.predict(images[:1])[1], good["generation"])
            status, body, _ = service.call("POST", "/v2/models/net/promote", {"job": waits["id"]})
            self.assertEqual((status, body["state"]), (200, "done"), body)
            self.assertEqual(service.predict(images[:1])[1], body["generation"])


class Events(unittest.TestCase):
    def test_to_the_end(self):
        with Service() as service:
            job = service.train(**SOME)
            found = service.events(job, seconds=120)
            names = [name for _, name, _ in found]
            self.assertEqual(names[-1], "done", names)
            self.assertIn("progress", names)
            self.assertIn("epoch", names)
            numbers = [number for number, _, _ in found]
            self.assertEqual(numbers, sorted(set(numbers)))
            progress = next(value for _, name, value in found if name == "progress")
            for key in ("epoch", "epochs", "step", "steps", "loss", "examples_per_second", "seconds_left"):
                self.assertIn(key, progress)
            # Later, the rest; after the last, nothing but the end.
            self.assertEqual(service.events(job, last=str(numbers[-3]))[0][0], numbers[-2])
            self.assertEqual(service.events(job, last=str(numbers[-1])), [])
            service.restart(signal.SIGKILL)
            self.assertEqual([name for _, name, _ in service.events(job)], ["done"])
            status, _, _ = service.call("GET", "/v2/jobs/%s/events" % job, Last_Event_ID="x")
            self.assertEqual(status, 400)

    def test_many_and_slow(self):
        """Listeners that do not read are dropped, take no thread, and disturb nobody."""
        with Service("--response-timeout-ms", "1500") as service:
            job = service.train(**LONG)
            service.under_way(job, 0)
            threads = len(os.listdir("/proc/%d/task" % service.daemon.process.pid))
            slow = []
            for _ in range(40):
                one = socket.create_connection(service.daemon.address)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.sendall(b"GET /v2/jobs/%s/events HTTP/1.1\r\nHost: x\r\n\r\n" % job.encode())
                slow.append(one)
            quick = socket.create_connection(service.daemon.address)
            quick.settimeout(5)
            quick.sendall(b"GET /v2/jobs/%s/events HTTP/1.1\r\nHost: x\r\n\r\n" % job.encode())
            received, until = 0, time.monotonic() + 3
            while time.monotonic() < until:
                received += len(quick.recv(65536))
            self.assertGreater(received, 1000)
            self.assertEqual(len(os.listdir("/proc/%d/task" % service.daemon.process.pid)), threads)
            self.assertEqual(service.daemon.get("/v2/health/ready").status, 200)
            for one in slow:
                one.close()
            quick.close()
            self.assertTrue(wait_until(lambda: b"inferd_connections 1\n" in service.daemon.get("/metrics").body, 10))

    def test_too_many(self):
        with Service() as service:
            job = service.train(**LONG)
            open_ones = []
            for _ in range(256):
                one = socket.create_connection(service.daemon.address)
                one.sendall(b"GET /v2/jobs/%s/events HTTP/1.1\r\nHost: x\r\n\r\n" % job.encode())
                self.assertIn(b"200", one.recv(64))
                open_ones.append(one)
            status, _, headers = service.call("GET", "/v2/jobs/%s/events" % job)
            self.assertEqual(status, 503)
            for one in open_ones:
                one.close()
            self.assertTrue(wait_until(lambda: b"inferd_connections 1\n" in service.daemon.get("/metrics").body, 10))
            service.call("DELETE", "/v2/jobs/" + job)
            self.assertEqual(service.events(job)[-1][1], "cancelled")

    def test_stop_ends_them(self):
        """SIGTERM does not wait for listeners."""
        with Service() as service:
            job = service.train(**LONG)
            service.under_way(job, 0)
            found = []
            thread = threading.Thread(target=lambda: found.append(service.events(job)))
            thread.start()
            time.sleep(0.5)
            begun = time.monotonic()
            service.stop(signal.SIGTERM)
            self.assertLess(time.monotonic() - begun, 8)
            thread.join(10)
            self.assertTrue(found and found[0])
            service.start()
            self.assertIn(service.job(job)["state"], ("queued", "running"))
            service.call("DELETE", "/v2/jobs/" + job)
            service.wait(job)


class Inferctl(unittest.TestCase):
    """The commands, as people and scripts have them."""
    maxDiff = None

    def run_ctl(self, service, *arguments):
        program = os.path.join(os.path.dirname(os.path.abspath(os.environ.get("INFERD", "./inferd"))), "inferctl")
        done = subprocess.run([program, "--url", "http://%s:%d" % service.daemon.address, *map(str, arguments)],
                              capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def test_commands(self):
        with Service(prepare=False) as service:
            specification = os.path.join(service.state, "net.json")
            with open(specification, "w") as file:
                json.dump(NET, file)
            self.assertEqual(self.run_ctl(service, "put", "net", "--file", specification)[0], 0)
            file = os.path.join(DATA, "digits.csv.gz")
            self.assertEqual(self.run_ctl(service, "datasets", "put", "digits", "--file", file)[0], 0)
            self.assertIn("digits", self.run_ctl(service, "datasets")[1])
            self.assertIn("1797 rows", self.run_ctl(service, "datasets", "show", "digits")[1])
            code, out, _ = self.run_ctl(service, "train", "net", "--dataset", "digits", "--epochs", 3, "--learning-rate",
                                        0.003, "--metric=accuracy", "--spare-vectors", "true")
            self.assertEqual(code, 0, out)
            lines = out.splitlines()
            self.assertRegex(lines[0], r"^job [0-9a-f]{16}$")
            self.assertEqual(sum(line.startswith("epoch ") for line in lines), 3, out)
            self.assertRegex(lines[-1], r"^done: generation 2, epoch \d, 0\.\d+ \(before 0\.\d+\)$")
            code, out, _ = self.run_ctl(service, "train", "net", "--dataset", "digits", "--epochs", 2, "--json")
            self.assertEqual([json.loads(line)["event"] for line in out.splitlines()][-1], "done")
            code, out, _ = self.run_ctl(service, "train", "net", "--dataset", "digits", "--epochs", 1, "--metric",
                                        "accuracy", "--learning-rate", 900, "--optimiser", "sgd")
            self.assertEqual(code, 1, out)
            self.assertIn("held", out.splitlines()[-1])
            held = out.split()[1]
            self.assertEqual(self.run_ctl(service, "promote", "net", "--job", held), (0, "generation 4\n", ""))
            code, out, _ = self.run_ctl(service, "train", "net", "--dataset", "digits", "--epochs", 100000, "--detach")
            job = out.strip()
            self.assertIn(job, self.run_ctl(service, "jobs")[1])
            self.assertIn(json.loads(self.run_ctl(service, "job", job, "--json")[1])["state"], ("queued", "running"))
            follower = threading.Timer(1.0, lambda: self.run_ctl(service, "cancel", job))
            follower.start()
            code, out, _ = self.run_ctl(service, "job", job, "--follow")
            follower.join()
            self.assertEqual(code, 1)
            self.assertTrue(out.splitlines()[-1].startswith("cancelled"), out)
            self.assertEqual(self.run_ctl(service, "cancel", job)[1], "removed\n")
            self.assertEqual(self.run_ctl(service, "train", "net", "--dataset", "digits", "--epoch", 1)[0::2],
                             (1, "inferctl: parameters: there is no 'epoch'\n"))
            self.assertEqual(self.run_ctl(service, "train", "net")[0], 2)
            self.assertEqual(self.run_ctl(service, "datasets", "put", "x")[0], 2)
            self.assertEqual(self.run_ctl(service, "put", "x", "--file", "/nowhere")[0], 1)
            self.assertEqual(self.run_ctl(service, "datasets", "delete", "digits")[1], "removed\n")
            self.assertEqual(self.run_ctl(service, "delete", "net")[0], 0)

    def test_followed_over_a_restart(self):
        with Service() as service:
            service.arguments += ["--listen", ""]
            port = str(service.daemon.address[1])
            service.stop(signal.SIGTERM)
            service.arguments[-1] = "127.0.0.1:" + port
            service.start(listen=None)
            assert wait_until(lambda: service.daemon.get("/v2/models/net/ready").status == 200, 20)
            job = service.train(**SOME)
            found = []
            thread = threading.Thread(target=lambda: found.append(self.run_ctl(service, "job", job, "--follow")))
            thread.start()
            service.under_way(job, 3)
            service.stop(signal.SIGKILL)
            service.start(listen=None)
            thread.join(120)
            self.assertEqual(found[0][0], 0, found)
            self.assertIn("done: generation 2", found[0][1])


class Without(unittest.TestCase):
    def test_no_state(self):
        with Daemon() as daemon:
            self.assertEqual(daemon.get("/v2/jobs/0123456789abcdef").status, 409)
            self.assertEqual(daemon.get("/v2/jobs").status, 200)


if __name__ == "__main__":
    unittest.main()
