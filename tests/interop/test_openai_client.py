"""OpenAI's own JavaScript client works against the gateway's server, unchanged."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from helia_node import HERE, node_binary

from ipfs_accelerate.gateway import Candidate, Endpoint, Gateway, Key, Route
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.gateway.server import GatewayServer
from ipfs_accelerate.testing.providers import Answer, Call, MockProvider

TOOL = Answer(calls=(Call("weather", '{"city":"Oslo"}', "call_7"),), finish="tool_calls")
VECTORS = Answer(vectors=((0.5, -0.25), (1.0, 0.0)))


def node() -> Path:
    found = node_binary()
    if found is None or not (HERE / "node_modules" / "openai").exists():
        pytest.skip("no Node with OpenAI's client here (scripts/setup dev)")
    return found


def endpoint(name: str, mock: MockProvider) -> Endpoint:
    return Endpoint(name, "openai", mock.url, keys=(Key("k", Secret("sk-mock")),), is_direct=False)


async def what_the_client_sees(binary: Path) -> dict[str, object]:
    with (
        MockProvider(answers="one two three") as texts,
        MockProvider(answers=TOOL) as tools,
        MockProvider(answers=VECTORS) as vectors,
    ):
        mocks = {"assistant": texts, "tools": tools, "vectors": vectors}
        endpoints = [endpoint(f"{name}-mock", mock) for name, mock in mocks.items()]
        routes = [Route(name, ((Candidate(f"{name}-mock", "m"),),)) for name in mocks]
        async with Gateway(endpoints, routes) as gateway, GatewayServer(gateway, token="t") as one:
            process = await asyncio.create_subprocess_exec(
                str(binary), "openai_client.mjs", one.url, "t",
                cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            async with asyncio.timeout(120):
                out, failure = await process.communicate()
    assert process.returncode == 0, failure.decode()
    found: dict[str, object] = json.loads(out)
    return found


@pytest.fixture(scope="module")
def seen() -> dict[str, object]:
    return asyncio.run(what_the_client_sees(node()))


def test_chats_streams_tools_and_vectors_are_those_it_expects(seen: dict[str, object]) -> None:
    assert seen["whole"] == seen["after"] == "one two three"
    pieces = seen["pieces"]
    assert isinstance(pieces, list)
    assert len(pieces) == 3
    assert "".join(pieces) == "one two three"
    assert seen["reason"] == "stop"
    assert seen["tokens"] == seen["streamedTokens"] == 10
    assert seen["call"] == {
        "id": "call_7",
        "name": "weather",
        "arguments": '{"city":"Oslo"}',
        "reason": "tool_calls",
    }
    assert seen["vectors"] == [[0.5, -0.25], [1.0, 0.0]]
    assert seen["models"] == ["assistant", "tools", "vectors"]


def test_failures_are_its_own_classes(seen: dict[str, object]) -> None:
    expected = {
        "unknown": ("NotFoundError", 404, "model_not_found"),
        "bad": ("BadRequestError", 400, "input"),
        "stranger": ("AuthenticationError", 401, "invalid_api_key"),
    }
    for name, wanted in expected.items():
        failure = seen[name]
        assert isinstance(failure, dict)
        assert (failure["name"], failure["status"], failure["code"]) == wanted
