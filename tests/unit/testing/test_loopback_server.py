"""What every fake server on loopback promises."""

from __future__ import annotations

import http.client
import threading

import pytest

from ipfs_accelerate.testing.loopback import LoopbackHandler, LoopbackServer, ScriptedServer


class Echo(LoopbackHandler):
    def do_GET(self) -> None:  # noqa: N802
        fault = None
        if isinstance(self.server.owner, ScriptedServer):
            fault = self.server.owner.take_fault(self.path)
        if self.path == "/never":
            self.server.owner.stopping.wait()
        if self.path == "/bug":
            raise RuntimeError("a bug of the fake")
        self.send_response(fault or 200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def ask(server: LoopbackServer, path: str = "/") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_end_of_a_server_ends_connections_that_idle_or_hang_and_every_thread() -> None:
    before = set(threading.enumerate())
    with LoopbackServer(Echo) as server:
        idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        idle.request("GET", "/")
        idle.getresponse().read()
        hangs = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        hangs.request("GET", "/never")
        assert server.connections >= 1
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionError):
        ask(server)
    server.stop()
    idle.close()
    hangs.close()


def test_a_server_that_never_listened_can_be_stopped() -> None:
    LoopbackServer(Echo).stop()


def test_faults_happen_as_often_as_told_to_those_that_fit() -> None:
    with ScriptedServer[str, int](Echo) as server:
        server.fail_where(lambda path: path == "/a", 503, times=2)
        assert [ask(server, path) for path in ("/b", "/a", "/a", "/a")] == [200, 503, 503, 200]
        server.fail_where(lambda _: True, 500, times=9)
        server.heal()
        assert ask(server) == 200
        assert server.requests == ["/b", "/a", "/a", "/a", "/"]


def test_a_bug_of_a_handler_is_shown_and_a_client_that_left_is_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with LoopbackServer(Echo) as server:
        left = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        left.connect()
        left.close()
        with pytest.raises(http.client.HTTPException):
            ask(server, "/bug")
    assert capfd.readouterr().err.count("RuntimeError: a bug of the fake") == 1
