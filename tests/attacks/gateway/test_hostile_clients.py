"""What a client may do to the server without harm to others."""

from __future__ import annotations

import asyncio
import json
import logging
from urllib.parse import urlsplit

import aiohttp
import pytest

from ipfs_accelerate.gateway import Candidate, ChatRequest, Endpoint, Gateway, Message, Route
from ipfs_accelerate.gateway.providers.registry import make_provider
from ipfs_accelerate.testing.providers import Answer, Latency, faults

CHAT = {"model": "assistant", "messages": [{"role": "user", "content": "hello"}]}


async def post(session, served, body, headers=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with session.post(
        served.url + "/chat/completions",
        data=data,
        headers=served.authorization if headers is None else headers,
    ) as answer:
        return answer.status, await answer.json()


def answers_of(served, *requests: bytes) -> list[bytes]:
    """Raw bytes to the server, each on a connection of its own, and what comes back."""

    async def one(data: bytes) -> bytes:
        place = urlsplit(served.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(data)
        async with asyncio.timeout(20):
            found = await reader.read()
        writer.close()
        return found

    return [one(data) for data in requests]


def test_a_body_that_is_too_large_is_refused_in_the_form_that_clients_read(serve) -> None:
    async def main() -> None:
        async with (
            serve(server={"most_body_bytes": 10_000}) as served,
            aiohttp.ClientSession() as session,
        ):
            large = {**CHAT, "messages": [{"role": "user", "content": "x" * 20_000}]}
            status, body = await post(session, served, large)
            assert (status, body["error"]["code"]) == (413, "request_too_large")
            assert body["error"]["type"] == "invalid_request_error"
            assert (await post(session, served, CHAT))[0] == 200
            assert len(served.mock.requests) == 1

    asyncio.run(main())


def test_a_small_body_that_unpacks_to_a_large_one_is_refused(serve) -> None:
    import gzip

    async def main() -> None:
        async with (
            serve(server={"most_body_bytes": 100_000}) as served,
            aiohttp.ClientSession() as session,
        ):
            packed = gzip.compress(b" " * 10_000_000)
            headers = {**served.authorization, "Content-Encoding": "gzip"}
            status, body = await post(session, served, packed, headers)
            assert (status, body["error"]["code"]) == (413, "request_too_large")

    asyncio.run(main())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"[" * 200_000,
        b'{"model":' * 50_000,
        b'{"model": "assistant", "messages": [], "seed": ' + b"9" * 10_000 + b"}",
        json.dumps({**CHAT, "model": 7}).encode(),
        json.dumps({**CHAT, "messages": "hello"}).encode(),
        json.dumps({**CHAT, "messages": [{"role": "user", "content": "\ud800"}]}).encode(),
        json.dumps({**CHAT, "temperature": float("nan")}).encode(),
        json.dumps({**CHAT, "max_tokens": True}).encode(),
        json.dumps({**CHAT, "tools": [{"type": "function", "function": {"name": 1}}]}).encode(),
        json.dumps(
            {**CHAT, "tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}
        ).encode(),
        json.dumps(
            {
                **CHAT,
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "parameters": {"type": "array"}},
                    }
                ],
            }
        ).encode(),
        json.dumps(
            {
                **CHAT,
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "parameters": {"minimum": float("inf")}},
                    }
                ],
            }
        ).encode(),
    ],
    ids=lambda body: body[:24].decode("latin-1") + f" {len(body)}",
)
def test_a_body_without_sense_is_a_bad_request_and_asks_nobody(serve, body, caplog) -> None:
    async def main() -> None:
        async with serve() as served, aiohttp.ClientSession() as session:
            status, said = await post(session, served, body)
            assert status == 400
            assert said["error"]["type"] == "invalid_request_error"
            assert served.mock.requests == []

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert caplog.records == []


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic token-of-this-test",
        "token-of-this-test",
        "Bearer token-of-this-tesT",
        "Bearer token-of-this-test ",
        "Bearer é",
        "Bearer \udce9",
        "Bearer " + "x" * 4_000,
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/metrics", "/nowhere"])
def test_without_the_right_token_nothing_is_told(serve, authorization, path) -> None:
    async def main() -> None:
        async with serve() as served:
            lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close"]
            if authorization is not None:
                lines.append(f"Authorization: {authorization}")
            data = "\r\n".join([*lines, "", ""]).encode(errors="surrogateescape")
            (found,) = await asyncio.gather(*answers_of(served, data))
            if authorization == "Bearer token-of-this-test ":  # HTTP ignores the blank at the end
                assert not found.startswith(b"HTTP/1.1 401")
                return
            assert found.startswith(b"HTTP/1.1 401 ")
            assert b"authentication_error" in found
            assert b"token-of" not in found

    asyncio.run(main())


