"""``accel gateway`` as its user meets it: a settings file, two mocks, a real server process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.testing.providers import MockProvider, faults


@pytest.fixture
def mock():
    with MockProvider("openai", answers="one two", keys={"k": "sk-right"}) as one:
        yield one


@pytest.fixture
def place(mock, tmp_path, monkeypatch):
    """A folder with a settings file: nobody at the first endpoint, the mock at the second."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "ipfs-accelerate.toml").write_text(
        f"""
        [gateway.endpoints.dead]
        provider = "ollama"
        base_url = "http://127.0.0.1:{port}"

        [gateway.endpoints.live]
        provider = "openai"
        base_url = "{mock.url}"
        keys = ["env:GATEWAY_TEST_KEY"]

        [gateway.routes.assistant]
        candidates = ["dead/x", "live/gpt"]
        """
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_TEST_KEY", "sk-right")
    return tmp_path


@pytest.fixture
def accel(place, capsys):
    def run(*arguments):
        try:
            status = _run(["gateway", *arguments])
        except SystemExit as end:
            status = end.code
        return status, capsys.readouterr()

    return run


def test_a_question_is_answered_and_who_answered_is_told_beside(accel) -> None:
    status, printed = accel("ask", "assistant", "hello")
    assert (status, printed.out) == (0, "one two\n")
    assert "live in" in printed.err
    assert "dead: connectivity" in printed.err


def test_a_streamed_answer_is_the_same_text(accel) -> None:
    status, printed = accel("ask", "assistant", "hello", "--stream")
    assert (status, printed.out) == (0, "one two\n")


def test_an_answer_as_json_has_its_schema(accel) -> None:
    status, printed = accel("ask", "live/gpt", "hello", "--json")
    found = json.loads(printed.out)
    assert status == 0
    assert found["schema"] == "ipfs-accelerate/gateway-ask/1"
    assert (found["text"], found["endpoint"], found["tries"]) == ("one two", "live", 1)


def test_an_unknown_model_is_a_mistake_in_use(accel) -> None:
    status, printed = accel("ask", "nobody", "hello")
    assert status == 2
    assert "known: assistant" in printed.err


def test_failing_services_are_unavailable(accel, mock) -> None:
    mock.fail(faults.Status(401))
    status, printed = accel("ask", "assistant", "hello", "--deadline", "20")
    assert status == 3
    assert "sk-right" not in printed.out + printed.err


def test_a_check_names_who_is_there_and_who_is_not(accel) -> None:
    status, printed = accel("check", "--timeout", "5", "--json")
    found = {one["endpoint"]: one for one in json.loads(printed.out)["endpoints"]}
    assert status == 1
    assert found["dead"]["error"]["code"] == "connectivity"
    assert found["live"]["models"]
    assert found["live"]["key"] == "env:GATEWAY_TEST_KEY"
    status, printed = accel("check")
    assert "Connection refused" in " ".join(printed.out.split())
    assert "sk-right" not in printed.out


def test_a_key_that_is_missing_is_told_before_anything_starts(accel, monkeypatch) -> None:
    monkeypatch.delenv("GATEWAY_TEST_KEY")
    for command in (("serve", "--port", "0"), ("check",), ("ask", "assistant", "x")):
        status, printed = accel(*command)
        assert status == 2
        assert "GATEWAY_TEST_KEY" in printed.err


def test_capabilities_are_those_of_all_kinds_of_services(accel) -> None:
    status, printed = accel("capabilities", "--json")
    rows = {row["provider"]: row for row in json.loads(printed.out)["providers"]}
    assert status == 0
    assert len(rows) >= 10
    assert rows["openai"]["chat"]
    assert accel("capabilities")[0] == 0


def test_statistics_of_nobody_are_unavailable(accel) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    status, printed = accel("stats", "--url", url)
    assert status == 3
    assert "accel gateway serve" in printed.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_serves_counts_and_ends_in_order(place, accel, monkeypatch, number) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ipfs_accelerate", "gateway", "serve", "--port", "0", "--json"],
        cwd=place, env={**os.environ}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    text = ""
    while not text.endswith("}\n"):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        text += line
    told = json.loads(text)
    headers = {"Authorization": f"Bearer {told['token']}"}
    body = {"model": "assistant", "messages": [{"role": "user", "content": "hello"}]}
    url = told["url"]
    answer = httpx.post(url + "/chat/completions", json=body, headers=headers, timeout=20)
    assert answer.json()["choices"][0]["message"]["content"] == "one two"
    metrics = httpx.get(url.removesuffix("/v1") + "/metrics", headers=headers).text
    assert 'outcome="ok",route="assistant"} 1.0' in metrics
    monkeypatch.setenv("IPFS_ACCELERATE_GATEWAY_TOKEN", told["token"])
    status, printed = accel("stats", "--url", url, "--json")
    assert status == 0
    assert json.loads(printed.out)["routes"][0]["outcomes"] == {"ok": 1}
    assert accel("stats", "--url", url)[0] == 0
    monkeypatch.setenv("IPFS_ACCELERATE_GATEWAY_TOKEN", "wrong")
    status, printed = accel("stats", "--url", url)
    assert "wants its token" in printed.err
    taken = url.removesuffix("/v1").rpartition(":")[2]
    status, printed = accel("serve", "--port", taken)
    assert status == 2
    assert "Address already in use" in printed.err
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out == ""
    assert "stopped after 1 call\n" in err
    assert "Traceback" not in err
