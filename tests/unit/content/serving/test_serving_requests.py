"""Reading of requests: paths, forms, ranges. Pure."""

from __future__ import annotations

import pytest

from ipfs_accelerate.content.serving.byte_ranges import EntityBytes, Span, span_of
from ipfs_accelerate.content.serving.context import disposition, is_unchanged
from ipfs_accelerate.content.serving.media_types import media_type_of
from ipfs_accelerate.content.serving.negotiation import Format, negotiate, parse_query
from ipfs_accelerate.content.serving.paths import header_path, parse_path
from ipfs_accelerate.content.serving.routes import RefusedError, Request, Route, text
from ipfs_accelerate.content.serving.routing import Router, answer
from ipfs_accelerate.errors import (
    ContentNotFoundError,
    InputError,
    StoreCorruptError,
    UnsafeModelError,
)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/ipfs/cid", ()),
        ("/ipfs/cid//a///b/", ("a", "b")),
        ("/ipfs/cid/a+b", ("a+b",)),
        ("/ipfs/cid/%2B%25%C4%85", ("+%ą",)),
        ("/ipfs/cid/%252e%252e", ("%2e%2e",)),
        ("/ipfs/cid/...", ("...",)),
        ("/ipfs/cid/%c0%ae%c0%ae", ("\udcc0\udcae\udcc0\udcae",)),
    ],
)
def test_a_path_is_decoded_once(path: str, segments: tuple[str, ...]) -> None:
    assert parse_path(path).segments == segments


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/ipfs",
        "/ipfs/",
        "ipfs/cid",
        "/other/cid",
        "/ipfs//cid",
        "/ipfs/cid/../x",
        "/ipfs/cid/%2e%2E/x",
        "/ipfs/cid/.",
        "/ipfs/cid/a%2Fb",
        "/ipfs/cid/a%00",
        "/ipfs/cid/a%",
        "/ipfs/cid/a%zz",
        "/ipfs/..",
        "/ipfs/cid" + "/a" * 200,
    ],
)
def test_a_path_that_climbs_or_breaks_is_refused(path: str) -> None:
    with pytest.raises(InputError):
        parse_path(path)


def test_a_path_in_a_header_is_ascii() -> None:
    assert header_path("/ipfs/cid/ą b/%25") == "/ipfs/cid/%C4%85%20b/%25"
    assert "\n" not in header_path("/a\nX-Evil: 1")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Format.PLAIN),
        ("*/*", Format.PLAIN),
        ("text/html, application/vnd.ipld.car;q=0", Format.PLAIN),
        ("application/vnd.ipld.raw", Format.RAW),
        ("APPLICATION/VND.IPLD.RAW", Format.RAW),
        ("application/vnd.ipld.car;q=0.4, application/vnd.ipld.raw;q=0.6", Format.RAW),
        ("application/vnd.ipld.car, application/vnd.ipld.raw", Format.CAR),
        ("application/vnd.ipld.raw;q=nonsense", Format.PLAIN),
        ("application/vnd.ipld.raw;q=nan", Format.PLAIN),
    ],
)
def test_accept_is_weighed(accept: str, form: Format) -> None:
    if accept.endswith("car;q=0"):
        with pytest.raises(RefusedError):
            negotiate({}, accept)
    else:
        assert negotiate({}, accept).format is form


def test_the_query_outranks_accept_and_its_hints() -> None:
    wanted = negotiate(
        {"format": "car", "car-dups": "n"}, "application/vnd.ipld.car; dups=y; order=dfs"
    )
    assert not wanted.car.has_duplicates
    assert not wanted.is_by_header


def test_entity_bytes_imply_the_entity() -> None:
    wanted = negotiate({"format": "car", "entity-bytes": "1:2", "dag-scope": "all"}, "")
    assert (wanted.car.scope, wanted.car.span) == ("entity", EntityBytes(1, 2))


