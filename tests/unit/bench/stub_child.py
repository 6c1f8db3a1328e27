"""Speaks the child's protocol and dies as it is told; loads nothing, so that tests are fast."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading


def leave(code):
    sys.stderr.write("last words\n")
    sys.stderr.flush()
    os._exit(code)


def hog(_):
    blocks = []
    while True:
        blocks.append(bytearray(b"x" * 2**23))


def grandchild_hog(mebibytes):
    code = f"b = bytearray(b'x' * ({mebibytes} << 20)); input()"
    subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE).wait()


def endless_line(_):
    while True:
        os.write(int(sys.argv[2]), b"x" * 65536)


def flood(_):
    while True:
        sys.stdout.write("garbage " * 4096)


def garbage(count):
    sys.stdout.buffer.write(os.urandom(count))
    sys.stdout.flush()
    sys.stderr.write("noise")
    sys.stderr.flush()


def garbage_reply(_):
    os.write(int(sys.argv[2]), b"\xff\x00 no json\n")
    threading.Event().wait()


def spawn(own_session):
    code = "import threading; threading.Event().wait()"
    return {
        "pid": subprocess.Popen([sys.executable, "-c", code], start_new_session=own_session).pid
    }


def spin(_):
    def forever():
        while True:
            pass

    threading.Thread(target=forever, daemon=True).start()


FAULTS = {
    "segfault": lambda _: ctypes.string_at(0),
    "sigkill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda _: threading.Event().wait(),
    "exit": leave,
    "nothing": lambda _: {},
    **{f.__name__: f for f in (hog, grandchild_hog, endless_line, flood, garbage, garbage_reply)},
    **{f.__name__: f for f in (spawn, spin)},
}

with os.fdopen(int(sys.argv[1])) as requests, os.fdopen(int(sys.argv[2]), "w") as replies:
    for line in requests:
        request = json.loads(line)
        if request["command"] == "error":
            error = {"code": request["argument"], "category": "execution", "message": "scripted"}
            reply = {"error": error}
        else:
            reply = {"result": FAULTS[request["command"]](request.get("argument")) or {}}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
