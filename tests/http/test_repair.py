#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""inferd repair: real files of a killed daemon are damaged in every way that takes learning away; what can be kept
is named before anything is done, nothing is deleted, and the model learns on from the newest state that holds, with
the weights it had then."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from daemon import Daemon, build_folder, ROOT  # noqa: E402

UPDATES, EVERY = 23, 5
NEWEST = UPDATES + 1        # the file itself is generation 1
CONFIG = {"training": {"learning_rate": 0.01, "optimiser": "momentum", "checkpoint_updates": EVERY}}
IMAGES = [[float(x) for x in line.split(",")] for line in (ROOT / "examples/digits/inputs.csv").read_text().split()]
LABELS = [int(x) for x in (ROOT / "examples/digits/labels.csv").read_text().split()]


def lesson(number):
    return {"inputs": [{"name": "image", "shape": [1, 64], "datatype": "FP32", "data": IMAGES[number % len(IMAGES)]}],
            "targets": [{"name": "label", "shape": [1], "datatype": "INT64", "data": [LABELS[number % len(LABELS)]]}]}


class Home:
    """A model repository and a state directory."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.state = self.folder / "state"
        if not (self.folder / "models").exists():
            shutil.copytree(ROOT / "examples/models/digits", self.folder / "models/digits")
            (self.folder / "models/digits/config.json").write_text(json.dumps(CONFIG))

    def daemon(self):
        return Daemon(build_folder(), "--model-repository", self.folder / "models", "--state-dir", self.state,
                      "--poll-interval-ms", 0)

    @property
    def model(self):
        return next((self.state / "learning").iterdir())

    def repair(self, *arguments):
        done = subprocess.run([build_folder() / "inferd", "repair", "--state-dir", self.state, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def look(self, *arguments):
        code, out, error = self.repair("--json", *arguments)
        assert error == "", error
        return code, json.loads(out)["models"][0]


def teach(daemon, number, key=None):
    headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
    with contextlib.closing(daemon.connect()) as connection:
        status, _, body = daemon.request("POST", "/v2/models/digits/finetune", json.dumps(lesson(number)), headers,
                                         connection)
    return status, json.loads(body)


def generations(daemon):
    """{generation: digest}, and what serves."""
    with contextlib.closing(daemon.connect()) as connection:
        status, _, body = daemon.request("GET", "/v2/models/digits/generations?limit=1000", connection=connection)
    assert status == 200, body
    body = json.loads(body)
    return {row["generation"]: row.get("digest") for row in body["generations"]}, body["generation"]


def tamper(home, sql):
    base = sqlite3.connect(home.model / "journal.db")
    base.execute(sql)
    base.commit()
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()


def row(generation):
    """Row `generation` of the journal, served as one more, is no longer what it was."""
    return lambda home: tamper(home, f"UPDATE step SET seed=seed+1 WHERE generation={generation}")


def content(generation):
    return lambda home: tamper(home, f"UPDATE example SET targets=zeroblob(8) WHERE place>>20={generation}")


def note(home):
    tamper(home, "UPDATE journal SET created_ms=created_ms+1")


def gone(*names):
    def damage(home):
        for name in names:
            for path in list(home.model.glob(name)):
                path.unlink()
    return damage


def garbage(pattern):
    def damage(home):
        for path in home.model.glob(pattern):
            path.write_bytes(bytes((i * 37 + 11) % 256 for i in range(path.stat().st_size)))
    return damage


def cut(home):
    for name in ("journal.db-wal", "journal.db-shm"):
        (home.model / name).unlink(missing_ok=True)
    path = home.model / "journal.db"
    os.truncate(path, path.stat().st_size // 2)


def both(*damages):
    def damage(home):
        for one in damages:
            one(home)
    return damage


# Name, damage, served generation that is kept (0: nothing), the checkpoint it begins with.
CASES = [
    ("a row near the end", row(22), 22, 21),
    ("a row that a later checkpoint has outlived", row(12), NEWEST, 21),
    ("the newest row", row(23), 23, 21),
    ("the first row", row(1), NEWEST, 21),
    ("content of an example after the checkpoint", both(content(22), gone("journal.head")), 22, 21),
    ("the note", note, NEWEST, 21),
    ("the witness", gone("journal.head"), NEWEST, 21),
    ("the witness's bytes", garbage("journal.head"), NEWEST, 21),
    ("the journal is gone", gone("journal.db*"), 21, 21),
    ("the journal is garbage", garbage("journal.db*"), 21, 21),
    ("everything about the journal is garbage", garbage("journal.*"), 21, 21),
    ("no checkpoint and a row", both(garbage("checkpoint-*"), row(22)), 22, 1),
    ("no checkpoint, no journal", both(garbage("checkpoint-*"), garbage("journal.db*")), 0, 0),
    ("the newest checkpoint and the journal", both(garbage("checkpoint-*20.safetensors"), garbage("journal.db*")),
     16, 16),
]


class Repair(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.home = Home(cls.folder.name)
        daemon = cls.home.daemon()
        for number in range(UPDATES):
            status, body = teach(daemon, number, f"key-{number}")
            assert status == 200, body
        cls.digests, newest = generations(daemon)
        assert newest == NEWEST
        daemon.process.send_signal(signal.SIGKILL)
        daemon.stop(expected=-signal.SIGKILL)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def damaged(self, damage):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        shutil.copytree(self.home.folder, folder.name, dirs_exist_ok=True)
        home = Home(folder.name)
        damage(home)
        return home

    def goes_on(self, home, kept):
        """The daemon has that generation's weights, and learns."""
        with home.daemon() as daemon:
            rows, newest = generations(daemon)
            self.assertEqual(newest, max(kept, 1))
            for generation, digest in rows.items():
                self.assertEqual(digest, self.digests[generation], generation)
            status, body = teach(daemon, 3)
            self.assertEqual((status, body["parameters"]["generation"]), (200, max(kept, 1) + 1))
            after = generations(daemon)[0][max(kept, 1) + 1]
        with home.daemon() as daemon:
            rows, newest = generations(daemon)
            self.assertEqual((newest, rows[newest]), (max(kept, 1) + 1, after))
        return after

    def test_what_is_whole_stays(self):
        home = self.damaged(lambda home: None)
        before = {path.name: path.read_bytes() for path in home.model.glob("checkpoint-*")}
        code, found = home.look("--apply")
        self.assertEqual((code, found["whole"], found["set_aside"], found["faults"]), (0, True, [], []))
        self.assertEqual((found["keeps"]["generation"], found["newest"]), (NEWEST, NEWEST))
        self.assertEqual(found["keeps"]["digest"], self.digests[NEWEST])
        self.assertEqual(before, {path.name: path.read_bytes() for path in home.model.glob("checkpoint-*")})
        self.assertIn("whole", home.repair()[1])
        self.goes_on(home, NEWEST)

    def test_every_damage(self):
        for name, damage, kept, start in CASES:
            with self.subTest(name):
                home = self.damaged(damage)
                files = {path.name: path.read_bytes() for path in home.model.iterdir() if path.suffix != ".db-shm"}
                code, found = home.look()
                self.assertEqual((code, found["whole"], found["applied"]), (1, False, False), found)
                self.assertNotEqual(found["faults"], [])
                if kept:
                    self.assertEqual((found["keeps"]["generation"], found["keeps"]["checkpoint"]), (kept, start), found)
                    self.assertEqual(found["keeps"]["digest"], self.digests[kept])
                else:
                    self.assertIsNone(found["keeps"])
                self.assertGreaterEqual(found["newest"], kept)
                for path, before in files.items():     # it has only looked
                    if not path.endswith(("-wal", "-shm")):
                        self.assertEqual((home.model / path).read_bytes(), before, path)
                code, done = home.look("--apply")
                self.assertEqual((code, done["applied"], done["set_aside"]), (0, True, found["set_aside"]))
                for path in done["set_aside"]:
                    self.assertTrue((home.model / done["aside"] / path).exists() or path.endswith("-shm"), path)
                    if path in files and not path.endswith(("-wal", "-shm")):
                        self.assertEqual((home.model / done["aside"] / path).read_bytes(), files[path])
                self.assertEqual(home.look("--apply")[0], 0)
                self.goes_on(home, kept)

    def test_keys_are_remembered(self):
        home = self.damaged(row(22))
        self.assertEqual(home.repair("--apply")[0], 0)
        with home.daemon() as daemon:
            status, body = teach(daemon, 4, "key-4")
            self.assertEqual((status, body["parameters"]["generation"]), (200, 6))
            status, body = teach(daemon, 22, "key-22")      # this one was lost: it is learnt again
            self.assertEqual((status, body["parameters"]["generation"]), (200, 23))
        # On from there it is as if nothing had been damaged, but for the lost one in between.

    def test_a_damaged_checkpoint_alone(self):
        home = self.damaged(garbage("checkpoint-*20.safetensors"))
        code, found = home.look("--apply")
        self.assertEqual(code, 0)
        self.assertEqual([name for name in found["set_aside"]], ["checkpoint-00000000000000000020.safetensors"])
        self.goes_on(home, NEWEST)

    def test_to_a_generation(self):
        home = self.damaged(lambda home: None)
        self.assertEqual(home.repair("--to", "18")[0], 64)
        code, found = home.look("--model", "digits", "--to", "18", "--apply")
        self.assertEqual((code, found["keeps"]["generation"], found["keeps"]["checkpoint"]), (0, 18, 16))
        self.goes_on(home, 18)

    def test_interrupted(self):
        """After the old journal was moved away, before the new one had its name."""
        home = self.damaged(row(22))
        self.assertEqual(home.repair("--apply")[0], 0)
        for name in ("journal.db-wal", "journal.db-shm", "journal.head"):
            (home.model / name).unlink(missing_ok=True)
        (home.model / "journal.db").rename(home.model / "journal.db.new")
        code, found = home.look("--apply")
        self.assertEqual((code, found["keeps"]["generation"]), (0, 22))
        self.goes_on(home, 22)

    def test_what_is_told(self):
        home = self.damaged(row(22))
        code, out, _ = home.repair()
        self.assertEqual(code, 1)
        for words in ("damaged", "row 22", "can be kept: generation 22, from the checkpoint of 21 and 1 updates",
                      "lost: generations 23 to 24", "would set aside: journal.db"):
            self.assertIn(words, out)
        self.assertIn("repaired", home.repair("--apply")[1])

    def test_refusals(self):
        home = self.damaged(lambda home: None)
        with home.daemon():
            code, _, error = home.repair()
            self.assertEqual(code, 75)
            self.assertIn("another inferd", error)
        self.assertEqual(home.repair("--frobnicate")[0], 64)
        self.assertEqual(home.repair("--to", "x", "--model", "digits")[0], 64)
        home.state = home.folder / "nowhere"
        self.assertEqual(home.repair()[0], 66)
        self.assertFalse(home.state.exists())
        self.assertEqual(home.repair("--help")[0], 0)


if __name__ == "__main__":
    unittest.main()
