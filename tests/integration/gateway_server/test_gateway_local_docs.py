"""The page on local models holds: a served process, OpenAI's client, the report of its calls."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ipfs_accelerate.gateway.configuration import configure

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "gateway-local.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return found


def accel(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ipfs_accelerate", *map(str, arguments)]


def test_the_settings_of_the_page_are_taken_and_close_the_machine_to_callers() -> None:
    found = configure(tomllib.loads(block("toml"))["gateway"], environ={})
    assert [route.name for route in found.routes] == ["minilm", "writer"]
    assert not found.endpoints[0].is_direct


@pytest.mark.slow
@pytest.mark.needs("minilm")
def test_openai_s_client_talks_to_a_local_model_and_the_calls_are_reported(
    minilm_directory, tmp_path, monkeypatch, capsys
) -> None:
    pytest.importorskip("openai", reason="OpenAI's client is not installed")
    monkeypatch.setenv("IPFS_ACCELERATE_DB_PATH", str(tmp_path / "ledger.duckdb"))
    serve = accel("gateway", "serve", "--port", 0, "--record")
    with subprocess.Popen(
        [*serve, "--local", f"minilm={minilm_directory}"],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url, token = process.stdout.readline().strip(), process.stdout.readline().split()[1]
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            monkeypatch.setenv("OPENAI_API_KEY", token)
            scope: dict[str, object] = {}
            exec(compile(block("py"), "gateway-local.md", "exec"), scope)
            scope["client"].close()  # type: ignore[attr-defined]
        finally:
            process.send_signal(signal.SIGINT)
    assert capsys.readouterr().out == "2 384 14\n"
    assert process.returncode == 0
    report = accel("gateway", "report", "--json")
    done = subprocess.run(report, capture_output=True, text=True, check=True, cwd=tmp_path)
    [route] = json.loads(done.stdout)["routes"]
    assert (route["route"], route["calls"], route["ok"]) == ("minilm", 1, 1)
    assert route["prompt_tokens"] == 14
