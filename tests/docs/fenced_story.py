# SPDX-License-Identifier: Apache-2.0
"""A story that brings its own daemon: its ```sh blocks in one shell, as they stand but for the port, compared with the
```output block below each, where every number stands for any number."""
import os
import re
import socket
import subprocess
import tempfile

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
MARK = "--- end of block %d, status "


def blocks(path):
    """[(commands, expected output or None)]"""
    found = []
    with open(path) as file:
        for kind, text in re.findall(r"^```(\w+)\n(.*?)^```$", file.read(), re.S | re.M):
            if kind == "sh":
                found.append([text, None])
            elif kind == "output":
                found[-1][1] = text
    return found


def masked(text):
    return re.sub(r"-?\b\d+(\.\d+)?(e[-+]?\d+)?\b", "N", text).strip()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(story, build):
    """The number of blocks that do as printed, and the first one that does not in a list."""
    port = free_port()
    steps = blocks(story)
    script = "set -u -o pipefail\n"
    for k, (commands, _) in enumerate(steps):
        script += commands.replace(":8080", ":%d" % port)
        script += "echo '%s'$?\n" % (MARK % k)
    script += "kill $(jobs -p) 2>/dev/null; wait\n"
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(TOP, "examples"), os.path.join(folder, "examples"))
        environment = dict(os.environ, PATH=os.path.abspath(build) + ":" + os.environ["PATH"])
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True,
                              timeout=300)
    rest = done.stdout
    for k, (commands, expected) in enumerate(steps):
        mark = MARK % k
        if mark not in rest:
            return k, ["%s\nthe story ends here: %s%s" % (commands, rest[-500:], done.stderr[-1500:])]
        printed, rest = rest.split(mark, 1)
        printed = printed.lstrip("0123456789").lstrip("\n") if k > 0 else printed
        if not rest.startswith("0"):
            return k, ["%s\nfails: %s%s" % (commands, printed, done.stderr[-1500:])]
        if masked(printed) != masked(expected or ""):
            return k, ["%s\nprints\n%s\ninstead of\n%s\n%s" % (commands, printed, expected, done.stderr[-1500:])]
        rest = rest[1:]
    return len(steps), []
