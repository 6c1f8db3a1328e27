"""From the name a caller gives to a route, and which endpoints can express a request."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ConfigurationError, InputError, UnknownModelError
from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ImagePart,
    RerankRequest,
)
from ipfs_accelerate.gateway.routes import Candidate, Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ipfs_accelerate.gateway.backend import Backend
    from ipfs_accelerate.gateway.messages import Request
    from ipfs_accelerate.gateway.providers import Capabilities
    from ipfs_accelerate.gateway.routes import Endpoint

__all__ = ["RouteTable", "addressed", "candidates", "check_names"]


#: All fields of a request but its first, the model: `dataclasses.replace` takes ten times as long.
_REST = {
    kind: attrgetter(*(field.name for field in fields(kind)[1:]))
    for kind in (ChatRequest, CompletionRequest, EmbeddingRequest, RerankRequest)
}


def check_names(endpoints: Sequence[Endpoint], routes: Sequence[Route]) -> None:
    """Refuse what cannot be told apart or leads nowhere.

    Raises:
        ConfigurationError: A name used twice, one of an endpoint that is no word, or a route to an
            endpoint that does not exist.
    """
    for endpoint in endpoints:
        if not endpoint.name or "/" in endpoint.name or not endpoint.name.isprintable():
            raise ConfigurationError(
                f"{endpoint.name!r} cannot be the name of an endpoint",
                hint="take a word without a slash: callers write <endpoint>/<model>",
            )
    for noun, names in (("endpoint", [e.name for e in endpoints]), ("route", _names(routes))):
        double = next((name for name in names if names.count(name) > 1), None)
        if double is not None:
            raise ConfigurationError(f"two {noun}s have the name {double!r}", hint="rename one")
    known = {endpoint.name for endpoint in endpoints}
    for route in routes:
        for candidate in candidates(route):
            if candidate.endpoint not in known:
                raise ConfigurationError(
                    f"route {route.name!r} leads to endpoint {candidate.endpoint!r},"
                    " which is not configured",
                    hint="endpoints: " + ", ".join(sorted(known)),
                )


def candidates(route: Route) -> Iterable[Candidate]:
    """All candidates of all tiers."""
    return (candidate for tier in route.tiers for candidate in tier)


def _names(routes: Sequence[Route]) -> list[str]:
    return [route.name for route in routes]


class RouteTable:
    """Finds routes.

    ``<endpoint>/<model>`` works without being configured, where the endpoint allows it.
    """

    def __init__(self, endpoints: Sequence[Endpoint], routes: Sequence[Route]) -> None:
        check_names(endpoints, routes)
        self._routes = {route.name: route for route in routes}
        direct = {
            f"{e.name}/*": Route(f"{e.name}/*", ((Candidate(e.name),),))
            for e in endpoints
            if e.is_direct
        }
        self.all = {**direct, **self._routes}
        self._direct = direct

    def find(self, model: str) -> tuple[Route, str]:
        """The route for a name, and the model's name for candidates which have none of their own.

        Raises:
            UnknownModelError: There is no such route, and none for all names.
        """
        found = self._routes.get(model)
        if found is not None:
            return found, model
        endpoint, _, rest = model.partition("/")
        direct = self._direct.get(f"{endpoint}/*")
        if direct is not None and rest:
            return direct, rest
        if "*" in self._routes:
            return self._routes["*"], model
        raise UnknownModelError(model, [*self._routes, *self._direct])

    def fitting(
        self, route: Route, request: Request, backends: Mapping[str, Backend], *, is_stream: bool
    ) -> frozenset[str] | None:
        """Endpoints of the route which can express the request; ``None`` when all can.

        Raises:
            InputError: None can.
        """
        misfits = {
            candidate.endpoint: lack
            for candidate in candidates(route)
            if (lack := _lack(request, backends[candidate.endpoint].capabilities, is_stream))
        }
        if not misfits:
            return None
        fitting = {c.endpoint for c in candidates(route)} - set(misfits)
        if fitting:
            return frozenset(fitting)
        reasons = ", ".join(f"{name} has no {lack}" for name, lack in sorted(misfits.items()))
        raise InputError(
            f"nobody behind {request.model!r} can answer this: {reasons}",
            hint="ask a route with a service that can; see `accel gateway capabilities`",
        )


def _lack(request: Request, can: Capabilities, is_stream: bool) -> str | None:  # noqa: FBT001
    if request.operation not in can.operations:
        return str(request.operation)
    if not isinstance(request, ChatRequest):
        return None
    if is_stream and not can.has_streaming:
        return "streaming"
    if request.tools and not can.has_tools:
        return "tools"
    return None if can.has_images or not _has_images(request) else "images"


def _has_images(request: ChatRequest) -> bool:
    return any(
        isinstance(part, ImagePart)
        for message in request.messages
        if not isinstance(message.content, str)
        for part in message.content
    )


def addressed(request: Request, candidate: Candidate, model: str) -> Request:
    """The request in the name which the candidate knows the model by."""
    name = candidate.model or model
    if name == request.model:
        return request
    kind = type(request)
    return kind(name, *_REST[kind](request))
