"""The models of this machine behind the gateway: real MiniLM, and a tiny random LLaMA."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.errors import (
    AccelerateError,
    ConfigurationError,
    DeadlineExceededError,
    InputError,
    UnknownModelError,
)
from ipfs_accelerate.gateway import (
    CallContext,
    Candidate,
    ChatRequest,
    Endpoint,
    Gateway,
    Message,
    Route,
    TimeLimits,
    Tool,
)
from ipfs_accelerate.gateway.configuration import configure
from ipfs_accelerate.gateway.messages import CompletionRequest, EmbeddingRequest, FinishReason
from ipfs_accelerate.inference import Accelerator
from ipfs_accelerate.inference.gateway_backend import LocalBackend, ipfs_accelerate_backend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from ipfs_accelerate.config import Settings

TEMPLATE = (
    "{% for m in messages %}{{ bos_token }}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
TARGETS = ["torch/cpu/fp32"]
pytestmark = pytest.mark.needs("torch", "transformers")


@pytest.fixture(scope="module")
def talker(random_model, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny LLaMA that has a chat template."""
    _, directory = random_model("llama")
    copy = tmp_path_factory.mktemp("talker") / "talker"
    shutil.copytree(directory, copy)
    path = copy / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "chat_template": TEMPLATE}))
    return str(copy)


@pytest.fixture
def gateway(settings: Settings) -> Callable[..., object]:
    @asynccontextmanager
    async def opened(**models: str) -> AsyncIterator[Gateway]:
        backend = LocalBackend(lambda: Accelerator(settings=settings, targets=TARGETS))
        routes = [Route(name, ((Candidate("local", ref),),)) for name, ref in models.items()]
        endpoint = Endpoint("local", "local", is_direct=False)
        async with Gateway([endpoint], routes, backends={"local": backend}) as made:
            yield made

    return opened


@pytest.mark.needs("minilm")
def test_embeddings_are_those_of_the_accelerator_in_the_order_of_the_inputs(
    gateway, settings, minilm_directory
):
    texts = ["a much longer text than the one that follows it", "short", "neither of the two"]

    async def main():
        async with gateway(minilm=str(minilm_directory)) as opened:
            return await opened.embed("minilm", texts)

    answer = asyncio.run(main())
    with Accelerator(settings=settings, targets=TARGETS) as accelerator:
        expected = accelerator.run(minilm_directory, texts, task="sentence-embeddings").output
        alone = accelerator.pipeline(minilm_directory, "sentence-embeddings").tokenizer
    np.testing.assert_allclose(answer.response.vectors, expected, atol=1e-5)
    assert answer.usage.prompt_tokens == alone.encode(texts).tensors["attention_mask"].sum()
    assert "/" not in answer.response.model


def test_a_conversation_reads_the_template_without_doubled_special_tokens(
    gateway, settings, talker
):
    request = ChatRequest("talker", (Message("user", "one two"),), max_tokens=6)

    async def main():
        async with gateway(talker=talker) as opened:
            whole = await opened.ask(request)
            async with opened.stream(request) as pieces:
                streamed = [piece async for piece in pieces]
                return whole, streamed, pieces.answer()

    whole, streamed, joined = asyncio.run(main())
    with Accelerator(settings=settings, targets=TARGETS) as accelerator:
        prompt = "<s>user: one two\nassistant:"
        expected = accelerator.run(
            talker, prompt, task="text-generation", max_new_tokens=6, is_templated=True
        ).output
    assert whole.text == expected.text == joined.text
    assert whole.usage.prompt_tokens == expected.prompt_tokens == joined.usage.prompt_tokens
    assert whole.usage.completion_tokens == len(expected.token_ids) == 6
    assert whole.response.finish_reason is FinishReason.LENGTH
    assert len(streamed) > 2
    assert streamed[-1].finish_reason is FinishReason.LENGTH


def test_what_the_assistant_has_begun_is_continued(gateway, talker):
    user = Message("user", "one two")

    async def main():
        async with gateway(talker=talker) as opened:
            whole = await opened.ask(ChatRequest("talker", (user,), max_tokens=8))
            begun = Message("assistant", " ")
            again = await opened.ask(ChatRequest("talker", (user, begun), max_tokens=2))
            return whole, again

    whole, again = asyncio.run(main())
    assert again.usage.prompt_tokens > 0
    assert again.usage.completion_tokens == 2
    assert whole.usage.completion_tokens == 8


def test_completions_answer_each_prompt_and_count_the_tokens_of_all(gateway, talker):
    async def main():
        async with gateway(talker=talker) as opened:
            request = CompletionRequest("talker", ("one", "two three"), max_tokens=3)
            both = await opened.ask(request)
            first = await opened.ask(CompletionRequest("talker", ("one",), max_tokens=3))
            return both, first

    both, first = asyncio.run(main())
    assert both.response.texts[0] == first.response.texts[0]
    assert both.usage.completion_tokens == 6
    assert both.usage.prompt_tokens > first.usage.prompt_tokens


