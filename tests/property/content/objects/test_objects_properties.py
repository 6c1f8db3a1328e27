"""Routing, rates and resumed files for any input."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ipfs_accelerate.content.objects._partial import PartialFile
from ipfs_accelerate.content.objects.limits import TokenBucket
from ipfs_accelerate.content.objects.routing import Candidate, RoundRobin

weights = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@given(weights)
def test_round_robin_is_exact_over_one_cycle(shares):
    router = RoundRobin()
    candidates = [Candidate(str(i), w, 0, None) for i, w in enumerate(shares)]
    chosen = [router.choose(candidates) for _ in range(sum(shares))]
    assert [chosen.count(str(i)) for i in range(len(shares))] == shares


@given(
    st.floats(0.5, 1e9),
    st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 1e6)), min_size=1, max_size=40),
)
def test_a_bucket_never_gives_more_than_its_rate_and_one_second_of_burst(rate, steps):
    bucket, now_ns, taken, last_ns = TokenBucket(rate), 0, 0.0, 0
    for pause_ns, amount in steps:
        now_ns += pause_ns
        last_ns = now_ns + bucket.take(amount, now_ns)
        taken += amount
    assert taken <= rate * (last_ns / 1e9 + 1) * (1 + 1e-6) + 1e-6 * rate


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 50), st.data())
def test_a_resumed_file_is_the_file_whatever_rots_or_is_cut(content, part_bytes, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        options = {"size_bytes": len(content), "part_bytes": part_bytes}
        with PartialFile(path, "v1", **options) as file:
            missing = file.begin()
            for part in data.draw(
                st.lists(st.sampled_from(missing), unique=True) if missing else st.just([])
            ):
                start, end = file.range_of(part)
                file.write(part, content[start:end])
        for name in (".file.part", ".file.journal"):
            other = Path(folder) / name
            raw = bytearray(other.read_bytes())
            if raw and data.draw(st.booleans()):
                raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
            other.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
        with PartialFile(path, "v1", **options) as file:
            for part in file.begin():
                start, end = file.range_of(part)
                file.write(part, content[start:end])
            file.place()
        assert path.read_bytes() == content
        assert [p.name for p in Path(folder).iterdir()] == ["file"]
