#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is learnt and what serves may be two things: candidates that are promoted by hand or by the gate,
quarantine, labels and times to roll back to, and all of it across kill -9."""
import http.client
import os
import random
import signal
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
from support.daemon_fixture import wait_until  # noqa: E402
from test_learning import IMAGES, LABELS, Service  # noqa: E402


def lesson(k, size=8):
    first = k % (len(IMAGES) // size) * size
    return IMAGES[first:first + size], LABELS[first:first + size]


def poisoned(k, size=8):
    images, labels = lesson(k, size)
    return images, [(label + 5) % 10 for label in labels]


def teach(service, images, labels, **more):
    status, answer, _ = service.teach(images, labels, **more)
    assert status == 200, answer
    return answer["parameters"]


def listing(service, query=""):
    status, answer, _ = service.call("GET", "/generations" + query)
    assert status == 200, answer
    return answer


def crash(service):
    service.stop(signal.SIGKILL)
    service.start()


class Manual(unittest.TestCase):
    def test_nothing_serves_before_it_is_promoted(self):
        """A candidate learns durably and unseen; what is promoted serves, also after any crash."""
        with Service({"learning_rate": 0.05, "publish": "manual", "checkpoint_updates": 3}) as service, \
                Service({"learning_rate": 0.05}) as oracle:
            first = service.predict(IMAGES[:8])
            base = first[1]
            states = {base: first[0]}
            for k in range(5):
                told = teach(service, *lesson(k))
                self.assertEqual(told, {"generation": base + k + 1, "durable": True, "published": False})
                teach(oracle, *lesson(k))
                states[base + k + 1] = oracle.predict(IMAGES[:8])[0]
                self.assertEqual(service.predict(IMAGES[:8]), first)
            crash(service)
            self.assertEqual(service.predict(IMAGES[:8]), first)
            # An older candidate than the newest, then the newest; numbers go on after the mark.
            status, answer, headers = service.call("POST", "/promote", {"generation": base + 2})
            self.assertEqual(status, 200, answer)
            self.assertEqual(answer["parameters"], {"generation": base + 2, "durable": True})
            self.assertEqual(headers["ETag"], '"%d"' % (base + 6))
            self.assertEqual(service.predict(IMAGES[:8]), (states[base + 2], base + 2))
            crash(service)
            self.assertEqual(service.predict(IMAGES[:8]), (states[base + 2], base + 2))
            told = listing(service)
            self.assertEqual((told["generation"], told["served"], told["publish"]), (base + 6, base + 2, "manual"))
            self.assertEqual([(row["kind"], row.get("state")) for row in told["generations"]],
                             [("promote", None)] + [("finetune", "candidate")] * 3 +
                             [("finetune", "served"), ("finetune", None)])
            self.assertEqual(told["generations"][0]["promoted"], base + 2)
            # What went on learning goes on from the newest, bit for bit.
            self.assertEqual(teach(service, *lesson(5))["generation"], base + 7)
            teach(oracle, *lesson(5))
            status, answer, _ = service.call("POST", "/promote")
            self.assertEqual(status, 200, answer)
            self.assertEqual(service.predict(IMAGES[:8]), (oracle.predict(IMAGES[:8])[0], base + 7))
            for how in (signal.SIGTERM, signal.SIGKILL):
                service.stop(how)
                service.start()
                self.assertEqual(service.predict(IMAGES[:8]), (oracle.predict(IMAGES[:8])[0], base + 7))
            page = service.daemon.get("/metrics").body.decode()
            self.assertIn('inferd_learning_generation{model="digits",version="1"} %d' % (base + 7), page)
            self.assertIn('inferd_learning_newest_generation{model="digits",version="1"} %d' % (base + 8), page)

    def test_refusals(self):
        with Service({"learning_rate": 0.05, "publish": "manual"}) as service, Service({}) as each:
            _, base = service.predict(IMAGES[:1])
            teach(each, *lesson(0))
            for body in (None, {}):
                self.assertEqual(each.call("POST", "/promote", body)[0], 409)
            self.assertEqual(service.call("POST", "/promote", {})[0], 409)
            for k in range(3):
                teach(service, *lesson(k))
            rows = [({"generation": base + 9}, {}, 404), ({"generation": base}, {}, 409), ({"generation": -1}, {}, 400),
                    ({"generation": "x"}, {}, 400), ({"first": 1}, {}, 400), ("[", {}, 400),
                    ({}, {"If_Match": '"%d"' % (base + 2)}, 412),
                    ({"generation": base + 1}, {"If_Match": '"%d"' % (base + 3), "Idempotency_Key": "p"}, 200),
                    ({"generation": base + 1}, {"Idempotency_Key": "p"}, 200),
                    ({"generation": base + 2}, {"Idempotency_Key": "p"}, 409),
                    ({"generation": base + 1}, {}, 409)]
            for body, headers, wanted in rows:
                with self.subTest(body=body, headers=headers):
                    status, answer, _ = service.call("POST", "/promote", body, **headers)
                    self.assertEqual(status, wanted, answer)
            self.assertEqual(service.predict(IMAGES[:1])[1], base + 1)

    def test_back_and_forget(self):
        """Rewind and erase: what serves changes only if it had learnt what goes."""
        training = {"learning_rate": 0.05, "publish": "manual", "checkpoint_updates": 2}
        with Service(training) as service, Service({"learning_rate": 0.05}) as oracle:
            _, base = service.predict(IMAGES[:1])
            for k in range(4):
                teach(service, *lesson(k))
            service.call("POST", "/promote", {"generation": base + 2})
            serving = service.predict(IMAGES[:8])
            # Only the candidate had learnt it.
            status, answer, _ = service.call("POST", "/rewind", {"first": base + 3, "last": base + 3})
            self.assertEqual((status, answer.get("parameters")),
                             (200, {"generation": base + 6, "durable": True, "published": False}), answer)
            self.assertEqual(service.predict(IMAGES[:8]), serving)
            crash(service)
            self.assertEqual(service.predict(IMAGES[:8]), serving)
            status, answer, _ = service.call("POST", "/erase", {"examples": [{"generation": base + 4, "row": 2}]})
            self.assertEqual(status, 200, answer)
            self.assertEqual(service.predict(IMAGES[:8]), serving)
            # What serves had learnt it.
            status, answer, _ = service.call("POST", "/erase", {"examples": [{"generation": base + 1, "row": 0}]})
            self.assertEqual(status, 200, answer)
            for k, gone in ((0, 0), (1, None), (3, 2)):
                images, labels = lesson(k)
                keep = [i for i in range(8) if i != gone]
                teach(oracle, [images[i] for i in keep], [labels[i] for i in keep])
            expected = oracle.predict(IMAGES[:8])[0], base + 8
            self.assertEqual(service.predict(IMAGES[:8]), expected)
            crash(service)
            self.assertEqual(service.predict(IMAGES[:8]), expected)

    def test_pruning_keeps_what_serves(self):
        """Far behind the candidate, beyond all retention: what serves is still there after a crash."""
        training = {"learning_rate": 0.02, "publish": "manual", "checkpoint_updates": 2, "keep_updates": 2}
        with Service(training) as service:
            _, base = service.predict(IMAGES[:1])
            for k in range(3):
                teach(service, *lesson(k, 2))
            self.assertEqual(service.call("POST", "/promote", {"generation": base + 2})[0], 200)
            serving = service.predict(IMAGES[:8])
            for k in range(30):
                teach(service, *lesson(k, 2))
            crash(service)
            self.assertEqual(service.predict(IMAGES[:8]), serving)
            self.assertEqual(service.call("POST", "/promote")[0], 200)
            serving = service.predict(IMAGES[:8])
            for k in range(6):
                teach(service, *lesson(k, 2))
            crash(service)
            self.assertEqual(service.predict(IMAGES[:8]), serving)
            # Once it is promoted the way there may go.
            self.assertGreater(min(row["generation"] for row in listing(service)["generations"]), base + 20)

    def test_shadow(self):
        """Live predictions are computed by the candidate too, compared and dropped; answers stay the same."""
        with Service({"learning_rate": 0.2, "publish": "manual", "shadow_every": 1}) as service:
            first = service.predict(IMAGES[:8])
            for k in range(4):
                teach(service, *poisoned(k))
                self.assertEqual(service.predict(IMAGES[:8]), first)

            def compared():
                self.assertEqual(service.predict(IMAGES[:8]), first)
                return listing(service)["candidate"].get("shadow", {"rows": 0})

            self.assertTrue(wait_until(lambda: compared()["rows"] >= 64, 20))
            told = compared()
            self.assertGreater(told["difference"], 0.001)
            self.assertGreater(told["other_class"], 0.05)
            self.assertLessEqual(told["other_class"], 1)
            page = service.daemon.get("/metrics").body.decode()
            for name in ("shadow_rows_total", "shadow_difference", "shadow_disagreement"):
                value = [line.split()[-1] for line in page.splitlines()
                         if line.startswith("inferd_learning_%s{" % name)]
                self.assertGreater(float(value[0]), 0, name)
            self.assertEqual(service.call("POST", "/promote")[0], 200)
            self.assertNotIn("candidate", listing(service))

    def test_damage(self):
        """A journal that does not hold: what was promoted serves, read-only; the candidate never."""
        with Service({"learning_rate": 0.05, "publish": "manual", "checkpoint_updates": 2}) as service:
            for k in range(3):
                teach(service, *lesson(k))
            self.assertEqual(service.call("POST", "/promote")[0], 200)
            values, _ = service.predict(IMAGES[:8])
            for k in range(5):
                teach(service, *poisoned(k))
            service.stop(signal.SIGKILL)
            for folder, _, names in os.walk(service.state):
                if "journal.db-wal" in names:
                    os.truncate(os.path.join(folder, "journal.db-wal"), 0)
            service.start()
            self.assertEqual(service.predict(IMAGES[:8])[0], values)
            self.assertEqual(service.teach(*lesson(1))[0], 503)
            self.assertEqual(service.call("POST", "/promote")[0], 503)
            self.assertEqual(service.predict(IMAGES[:8])[0], values)

    def test_policy_changes(self):
        """From manual to each: the candidate serves, on the record; and back: it serves on."""
        with Service({"learning_rate": 0.05, "publish": "manual"}) as service:
            config = os.path.join(service.models, "digits", "config.json")
            _, base = service.predict(IMAGES[:1])
            for k in range(3):
                teach(service, *lesson(k))
            service.stop(signal.SIGKILL)
            with open(config, "w") as file:
                file.write('{"training": {"learning_rate": 0.05}}')
            service.start()
            values, generation = service.predict(IMAGES[:8])
            self.assertGreaterEqual(generation, base + 3)
            self.assertEqual(listing(service)["generations"][0]["kind"], "promote")
            service.stop(signal.SIGKILL)
            with open(config, "w") as file:
                file.write('{"training": {"learning_rate": 0.05, "publish": "manual"}}')
            service.start()
            again, now = service.predict(IMAGES[:8])
            self.assertEqual(again, values)
            self.assertGreaterEqual(now, base + 3)
            self.assertNotIn("candidate", listing(service))


class Places(unittest.TestCase):
    def test_rollback_to_label_and_time(self):
        with Service({"learning_rate": 0.05}) as service:
            states, times = {}, {}
            values, base = service.predict(IMAGES[:4])
            states[base] = values
            before = int(time.time() * 1000) - 1
            for k in range(3):
                generation = teach(service, *lesson(k))["generation"]
                states[generation] = service.predict(IMAGES[:4])[0]
                time.sleep(0.003)
                times[generation] = int(time.time() * 1000)
                time.sleep(0.003)
            self.assertEqual(service.call("POST", "/label", {"label": "good", "generation": base + 2})[0], 200)
            self.assertEqual(service.call("POST", "/label", {"label": "newest"})[0], 200)
            crash(service)
            names = {row["label"]: row["of"] for row in listing(service)["generations"] if row["kind"] == "label"}
            self.assertEqual(names, {"good": base + 2, "newest": base + 4})
            rows = [({"label": "good"}, base + 2), ({"time_ms": times[base + 1]}, base + 1),
                    ({"time_ms": times[base + 2]}, base + 2), ({"label": "newest"}, base + 3),
                    ({"time_ms": before}, base)]
            for body, to in rows:
                with self.subTest(body):
                    status, answer, _ = service.call("POST", "/rollback", body)
                    self.assertEqual(status, 200, answer)
                    self.assertEqual(service.predict(IMAGES[:4])[0], states[to])
            # The newest of a name counts.
            self.assertEqual(service.call("POST", "/label", {"label": "good", "generation": base + 1})[0], 200)
            self.assertEqual(service.call("POST", "/rollback", {"label": "good"})[0], 200)
            self.assertEqual(service.predict(IMAGES[:4])[0], states[base + 1])
            bad = [("/rollback", {"label": "none"}, 404), ("/rollback", {}, 400), ("/rollback", {"label": ""}, 400),
                   ("/rollback", {"label": "a b"}, 400), ("/rollback", {"label": "x" * 65}, 400),
                   ("/rollback", {"label": "good", "time_ms": 1}, 400), ("/rollback", {"time_ms": -1}, 400),
                   ("/rollback", {"generation": base, "label": "good"}, 400), ("/label", {}, 400),
                   ("/label", {"label": "x", "generation": base + 99}, 404), ("/label", {"label": 3}, 400)]
            for path, body, wanted in bad:
                with self.subTest(body):
                    status, answer, _ = service.call("POST", path, body)
                    self.assertEqual(status, wanted, answer)


class Gate(unittest.TestCase):
    training = {"learning_rate": 0.02, "publish": "gate", "promotion_examples": 40, "checkpoint_updates": 4,
                "holdout_every": 4}

    def test_clean_is_promoted_and_poison_is_not(self):
        with Service(self.training) as service:
            _, base = service.predict(IMAGES[:1])
            seen = set()
            for k in range(24):
                teach(service, *lesson(k))
                seen.add(service.predict(IMAGES[:8])[1])
            told = listing(service)
            promoted = [row["promoted"] for row in told["generations"] if row["kind"] == "promote"]
            self.assertTrue(promoted, told)
            self.assertEqual(seen, {base, *promoted})
            self.assertEqual(told["served"], max(promoted))
            self.assertFalse([row for row in told["generations"] if row["kind"] == "rollback"])
            serving = service.predict(IMAGES[:8])
            # A burst of wrong labels, then clean ones: they show what it has done.
            for k in range(24, 28):
                teach(service, *poisoned(k), learning_rate=0.2)
            bad = listing(service)["generation"]
            for k in range(28, 60):
                teach(service, *lesson(k))
                told = listing(service, "?limit=1000")
                backs = [row for row in told["generations"] if row["kind"] == "rollback"]
                if backs:
                    break
            self.assertTrue(backs, "the poisoned candidate was not quarantined")
            verdict = backs[0]["quarantine"]
            self.assertLessEqual(verdict["first"], bad - 3)
            self.assertGreaterEqual(verdict["last"], bad)
            self.assertIn("larger", verdict["reason"])
            self.assertGreater(verdict["difference"], 0)
            held = {row["generation"] for row in told["generations"] if row.get("state") == "quarantined"}
            self.assertEqual(held, set(range(verdict["first"], verdict["last"] + 1)))
            # The same weights as before, under the number of the row that says so.
            self.assertEqual(service.predict(IMAGES[:8]), (serving[0], backs[0]["generation"]))
            crash(service)
            self.assertEqual(service.predict(IMAGES[:8]), (serving[0], backs[0]["generation"]))
            # Held back, but kept: it can be looked at, erased, and nothing that serves changes.
            status, answer, _ = service.call("POST", "/erase", {"examples": [{"generation": bad, "row": 0}]})
            self.assertEqual(status, 200, answer)
            self.assertEqual(service.predict(IMAGES[:8])[0], serving[0])
            page = service.daemon.get("/metrics").body.decode()
            self.assertNotIn("inferd_learning_refused_total{", page)

    def test_bit_equal_across_kills(self):
        """What the gate promotes is what a daemon that was never killed has at that generation's updates."""
        training = dict(self.training, promotion_examples=16, holdout_every=0)
        with Service(training) as service, Service({"learning_rate": 0.02}) as oracle:
            _, base = service.predict(IMAGES[:1])
            states = {base: oracle.predict(IMAGES[:8])[0]}
            for k in range(30):
                generation = teach(service, *lesson(k))["generation"]
                teach(oracle, *lesson(k))
                states[generation] = oracle.predict(IMAGES[:8])[0]
                before = service.predict(IMAGES[:8])
                self.assertEqual(before[0], states[before[1]])
                if k % 5 == 4:
                    crash(service)
                    self.assertEqual(service.predict(IMAGES[:8]), before)
            kinds = [row["kind"] for row in listing(service)["generations"]]
            self.assertGreater(kinds.count("promote"), 2)

    def test_held_out_examples_are_not_learnt(self):
        """Which ones follows from the examples: the rest leads to the same weights when they are sent alone."""
        training = dict(self.training, publish="gate", promotion_examples=1000, holdout_every=3)
        with Service(training) as service, Service(dict(training, publish="manual", holdout_every=0)) as oracle:
            for k in range(12):     # (the first is none of them)
                image, label = IMAGES[k:k + 1], LABELS[k:k + 1]
                teach(service, image, label)
                digests = [row["digest"] for row in listing(service)["generations"][:2]]
                if k == 0 or digests[0] != digests[1]:
                    teach(oracle, image, label)
            held = listing(service)["candidate"]["held_out"]
            self.assertGreater(held, 0)
            self.assertLess(held, 9)
            self.assertEqual(len(listing(oracle)["generations"]), 12 - held)
            digest = listing(oracle)["generations"][0]["digest"]
            self.assertEqual(listing(service)["generations"][0]["digest"], digest)
            # In one update as one by one, and across a crash.
            teach(service, IMAGES[:12], LABELS[:12])
            self.assertEqual(listing(service)["candidate"]["held_out"], 2 * held)
            crash(service)
            self.assertEqual(listing(service)["candidate"]["held_out"], 2 * held)
            for one in (service, oracle):
                self.assertEqual(one.call("POST", "/promote")[0], 200)


