#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""torture.py BUILD [--kills N] [--power N] [--soak N] [--updates N] [--seed S]: kill -9 at random moments while eight clients
teach and eight ask, again and again; and the same with power cuts, on an ext4 that is shut down without a flush.

Each update has an Idempotency-Key and is sent until it is acknowledged. In the end
  - every update has been applied exactly once: each key answers with one generation, and these are 2 .. N + 1;
  - no prediction has carried a generation that a restart took back;
  - weights and optimiser state are, by their digest, those of a daemon that was never killed and learnt the same
    updates one after the other in the order of their generations.
Ends with "N passed, N failed"."""
import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))
import power  # noqa: E402
import soak  # noqa: E402
from daemon import Daemon  # noqa: E402

LEARNERS, ASKERS = 8, 8
PATIENCE_S = 120            # that one update is sent again and again
CONFIG = {"training": {"learning_rate": 0.01, "optimiser": "momentum", "checkpoint_updates": 16}}


def lessons(count, chance):
    """Bodies of updates: one to four digits each, some with a rate of their own."""
    images = (ROOT / "examples/digits/inputs.csv").read_text().split()
    labels = (ROOT / "examples/digits/labels.csv").read_text().split()
    out = []
    for _ in range(count):
        rows = [chance.randrange(len(images)) for _ in range(chance.randint(1, 4))]
        body = {"inputs": [{"name": "image", "shape": [len(rows), 64], "datatype": "FP32",
                            "data": [float(x) for row in rows for x in images[row].split(",")]}],
                "targets": [{"name": "label", "shape": [len(rows)], "datatype": "INT64",
                             "data": [int(labels[row]) for row in rows]}]}
        if chance.random() < 0.3:
            body["parameters"] = {"learning_rate": round(chance.uniform(0.001, 0.05), 4)}
        out.append(json.dumps(body))
    return out


class Victim:
    """The daemon on one state directory, killed and started again; clients ask where it is now."""

    def __init__(self, build, folder, disk=None):
        self.build, self.folder, self.disk = build, pathlib.Path(folder), disk
        self.state = (disk.path if disk else self.folder) / "state"
        shutil.copytree(ROOT / "examples/models/digits", self.folder / "models/digits")
        (self.folder / "models/digits/config.json").write_text(json.dumps(CONFIG))
        self.daemon, self.starts = None, 0
        self.start()

    def start(self):
        self.starts += 1
        self.daemon = Daemon(self.build, "--model-repository", self.folder / "models",
                             "--state-dir", self.state, "--poll-interval-ms", 0)

    def kill(self):
        process = self.daemon.process
        if process.poll() is not None:
            return
        if self.disk:
            # A machine without power says nothing either. (Under way at that moment, an fsync of ext4's may succeed
            # and yet be lost: the shutdown drops its transaction without a word.)
            if self.disk.silences:
                process.send_signal(signal.SIGSTOP)
            self.disk.cut()
            if not self.disk.silences:
                time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        if self.disk:
            self.disk.power_on()

    def post(self, path, body, headers=None, timeout=20):
        """(status, JSON); None when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=timeout)
        try:
            connection.request("POST" if body else "GET", "/v2/models/digits" + path, body,
                               {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


class Trial:
    def __init__(self, victim, bodies, seed):
        self.victim, self.bodies, self.seed = victim, bodies, seed
        self.generations, self.complaints = {}, []
        self.newest, self.lock, self.over = 1, threading.Lock(), threading.Event()

    def teach(self, part):
        for number in range(part, len(self.bodies), LEARNERS):
            until = time.monotonic() + PATIENCE_S
            while not self.over.is_set():
                got = self.victim.post("/finetune", self.bodies[number], {"Idempotency-Key": f"update-{number}"})
                if got is not None and got[0] == 200:
                    break
                if got is not None and got[0] not in (404, 503, 507) or time.monotonic() > until:
                    self.complaints.append(f"update {number}: {got}")
                    return
                time.sleep(0.02)
            if self.over.is_set():
                return
            self.saw(got[1]["parameters"]["generation"])
            self.generations[number] = got[1]["parameters"]["generation"]

    def saw(self, generation):
        with self.lock:
            self.newest = max(self.newest, generation)

    def ask(self):
        body = json.dumps({"inputs": json.loads(self.bodies[0])["inputs"]})
        while not self.over.is_set():
            with self.lock:
                known, starts = self.newest, self.victim.starts
            got = self.victim.post("/infer", body)
            if got is None or got[0] != 200:
                time.sleep(0.02)
                continue
            generation = got[1]["parameters"]["generation"]
            if generation < known and starts == self.victim.starts:
                self.complaints.append(f"a prediction by generation {generation} after {known} had been seen")
            self.saw(generation)

    def check_kept(self, seen):
        """What anyone has seen before the kill is there after it."""
        body = json.dumps({"inputs": json.loads(self.bodies[0])["inputs"]})
        got = self.victim.post("/infer", body)
        if got is None or got[0] != 200 or got[1]["parameters"]["generation"] < seen:
            self.complaints.append(f"generation {seen} had been seen, after the kill: {got and got[1]['parameters']}")

    def run(self, kills):
        chance = random.Random(self.seed)
        teachers = [threading.Thread(target=self.teach, args=(k,)) for k in range(LEARNERS)]
        askers = [threading.Thread(target=self.ask) for _ in range(ASKERS)]
        for thread in teachers + askers:
            thread.start()
        killed = 0
        while killed < kills and any(thread.is_alive() for thread in teachers):
            time.sleep(chance.uniform(0.005, 0.2))
            self.victim.kill()
            with self.lock:
                seen = self.newest
            try:
                self.victim.start()
            except RuntimeError as error:
                self.complaints.append(f"after kill {killed + 1}: {error}")
                self.over.set()
                break
            self.check_kept(seen)
            killed += 1
            if killed % 25 == 0:
                print(f"   {killed} times, {len(self.generations)} of {len(self.bodies)} updates", flush=True)
        for thread in teachers:
            thread.join()
        self.over.set()
        for thread in askers:
            thread.join()
        return killed


def digest(victim):
    rows = victim.post("/generations?limit=1", None)[1]["generations"]
    return rows[0]["generation"], rows[0]["digest"]


def replayed(build, folder, trial):
    """The digest of a daemon that learnt the same in the same order and was never disturbed."""
    victim = Victim(build, folder)
    for number in sorted(trial.generations, key=trial.generations.get):
        for _ in range(5):      # a slow machine is no disturbance
            got = victim.post("/finetune", trial.bodies[number], {"Idempotency-Key": f"again-{number}"})
            if got is not None:
                break
        assert got is not None and got[0] == 200, got
    result = digest(victim)
    victim.daemon.stop()
    return result


def check(build, other, victim, run, killed):
    """What must be so after the last kill."""
    if run.complaints:
        return [("nobody complains", False)]
    victim.kill()
    victim.start()
    generation, weights = digest(victim)
    count = len(run.bodies)
    print(f"   {killed} {victim.disk.blow if victim.disk else 'kills'} while {count} updates were taught, "
          f"{generation - 1} generations", flush=True)
    once = sorted(run.generations.values()) == list(range(2, count + 2)) and generation == count + 1
    again = [victim.post("/finetune", run.bodies[k], {"Idempotency-Key": f"update-{k}"})
             for k in random.Random(run.seed).sample(range(count), min(50, count))]
    remembered = all(got is not None and got[0] == 200 for got in again) and digest(victim) == (generation, weights)
    victim.daemon.stop()
    return [("nobody complains", run.complaints == []),
            ("every update once", once),
            ("keys are remembered", remembered),
            ("the weights of an undisturbed daemon", replayed(build, other, run) == (generation, weights))]


def trial(build, kills, n_updates, seed, disk=None):
    """Returns (name, outcome) of each check."""
    bodies = lessons(n_updates or 16 * kills + 64, random.Random(seed))
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        victim = Victim(build, folder, disk)
        run = Trial(victim, bodies, seed)
        try:
            return check(build, other, victim, run, run.run(kills))
        finally:
            victim.kill()
            for complaint in run.complaints[:5]:
                print("   " + complaint)


def power_trial(build, cuts, n_updates, seed):
    with tempfile.TemporaryDirectory() as folder:
        reason = power.why_not(folder)
    if reason:
        print(f"   power cuts are skipped: {reason}", flush=True)
        return []
    with tempfile.TemporaryDirectory() as folder, power.Disk(folder) as disk:
        checks = [(name + ", power cuts", good) for name, good in trial(build, cuts, n_updates, seed, disk)]
    with tempfile.TemporaryDirectory() as folder, power.FullDisk(folder, seed) as disk:
        return checks + [(name + ", full disk", good) for name, good in trial(build, cuts, n_updates, seed, disk)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default=ROOT / "build")
    parser.add_argument("--kills", type=int, default=int(os.environ.get("INFERD_TORTURE_KILLS", "300")))
    parser.add_argument("--power", type=int, default=int(os.environ.get("INFERD_TORTURE_POWER", "8")))
    parser.add_argument("--soak", type=int, default=int(os.environ.get("INFERD_TORTURE_SOAK", "5000")),
                        help="updates, after which memory and disk are no larger than after a fifth of them")
    parser.add_argument("--updates", type=int)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("INFERD_TEST_SEED", time.time_ns() % 10**9)))
    arguments = parser.parse_args()
    print(f"INFERD_TEST_SEED={arguments.seed}", flush=True)
    checks = []
    if arguments.kills:
        checks += trial(arguments.build, arguments.kills, arguments.updates, arguments.seed)
    if arguments.power:
        checks += power_trial(arguments.build, arguments.power, arguments.updates, arguments.seed)
    if arguments.soak:
        checks += soak.trial(lambda folder: Victim(arguments.build, folder),
                             lessons(64, random.Random(arguments.seed)), arguments.soak)
    for name, good in checks:
        if not good:
            print(f"FAILED {name} (--seed {arguments.seed})")
    failed = sum(not good for _, good in checks)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
