#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""config.json is changed between two runs of the daemon, which end well or by kill -9: what was learnt is what
it was, bit for bit, each update as it was learnt then; and a journal that is full."""
import json
import os
import signal
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
from test_learning import IMAGES, LABELS, Service  # noqa: E402
from test_promotion import lesson, teach  # noqa: E402

FIRST = {"learning_rate": 0.05, "optimiser": "momentum", "clip_norm": 0.5, "checkpoint_updates": 1000}


def again(service, training, how=signal.SIGKILL):
    service.stop(how)
    with open(os.path.join(service.models, "digits", "config.json"), "w") as file:
        json.dump({"training": training}, file)
    service.start()


def states(training, updates):
    """Of generations base .. base + updates of a daemon that is left alone."""
    with Service(training) as service:
        found = [service.predict(IMAGES[:8])]
        for k in range(updates):
            teach(service, *lesson(k))
            found.append(service.predict(IMAGES[:8]))
    return found


def kinds(service):
    return [row["kind"] for row in service.call("GET", "/generations")[1]["generations"]]


class Numbers(unittest.TestCase):
    def test_an_update_is_what_it_was(self):
        """Any setting that changes an update's bits, after a crash, and for ways back to before the change."""
        expected = states(FIRST, 4)
        base = expected[0][1]
        others = [{"clip_norm": 5}, {"clip_norm": 0}, {"momentum": 0.3}, {"l2": 0.01}, {"decay": 0.5}, {"l1": 0.01},
                  {"seed": 7}, {"loss_max": 1e-6}, {"gradient_max": 1e-6}, {"micro_batch": 3}, {"learning_rate": 0.5}]
        with Service(FIRST) as service:
            for k in range(4):
                teach(service, *lesson(k))
            for other in others:
                with self.subTest(other=other):
                    again(service, {**FIRST, **other})
                    self.assertEqual(service.predict(IMAGES[:8]), expected[4])
                    told = service.call("GET", "/ready")[1]["learning"]
                    self.assertFalse(told["read_only"], told)
            self.assertEqual(kinds(service), ["finetune"] * 4)
            # New updates are learnt as config.json says now, old ones are applied as they were then.
            again(service, {**FIRST, "l2": 0.5, "clip_norm": 100})
            teach(service, *lesson(4))
            now = service.predict(IMAGES[:8])
            with Service(FIRST) as oracle:
                for k in range(5):
                    teach(oracle, *lesson(k))
                self.assertNotEqual(oracle.predict(IMAGES[:8]), now)
            again(service, FIRST)
            self.assertEqual(service.predict(IMAGES[:8]), now)
            self.assertEqual(service.call("POST", "/rollback", {"generation": base + 3})[0], 200)
            self.assertEqual(service.predict(IMAGES[:8]), (expected[3][0], base + 6))
            self.assertEqual(service.call("POST", "/rollback", {"generation": base + 5})[0], 200)
            self.assertEqual(service.predict(IMAGES[:8]), (now[0], base + 7))
            again(service, {**FIRST, "l1": 0.1})
            self.assertEqual(service.predict(IMAGES[:8]), (now[0], base + 7))
            self.assertEqual(service.call("POST", "/rewind", {"first": base + 5, "last": base + 5})[0], 200)
            self.assertEqual(service.predict(IMAGES[:8]), (expected[4][0], base + 8))