@pytest.mark.parametrize(
    "header",
    [
        b"X-Request-Id: a\r\n evil: 1",
        b"X-Request-Id: a\x00b",
        b"X-Request-Id: a\rb",
        b"X-Request-Id: \xff",
        b"Idempotency-Key: a\nX-Evil: 1",
        b"X-Priority: high\r\nX-Priority : low",
    ],
)
def test_no_header_is_smuggled_through(serve, header) -> None:
    async def main() -> None:
        async with serve() as served:
            body = json.dumps(CHAT).encode()
            data = (
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"Authorization: Bearer " + served.token.encode() + b"\r\n"
                b"Content-Length: "
                + str(len(body)).encode()
                + b"\r\n"
                + header
                + b"\r\n\r\n"
                + body
            )
            (found,) = await asyncio.gather(*answers_of(served, data))
            assert found.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
            assert b"\r\nevil" not in found.lower()
            assert served.mock.requests == []

    asyncio.run(main())


NAMES = [
    "../../../etc/passwd",
    "..",
    "a/../../b",
    "x?key=1",
    "x#fragment",
    "a b",
    "a%2e%2e%2f",
    "x\\..\\y",
    "//other.example/x",
    "http://other.example/",
    "é",
    "@other.example",
    ":generateContent?x=",
]


@pytest.mark.parametrize("model", [*NAMES, "a\r\nX-Evil: 1", "a\x00b", "a\tb"])
@pytest.mark.parametrize("kind", ["gemini", "ovms", "openai", "anthropic", "ollama", "opea"])
def test_a_model_s_name_never_leads_to_another_address(kind, model) -> None:
    from yarl import URL

    from ipfs_accelerate.errors import InputError

    provider = make_provider(kind, None)
    request = ChatRequest(model, (Message("user", "hello"),))
    try:
        built = provider.build(request, key="k")
    except InputError:
        return
    usual = provider.build(ChatRequest("usual", request.messages), key="k")
    sent, wanted = URL(built.url), URL(usual.url)
    assert sent.host == wanted.host
    assert sent.query == wanted.query
    assert sent.fragment == ""
    assert len(sent.raw_parts) == len(wanted.raw_parts)
    assert sent.raw_parts[:-1] == wanted.raw_parts[:-1]
    assert all(value.isprintable() for value in built.headers.values())


@pytest.mark.parametrize("model", NAMES)
def test_a_name_over_the_server_reaches_no_other_path(serve, model) -> None:
    async def main() -> None:
        async with serve("gemini") as served, aiohttp.ClientSession() as session:
            await post(session, served, {**CHAT, "model": f"mock/{model}"})
            for seen in served.mock.requests:
                assert seen.path.startswith("/v1beta/models/")
                assert seen.path.endswith(":generateContent")
                assert "other.example" not in seen.headers["host"]

    asyncio.run(main())


def test_who_vanishes_in_the_middle_of_a_stream_frees_the_service(serve) -> None:
    async def main() -> None:
        script = {"answers": Answer(tuple("word " for _ in range(50)))}
        async with serve(**script, faults=[faults.StallMidStream(after=3)]) as served:
            async with aiohttp.ClientSession() as session:
                answer = await session.post(
                    served.url + "/chat/completions",
                    json={**CHAT, "stream": True},
                    headers=served.authorization,
                )
                await answer.content.readany()
                answer.close()
            left = await asyncio.to_thread(
                served.mock.wait_until,
                lambda seen: bool(seen) and seen[0].outcome == "client_left",
                10.0,
            )
            assert left
            assert served.gateway.engine.dispatcher.snapshot().in_flight == 0
            assert [record.outcome for record in served.records] == ["cancelled"]

    asyncio.run(main())


def test_who_vanishes_before_the_answer_frees_the_service(serve) -> None:
    async def main() -> None:
        async with serve(latency=Latency(first_s=3600)) as served:
            place = urlsplit(served.url)
            _, writer = await asyncio.open_connection(place.hostname, place.port)
            body = json.dumps(CHAT)
            writer.write(
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                f"Authorization: Bearer {served.token}\r\n\r\n{body}".encode()
            )
            assert await asyncio.to_thread(served.mock.wait_until, bool, 10.0)
            writer.transport.abort()
            left = await asyncio.to_thread(
                served.mock.wait_until, lambda seen: seen[0].outcome == "client_left", 10.0
            )
            assert left
            assert served.gateway.engine.dispatcher.snapshot().in_flight == 0

    asyncio.run(main())


