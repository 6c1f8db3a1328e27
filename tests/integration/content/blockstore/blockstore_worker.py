"""Run as a script: forks workers that use a store, and kills them at a chosen line of its code.

Each line of standard input is a JSON job; one JSON line answers it. `{"do": "work", "seed": …,
"die_at": n}` runs one worker that dies (SIGKILL) when the n-th line of the block store's code
runs, 0 for never, and answers how many lines ran; `{"do": "race", "workers": n}` runs n at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from itertools import count
from pathlib import Path

import numpy as np

from ipfs_accelerate.content import blockstore, profile_named
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.dag import wrap_leaf
from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.reading import file_layout
from ipfs_accelerate.errors import QuotaExceededError

CODE = str(Path(blockstore.__file__).parent)
LINES = count(1)


def trace(die_at):
    def on_line(frame, event, _):
        if event == "line" and next(LINES) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    def on_call(frame, event, _):
        return on_line if frame.f_code.co_filename.startswith(CODE) else None

    threading.settrace(on_call)
    sys.settrace(on_call)


def sample(path):
    profile = "unixfs-v0-2015" if path.stem.endswith("v0") else "unixfs-v1-2025"
    return hash_file(path, profile_named(profile), threads=1)


def fetch(store, path, order):
    """As a download does it: nodes first, then leaves in any order."""
    layout, interior = sample(path)
    data = path.read_bytes()
    with store.protecting(layout.root):
        for cid, block in interior:
            store.put(cid, block)
        if interior:
            layout = file_layout(layout.root, store)
        with store.begin(layout) as assembly:
            missing = assembly.missing()
            for leaf in [missing[at] for at in order.permutation(len(missing))]:
                assembly.write(leaf, data[leaf.offset : leaf.offset + leaf.size_bytes])
            assembly.finish()
    return layout.root


def shrink(store, quota_mib):
    """A quota below what an earlier job has pinned is refused, and only then."""
    try:
        store.collect(quota_mib * 2**20)
    except QuotaExceededError:
        if not store.pins():
            raise


def work(job):
    order = np.random.default_rng(job["seed"])
    files = sorted(Path(job["files"]).iterdir())
    with FileBlockStore(job["store"]) as store:
        shrink(store, int(order.integers(0, 6)))
        added, fetched = order.permutation(len(files))[:2]
        layout, interior = sample(files[added])
        store.add_file(files[added], layout, interior)
        root = fetch(store, files[fetched], order)
        if job.get("pin"):
            store.pin(root, name=files[fetched].name)
        store.place_tree(root, Path(job["out"]) / f"{os.getpid()}")
        store.check()
        shrink(store, int(order.integers(2, 6)))


def race(job, number):
    """Every worker keeps the same file, half by adding and half by fetching, while one collects."""
    path = min(Path(job["files"]).iterdir())
    order = np.random.default_rng(number)
    with FileBlockStore(job["store"]) as store:
        for _ in range(job["rounds"]):
            if number == 0 and job["workers"] > 2:
                store.collect()
            elif number % 2:
                layout, interior = sample(path)
                store.add_file(path, layout, interior)
            else:
                fetch(store, path, order)


def run(child):
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        child()
        code = 0
    except BaseException:  # noqa: BLE001 - the border of a process
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def work_job(job):
    reader, writer = os.pipe()

    def child():
        trace(job["die_at"])
        work(job)
        sys.settrace(None)
        os.write(writer, str(next(LINES)).encode())

    pid = run(child)
    os.close(writer)
    _, status = os.waitpid(pid, 0)
    lines = os.read(reader, 64)
    os.close(reader)
    return {"signal": os.WTERMSIG(status), "code": os.WEXITSTATUS(status), "lines": int(lines or 0)}


def race_job(job):
    reader, writer = os.pipe()

    def child(number):
        os.close(writer)
        os.read(reader, 1)  # all begin when the parent closes the pipe
        race(job, number)

    pids = [run(lambda number=number: child(number)) for number in range(job["workers"])]
    os.close(reader)
    os.close(writer)
    return {"codes": [os.WEXITSTATUS(os.waitpid(pid, 0)[1]) for pid in pids]}


if __name__ == "__main__":
    wrap_leaf(b"")  # everything is imported before the first fork
    for line in sys.stdin:
        job = json.loads(line)
        answer = work_job(job) if job["do"] == "work" else race_job(job)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