class Alarm(unittest.TestCase):
    def test_auto_rollback(self):
        """A stream goes wrong: what was published since is taken back, said, and stays back after a crash."""
        training = {"learning_rate": 0.02, "auto_rollback": True, "rollback_updates": 8, "checkpoint_updates": 4}
        with Service(training) as service:
            _, base = service.predict(IMAGES[:1])
            states = {base: service.predict(IMAGES[:8])[0]}
            for k in range(20):
                generation = teach(service, *lesson(k))["generation"]
                states[generation] = service.predict(IMAGES[:8])[0]
            self.assertEqual(generation, base + 20, "clean examples raise no alarm")
            for k in range(20, 30):
                generation = teach(service, *poisoned(k), learning_rate=0.1)["generation"]
                states[generation] = service.predict(IMAGES[:8])[0]
                backs = [row for row in listing(service)["generations"] if row["kind"] == "rollback"]
                if backs:
                    break
            self.assertTrue(backs)
            told = backs[0]["auto_rollback"]
            self.assertGreater(told["loss"], 2 * told["before"])
            self.assertLess(backs[0]["to"], base + 21)
            self.assertEqual(backs[0]["principal"], "inferd")
            page = service.daemon.get("/metrics").body.decode()
            self.assertIn('inferd_learning_auto_rollbacks_total{model="digits",version="1"} 1', page)
            self.assertIn("rolled back", service.daemon.log())
            ready = service.call("GET", "/ready")[1]["learning"]
            self.assertEqual((ready["auto_rollbacks"], ready["quarantines"]), (1, 0))
            # The update that found it was learnt after it.
            self.assertEqual(service.call("POST", "/rollback", {"generation": backs[0]["generation"]})[0], 200)
            self.assertEqual(service.predict(IMAGES[:8])[0], states[backs[0]["to"]])
            crash(service)
            self.assertEqual(service.predict(IMAGES[:8])[0], states[backs[0]["to"]])

    def test_off_by_default(self):
        with Service({"learning_rate": 0.02}) as service:
            for k in range(6):
                teach(service, *lesson(k))
            for k in range(6, 16):
                teach(service, *poisoned(k), learning_rate=0.1)
            self.assertNotIn("rollback", {row["kind"] for row in listing(service)["generations"]})


