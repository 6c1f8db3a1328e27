"""The mocks themselves: that they say what they are, record, replay, and can be run by hand."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.errors import ConfigurationError, InputError, UnknownNameError
from ipfs_accelerate.gateway import ChatRequest, Endpoint, Gateway, Key, Message
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.testing.providers import MockProvider, Recorder, Replay, dialect_names, faults
from ipfs_accelerate.testing.providers.__main__ import parse_fault

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-a-very-secret-key-0123456789"


async def answers(provider: str, url: str, words: str = "hello there") -> tuple[str, list[str]]:
    """What a gateway reads at an address: a whole answer, and the pieces of a streamed one."""
    request = ChatRequest("e/m", (Message("user", words),))
    async with Gateway([Endpoint("e", provider, url, keys=(Key("k", Secret(SECRET)),))]) as gate:
        whole = await gate.ask(request)
        async with gate.stream(request) as stream:
            return whole.text, [piece.text async for piece in stream if piece.text]


@pytest.mark.parametrize("provider", [name for name in dialect_names() if name != "tei"])
def test_what_was_recorded_is_replayed_and_holds_no_key(provider: str, tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with MockProvider(provider) as mock, Recorder(mock.url, tape) as recorder:
        first = asyncio.run(answers(provider, recorder.url))
        root = mock.url.removeprefix(f"http://127.0.0.1:{mock.port}")
    assert len(tape.read_text().splitlines()) == 2
    with Replay(tape) as replay:
        again = asyncio.run(answers(provider, replay.url + root))
    assert again == first
    assert SECRET not in tape.read_text()


def test_a_key_that_the_service_repeats_is_blotted_out(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with (
        MockProvider("gemini", answers=f"your key is {SECRET}") as mock,
        Recorder(mock.url, tape) as recorder,
    ):
        url = f"{recorder.url}/models/m:generateContent?key={SECRET}"
        body = json.dumps({"contents": [{"parts": [{"text": "hi"}]}]}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, body)) as answer:
            assert SECRET in answer.read().decode()
    assert SECRET not in tape.read_text()
    assert "[key]" in tape.read_text()


def test_what_was_not_recorded_is_a_404_that_explains(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with MockProvider("openai") as mock, Recorder(mock.url, tape) as recorder:
        asyncio.run(answers("openai", recorder.url))
    with Replay(tape) as replay, pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(replay.url + "/v1/chat/completions", b'{"other": 1}')
    with caught.value as refused:
        assert refused.code == 404
        assert refused.headers["X-Mock-Provider"] == "replay"
        said = json.loads(refused.read())["error"]["message"]
    assert (
        said == "POST /v1/chat/completions was not recorded with this body, but 2 times with others"
    )


def test_half_an_answer_is_not_recorded(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"

    with (
        MockProvider("openai", faults=[faults.CutMidStream()]) as mock,
        Recorder(mock.url, tape) as recorder,
        pytest.raises((OSError, http.client.HTTPException)),
        urllib.request.urlopen(recorder.url + "/chat/completions", b"{}") as answer,
    ):
        answer.read()
    assert not tape.exists()


@pytest.mark.parametrize("line", ["{}", "nonsense", '{"version": 2}', "[]", '{"version": 1}'])
def test_a_file_that_is_no_recording_is_refused(line: str, tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.write_text(line + "\n")
    with pytest.raises(InputError, match=r"line 1 of tape\.jsonl"):
        Replay(tape)


def test_addresses_and_names_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Recorder("localhost:80", tmp_path / "tape")
    with pytest.raises(UnknownNameError):
        MockProvider("opnai")


def test_a_mock_says_what_it_is_and_shows_no_key_in_what_it_saw() -> None:
    with MockProvider("openai", keys={"mine": SECRET}) as mock:
        request = urllib.request.Request(
            mock.url + "/models", headers={"Authorization": f"Bearer {SECRET}"}
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["X-Mock-Provider"] == "openai"
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(mock.url + "/models")
        caught.value.close()
        assert caught.value.code == 401
        assert [seen.key for seen in mock.requests] == ["mine", None]
        assert SECRET not in repr(mock.requests)


def test_nonsense_on_the_wire_does_not_stop_a_mock() -> None:
    import socket

    with MockProvider("openai") as mock:
        for data in (b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"\0"):
            with socket.create_connection(("127.0.0.1", mock.port)) as raw:
                raw.sendall(data)
        with urllib.request.urlopen(mock.url + "/models") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("CutMidStream:after=3,times=1", faults.CutMidStream(after=3, times=1)),
        ("Status:status=429,retry_after=2", faults.Status(status=429, retry_after=2.0)),
        ("Status:status=429,retry_after=soon", faults.Status(status=429, retry_after="soon")),
        ("SlowFirst:wait_s=0.5,has_headers=true", faults.SlowFirst(wait_s=0.5, has_headers=True)),
        ("RefuseConnection", faults.RefuseConnection()),
    ],
)
def test_faults_can_be_written_as_text(text: str, fault: faults.Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize("text", ["Stutus", "Status:stat=1", "Status:status=x", "RequestFault"])
def test_faults_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises((InputError, UnknownNameError)):
        parse_fault(text)


def test_a_mock_can_be_run_by_hand() -> None:
    command = [sys.executable, "-m", "ipfs_accelerate.testing.providers", "ollama"]
    arguments = ["--answer", "by hand", "--fault", "Status:status=503,times=1"]
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        url = process.stderr.readline().split()[2]
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url + "/api/tags")
        caught.value.close()
        body = json.dumps({"model": "m", "messages": [], "stream": False}).encode()
        with urllib.request.urlopen(url + "/api/chat", body) as answer:
            assert json.loads(answer.read())["message"]["content"] == "by hand"
    finally:
        process.terminate()
        process.communicate(timeout=10)
