"""The tables ``[gateway.…]`` of the settings file: endpoints with their keys, and routes.

.. code-block:: toml

    [gateway.endpoints.openai]
    provider = "openai"
    keys = ["env:OPENAI_API_KEY", { name = "second", from = "file:/etc/key", requests = 500 }]

    [gateway.endpoints.here]
    provider = "vllm"
    base_url = "http://127.0.0.1:8000"

    [gateway.routes.assistant]
    candidates = ["here/llama", ["openai/gpt-4o-mini", "openai/gpt-4.1-mini"]]
    hedge_after_s = 2

Each entry of ``candidates`` is asked when all before it have failed; the members of an inner list
share the work.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ipfs_accelerate.errors import ConfigurationError, UnknownNameError
from ipfs_accelerate.gateway.keys import keys_from_environment, load_secret
from ipfs_accelerate.gateway.options import GatewaySettings
from ipfs_accelerate.gateway.reliability import ReliabilitySettings
from ipfs_accelerate.gateway.routes import (
    Allowance,
    Candidate,
    Endpoint,
    Key,
    KeyStrategy,
    OnRefusal,
    Route,
)
from ipfs_accelerate.gateway.sharing.settings import SharingSettings
from ipfs_accelerate.gateway.transport import TimeLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOCAL", "Configuration", "configure"]

#: The provider that a plugin brings: the models of this machine.
LOCAL = "local"

#: The models of this machine, and whatever LiteLLM knows: what is asked for has to be named.
INDIRECT = {LOCAL, "litellm"}

#: Services at an address that is the same for everybody.
HOSTED = ("openai", "anthropic", "gemini", "groq")


Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Allowance(_Table):
    requests: Count | None = None
    tokens: Count | None = None
    concurrent: Count | None = None
    window_s: Positive = 60.0

    def value(self) -> Allowance:
        return Allowance(self.requests, self.tokens, self.concurrent, self.window_s)


class _Key(_Allowance):
    source: str = Field(alias="from")
    name: str | None = None


class _Limits(_Table):
    connect_s: Positive | None = TimeLimits().connect_s
    first_s: Positive | None = TimeLimits().first_s
    gap_s: Positive | None = TimeLimits().gap_s
    total_s: Positive | None = TimeLimits().total_s


class _Endpoint(_Table):
    provider: str
    base_url: Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+[^?#@\s]*$")] | None = None
    keys: tuple[str | _Key, ...] = ()
    strategy: KeyStrategy = KeyStrategy.LEAST_LOADED
    allowance: _Allowance = _Allowance()
    limits: _Limits = _Limits()
    headers: dict[str, Annotated[str, Field(pattern=r"^[^\r\n]*$")]] = {}
    price_per_million: dict[str, Annotated[float, Field(ge=0)]] = {}
    direct: bool | None = None


class _Weighted(_Table):
    to: str
    weight: Positive = 1.0


_Choice = str | _Weighted


class _Route(_Table):
    candidates: Annotated[tuple[_Choice | tuple[_Choice, ...], ...], Field(min_length=1)]
    attempts: Annotated[int, Field(ge=1, le=50)] = 4
    hedge_after_s: Positive | None = None
    on_refusal: OnRefusal = OnRefusal.RAISE
    deadline_s: Positive | None = 600.0


class _Sharing(_Table):
    window_s: Annotated[float, Field(ge=0)] | None = None
    most_texts: Count = 64
    single_flight: bool = False
    cache_bytes: Annotated[int, Field(ge=0)] = 0
    ttl_s: Positive = 300.0

    def value(self) -> SharingSettings:
        return SharingSettings(
            self.window_s, self.most_texts, self.single_flight, self.cache_bytes, self.ttl_s
        )


class _Gateway(_Table):
    sharing: _Sharing = _Sharing()
    reliability: dict[str, float] = {}
    endpoints: dict[str, _Endpoint] = {}
    routes: dict[str, _Route] = {}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a gateway is made of."""

    endpoints: tuple[Endpoint, ...]
    routes: tuple[Route, ...]
    settings: GatewaySettings


