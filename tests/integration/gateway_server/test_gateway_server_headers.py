"""What travels in headers, and the server as curl sees it."""

from __future__ import annotations

import asyncio
import json
import shutil

import aiohttp
import pytest

from ipfs_accelerate.errors import ConfigurationError
from ipfs_accelerate.gateway import Endpoint, Gateway, Priority
from ipfs_accelerate.gateway.server import GatewayServer
from ipfs_accelerate.testing.providers import Answer, faults

CHAT = {"model": "assistant", "messages": [{"role": "user", "content": "hello"}]}


async def post(session, served, headers=None, path="/chat/completions", body=None):
    async with session.post(
        served.url + path, json=body or CHAT, headers={**served.authorization, **(headers or {})}
    ) as answer:
        return answer.status, answer.headers, await answer.json()


def test_the_name_of_a_request_goes_through_and_comes_back(serve) -> None:
    async def main() -> None:
        async with serve() as served, aiohttp.ClientSession() as session:
            status, headers, _ = await post(session, served, {"X-Request-Id": "mine-1"})
            assert (status, headers["X-Request-Id"]) == (200, "mine-1")
            assert headers["X-Endpoint"] == "mock"
            _, headers, _ = await post(session, served)
            assert headers["X-Request-Id"].startswith("req-")
            assert served.records[0].request_id == "mine-1"

    asyncio.run(main())


def test_priority_and_deadline_are_those_asked_for(serve) -> None:
    async def main() -> None:
        fault = faults.SlowFirst()
        async with serve(faults=[fault]) as served, aiohttp.ClientSession() as session:
            asked = {"X-Priority": "HIGH", "X-Deadline-S": "0.05"}
            status, _, body = await post(session, served, asked)
            assert status == 504
            assert body["error"]["type"] == "server_error"
            assert served.records[0].priority is Priority.HIGH

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Priority", "urgent"),
        ("X-Deadline-S", "soon"),
        ("X-Deadline-S", "-1"),
        ("X-Deadline-S", "nan"),
        ("X-Deadline-S", "inf"),
        ("X-Request-Id", "a b"),
        ("X-Request-Id", "x" * 129),
        ("Idempotency-Key", "é"),
    ],
)
def test_a_header_that_says_nothing_clear_is_refused_by_name(serve, name, value) -> None:
    async def main() -> None:
        async with serve() as served, aiohttp.ClientSession() as session:
            status, _, body = await post(session, served, {name: value})
            assert (status, body["error"]["param"]) == (400, name)
            assert served.mock.requests == []

    asyncio.run(main())


def test_an_answer_from_the_cache_says_so_and_how_old_it_is(serve) -> None:
    async def main() -> None:
        vectors = Answer(vectors=((1.0, 0.0),))
        body = {"model": "assistant", "input": "a"}
        async with (
            serve(answers=vectors, cache_bytes=2**20) as served,
            aiohttp.ClientSession() as session,
        ):
            said = []
            for more in ({}, {}, {"Cache-Control": "no-cache"}):
                _, headers, _ = await post(session, served, more, "/embeddings", body)
                said.append((headers["X-Cache"], "Age" in headers))
            assert said == [("miss", False), ("hit", True), ("miss", False)]
            assert len(served.mock.requests) == 2

    asyncio.run(main())


def test_curl_reads_answers_and_streams(serve) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl here")

    async def run(served, body) -> str:
        process = await asyncio.create_subprocess_exec(
            curl, "-sSN", served.url + "/chat/completions",
            "-H", f"Authorization: Bearer {served.token}", "-d", json.dumps(body),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out.decode()

    async def main() -> None:
        async with serve(answers="one two") as served:
            whole = json.loads(await run(served, CHAT))
            assert whole["choices"][0]["message"]["content"] == "one two"
            lines = (await run(served, {**CHAT, "stream": True})).strip().split("\n\n")
            assert lines[-1] == "data: [DONE]"
            chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
            texts = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
            assert "".join(texts) == "one two"

    asyncio.run(main())


def test_it_listens_on_loopback_alone_unless_told_otherwise(serve) -> None:
    async def main() -> None:
        async with serve() as served:
            assert served.url.startswith("http://127.0.0.1:")

    asyncio.run(main())


def test_a_port_that_is_taken_is_told_as_such(serve) -> None:
    async def main() -> None:
        async with serve() as served, Gateway([Endpoint("o", "ollama")]) as other:
            second = GatewayServer(other, token="t", port=served.server.port)
            with pytest.raises(ConfigurationError, match="cannot listen"):
                await second.__aenter__()

    asyncio.run(main())


def test_health_needs_no_token_and_says_nothing_else(serve) -> None:
    async def main() -> None:
        async with serve() as served, aiohttp.ClientSession() as session:
            root = served.url.removesuffix("/v1")
            async with session.get(root + "/health") as answer:
                assert await answer.json() == {"status": "ok"}

    asyncio.run(main())
