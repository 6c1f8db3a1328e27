"""Who may ask."""

from __future__ import annotations

import pytest

from ipfs_accelerate.content.serving.access import open_access
from ipfs_accelerate.content.serving.routes import Request
from ipfs_accelerate.errors import ConfigurationError

HERE = {"host": "127.0.0.1:8080", "authorization": "Bearer secret"}


def reason(headers: dict[str, str], *, host: str = "127.0.0.1", origins: tuple = ()) -> str | None:
    refusal = open_access(host, "secret", origins).refuse(Request("GET", "/", headers=headers))
    return refusal.reason if refusal else None


def test_each_generated_token_is_another() -> None:
    first, second = (open_access("127.0.0.1", "generate").token for _ in range(2))
    assert first != second
    assert first is not None
    assert len(first) >= 40


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "my-machine"])
def test_others_are_never_served_without_a_token(host: str) -> None:
    with pytest.raises(ConfigurationError, match="without a token") as refused:
        open_access(host, None)
    assert "127.0.0.1" in str(refused.value.hint)
    assert open_access(host, "secret").token == "secret"


@pytest.mark.parametrize("token", ["", "a\nb", "ł"])
def test_a_token_that_fits_no_header_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError):
        open_access("127.0.0.1", token)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "secret",
        "Basic secret",
        "Bearer",
        "Bearer secre",
        "Bearer secrets",
        "Bearer \udcff",
        "Bearer secret, Bearer x",
    ],
)
def test_only_the_token_opens(given: str) -> None:
    assert reason(HERE | {"authorization": given}) == "token"
    assert reason(HERE | {"authorization": "bearer  secret"}) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", ""],
)
def test_a_name_that_was_bound_to_this_machine_is_refused(host: str) -> None:
    assert reason(HERE | {"host": host}) == "host"


@pytest.mark.parametrize(
    "host", ["localhost:80", "127.0.0.1", "127.8.9.1:1", "[::1]:8080", "LOCALHOST"]
)
def test_names_of_this_machine_are_taken(host: str) -> None:
    assert reason(HERE | {"host": host}) is None


@pytest.mark.parametrize("host", ["[", "[::1", "a b", "user@evil.example"])
def test_a_host_that_cannot_be_read_is_refused(host: str) -> None:
    assert reason(HERE | {"host": host}) == "host"


def test_elsewhere_any_name_is_taken() -> None:
    assert reason(HERE | {"host": "models.example"}, host="0.0.0.0") is None


def test_pages_of_others_may_not_read() -> None:
    assert reason(HERE | {"origin": "http://evil.example"}) == "origin"
    assert reason(HERE | {"origin": "null"}) == "origin"
    assert reason(HERE | {"origin": "http://127.0.0.1:3000"}) == "origin"
    assert reason(HERE | {"origin": "http://127.0.0.1:8080"}) is None
    allowed = ("http://app.example",)
    assert reason(HERE | {"origin": "http://app.example"}, origins=allowed) is None
    assert reason(HERE | {"origin": "http://evil.example"}, origins=("*",)) is None


def test_cors_is_off_unless_asked_for() -> None:
    request = Request("GET", "/", headers=HERE | {"origin": "http://app.example"})
    assert open_access("127.0.0.1", "secret").cors(request) == {}
    headers = open_access("127.0.0.1", "secret", ("http://app.example",)).cors(request)
    assert headers["Access-Control-Allow-Origin"] == "http://app.example"
    assert "X-Ipfs-Roots" in headers["Access-Control-Expose-Headers"]


def test_a_page_may_ask_beforehand_without_the_token() -> None:
    access = open_access("127.0.0.1", "secret", ("http://app.example",))
    asking = {
        "host": "127.0.0.1:8080",
        "origin": "http://app.example",
        "access-control-request-method": "GET",
    }
    made = access.preflight(Request("OPTIONS", "/", headers=asking))
    assert made is not None
    assert made.status == 204
    assert "Authorization" in made.headers["Access-Control-Allow-Headers"]
    other = asking | {"origin": "http://evil.example"}
    assert access.preflight(Request("OPTIONS", "/", headers=other)) is None
