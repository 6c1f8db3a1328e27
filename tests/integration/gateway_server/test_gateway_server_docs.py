"""The pages on the gateway hold: their settings, their examples, their tables."""

from __future__ import annotations

import asyncio
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from ipfs_accelerate.gateway import configuration
from ipfs_accelerate.gateway.reliability import ReliabilitySettings

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "gateway.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_settings_are_taken_by_the_gateway(tmp_path, monkeypatch) -> None:
    secret = tmp_path / "key"
    secret.write_text("sk-file")
    secret.chmod(0o600)
    text, tail = blocks("toml")
    text = text.replace("/etc/openai-key", str(secret)).replace("keyring:anthropic/work", "env:A")
    environ = {"OPENAI_API_KEY": "sk-a", "A": "sk-b"}
    found = configuration.configure(tomllib.loads(text)["gateway"], environ=environ)
    assert [route.name for route in found.routes] == ["assistant", "minilm"]
    assert len(found.endpoints) == 4
    long_tail = configuration.configure(
        tomllib.loads(tail)["gateway"], environ={"MISTRAL_API_KEY": "sk-c"}
    )
    assert [endpoint.provider for endpoint in long_tail.endpoints] == ["litellm"]


def test_every_setting_is_in_a_table() -> None:
    models = [
        getattr(configuration, name)
        for name in (
            "_Allowance",
            "_Key",
            "_Limits",
            "_Endpoint",
            "_Weighted",
            "_Route",
            "_Sharing",
        )
    ]
    names = {field.alias or name for one in models for name, field in one.model_fields.items()}
    names |= {field.name for field in fields(ReliabilitySettings)} - {"hedged"}
    tables = "".join(line for line in PAGE.splitlines() if line.startswith("|"))
    assert {name for name in names if f"`{name}`" not in tables} == set()


def test_the_example_of_openai_s_client_runs(serve, monkeypatch, capsys) -> None:
    pytest.importorskip("openai", reason="OpenAI's client is not installed")
    (code,) = blocks("py")

    async def main() -> None:
        async with serve(answers="A name for bytes") as served:
            monkeypatch.setenv("OPENAI_BASE_URL", served.url)
            monkeypatch.setenv("OPENAI_API_KEY", served.token)
            scope: dict[str, object] = {}
            await asyncio.to_thread(exec, compile(code, "gateway.md", "exec"), scope)
            scope["client"].close()  # type: ignore[attr-defined]

    asyncio.run(main())
    assert capsys.readouterr().out == "A name for bytes\n"
