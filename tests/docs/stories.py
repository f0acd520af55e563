#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stories.py BUILD [STORY...]: each story of docs/stories, pasted block by block into one shell beside a daemon of its
own, as it is printed but for the port (one with ```sh blocks brings its daemon: fenced_story.py). A block whose first
line begins with curl, a loop or a function is pasted; one that follows such a block and does not is the answer. In it
"..." is anything, and numbers that no two runs share (with a decimal point, or of ten digits and more, or hexadecimal
names) are any such number; accuracies are held to 0.1. Ends with "N passed, N failed"."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, ".."))
import fenced_story  # noqa: E402
STORIES = os.path.join(TOP, "docs", "stories")
COMMAND = re.compile(r"curl |for |[a-z_]+\(\) \{")
NUMBER = r"-?[0-9]+\.[0-9]+(?:e-?[0-9]+)?"


def blocks(text):
    """Runs of indented lines, as [is a command, text]."""
    found, lines = [], []
    for line in text.split("\n") + ["end"]:
        if line.startswith("    "):
            lines.append(line[4:])
        elif lines:
            block = "\n".join(lines)
            found.append([bool(COMMAND.match(block)), block])
            lines = []
    return found


def pattern(answer):
    """A regular expression for the answer as it is printed."""
    pieces = []
    for word in re.split(r"(\s*\.\.\.\s*|%s|\b[0-9]{10,}\b|\b[0-9a-f]{16,}\b)" % NUMBER, answer):
        if word.strip() == "...":
            pieces.append(".*")
        elif re.fullmatch(NUMBER, word):
            pieces.append("(%s|-?[0-9]+)" % NUMBER)
        elif re.fullmatch("[0-9]{10,}|[0-9a-f]{16,}", word):
            pieces.append("[0-9a-f]+")
        else:
            pieces.append(re.escape(re.sub(r"\s+", "", word)))
    return re.compile("".join(pieces), re.S)


def accuracies(text):
    return [float(number) for number in re.findall(r'"accuracy":\s*([0-9.]+)', text)]


def differs(printed, got):
    """What is wrong with an answer, or None."""
    if not pattern(re.sub(r"[ \t]+\n|\n[ \t]*", "", printed)).match(re.sub(r"\s+", "", got)):
        return "printed: %s\ngot: %s" % (printed, got[:2000])
    for wanted, found in zip(accuracies(printed), accuracies(got)):
        if abs(wanted - found) > 0.1:
            return "accuracy %g is printed, %g was found" % (wanted, found)
    return None


def run(path, inferd):
    with open(path) as file:
        parts = blocks(file.read())
    folder = tempfile.mkdtemp(prefix="inferd-story-")
    os.symlink(os.path.join(TOP, "examples"), os.path.join(folder, "examples"))
    from support.daemon_fixture import Daemon
    failures, count = [], 0
    os.environ["INFERD"] = inferd
    with Daemon("--model-repository", os.path.join(TOP, "examples", "models"), "--state-dir",
                os.path.join(folder, "state"), model=None) as daemon:
        address = "%s:%d" % tuple(daemon.address)
        script = ["exec 2>&1"]
        commands = [index for index, part in enumerate(parts) if part[0]]
        for index in commands:
            script += [parts[index][1].replace("localhost:8080", address), "printf '\\n@@%d %d@@\\n' " + str(index) + " $?"]
        done = subprocess.run(["bash"], input="\n".join(script), cwd=folder, text=True, timeout=300,
                              stdout=subprocess.PIPE)
    shutil.rmtree(folder)
    outputs = re.split(r"\n@@(\d+) (\d+)@@\n", done.stdout)
    answers = {int(index): (text, int(status))
               for text, index, status in zip(outputs[::3], outputs[1::3], outputs[2::3])}
    for index in commands:
        text, status = answers.get(index, ("it never came so far: " + done.stdout[-500:], 1))
        count += 1
        wrong = None
        if os.environ.get("STORIES_SHOW"):
            print(index + 1, text[:600])
        if status != 0 or '"error"' in text:
            wrong = "exit %d: %s" % (status, text[:1000])
        elif index + 1 < len(parts) and not parts[index + 1][0]:
            wrong = differs(parts[index + 1][1], text)
        if wrong:
            failures.append("%s: block %d: %s\n%s" % (os.path.basename(path), index + 1, parts[index][1], wrong))
    return count, failures


def main():
    inferd = os.path.abspath(os.path.join(sys.argv[1], "inferd"))
    passed = failed = 0
    for name in sorted(os.listdir(STORIES)):
        if not name.endswith(".md") or name == "README.md" or (len(sys.argv) > 2 and name not in sys.argv[2:]):
            continue
        path = os.path.join(STORIES, name)
        with open(path) as file:
            is_fenced = "```sh\n" in file.read()
        if is_fenced:
            good, failures = fenced_story.run(path, sys.argv[1])
            count = good + len(failures)
        else:
            count, failures = run(path, inferd)
        passed += count - len(failures)
        failed += len(failures)
        for failure in failures:
            print("FAILED", failure)
    print("%d passed, %d failed" % (passed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
