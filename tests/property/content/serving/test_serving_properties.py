"""Whatever is asked: sizes agree, ranges stay inside, CARs prove what they claim."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ipfs_accelerate.content import Cid, MemoryBlocks
from ipfs_accelerate.content.dag.pb import Link, Node, encode
from ipfs_accelerate.content.dag.unixfs import Kind, UnixNode
from ipfs_accelerate.content.dag.unixfs import encode as encode_unixfs
from ipfs_accelerate.content.reading import iter_file
from ipfs_accelerate.content.serving.blocks import ServedBlocks
from ipfs_accelerate.content.serving.byte_ranges import EntityBytes, span_of
from ipfs_accelerate.content.serving.car_body import car_pieces
from ipfs_accelerate.content.serving.negotiation import CarForm, negotiate, parse_query
from ipfs_accelerate.content.serving.paths import header_path, parse_path
from ipfs_accelerate.content.serving.rates import TokenBucket
from ipfs_accelerate.content.serving.resolving import Resolved
from ipfs_accelerate.content.serving.routes import RefusedError, Request
from ipfs_accelerate.content.serving.routing import answer
from ipfs_accelerate.errors import InputError

offsets = st.integers(-60, 60)


@given(st.text(alphabet="bytes=-,0123456789 x", max_size=30), st.integers(0, 100))
def test_a_range_stays_inside(header: str, size_bytes: int) -> None:
    try:
        span = span_of(header, size_bytes)
    except RefusedError as refused:
        status = refused.response.status
    else:
        status = 416
        assert span is None or 0 <= span.start < span.end <= size_bytes
    assert status == 416


@given(offsets, st.none() | offsets, st.integers(0, 50))
def test_entity_bytes_are_those_of_a_list(first: int, last: int | None, size: int) -> None:
    """Compared with the positions the specification names, one by one."""
    start = first if first >= 0 else size + first
    end = size - 1 if last is None else last if last >= 0 else size + last
    expected = [at for at in range(size) if start <= at <= end]
    span = EntityBytes(first, last).within(size)
    assert (list(range(span.start, span.end)) if span else []) == expected


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_nothing_that_is_asked_is_an_internal_error(path: str, query: str, accept: str) -> None:
    def handler(request: Request):
        negotiate(parse_query(request.query), request.headers["accept"])
        parse_path(request.path)
        raise RefusedError(204, "")

    asked = Request("GET", "/ipfs/" + path, query, {"accept": accept})
    assert answer(handler, asked).status in {204, 400, 406}
    assert header_path(path).isascii()


@given(st.lists(st.text(min_size=1, max_size=8), max_size=5))
def test_any_names_survive_the_way_through_a_url(names: list[str]) -> None:
    from urllib.parse import quote

    path = "/ipfs/cid/" + "/".join(
        quote(name.encode("utf-8", "replace"), safe="") for name in names
    )
    kept = [name.encode("utf-8", "replace").decode() for name in names]
    try:
        assert list(parse_path(path).segments) == kept
    except InputError:
        assert any(name in {".", ".."} or "/" in name or "\0" in name for name in kept)


@given(st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 5)), max_size=30))
def test_a_bucket_never_grants_more_than_rate_and_burst(events: list[tuple[int, int]]) -> None:
    bucket = TokenBucket(10.0, 20.0, 20.0, 0)
    now_ns = granted = 0
    for later_ns, count in events:
        now_ns += later_ns
        if bucket.wait_s(now_ns) == 0:
            bucket.take(count, now_ns)
            granted += count
    assert granted <= 20 + 10 * now_ns / 1e9 + 5


@st.composite
def files(draw: st.DrawFn) -> tuple[MemoryBlocks, Cid, bytes]:
    """A file as a DAG of any shape, parts repeated or not."""
    blocks = MemoryBlocks()

    def made(depth: int) -> tuple[Cid, bytes]:
        if depth == 0 or draw(st.booleans()):
            data = draw(st.sampled_from([b"a", b"bb", b"ccc", b"dddd"]))
            cid = Cid.of(data)
            blocks.put(cid, data)
            return cid, data
        parts = [made(depth - 1) for _ in range(draw(st.integers(1, 4)))]
        sizes = tuple(len(data) for _, data in parts)
        unix = UnixNode(Kind.FILE, size_bytes=sum(sizes), block_sizes=sizes)
        links = tuple(Link("", cid, len(data)) for cid, data in parts)
        block = encode(Node(links, encode_unixfs(unix)))
        cid = Cid.of(block, codec=0x70)
        blocks.put(cid, block)
        return cid, b"".join(data for _, data in parts)

    root, data = made(3)
    return blocks, root, data


@settings(max_examples=200)
@given(files(), offsets, offsets, st.booleans())
def test_a_car_of_a_range_is_enough_to_read_it_and_no_more(
    file: tuple[MemoryBlocks, Cid, bytes],
    first: int,
    last: int,
    duplicates: bool,  # noqa: FBT001
) -> None:
    blocks, root, data = file
    form = CarForm("entity", EntityBytes(first, last), duplicates)
    sent = _blocks_of(car_pieces(Resolved(root, (root,), ()), form, ServedBlocks(blocks)))
    assert duplicates or len(set(sent)) == len(sent)
    got = MemoryBlocks((cid, blocks.get(cid)) for cid in sent)
    span = EntityBytes(first, last).within(len(data))
    if span is None:
        assert sent == [root]
        return
    read = b"".join(iter_file(root, got, span.start, span.end))
    assert read == data[span.start : span.end]
    recorder = _Recorder(blocks)
    list(iter_file(root, recorder, span.start, span.end))
    assert set(sent) == recorder.read


@given(files(), st.booleans())
def test_a_car_of_everything_is_everything(
    file: tuple[MemoryBlocks, Cid, bytes],
    duplicates: bool,  # noqa: FBT001
) -> None:
    blocks, root, data = file
    form = CarForm("all", None, duplicates)
    sent = _blocks_of(car_pieces(Resolved(root, (root,), ()), form, ServedBlocks(blocks)))
    got = MemoryBlocks((cid, blocks.get(cid)) for cid in sent)
    assert b"".join(iter_file(root, got)) == data
    assert duplicates or len(set(sent)) == len(sent)


class _Recorder:
    def __init__(self, blocks: MemoryBlocks) -> None:
        self._blocks = blocks
        self.read: set[Cid] = set()

    def get(self, cid: Cid) -> bytes:
        self.read.add(cid)
        return self._blocks.get(cid)

    def has(self, cid: Cid) -> bool:
        return self._blocks.has(cid)


def _blocks_of(pieces) -> list[Cid]:
    import io

    from ipfs_accelerate.content.car import read_car

    return [cid for cid, _ in read_car(io.BytesIO(b"".join(pieces)))]
