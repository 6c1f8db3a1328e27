"""OpenAI's own Python client works against the server, unchanged."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ipfs_accelerate.testing.providers import Answer, Call, faults

openai = pytest.importorskip("openai", reason="OpenAI's client is not installed")

HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


@asynccontextmanager
async def client_of(served, token=None, **more) -> AsyncIterator[openai.AsyncOpenAI]:
    options = {"max_retries": 0, "timeout": 20.0, **more}
    async with openai.AsyncOpenAI(
        base_url=served.url, api_key=token or served.token, **options
    ) as client:
        yield client


def test_a_chat_is_answered_and_counted(serve) -> None:
    async def main() -> None:
        async with serve(answers="Hello to you too") as served, client_of(served) as client:
            answer = await client.chat.completions.create(
                model="assistant", messages=HELLO, temperature=0.5, max_completion_tokens=9
            )
            assert answer.choices[0].message.content == "Hello to you too"
            assert answer.choices[0].finish_reason == "stop"
            assert answer.usage.total_tokens == 7 + 4
            (seen,) = served.mock.requests
            assert seen.body["model"] == "model-x"
            assert seen.body["temperature"] == 0.5

    asyncio.run(main())


def test_a_stream_comes_in_pieces_with_its_usage_last(serve) -> None:
    async def main() -> None:
        async with serve(answers="one two three") as served, client_of(served) as client:
            chunks = [
                chunk
                async for chunk in await client.chat.completions.create(
                    model="assistant",
                    messages=HELLO,
                    stream=True,
                    stream_options={"include_usage": True},
                )
            ]
            texts = [c.choices[0].delta.content or "" for c in chunks if c.choices]
            assert "".join(texts) == "one two three"
            assert len([text for text in texts if text]) == 3
            assert chunks[-2].choices[0].finish_reason == "stop"
            assert chunks[-1].choices == []
            assert chunks[-1].usage.completion_tokens == 3
            assert len({chunk.id for chunk in chunks}) == 1

    asyncio.run(main())


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_a_tool_is_called_and_its_result_goes_back(serve, is_stream) -> None:
    script = [
        Answer(calls=(Call("weather", '{"city":"Oslo"}', "call_7"),), finish="tool_calls"),
        Answer.of("It is raining in Oslo"),
    ]

    async def main() -> None:
        async with serve(answers=script) as served, client_of(served) as client:
            asked = {"model": "assistant", "messages": HELLO, "tools": [WEATHER]}
            if is_stream:
                async with client.chat.completions.stream(**asked) as stream:
                    message = (await stream.get_final_completion()).choices[0].message
            else:
                message = (await client.chat.completions.create(**asked)).choices[0].message
            (call,) = message.tool_calls
            assert (call.id, call.function.name) == ("call_7", "weather")
            assert json.loads(call.function.arguments) == {"city": "Oslo"}
            turn = message.model_dump(exclude_none=True)
            for name in ("parsed", "parsed_arguments"):
                turn.pop(name, None)
            turn["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.arguments},
                }
            ]
            result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
            answer = await client.chat.completions.create(
                model="assistant", messages=[*HELLO, turn, result], tools=[WEATHER]
            )
            assert answer.choices[0].message.content == "It is raining in Oslo"
            sent = served.mock.requests[-1].body["messages"]
            assert sent[-1] == {"role": "tool", "tool_call_id": "call_7", "content": "rain"}
            assert sent[-2]["tool_calls"][0]["id"] == "call_7"

    asyncio.run(main())


def test_images_go_through_by_address_and_as_data(serve) -> None:
    async def main() -> None:
        async with serve(answers="a cat") as served, client_of(served) as client:
            parts = [
                {"type": "text", "text": "what is this?"},
                {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            ]
            answer = await client.chat.completions.create(
                model="assistant", messages=[{"role": "user", "content": parts}]
            )
            assert answer.choices[0].message.content == "a cat"
            content = served.mock.requests[0].body["messages"][0]["content"]
            assert [part["type"] for part in content] == ["text", "image_url", "image_url"]
            assert content[2]["image_url"]["url"].endswith(PIXEL)

    asyncio.run(main())


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_vectors_are_the_same_in_both_encodings(serve, encoding: str | None) -> None:
    vectors = ((0.5, -0.25), (1.0, 0.0))

    async def main() -> None:
        async with serve(answers=Answer(vectors=vectors)) as served, client_of(served) as client:
            options = {"encoding_format": encoding} if encoding else {}
            answer = await client.embeddings.create(model="assistant", input=["a", "b"], **options)
            found = [one.embedding for one in answer.data]
            if encoding == "base64":
                assert all(isinstance(one, str) for one in found)
            else:
                assert found == [list(vector) for vector in vectors]

    asyncio.run(main())


def test_texts_are_continued_and_models_listed(serve) -> None:
    async def main() -> None:
        async with serve("vllm") as served, client_of(served) as client:
            done = await client.completions.create(model="assistant", prompt="Once upon")
            assert "Once upon" in done.choices[0].text
            assert [model.id async for model in client.models.list()] == ["assistant"]

    asyncio.run(main())


def test_errors_are_those_that_the_client_knows(serve) -> None:
    async def main() -> None:
        async with serve() as served, client_of(served) as client:
            create = client.chat.completions.create
            with pytest.raises(openai.NotFoundError) as unknown:
                await create(model="nobody", messages=HELLO)
            assert unknown.value.code == "model_not_found"
            with pytest.raises(openai.BadRequestError) as bad:
                await create(model="assistant", messages=[{"role": "bard", "content": "x"}])
            assert bad.value.param == "messages[0].role"
            with pytest.raises(openai.BadRequestError) as field:
                await create(model="assistant", messages=HELLO, extra_body={"temprature": 1})
            assert "did you mean 'temperature'" in str(field.value)
            assert served.mock.requests == []
            async with client_of(served, token="wrong") as stranger:
                with pytest.raises(openai.AuthenticationError):
                    await stranger.models.list()

    asyncio.run(main())


def test_a_limit_of_the_service_is_told_with_the_time_to_wait(serve) -> None:
    async def main() -> None:
        fault = faults.Status(429, retry_after=7)
        async with serve(faults=[fault]) as served, client_of(served) as client:
            with pytest.raises(openai.RateLimitError) as limited:
                await client.chat.completions.create(model="assistant", messages=HELLO)
            assert 1 <= int(limited.value.response.headers["Retry-After"]) <= 7
            assert limited.value.response.headers["X-Request-Id"]

    asyncio.run(main())


def test_a_stream_that_is_cut_ends_in_an_error_and_never_as_if_it_were_whole(serve) -> None:
    async def main() -> None:
        fault = faults.NoEndMarker(after=1)
        async with (
            serve(answers="one two three", faults=[fault]) as served,
            client_of(served) as client,
        ):
            chunks = []

            async def read() -> None:
                async for chunk in await client.chat.completions.create(
                    model="assistant", messages=HELLO, stream=True
                ):
                    chunks.append(chunk.choices[0])  # noqa: PERF401 — kept when it raises

            with pytest.raises(openai.APIError):
                await read()
            assert [choice.delta.content.strip() for choice in chunks] == ["one"]
            assert chunks[0].finish_reason is None

    asyncio.run(main())


def test_a_failure_before_the_first_piece_has_a_status(serve) -> None:
    async def main() -> None:
        async with serve(faults=[faults.Status(500)]) as served, client_of(served) as client:
            with pytest.raises(openai.InternalServerError):
                await client.chat.completions.create(model="assistant", messages=HELLO, stream=True)

    asyncio.run(main())