class Build(unittest.TestCase):
    def test_another_optimiser_goes_on_from_the_same_weights(self):
        for how in (signal.SIGKILL, signal.SIGTERM):
            with self.subTest(how=how), Service(FIRST) as service:
                expected = states(FIRST, 3)
                base = expected[0][1]
                for k in range(3):
                    teach(service, *lesson(k))
                adam = {**FIRST, "optimiser": "adam", "learning_rate": 0.001}
                again(service, adam, how)
                self.assertEqual(service.predict(IMAGES[:8]), (expected[3][0], base + 4))
                self.assertEqual(kinds(service), ["train"] + ["finetune"] * 3)
                teach(service, *lesson(3))
                taught = service.predict(IMAGES[:8])
                self.assertEqual(taught[1], base + 5)
                self.assertNotEqual(taught[0], expected[3][0])
                for end in (signal.SIGKILL, signal.SIGTERM):
                    again(service, adam, end)
                    self.assertEqual(service.predict(IMAGES[:8]), taught)
                # To before the change only with the setting of then; the refusal costs nothing.
                status, answer, _ = service.call("POST", "/rollback", {"generation": base + 2})
                self.assertEqual(status, 409, answer)
                self.assertEqual(service.predict(IMAGES[:8]), taught)
                status, answer, _ = service.call("POST", "/rewind", {"first": base + 1, "last": base + 1})
                self.assertEqual(status, 409, answer)
                again(service, FIRST, how)
                self.assertEqual(service.predict(IMAGES[:8]), (taught[0], base + 6))
                self.assertEqual(service.call("POST", "/rollback", {"generation": base + 2})[0], 200)
                self.assertEqual(service.predict(IMAGES[:8]), (expected[2][0], base + 7))
                again(service, FIRST)
                self.assertEqual(service.predict(IMAGES[:8]), (expected[2][0], base + 7))

    def test_what_learns(self):
        """More tensors may learn from now on; fewer may not, as what they have learnt would be lost."""
        last = {**FIRST, "last_layers": 1}
        with Service(last) as service:
            for k in range(3):
                teach(service, *lesson(k))
            values, generation = service.predict(IMAGES[:8])
            again(service, FIRST)
            self.assertEqual(service.predict(IMAGES[:8]), (values, generation + 1))
            teach(service, *lesson(3))
            taught = service.predict(IMAGES[:8])
            again(service, last)
            self.assertEqual(service.predict(IMAGES[:8]), taught)
            self.assertIn("key=training.last_layers", service.daemon.log())
            self.assertEqual(kinds(service)[0], "finetune")
            teach(service, *lesson(4))
            taught = service.predict(IMAGES[:8])
            again(service, last)
            self.assertEqual(service.predict(IMAGES[:8]), taught)

    def test_not_while_a_candidate_waits(self):
        manual = {**FIRST, "publish": "manual"}
        adam = {**manual, "optimiser": "adam"}
        with Service(manual) as service:
            serving = service.predict(IMAGES[:8])
            for k in range(3):
                teach(service, *lesson(k))
            again(service, adam)
            self.assertEqual(service.predict(IMAGES[:8]), serving)
            self.assertIn("a candidate waits", service.daemon.log())
            teach(service, *lesson(3))
            self.assertEqual(service.call("POST", "/promote")[0], 200)
            expected = states(FIRST, 4)[4]
            self.assertEqual(service.predict(IMAGES[:8]), expected)
            again(service, adam)
            # The mark of the promotion and the change each have a number.
            self.assertEqual(service.predict(IMAGES[:8]), (expected[0], expected[1] + 2))
            self.assertEqual(kinds(service)[0], "train")
            teach(service, *lesson(4))
            self.assertEqual(service.predict(IMAGES[:8])[0], expected[0])
            again(service, adam)
            self.assertEqual(service.predict(IMAGES[:8]), (expected[0], expected[1] + 2))


class Full(unittest.TestCase):
    def test_a_full_journal_only_refuses(self):
        """However near to its limit: 507, nothing has changed, ways back are open."""
        with Service({"learning_rate": 0.01, "journal_bytes_max": 1048576, "examples_max": 2048}) as service:
            base = service.predict(IMAGES[:1])[1]
            learnt, refused, size = 0, 0, 500
            # Ever smaller, so that the first that fits nearly does not; again until nothing does.
            while size > 0:
                status, answer, _ = service.teach(IMAGES[:1] * size, LABELS[:1] * size,
                                                  headers={"Idempotency-Key": "key-%d" % (learnt + refused)})
                self.assertIn(status, (200, 507), answer)
                learnt += status == 200
                refused += status == 507
                size -= status == 507
            self.assertGreater(learnt, 4)
            self.assertFalse(service.call("GET", "/ready")[1]["learning"]["read_only"])
            self.assertEqual(service.predict(IMAGES[:1])[1], base + learnt)
            self.assertEqual(service.call("POST", "/rollback", {"generation": base + 1})[0], 200)


if __name__ == "__main__":
    unittest.main()
