"""The tables of the settings file become endpoints and routes, or a fault named by its place."""

from __future__ import annotations

import tomllib

import pytest

from ipfs_accelerate.errors import ConfigurationError, UsageError
from ipfs_accelerate.gateway.configuration import configure
from ipfs_accelerate.gateway.routes import Candidate, Endpoint, KeyStrategy, OnRefusal, Route

WHOLE = """
[endpoints.openai]
provider = "openai"
keys = ["env:A", { name = "second", from = "env:B", requests = 500, window_s = 10 }]
strategy = "round_robin"
price_per_million = { prompt = 0.15, completion = 0.6 }
limits = { first_s = 5 }

[endpoints.here]
provider = "vllm"
base_url = "http://127.0.0.1:8000"

[routes.assistant]
candidates = ["here/llama", ["openai/small", { to = "openai/org/large", weight = 3 }]]
hedge_after_s = 2
on_refusal = "next"
"""


def read(text: str) -> tuple[tuple[Endpoint, ...], tuple[Route, ...]]:
    environ = {"A": "secret-a", "B": "secret-b", "OPENAI_API_KEY": "secret-o"}
    found = configure(tomllib.loads(text), environ=environ)
    return found.endpoints, found.routes


def test_endpoints_have_their_keys_limits_and_prices() -> None:
    (openai, here), _ = read(WHOLE)
    assert [key.name for key in openai.keys] == ["env:A", "second"]
    assert openai.keys[1].secret.reveal() == "secret-b"
    assert (openai.keys[1].allowance.requests, openai.keys[1].allowance.window_s) == (500, 10)
    assert openai.strategy is KeyStrategy.ROUND_ROBIN
    assert openai.limits.first_s == 5
    assert openai.limits.connect_s == 10
    assert here.base_url == "http://127.0.0.1:8000"


def test_an_inner_list_is_one_tier() -> None:
    _, (route,) = read(WHOLE)
    assert route.tiers == (
        (Candidate("here", "llama"),),
        (Candidate("openai", "small"), Candidate("openai", "org/large", 3.0)),
    )
    assert route.on_refusal is OnRefusal.NEXT


def test_no_secret_is_in_the_text_of_an_endpoint() -> None:
    endpoints, _ = read(WHOLE)
    assert "secret-" not in repr(endpoints)


def test_keys_of_the_environment_go_to_the_service_alone_that_gave_them() -> None:
    (own, other), _ = read(
        '[endpoints.own]\nprovider = "openai"\n'
        '[endpoints.other]\nprovider = "openai"\nbase_url = "http://127.0.0.1:1"'
    )
    assert [key.name for key in own.keys] == ["OPENAI_API_KEY"]
    assert other.keys == ()


def test_the_numbers_of_the_dispatcher_can_be_set() -> None:
    table = tomllib.loads("[reliability]\nfailures_open = 9\nbackoff_s = 0.1")
    found = configure(table, environ={}).settings.reliability
    assert (found.failures_open, found.backoff_s, found.probes) == (9, 0.1, 2)


@pytest.mark.parametrize("line", ["failure_open = 9", "failures_open = 1.5", "open_s = -1"])
def test_a_wrong_number_of_the_dispatcher_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        configure(tomllib.loads(f"[reliability]\n{line}"), environ={})


def test_without_tables_there_is_who_needs_none() -> None:
    endpoints, routes = read("")
    assert [(one.name, one.is_direct) for one in endpoints] == [("openai", True), ("local", False)]
    assert routes == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[endpoints.a]\nprovider = "openai"\nkey = "sk-hidden"', "endpoints.a.key"),
        ('[endpoints.a]\nprovider = "openai"\nbase_url = "ftp://x"', "endpoints.a.base_url"),
        ('[endpoints.a]\nprovider = "x"\nbase_url = "http://u:sk-hidden@h"', "base_url"),
        ('[endpoints.a]\nprovider = "x"\nheaders = { X = "a\\r\\nsk-hidden: b" }', "headers.X"),
        ('[endpoints."a/b"]\nprovider = "openai"', "'a/b'"),
        ("[routes.r]\ncandidates = []", "routes.r.candidates"),
        ('[endpoints.open]\nprovider = "x"\n[routes.r]\ncandidates = ["opn/m"]', "'opn'"),
        ('[endpoints.a]\nprovider = "x"\n[routes.r]\ncandidates = ["a"]\nattempts = 0', "attempts"),
        ('[endpoints.a]\nprovider = "x"\nlimits = { gap_s = -1 }', "limits.gap_s"),
    ],
)
def test_a_fault_is_named_by_its_place_and_shows_no_value(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert named in caught.value.message
    assert "sk-hidden" not in str(caught.value)