def test_of_a_repeated_parameter_the_first_counts() -> None:
    assert parse_query("format=raw&format=car&x=%20") == {"format": "raw", "x": " "}
    with pytest.raises(InputError):
        parse_query("&".join("a=b" for _ in range(100)))


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-", Span(0, 10)),
        ("bytes=9-9", Span(9, 10)),
        ("bytes=-4", Span(6, 10)),
        ("bytes=-400", Span(0, 10)),
        ("bytes=2-100000000000000000", Span(2, 10)),
        ("bytes=2-3,5-6", Span(2, 4)),
        ("bytes=5-2", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1-99999999999999999999999999", None),
        ("items=0-5", None),
        ("bytes=--5", None),
    ],
)
def test_a_range_is_read_as_http_wants(header: str | None, span: Span | None) -> None:
    assert span_of(header, 10) == span


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_behind_the_end_is_416(header: str) -> None:
    with pytest.raises(RefusedError) as refused:
        span_of(header, 10)
    assert refused.value.response.status == 416


@pytest.mark.parametrize(
    ("etag", "known", "same"),
    [
        ('"a"', 'W/"a"', True),
        ('W/"a"', '"b", "a"', True),
        ('"a"', "*", True),
        ('"a"', '"ab"', False),
        ('"a"', "", False),
    ],
)
def test_etags_are_compared_weakly(etag: str, known: str, same: bool) -> None:  # noqa: FBT001
    assert is_unchanged(Request("GET", "/", headers={"if-none-match": known}), etag) is same


def test_a_file_name_cannot_break_out_of_its_header() -> None:
    made = disposition("attachment", 'a"; evil=1\r\nX: y\\ł')
    assert made.startswith("attachment; filename=\"a_; evil=1__X: y__\"; filename*=UTF-8''")
    assert all(" " <= char <= "~" for char in made)


@pytest.mark.parametrize(
    ("name", "head", "media"),
    [
        ("config.json", b"", "application/json"),
        ("README.md", b"", "text/markdown; charset=utf-8"),
        ("model.safetensors", bytes(8), "application/octet-stream"),
        ("a.tar.gz", b"", "application/octet-stream"),
        ("", b"plain", "text/plain; charset=utf-8"),
        ("", b'{"a": 1}', "application/json"),
        ("", b"{no", "text/plain; charset=utf-8"),
        ("", b" <!DOCTYPE html><p>", "text/html; charset=utf-8"),
        ("", b"\x00\x01", "application/octet-stream"),
        ("", "ą".encode()[:1], "text/plain; charset=utf-8"),
        ("", b"\xff\xfe\xff\xfe\xff", "application/octet-stream"),
    ],
)
def test_a_file_has_the_type_of_its_name_or_its_beginning(
    name: str, head: bytes, media: str
) -> None:
    assert media_type_of(name, lambda: head) == media


def test_the_longest_prefix_then_the_method_decides() -> None:
    outer, inner, post = (
        Route("GET", "/a/", lambda _: text(200, "outer")),
        Route("GET", "/a/b/", lambda _: text(200, "inner")),
        Route("POST", "/a/b/", lambda _: text(200, "post")),
    )
    router = Router([outer, inner, post])
    assert router.find(Request("HEAD", "/a/b/c")) is inner
    assert router.find(Request("POST", "/a/b/c")) is post
    assert router.find(Request("GET", "/a/c")) is outer
    refused = router.find(Request("PUT", "/a/b/c"))
    assert not isinstance(refused, Route)
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, POST")
    nothing = router.find(Request("GET", "/c"))
    assert not isinstance(nothing, Route)
    assert nothing.status == 404


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("x"), 400),
        (ContentNotFoundError("x"), 404),
        (StoreCorruptError("x"), 500),
        (UnsafeModelError("x"), 500),
        (RefusedError(410, "gone"), 410),
        (ZeroDivisionError("secret detail"), 500),
    ],
)
def test_errors_have_a_status_and_keep_their_secrets(error: Exception, status: int) -> None:
    def fail(_: Request) -> None:
        raise error

    made = answer(fail, Request("GET", "/"))
    assert made.status == status
    assert b"secret" not in made.body
