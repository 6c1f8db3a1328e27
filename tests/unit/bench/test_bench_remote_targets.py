from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ipfs_accelerate.bench.plan import select_targets
from ipfs_accelerate.bench.remote import is_remote, remote_targets
from ipfs_accelerate.bench.remote.texts import make_texts
from ipfs_accelerate.config import Settings
from ipfs_accelerate.errors import ConfigurationError, TargetUnsupportedError, UnknownTargetError

TABLE = {
    "endpoints": {
        "here": {"provider": "vllm", "base_url": "http://127.0.0.1:1"},
        "local": {"provider": "local"},
    },
    "routes": {
        "minilm": {"candidates": ["local/./model"]},
        "*": {"candidates": ["here"]},
        "a+b/c d": {"candidates": ["here/x"]},
    },
}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("OPENAI", "ANTHROPIC", "GEMINI", "GOOGLE", "GROQ"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)


def settings(table: dict) -> Settings:
    return Settings(gateway=table)


def names(table: dict, *patterns: str) -> list[str]:
    return [str(target) for target, _ in remote_targets(settings(table), patterns)]


def test_routes_and_open_endpoints_are_targets_but_not_the_models_of_this_machine_as_such():
    assert names(TABLE) == ["gateway/minilm/remote", "gateway/here/remote"]


def test_an_endpoint_can_be_asked_for_any_model_by_name():
    named = "gateway/here/org/llama/remote"
    assert named in names(TABLE, named)
    assert "gateway/local/org/llama/remote" not in names(TABLE, "gateway/local/org/llama/remote")


def test_nothing_configured_is_unavailable_with_a_reason_and_a_next_step():
    verdicts = remote_targets(settings({}))
    with pytest.raises(TargetUnsupportedError, match="no route or endpoint") as caught:
        select_targets(["gateway/*"], verdicts, ())
    assert "[gateway.endpoints.NAME]" in (caught.value.hint or "")


def test_a_name_that_is_not_configured_names_the_nearest():
    verdicts = remote_targets(settings(TABLE))
    with pytest.raises(UnknownTargetError) as caught:
        select_targets(["gateway/minilmm/remote"], verdicts, ())
    assert "gateway/minilm/remote" in str(caught.value)


def test_tables_that_cannot_be_used_are_refused():
    with pytest.raises(ConfigurationError):
        remote_targets(settings({"endpoint": {}}))


def test_only_names_that_begin_with_the_runtime_are_remote():
    assert is_remote("gateway/*")
    assert not is_remote("gatewayish/cpu/fp32")
    assert not is_remote("all")


class Words:
    """One token per word, and one at each end."""

    def encode(self, texts):
        length = max(len(text.split()) for text in texts) + 2

        return SimpleNamespace(tensors={"input_ids": np.zeros((len(texts), length))})


def test_texts_have_as_many_tokens_as_asked_and_repeat_with_their_seed():
    texts = make_texts(Words(), batch=3, tokens=16, seed=1)
    assert [len(text.split()) for text in texts] == [14, 14, 14]
    assert len(set(texts)) == 3
    assert texts == make_texts(Words(), batch=3, tokens=16, seed=1)
    assert texts != make_texts(Words(), batch=3, tokens=16, seed=2)


def test_given_lines_are_cut_and_repeated():
    texts = make_texts(Words(), batch=3, tokens=5, seed=0, lines=["a b c d e f", "one"])
    assert texts == ("a b c", "one", "a b c")