class Killed(unittest.TestCase):
    def test_at_any_moment(self):
        """kill -9 while updates, promotions and predictions are under way: what was seen serving serves, what
        was promoted serves, every update is applied once, and weights are those of a life without kills."""
        seed = int(os.environ.get("INFERD_TEST_SEED", time.time_ns() % 10 ** 6))
        print("INFERD_TEST_SEED=%d" % seed, file=sys.stderr)
        rng = random.Random(seed)
        training = {"learning_rate": 0.05, "publish": "manual", "checkpoint_updates": 3}
        with Service(training) as service, Service({"learning_rate": 0.05}) as oracle:
            _, base = service.predict(IMAGES[:1])
            done, promoted, seen = 0, base, {}
            for _ in range(8 * max(1, int(os.environ.get("INFERD_TEST_SCALE", "1")))):
                timer = threading.Timer(rng.uniform(0.002, 0.12), service.daemon.process.send_signal, [signal.SIGKILL])
                timer.start()
                try:
                    while True:
                        status, answer, _ = service.teach(*lesson(done), {"Idempotency_Key": "u%d" % done})
                        self.assertEqual(status, 200, answer)
                        done += 1
                        if rng.random() < 0.5:
                            status, answer, _ = service.call("POST", "/promote")
                            self.assertEqual(status, 200, answer)
                            promoted = answer["parameters"]["generation"]
                        values, generation = service.predict(IMAGES[:8])
                        seen[generation] = values
                except (OSError, http.client.HTTPException):
                    pass
                timer.join()
                service.daemon.process.wait(30)
                service.start()
                values, generation = service.predict(IMAGES[:8])
                self.assertGreaterEqual(generation, max([promoted, *seen]))
                self.assertEqual(seen.setdefault(generation, values), values, "bit for bit")
                promoted = max(promoted, generation)
            self.assertEqual(service.teach(*lesson(done), {"Idempotency_Key": "u%d" % done})[0], 200)
            rows = listing(service, "?limit=1000")["generations"][::-1]
            self.assertEqual([row["kind"] for row in rows].count("finetune"), done + 1)
            states = {base: oracle.predict(IMAGES[:8])[0]}
            taught = 0
            for row in rows:
                if row["kind"] == "finetune":
                    teach(oracle, *lesson(taught))
                    taught += 1
                states[row["generation"]] = oracle.predict(IMAGES[:8])[0]
            for generation, values in seen.items():
                self.assertEqual(values, states[generation], generation)


if __name__ == "__main__":
    unittest.main()
