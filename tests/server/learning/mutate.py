#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that the storage tests can see: takes each sync and each check out of server/learning in turn and expects a
test to go red. The product has no hooks for this: a line of source is replaced in a copy, which is compiled and
linked before libserver.a. A line that is no longer there exactly once fails the run, so that this table stays true.

    tests/server/learning/mutate.py build [NAME...]

What two checks guard is not here (a tensor's bytes are under the file's digest and the state's)."""
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
SUPPORT = ["learning_case", "run_suite"]
FAULTS = ["fault_calls", "fault_disk"]

# name, file, line, replacement, test (with a test case)
MUTANTS = [
    ("directory made, not synced", "storage_dir.c", "if (fsync(parent) != 0)", "if (0)", "storage_faults silent"),
    ("names not synced", "storage_dir.c", "if (fsync(dir->fd) != 0)", "if (0)", "storage_faults silent"),
    ("log not settled", "journal_open.c", "status = storage_file_settle(journal->dir, journal_log_file, fault);",
     "status = STORAGE_OK;", "storage_faults silent"),
    ("settled, not synced", "storage_dir.c", "return fsync(fd);", "return 0;", "storage_faults silent"),
    ("short writes believed", "storage_dir.c", "        bytes -= (size_t)n;\n    }\n    return 0;\n}\n\nint storage_write_all",
     "        bytes = 0;\n    }\n    return 0;\n}\n\nint storage_write_all", "storage_faults errors"),
    ("checkpoint not synced", "storage_dir.c", "if (fsync(fd) != 0)", "if (0)", "storage_faults silent"),
    ("checkpoint written in place", "storage_dir.c", '"%s.tmp", name', '"%s", name', "storage_faults silent"),
    ("checkpoint's digest not checked", "checkpoint.c", "if (!digest_holds(bytes, size))", "if (0)", "checkpoint"),
    ("checkpoint's generation not checked", "checkpoint.c",
     "if (status == STORAGE_OK && ret->note.generation != generation)", "if (0)", "checkpoint"),
    ("synchronous=NORMAL", "journal_open.c", '"PRAGMA synchronous=FULL;"', '"PRAGMA synchronous=NORMAL;"',
     "journal"),
    ("synchronous=NORMAL, believed", "journal_open.c", [('"PRAGMA synchronous=FULL;"', '"PRAGMA synchronous=NORMAL;"'),
     ('{"PRAGMA synchronous", "2"}', '{"PRAGMA synchronous", "1"}')], None, "storage_faults silent"),
    ("secure_delete off", "journal_open.c", [('"PRAGMA secure_delete=ON;"', '"PRAGMA secure_delete=OFF;"'),
     ('{"PRAGMA secure_delete", "1"}', '{"PRAGMA secure_delete", "0"}')], None, "journal"),
    ("a lost database made again", "journal_open.c", "    if (trace)\n", "    if (0)\n", "journal_damage"),
    ("pages not checked", "journal_schema.c", "status = check_pages(journal, fault);", "status = STORAGE_OK;",
     "storage_damage"),
    ("tables not checked", "journal_schema.c", "status = check_tables(journal, fault);", "status = STORAGE_OK;",
     "journal_damage"),
    ("note not checked", "journal_schema.c", "ok = digest_equal(&expected, &digest);", "ok = true;", "journal_damage"),
    ("chain not checked", "journal_verify.c", "if (status == STORAGE_OK && !digest_equal(&found, &row.chain))",
     "if (0)", "journal_damage"),
    ("gaps not checked", "journal_verify.c", "} else if (row.generation != last + 1) {", "} else if (0) {", "journal_damage"),
    ("answers not checked", "journal_verify.c", "if (!digest_equal(&found, &digest))", "if (0)", "journal_damage"),
    ("witness not heard", "journal_verify.c", "        status = hear(journal, fault);", "        status = STORAGE_OK;",
     "journal_damage"),
    ("witness's row not compared", "journal_verify.c",
     "if (status == STORAGE_OK && !digest_equal(&chain, &said->chain))", "if (0)", "recovery"),
    ("witness gone, made again", "journal_verify.c", "if (note.generation > 0)", "if (0)", "journal_damage"),
    ("witness not written", "journal_append.c", "if (head_write(&journal->head, &note, &why) != STORAGE_OK)",
     "if (0)", "journal_damage"),
    ("witness not synced when made", "head.c", "fsync(ret->fd) == 0)", "true)", "storage_faults silent"),
    ("witness's name not synced when made", "journal_open.c",
     "return status == STORAGE_OK ? storage_dir_sync(journal->dir, fault) : status;", "return status;",
     "storage_faults silent"),
    ("witness's digest not checked", "head.c",
     "if (memcmp(digest.bytes, slot + AT_DIGEST, sizeof(digest.bytes)) != 0 ||", "if (digest.bytes[0] == 256 ||",
     "storage_damage"),
    ("no latch", "journal_open.c", "atomic_store(&journal->latched, true);", ";", "storage_faults errors"),
    ("a failed commit acknowledged", "journal_append.c",
     "result = database_run(journal->writes[JOURNAL_WRITE_COMMIT]);", "database_run(journal->writes[JOURNAL_WRITE_COMMIT]);",
     "storage_faults errors"),
    ("content not proven when read", "journal_read.c", "!digest_equal(&found, &digest))", "false)", "journal_damage"),
    ("a key's body not compared", "journal_find.c", "if (!digest_equal(&stored, body))", "if (0)", "journal"),
    ("erased, the log left", "journal_change.c", "return journal_tidy(journal, true, fault);", "return STORAGE_OK;",
     "journal"),
    ("replayed weights not compared", "replay.c", "if (digest_equal(&state, expected))", "if (1)", "recovery"),
    ("checkpoints with erased influence used", "replay.c", "    if (replay->n_without > 0 && end >= replay->without_from)",
     "    return false;\n    if (replay->n_without > 0 && end >= replay->without_from)", "history"),
    ("checkpoints off the path used", "replay.c", "*ret = history_begins(path, &part) && !outlived",
     "*ret = !outlived", "history"),
    ("copies of what was left out come back", "replay.c", "!history_has(path, origin.generation))", "0)", "copies"),
    ("copies not found to be erased", "journal_copy.c", "journal_copy_id(origin->generation, origin->ordinal, id);",
     "journal_copy_id(origin->generation, origin->ordinal + 1, id);", "copies"),
    ("a checkpoint past the end overlooked", "recovery.c", "if (status == STORAGE_OK && n > 0 && generations[0] > last)",
     "if (0)", "recovery"),
    ("pruned to the newest checkpoint", "recovery.c", "size_t anchor = CHECKPOINT_KEPT - 1;", "size_t anchor = 0;",
     "recovery"),
    ("pruned past what retention holds", "recovery.c",
     "(usable[anchor] > retained || cuts", "(cuts", "history"),
    ("pruned into what a rewind left out", "recovery.c",
     " || cuts_rewind(&replay->jumps, usable[anchor]))", ")", "copies"),
    ("what could not be read set aside", "recovery.c",
     "if (fault->status == STORAGE_DAMAGED && work->n_damaged < RECOVERY_FAULTS_MAX)",
     "if (work->n_damaged < RECOVERY_FAULTS_MAX)", "storage_faults errors"),
    ("a job's outcome forgotten too early", "recovery.c", "generations[i] > floor && jump != NULL", "jump == NULL",
     "history"),
    ("a job's leftovers kept", "recovery.c", "status = trained_remove(replay->dir, generations[i], fault);",
     "status = STORAGE_OK;", "history"),
    ("a job's outcome not the beginning", "history.c", "if (jump->kind == JOURNAL_TRAIN) {", "if (0) {", "history"),
    ("damaged checkpoints not set aside", "recovery.c", "        set_aside(&work, dir);", "        ;", "recovery"),
]


def pkg(*args):
    return shlex.split(subprocess.check_output(["pkg-config", *args], text=True))


class Bench:
    def __init__(self, build, work):
        self.build, self.work = build, work
        packages = ["sqlite3", "nettle", "check", "libmicrohttpd", "libuv", "jansson", "openblas"]
        self.cflags = ["-std=gnu17", "-O1", "-g0", "-w", f"-I{build}", f"-I{ROOT}", "-fno-strict-aliasing",
                       f'-DPEER_FILE="{ROOT}/tests/server/learning/data/peer.safetensors"', *pkg("--cflags", *packages)]
        libraries = [build / "server/libserver.a", build / "proto/libproto.a", build / "engine/libengine.a"]
        self.libs = [*map(str, libraries), *pkg("--libs", *packages), "-lm", "-lpthread", "-ldl"]
        self.objects = {}

    def compile(self, source, name):
        target = self.work / f"{name}.o"
        subprocess.run(["gcc", *self.cflags, "-c", str(source), "-o", str(target)], check=True)
        return str(target)

    def test_objects(self, test):
        sources = [ROOT / f"tests/server/learning/test_{test}.c"]
        sources += [ROOT / f"tests/support/{name}.c" for name in SUPPORT + (FAULTS if "faults" in test else [])]
        for source in sources:
            if source not in self.objects:
                self.objects[source] = self.compile(source, source.stem)
        return [self.objects[source] for source in sources]

    def run(self, test, mutant, case):
        """True if the test is green with that object in place of the library's."""
        program = self.work / "mutated"
        subprocess.run(["gcc", "-o", str(program), *self.test_objects(test), *mutant, *self.libs], check=True)
        environment = dict(os.environ, INFERD_TEST_SEED="1")
        if case:
            environment["CK_RUN_CASE"] = case
        try:
            done = subprocess.run([str(program)], env=environment, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, timeout=900)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def mutate(bench, file, old, new):
    """An object of the changed file; None if the table is out of date."""
    text = (ROOT / "server/learning" / file).read_text()
    for before, after in old if isinstance(old, list) else [(old, new)]:
        if text.count(before) != 1:
            return None
        text = text.replace(before, after)
    source = bench.work / file
    source.write_text(text)
    return bench.compile(source, "mutant")


def main():
    build, wanted = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(build, pathlib.Path(work))
        for name, file, old, new, where in MUTANTS:
            if wanted and name not in wanted:
                continue
            test, _, case = where.partition(" ")
            mutant = mutate(bench, file, old, new)
            if mutant is None:
                failed += 1
                print(f"{file}: '{name}': its line is not there exactly once", flush=True)
            elif bench.run(test, [mutant], case):
                failed += 1
                print(f"{file}: '{name}': test_{where} stays green", flush=True)
            else:
                passed += 1
                print(f"{file}: '{name}' is seen by test_{where}", flush=True)
    print(f"mutants: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
