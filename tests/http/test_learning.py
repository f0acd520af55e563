#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A served model learns over HTTP: durably, once for each key, in order, and back again. On the digits that
the example model was never trained on: they are by other writers."""
import http.client
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon_fixture import Daemon, wait_until  # noqa: E402

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
EXAMPLES = os.path.join(TOP, "examples")


def rows_of(name, convert):
    with open(os.path.join(EXAMPLES, "digits", name)) as file:
        return [[convert(item) for item in line.split(",")] for line in file if line.strip()]


IMAGES = rows_of("inputs.csv", float)
LABELS = [row[0] for row in rows_of("labels.csv", int)]


class Service:
    """A daemon on a copy of the digits model, with a state directory."""

    def __init__(self, training=None, state=True, directory=None):
        self.own = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="inferd-learn-")
        self.models = os.path.join(self.directory, "models")
        self.state = os.path.join(self.directory, "state")
        if self.own:
            shutil.copytree(os.path.join(EXAMPLES, "models", "digits"), os.path.join(self.models, "digits"))
            for path, _, _ in os.walk(self.models):
                os.chmod(path, 0o755)
            if training is not None:
                with open(os.path.join(self.models, "digits", "config.json"), "w") as file:
                    json.dump({"training": training}, file)
        self.arguments = ["--model-repository", self.models]
        if state:
            self.arguments += ["--state-dir", self.state]
        self.start()

    def start(self):
        self.daemon = Daemon(*self.arguments, model=None)
        self.daemon.__enter__()
        assert wait_until(lambda: self.daemon.get("/v2/models/digits/ready").status == 200, 20), self.daemon.log()

    def stop(self, how=signal.SIGTERM):
        self.daemon.process.send_signal(how)
        code = self.daemon.process.wait(30)
        assert code == (0 if how == signal.SIGTERM else -how), (code, self.daemon.log())

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        code = self.daemon.stop()
        assert failed or code == 0, (code, self.daemon.log())
        if self.own:
            shutil.rmtree(self.directory)

    def files_with(self, needle):
        """Files of the state directory that hold those bytes."""
        found = []
        for path, _, names in os.walk(self.state):
            for name in names:
                try:
                    with open(os.path.join(path, name), "rb") as file:
                        if needle in file.read():
                            found.append(name)
                except FileNotFoundError:
                    pass    # an older checkpoint that goes at this very moment
        return found

    def call(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(*self.daemon.address, timeout=30)
        text = json.dumps(body) if body is not None and not isinstance(body, str) else body
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, "/v2/models/digits" + path, text, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        try:
            return answer.status, json.loads(data), answer.headers
        except ValueError:
            return answer.status, data, answer.headers

    def metadata(self):
        return self.call("GET", "")[1]

    def inputs(self, images):
        spec = self.metadata()["inputs"][0]
        shape = [len(images)] + spec["shape"][1:]
        return [{"name": spec["name"], "shape": shape, "datatype": "FP32",
                 "data": [x for image in images for x in image]}]

    def predict(self, images):
        status, body, headers = self.call("POST", "/infer", {"inputs": self.inputs(images)})
        assert status == 200, body
        return body["outputs"][0]["data"], int(headers["Inferd-Generation"])

    def lesson(self, images, labels, **parameters):
        body = {"inputs": self.inputs(images),
                "targets": [{"name": "label", "shape": [len(labels)], "datatype": "INT64", "data": labels}]}
        if parameters:
            body["parameters"] = parameters
        return body

    def teach(self, images, labels, headers=None, **parameters):
        return self.call("POST", "/finetune", self.lesson(images, labels, **parameters), **(headers or {}))


def replayed(answer):
    """What the same key is answered from then on."""
    return {**answer, "parameters": {**answer["parameters"], "replayed": True}}


def near(a, b):
    return max(abs(x - y) for x, y in zip(a, b))


class Learning(unittest.TestCase):
    def test_one_update(self):
        """It is live when it is acknowledged, and what is wrong becomes right."""
        with Service({"learning_rate": 0.05}) as service:
            image, label = IMAGES[:1], [(LABELS[0] + 1) % 10]
            before, generation = service.predict(image)
            status, answer, headers = service.teach(image, label)
            self.assertEqual(status, 200, answer)
            self.assertEqual(answer["parameters"], {"generation": generation + 1, "durable": True})
            self.assertEqual(answer["examples"], 1)
            self.assertGreater(answer["loss"], 0)
            self.assertIn(answer["metrics"]["accuracy"], (0.0, 1.0))
            self.assertEqual(headers["ETag"], '"%d"' % (generation + 1))
            after, now = service.predict(image)
            self.assertEqual(now, generation + 1)
            self.assertGreater(after[label[0]], before[label[0]])
            for _ in range(20):
                service.teach(image, label)
            after, _ = service.predict(image)
            self.assertEqual(max(range(10), key=lambda k: after[k]), label[0])

    def test_restart(self):
        """What was acknowledged survives: an orderly end, and kill -9 with the journal alone."""
        with Service({"learning_rate": 0.02, "checkpoint_updates": 4}) as service:
            generation = None
            for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
                for k in range(6):
                    status, answer, _ = service.teach(IMAGES[8 * k:8 * k + 8], LABELS[8 * k:8 * k + 8])
                    self.assertEqual(status, 200, answer)
                    if generation is not None:
                        self.assertEqual(answer["parameters"]["generation"], generation + 1)
                    generation = answer["parameters"]["generation"]
                before, live = service.predict(IMAGES[:16])
                self.assertEqual(live, generation)
                service.stop(how)
                service.start()
                after, live = service.predict(IMAGES[:16])
                self.assertEqual(live, generation)
                self.assertEqual(after, before, "bit for bit")

    def test_idempotency(self):
        with Service() as service:
            key = {"Idempotency_Key": "7f3a"}
            first = service.teach(IMAGES[:4], LABELS[:4], key)
            self.assertEqual(first[0], 200, first[1])
            values, generation = service.predict(IMAGES[:4])
            again = service.teach(IMAGES[:4], LABELS[:4], key)
            self.assertEqual((again[0], again[1]), (200, replayed(first[1])))
            self.assertEqual(service.predict(IMAGES[:4]), (values, generation))
            other = service.teach(IMAGES[4:8], LABELS[4:8], key)
            self.assertEqual(other[0], 409, other[1])
            self.assertEqual(service.predict(IMAGES[:4]), (values, generation))
            service.stop(signal.SIGKILL)
            service.start()
            again = service.teach(IMAGES[:4], LABELS[:4], key)
            self.assertEqual((again[0], again[1]), (200, replayed(first[1])))
            self.assertEqual(service.predict(IMAGES[:4]), (values, generation))

    def test_if_match(self):
        with Service() as service:
            _, generation = service.predict(IMAGES[:1])
            rows = [('"%d"' % (generation + 1), 412), ('"%d"' % generation, 200), ('"%d"' % generation, 412),
                    ("*", 200), ("x", 400), ('"1', 400)]
            for value, expected in rows:
                with self.subTest(value):
                    status, answer, _ = service.teach(IMAGES[:1], LABELS[:1], {"If_Match": value})
                    self.assertEqual(status, expected, answer)

    def test_bad_updates_change_nothing(self):
        with Service({"examples_max": 8, "learning_rate_max": 0.5, "loss_max": 50}) as service:
            good = service.lesson(IMAGES[:2], LABELS[:2])
            before = service.predict(IMAGES[:8])

            def changed(**changes):
                body = json.loads(json.dumps(good))
                body["targets"][0].update(changes)
                return body

            huge = json.loads(json.dumps(good))
            huge["inputs"][0]["data"] = [3e38] * len(huge["inputs"][0]["data"])
            rows = [
                (changed(data=[3, 10]), 422, "10"),
                (changed(data=[3, -1]), 422, "-1"),
                (changed(shape=[3], data=[1, 2, 3]), 422, "rows"),
                (changed(shape=[2, 3], data=[1] * 6), 422, "[2,3]"),
                (changed(datatype="BYTES", data=["a", "b"]), 422, "BYTES"),
                (dict(good, targets=[]), 400, "targets"),
                (dict(good, targets=good["targets"] * 2), 400, "twice"),
                (dict(good, inputs=[]), 400, "inputs"),
                (dict(good, outputs=[]), 400, "outputs"),
                (dict(good, parameters={"learning_rate": 0.6}), 422, "0.5"),
                (dict(good, parameters={"learning_rate": -1}), 400, "learning_rate"),
                (dict(good, parameters={"rate": 1}), 400, "parameters.rate"),
                (service.lesson(IMAGES[:9], LABELS[:9]), 413, "8"),
                (huge, 422, "refused"),
                ("{", 400, "JSON"),
            ]
            for body, status, text in rows:
                with self.subTest(text):
                    got, answer, _ = service.call("POST", "/finetune", body)
                    self.assertEqual(got, status, answer)
                    self.assertIn(text, answer["error"])
            self.assertEqual(service.predict(IMAGES[:8]), before)

    def test_rewind(self):
        """A poisoned batch is as if it had never been: the same weights as a model that was never taught it."""
        training = {"learning_rate": 0.05, "checkpoint_updates": 3}
        lessons = [(IMAGES[8 * k:8 * k + 8], LABELS[8 * k:8 * k + 8]) for k in range(6)]
        with Service(training) as service, Service(training) as clean:
            _, base = service.predict(IMAGES[:1])
            for k, (images, labels) in enumerate(lessons):
                poisoned = [(label + 5) % 10 for label in labels] if k in (2, 3) else labels
                self.assertEqual(service.teach(images, poisoned)[0], 200)
                if k not in (2, 3):
                    self.assertEqual(clean.teach(images, labels)[0], 200)
            status, answer, _ = service.call("POST", "/rewind", {"first": base + 3, "last": base + 4},
                                             Idempotency_Key="again")
            self.assertEqual(status, 200, answer)
            self.assertEqual(answer["parameters"], {"generation": base + 7, "durable": True})
            expected, _ = clean.predict(IMAGES[:16])
            self.assertEqual(service.predict(IMAGES[:16]), (expected, base + 7))
            status, again, _ = service.call("POST", "/rewind", {"first": base + 3, "last": base + 4},
                                            Idempotency_Key="again")
            self.assertEqual((status, again), (200, replayed(answer)))
            service.stop(signal.SIGKILL)
            service.start()
            self.assertEqual(service.predict(IMAGES[:16]), (expected, base + 7))
            for body, wanted in (({"first": base, "last": base + 1}, 404), ({"first": base + 2, "last": base + 99}, 404),
                                 ({"first": 5, "last": 4}, 400), ({"first": 5}, 400), ({"first": 5, "last": 6, "x": 1}, 400)):
                status, answer, _ = service.call("POST", "/rewind", body)
                self.assertEqual(status, wanted, answer)

    def test_erase(self):
        """An example is gone from every file, and the weights are those of a model that never saw it."""
        training = {"learning_rate": 0.05, "checkpoint_updates": 2}
        secret = [0.25 + k / 256 for k in range(len(IMAGES[0]))]
        with Service(training) as service, Service(training) as clean:
            _, base = service.predict(IMAGES[:1])
            for k in range(4):
                images, labels = IMAGES[4 * k:4 * k + 4], LABELS[4 * k:4 * k + 4]
                with_secret = images[:1] + [secret] + images[1:] if k == 3 else images
                self.assertEqual(service.teach(with_secret, labels[:1] + [7] + labels[1:] if k == 3 else labels)[0], 200)
                self.assertEqual(clean.teach(images, labels)[0], 200)
            needle = struct.pack("<8f", *secret[8:16])
            self.assertTrue(service.files_with(needle))
            status, answer, _ = service.call("POST", "/erase", {"examples": [{"generation": base + 4, "row": 1}]})
            self.assertEqual(status, 200, answer)
            self.assertEqual(answer["examples"], 1)
            self.assertEqual(service.files_with(needle), [])
            expected, _ = clean.predict(IMAGES[:16])
            self.assertEqual(service.predict(IMAGES[:16]), (expected, base + 5))
            service.stop(signal.SIGKILL)
            service.start()
            self.assertEqual(service.predict(IMAGES[:16]), (expected, base + 5))
            lineage = service.call("GET", "/generations")[1]["generations"]
            self.assertEqual([(row["kind"], row["erased"]) for row in lineage[:2]], [("erase", 0), ("finetune", 1)])
            for body, wanted in (({"examples": [{"generation": base + 4, "row": 9}]}, 404),
                                 ({"examples": [{"generation": base + 44, "row": 0}]}, 404), ({"examples": []}, 400),
                                 ({"examples": [{"generation": base + 4}]}, 400), ({"examples": [3]}, 400), ({}, 400)):
                status, answer, _ = service.call("POST", "/erase", body)
                self.assertEqual(status, wanted, answer)

    def test_rollback_and_lineage(self):
        with Service({"learning_rate": 0.05}) as service:
            states = {}
            values, base = service.predict(IMAGES[:4])
            states[base] = values
            for k in range(5):
                service.teach(IMAGES[k:k + 1], [(LABELS[k] + 5) % 10])
                values, generation = service.predict(IMAGES[:4])
                states[generation] = values
            for to in (base + 3, base, base + 5):
                status, answer, _ = service.call("POST", "/rollback", {"generation": to})
                self.assertEqual(status, 200, answer)
                values, generation = service.predict(IMAGES[:4])
                self.assertEqual(generation, answer["parameters"]["generation"])
                self.assertEqual(values, states[to])
                states[generation] = values
            status, answer, _ = service.call("POST", "/rollback", {"generation": base + 99})
            self.assertEqual(status, 404, answer)
            service.stop(signal.SIGKILL)
            service.start()
            self.assertEqual(service.predict(IMAGES[:4]), (values, generation))
            status, lineage, _ = service.call("GET", "/generations")
            self.assertEqual(status, 200, lineage)
            self.assertEqual(lineage["generation"], generation)
            self.assertEqual(lineage["base"]["generation"], base)
            kinds = [row["kind"] for row in lineage["generations"]]
            self.assertEqual(kinds, ["rollback"] * 3 + ["finetune"] * 5)
            self.assertEqual([row["generation"] for row in lineage["generations"]],
                             list(range(generation, base, -1)))
            status, page, _ = service.call("GET", "/generations?before=%d&limit=2" % (base + 4))
            self.assertEqual(status, 200, page)
            self.assertEqual([row["generation"] for row in page["generations"]], [base + 3, base + 2])

    def test_evaluate_and_export(self):
        with Service({"learning_rate": 0.05}) as service:
            def evaluate():
                status, answer, _ = service.call("POST", "/evaluate", service.lesson(IMAGES[:200], LABELS[:200]))
                self.assertEqual(status, 200, answer)
                return answer

            values, _ = service.predict(IMAGES[:200])
            right = sum(max(range(10), key=lambda k: values[10 * i + k]) == LABELS[i] for i in range(200))
            answer = evaluate()
            self.assertAlmostEqual(answer["metrics"]["accuracy"], right / 200)
            self.assertEqual(answer["examples"], 200)
            for k in range(25):
                service.teach(IMAGES[8 * k:8 * k + 8], LABELS[8 * k:8 * k + 8])
            self.assertLess(evaluate()["loss"], answer["loss"])
            values, generation = service.predict(IMAGES[:32])
            status, file, headers = service.call("GET", "/export")
            self.assertEqual(status, 200)
            self.assertEqual(int(headers["Inferd-Generation"]), generation)
            path = os.path.join(service.models, "digits", "2")
            os.mkdir(path)
            with open(os.path.join(path, "model.onnx"), "wb") as out:
                out.write(file)
            with Service(directory=service.directory, state=False) as other:
                exported, _ = other.predict(IMAGES[:32])
                self.assertLessEqual(near(exported, values), 1e-6)

    def test_other_file_begins_anew(self):
        """What was learnt belongs to the bytes of a file; put back, it goes on."""
        with Service() as service:
            path = os.path.join(service.models, "digits", os.listdir(os.path.join(service.models, "digits"))[0],
                                "model.onnx")
            service.teach(IMAGES[:4], LABELS[:4])
            learnt, generation = service.predict(IMAGES[:4])
            service.stop()
            with open(path, "rb") as file:
                original = file.read()
            os.chmod(path, 0o644)
            with open(path, "ab") as file:
                file.write(b"\x32\x01x")     # doc_string: another digest, the same network
            service.start()
            fresh, at = service.predict(IMAGES[:4])
            self.assertEqual(at, 1)
            self.assertNotEqual(fresh, learnt)
            service.stop()
            with open(path, "wb") as file:
                file.write(original)
            service.start()
            self.assertEqual(service.predict(IMAGES[:4]), (learnt, generation))

    def test_refused_without_a_place_to_keep_it(self):
        with Service(state=False) as service:
            status, answer, _ = service.teach(IMAGES[:1], LABELS[:1])
            self.assertEqual(status, 409, answer)
            self.assertIn("--state-dir", answer["error"])
        with Service({"enabled": False}) as service:
            status, answer, _ = service.teach(IMAGES[:1], LABELS[:1])
            self.assertEqual(status, 409, answer)
            self.assertIn("training.enabled", answer["error"])

    def test_metrics(self):
        """What is learnt and what is refused is seen from outside; a model that never learnt has no such series."""
        with Service({"learning_rate": 0.05}) as service:
            def series():
                text = service.daemon.get("/metrics").body.decode()
                return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                        if line.startswith("inferd_learning")}

            self.assertEqual(series(), {})
            for k in range(5):
                service.teach(IMAGES[4 * k:4 * k + 4], LABELS[4 * k:4 * k + 4])
            service.teach(IMAGES[:1], [99])
            seen, of = series(), '{model="digits",version="1"%s}'
            self.assertEqual(seen["inferd_learning_updates_total" + of % ""], 5)
            self.assertEqual(seen["inferd_learning_examples_total" + of % ""], 20)
            self.assertEqual(seen["inferd_learning_generation" + of % ""], 6)
            self.assertEqual(seen["inferd_learning_commit_seconds_count" + of % ""], 5)
            self.assertEqual(seen["inferd_learning_refused_total" + of % ',reason="bad_example"'], 1)
            self.assertGreater(seen["inferd_learning_loss" + of % ""], 0)
            self.assertGreater(seen["inferd_learning_gradient_norm" + of % ""], 0)
            self.assertTrue(0.5 <= seen["inferd_learning_accuracy" + of % ""] <= 1)
            self.assertEqual(seen["inferd_learning_read_only" + of % ""], 0)

    def test_inferctl(self):
        with Service({"learning_rate": 0.05}) as service, tempfile.TemporaryDirectory() as folder:
            program = os.path.join(os.path.dirname(os.environ.get("INFERD", "./inferd")), "inferctl")

            def ctl(*arguments, code=0):
                done = subprocess.run([program, "--url", "http://%s:%d" % service.daemon.address, *arguments],
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, code, done)
                return done.stdout + done.stderr

            rows, labels = os.path.join(folder, "rows.csv"), os.path.join(folder, "labels.csv")
            with open(rows, "w") as file:
                file.writelines(",".join(map(str, image)) + "\n" for image in IMAGES[:8])
            with open(labels, "w") as file:
                file.writelines("%d\n" % label for label in LABELS[:8])
            lesson = ("--input", "image=@" + rows, "--target", "label=@" + labels)
            self.assertRegex(ctl("finetune", "digits", *lesson), r"^generation 2, 8 examples, loss .*, durable$")
            answer = json.loads(ctl("finetune", "digits", *lesson, "--key", "k1", "--learning-rate", "0.1",
                                    "--output", "json"))
            self.assertEqual(answer["parameters"], {"generation": 3, "durable": True})
            self.assertRegex(ctl("finetune", "digits", *lesson, "--key", "k1", "--learning-rate", "0.1"),
                             "^generation 3, .*durable, applied before$")
            self.assertIn("If-Match", ctl("finetune", "digits", *lesson, "--if-match", "2", code=1))
            self.assertRegex(ctl("evaluate", "digits", *lesson), r"^generation 3, 8 examples, loss .*accuracy")
            self.assertIn("finetune", ctl("generations", "digits"))
            self.assertIn("generation 4", ctl("rollback", "digits", "--to", "1"))
            self.assertIn("generation 2", ctl("label", "digits", "--label", "good", "--to", "2"))
            self.assertRegex(ctl("rollback", "digits", "--label", "good"), "^generation 6,")
            self.assertIn("no generation has the label", ctl("rollback", "digits", "--label", "x", code=1))
            self.assertRegex(ctl("rollback", "digits", "--time", "2001-01-31T12:00:00Z"), "^generation 7,")
            self.assertIn("serves every update", ctl("promote", "digits", code=1))
            for wrong in (("--time", "now"), ("--label", "a", "--to", "1"), ()):
                self.assertIn("inferctl:", ctl("rollback", "digits", *wrong, code=2))
            self.assertIn("--label", ctl("label", "digits", code=2))
            exported = os.path.join(folder, "model.onnx")
            ctl("export", "digits", "--file", exported)
            original = os.path.join(EXAMPLES, "models", "digits", "1", "model.onnx")
            with open(exported, "rb") as a, open(original, "rb") as b:
                self.assertEqual(a.read(), b.read(), "rolled back to the file's own weights")
            self.assertIn("--target", ctl("finetune", "digits", "--input", "image=@" + rows, code=2))
            self.assertIn("--to", ctl("rollback", "digits", code=2))

    def test_many_at_once(self):
        """Eight teach while eight ask: each update is a generation of its own, and no prediction fails."""
        with Service({"learning_rate": 0.001}) as service:
            lessons = [json.dumps(service.lesson(IMAGES[k:k + 1], LABELS[k:k + 1])) for k in range(64)]
            question = json.dumps({"inputs": service.inputs(IMAGES[:1])})
            generations, failures, stop = [], [], threading.Event()

            def teach(part):
                for lesson in lessons[part::8]:
                    status, answer, _ = service.call("POST", "/finetune", lesson)
                    (generations if status == 200 else failures).append(
                        answer["parameters"]["generation"] if status == 200 else answer)

            def ask():
                newest = 0
                while not stop.is_set():
                    status, answer, headers = service.call("POST", "/infer", question)
                    generation = int(headers.get("Inferd-Generation", -1))
                    if status != 200 or generation < newest:
                        failures.append(answer)
                    newest = generation

            askers = [threading.Thread(target=ask) for _ in range(8)]
            teachers = [threading.Thread(target=teach, args=(k,)) for k in range(8)]
            for thread in askers + teachers:
                thread.start()
            for thread in teachers:
                thread.join()
            stop.set()
            for thread in askers:
                thread.join()
            self.assertEqual(failures, [])
            self.assertEqual(sorted(generations), list(range(2, 66)))
            values = service.predict(IMAGES[:8])
            service.stop(signal.SIGKILL)
            service.start()
            self.assertEqual(service.predict(IMAGES[:8]), values)


if __name__ == "__main__":
    unittest.main()