def configure(
    table: Mapping[str, object],
    *,
    environ: Mapping[str, str],
    local: Mapping[str, str] | None = None,
) -> Configuration:
    """Endpoints and routes from the setting ``gateway``.

    An endpoint without ``keys`` takes those in the variables of its service, such as
    ``OPENAI_API_KEY``; not so where ``base_url`` names an address of your own, as a key belongs
    to those who gave it. Without any endpoint in the table, there is one for each service that has
    a key in its variable, and one called ``local`` for the models of this machine.

    Args:
        table: As read from the file.
        environ: Variables, e.g. ``os.environ``.
        local: Further routes to models of this machine: name → reference.

    Raises:
        ConfigurationError: An unknown key, a value outside its domain, or a missing secret.
    """
    try:
        found = _Gateway.model_validate(table)
    except ValidationError as error:
        raise _explained(error) from error
    tables = found.endpoints or _evident(environ)
    here = next((name for name, one in tables.items() if one.provider == LOCAL), LOCAL)
    if local and here not in tables:
        tables = {**tables, here: _Endpoint(provider=LOCAL)}
    routes = [_route(name, one, set(tables)) for name, one in found.routes.items()]
    routes += [Route(name, ((Candidate(here, ref),),)) for name, ref in (local or {}).items()]
    return Configuration(
        tuple(_endpoint(name, one, environ) for name, one in tables.items()),
        tuple(routes),
        GatewaySettings(found.sharing.value(), _reliability(found.reliability)),
    )


def _reliability(table: Mapping[str, float]) -> ReliabilitySettings:
    usual = ReliabilitySettings()
    known = {f.name: type(getattr(usual, f.name)) for f in fields(usual) if f.name != "hedged"}
    for name, value in table.items():
        if name not in known:
            raise UnknownNameError(f"gateway.reliability.{name}", known)
        if known[name] is int and value != int(value):
            raise ConfigurationError(f"gateway.reliability.{name} is {value}, no whole number")
    return replace(usual, **{name: known[name](value) for name, value in table.items()})


def _evident(environ: Mapping[str, str]) -> dict[str, _Endpoint]:
    """Endpoints that need no configuration: services with a key in their variable, and here."""
    with_key = [name for name in HOSTED if keys_from_environment(name, environ)]
    return {name: _Endpoint(provider=name) for name in (*with_key, LOCAL)}


def _endpoint(name: str, table: _Endpoint, environ: Mapping[str, str]) -> Endpoint:
    if "/" in name:
        raise ConfigurationError(f"the name of endpoint {name!r} has a slash", hint="rename it")
    return Endpoint(
        name,
        table.provider,
        base_url=table.base_url,
        keys=_keys(table, environ),
        strategy=table.strategy,
        allowance=table.allowance.value(),
        limits=TimeLimits(**table.limits.model_dump()),
        headers=table.headers,
        price_per_million=table.price_per_million,
        is_direct=table.provider not in INDIRECT if table.direct is None else table.direct,
    )


def _keys(table: _Endpoint, environ: Mapping[str, str]) -> tuple[Key, ...]:
    if table.keys or table.base_url is not None:
        return tuple(_key(one, environ) for one in table.keys)
    found = keys_from_environment(table.provider, environ)
    return tuple(Key(name, secret) for name, secret in found.items())


def _key(table: str | _Key, environ: Mapping[str, str]) -> Key:
    if isinstance(table, str):
        return Key(name=table, secret=load_secret(table, environ=environ))
    secret = load_secret(table.source, environ=environ)
    return Key(table.name or table.source, secret, table.value())


def _route(name: str, table: _Route, endpoints: set[str]) -> Route:
    tiers = tuple(
        tuple(
            _candidate(name, one, endpoints)
            for one in (tier if isinstance(tier, tuple) else (tier,))
        )
        for tier in table.candidates
    )
    return Route(
        name,
        tiers,
        attempts=table.attempts,
        hedge_after_s=table.hedge_after_s,
        on_refusal=table.on_refusal,
        deadline_s=table.deadline_s,
    )


def _candidate(route: str, choice: _Choice, endpoints: set[str]) -> Candidate:
    to, weight = (choice, 1.0) if isinstance(choice, str) else (choice.to, choice.weight)
    endpoint, _, model = to.partition("/")
    if endpoint not in endpoints:
        near = difflib.get_close_matches(endpoint, endpoints, n=1)
        raise ConfigurationError(
            f"route {route!r} leads to {to!r}, and no endpoint is called {endpoint!r}",
            hint=f"did you mean {near[0]!r}?" if near else "write <endpoint>/<model>",
        )
    return Candidate(endpoint, model or None, weight)


def _explained(error: ValidationError) -> ConfigurationError:
    """The first fault, without the value: it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return ConfigurationError(
            f"unknown setting gateway.{place}", hint="see the how-to on the gateway for all keys"
        )
    return ConfigurationError(f"setting gateway.{place} cannot be this: {first['msg']}")
