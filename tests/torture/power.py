# SPDX-License-Identifier: Apache-2.0
"""Disks that fail. One whose power can be cut: ext4 on a loop device, shut down by ioctl without writing anything back. What no
sync has made durable is lost, names and lengths of files as well as what is in them. Needs root and a kernel that has
both; else why_not() says what is missing. And one that is full: a small tmpfs."""
import fcntl
import os
import pathlib
import random
import shutil
import struct
import subprocess

IMAGE_BYTES = 256 << 20
FULL_BYTES = 96 << 20
SHUTDOWN = 0x8004587d          # EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32)
LOG_FLUSHED, NOTHING_FLUSHED = 1, 2


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, command))}: {done.stdout.strip() or done.returncode}")


class Disk:
    blow = "power cuts"
    silences = True            # its machine says nothing after the cut

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.image, self.path, self.cuts = folder / "disk.img", folder / "disk", 0
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_BYTES)
        run("mkfs.ext4", "-q", "-F", self.image)
        self.path.mkdir()
        self.mount()

    def mount(self):
        run("mount", "-o", "loop", self.image, self.path)

    def cut(self):
        """From here on every write and sync fails. By turns the file system's own log is written out or not: names
        and lengths may then be there without their content, or neither."""
        self.cuts += 1
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", LOG_FLUSHED if self.cuts % 3 == 0 else NOTHING_FLUSHED))
        finally:
            os.close(fd)

    def power_on(self):
        run("umount", self.path)
        self.mount()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        subprocess.run(["umount", self.path], stderr=subprocess.DEVNULL)


class FullDisk:
    """cut() leaves a random rest of less than 64 KiB; from then on writes fail, soon or at once."""

    blow = "times the disk was full"
    silences = False

    def __init__(self, folder, seed):
        self.path, self.chance = pathlib.Path(folder) / "disk", random.Random(seed)
        self.path.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={FULL_BYTES}", "none", self.path)

    def cut(self):
        with open(self.path / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(1 << 20))
            except OSError:
                pass
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass
            filler.truncate(max(0, filler.tell() - 4096 * self.chance.randrange(16)))

    def power_on(self):
        (self.path / "filler").unlink()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        subprocess.run(["umount", self.path], stderr=subprocess.DEVNULL)


def why_not(folder):
    """None if power can be cut here: tried, not guessed."""
    if os.geteuid() != 0:
        return "mounting a file system needs root"
    for tool in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(tool) is None:
            return f"{tool} is missing"
    try:
        with Disk(folder) as disk:
            kept, lost = disk.path / "kept", disk.path / "lost"
            kept.write_text("kept")
            os.sync()
            lost.write_text("lost")
            disk.cut()
            disk.power_on()
            if not kept.exists() or lost.exists():
                return "a shutdown of ext4 loses nothing here"
    except OSError as error:
        return str(error)
    return None