def test_a_seed_repeats_an_answer_and_no_seed_does_not(gateway, talker):
    async def ask(opened, seed):
        request = CompletionRequest("talker", ("one",), 12, temperature=5.0, seed=seed)
        return (await opened.ask(request)).text

    async def main():
        async with gateway(talker=talker) as opened:
            return [await ask(opened, seed) for seed in (1, 1, None, None)]

    first, second, third, fourth = asyncio.run(main())
    assert first == second
    assert third != fourth


def test_who_leaves_a_stream_stops_the_generation_and_frees_the_session(settings, talker):
    made: list[Accelerator] = []

    def make() -> Accelerator:
        made.append(Accelerator(settings=settings, targets=TARGETS))
        return made[0]

    async def main():
        backend = LocalBackend(make)
        request = ChatRequest(talker, (Message("user", "hi"),), max_tokens=90)
        stream = backend.stream(request, CallContext())
        first = await anext(stream)
        await stream.aclose()
        await backend.close()
        return first

    assert asyncio.run(main()).finish_reason is None
    assert made[0].pool.stats().sessions == 0


def test_a_limit_on_the_first_piece_is_kept_while_the_model_still_loads(settings, talker):
    async def main():
        backend = LocalBackend(lambda: Accelerator(settings=settings, targets=TARGETS))
        request = ChatRequest(talker, (Message("user", "hi"),), max_tokens=2)
        with pytest.raises(DeadlineExceededError):
            await backend.call(request, CallContext(limits=TimeLimits(first_s=1e-9)))
        answer = await backend.call(request, CallContext())
        await backend.close()
        return answer

    assert asyncio.run(main()).usage.completion_tokens == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extra": {"target": "torch/cpu/fp32"}}, "target"),
        ({"extra": {"rng": 1}}, "rng"),
        ({"response_format": {"type": "json_object"}}, "json_object"),
        ({"messages": (Message("tool", "42", tool_call_id="1"),)}, "call no tools"),
        ({"temperature": -1.0}, "temperature"),
        ({"stop": ("",)}, "stop"),
        ({"messages": (Message("user", "word " * 3000),)}, "tokens"),
        ({"tools": (Tool("f", {}),)}, "tools"),
    ],
)
def test_what_local_models_cannot_do_is_refused_by_name(gateway, talker, change, words):
    fields = {"model": "talker", "messages": (Message("user", "hi"),), **change}

    async def main():
        async with gateway(talker=talker) as opened:
            await opened.ask(ChatRequest(**fields))

    with pytest.raises(InputError, match=words):
        asyncio.run(main())


def test_a_model_without_chat_template_answers_completions_only(gateway, random_model):
    ref, _ = random_model("llama")

    async def main():
        async with gateway(bare=ref) as opened:
            with pytest.raises(InputError, match="completions"):
                await opened.chat("bare", "hi")
            return await opened.ask(CompletionRequest("bare", ("hi",), max_tokens=1))

    assert asyncio.run(main()).usage.completion_tokens == 1


@pytest.mark.parametrize("extra", [{"similarity": True}, {"task": "fill-mask"}])
def test_callers_reach_no_option_that_is_not_for_them(gateway, talker, extra):
    async def main():
        async with gateway(talker=talker) as opened:
            await opened.ask(EmbeddingRequest("talker", ("a",), extra=extra))

    with pytest.raises(InputError, match="do not know"):
        asyncio.run(main())


def test_no_width_of_embeddings_can_be_chosen(gateway, talker):
    async def main():
        async with gateway(talker=talker) as opened:
            await opened.ask(EmbeddingRequest("talker", ("a",), dimensions=7))

    with pytest.raises(InputError, match="7 cannot be chosen"):
        asyncio.run(main())


def test_a_caller_cannot_name_a_path_of_this_machine(talker):
    found = configure({"endpoints": {"local": {"provider": "local"}}, "routes": {}}, environ={})

    async def main():
        async with Gateway(found.endpoints, found.routes) as opened:
            await opened.chat(f"local/{talker}", "hi")

    with pytest.raises(UnknownModelError):
        asyncio.run(main())


def test_a_model_that_is_not_there_is_a_typed_error(gateway, tmp_path: Path):
    async def main():
        async with gateway(gone=str(tmp_path / "gone")) as opened:
            await opened.chat("gone", "hi")

    with pytest.raises(AccelerateError):
        asyncio.run(main())


def test_this_machine_has_no_address_and_other_providers_are_left_to_others():
    assert ipfs_accelerate_backend(Endpoint("a", "openai")) is None
    with pytest.raises(ConfigurationError, match="no address"):
        ipfs_accelerate_backend(Endpoint("a", "local", base_url="http://localhost:1"))