def test_a_body_that_never_comes_ends_in_a_time_out(serve) -> None:
    async def main() -> None:
        async with serve(server={"body_timeout_s": 0.05}) as served:
            data = (
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
                b"Connection: close\r\nAuthorization: Bearer "
                + served.token.encode()
                + b"\r\n\r\n{"
            )
            (found,) = await asyncio.gather(*answers_of(served, data))
            assert found.startswith(b"HTTP/1.1 408 ")
            assert b'"code": "request_timeout"' in found

    asyncio.run(main())


@pytest.mark.parametrize(
    "data",
    [b"", b"POST /v1/chat/completions HTTP/1.1\r\n", b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: "],
    ids=["nothing", "a line", "half a header"],
)
def test_headers_that_never_come_end_the_connection(serve, data: bytes) -> None:
    async def main() -> None:
        async with serve(server={"idle_timeout_s": 0.05}) as served:
            assert await asyncio.gather(*answers_of(served, data)) == [b""]

    asyncio.run(main())


def test_headers_that_come_byte_by_byte_end_the_connection_and_nobody_elses(serve) -> None:
    async def drip(served) -> int:
        place = urlsplit(served.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(b"GET /health HTTP/1.1\r\nX-Slow: ")
        ended = asyncio.create_task(reader.read())
        sent = 0
        while not (await asyncio.wait([ended], timeout=0.01))[0]:
            writer.write(b"a")
            sent += 1
        writer.transport.abort()
        return sent

    async def main() -> None:
        slow = Latency(first_s=0.4, gap_s=0.05)
        async with (
            serve(server={"idle_timeout_s": 0.1}, latency=slow) as served,
            aiohttp.ClientSession() as session,
        ):
            async with asyncio.timeout(20):
                (status, _), sent = await asyncio.gather(post(session, served, CHAT), drip(served))
            assert status == 200  # it took longer than headers may
            assert sent > 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("chat/completions", {"n": 2}),
        ("chat/completions", {"n": -1}),
        ("completions", {"n": 2}),
        ("completions", {"best_of": 3}),
        ("completions", {"stream": True}),
    ],
)
def test_what_is_not_offered_is_refused_by_name_and_not_ignored(serve, path, field) -> None:
    async def main() -> None:
        async with serve() as served, aiohttp.ClientSession() as session:
            asked = {"model": "assistant", "prompt": "one"} if path == "completions" else CHAT
            async with session.post(
                f"{served.url}/{path}", json={**asked, **field}, headers=served.authorization
            ) as answer:
                error = (await answer.json())["error"]
            assert (answer.status, error["param"]) == (400, next(iter(field)))
            assert error["type"] == "invalid_request_error"
            assert not served.mock.requests

    asyncio.run(main())


def test_nothing_of_one_request_reaches_another(serve) -> None:
    """A hundred at once, whole and streamed, each with a word of its own."""

    async def ask(session, served, number: int) -> None:
        word = f"marker-{number:04d}"
        body = {
            "model": "assistant",
            "stream": number % 2 == 0,
            "messages": [{"role": "user", "content": word}],
            "user": word,
        }
        async with session.post(
            served.url + "/chat/completions",
            json=body,
            headers={**served.authorization, "X-Request-Id": word},
        ) as answer:
            assert answer.headers["X-Request-Id"] == word
            text = await answer.text()
        assert word in text
        assert text.count("marker-") == text.count(word)

    async def main() -> None:
        async with serve() as served, aiohttp.ClientSession() as session:
            await asyncio.gather(*(ask(session, served, number) for number in range(100)))
            for seen in served.mock.requests:
                assert seen.body["user"] == seen.body["messages"][0]["content"]

    asyncio.run(main())


def test_no_key_and_no_token_is_in_anything_that_comes_out(serve, caplog) -> None:
    async def main() -> None:
        async with serve(faults=[faults.Status(500)]) as served, aiohttp.ClientSession() as session:
            _, body = await post(session, served, CHAT)
            said = json.dumps(body) + repr(served.records) + repr(served.gateway.engine.endpoints)
            assert "sk-mock-key" not in said
            assert served.token not in said

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert "sk-mock-key" not in caplog.text


def test_the_names_of_endpoints_are_words() -> None:
    from ipfs_accelerate.errors import ConfigurationError

    for name in ("", "a/b", "a\r\nX-Evil: 1", "a\x00"):
        with pytest.raises(ConfigurationError):
            Gateway([Endpoint(name, "ollama")], [Route("m", ((Candidate(name, "x"),),))])
