"""The block store against a model of it: whatever is done in whatever order."""

from __future__ import annotations

import tempfile

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.blocks import FileLayout, Leaf
from ipfs_accelerate.content.blockstore import FileBlockStore

LEAF_BYTES = 40_000


def _file(*seeds: int) -> tuple[FileLayout, bytes]:
    """A file of leaves, some of which other files have too."""
    parts = [np.random.default_rng(seed).bytes(LEAF_BYTES) for seed in seeds]
    data = b"".join(parts)
    leaves = tuple(Leaf(Cid.of(part), n * LEAF_BYTES, LEAF_BYTES) for n, part in enumerate(parts))
    return FileLayout(Cid.of(data), len(data), leaves), data


FILES = [_file(1, 2, 3), _file(2, 3, 4), _file(5), _file(6, 6, 1)]
NUMBER = st.integers(0, len(FILES) - 1)
SIZES = st.sampled_from([0, 1, 100, 65_536, 65_537, 100_000])


class StoreMachine(RuleBasedStateMachine):
    """Puts, fetches, pins, collects and reopens; compares with plain dictionaries."""

    @initialize()
    def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.store = FileBlockStore(self._folder.name)
        self.pinned: dict[Cid, bytes] = {}
        self.whole: set[int] = set()
        self.files_pinned: set[int] = set()
        self.known: dict[Cid, bytes] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self._folder.cleanup()

    @rule(size=SIZES, seed=st.integers(0, 5), is_pinned=st.booleans())
    def put(self, *, size: int, seed: int, is_pinned: bool) -> None:
        data = np.random.default_rng(seed).bytes(size)
        cid = Cid.of(data)
        self.store.put(cid, data)
        self.known[cid] = data
        assert self.store.get(cid) == data
        if is_pinned:
            self.store.pin(cid)
            self.pinned[cid] = data

    @rule(number=NUMBER, count=st.integers(0, 4))
    def fetch(self, number: int, count: int) -> None:
        layout, data = FILES[number]
        with self.store.begin(layout) as assembly:
            for leaf in assembly.missing()[:count]:
                part = data[leaf.offset : leaf.offset + leaf.size_bytes]
                assembly.write(leaf, part)
                self.known[leaf.cid] = part
            if not assembly.missing():
                assert assembly.finish().read_bytes() == data
                self.whole.add(number)

    @rule(number=NUMBER)
    def pin_file(self, number: int) -> None:
        self.store.pin(FILES[number][0].root)
        self.files_pinned.add(number)

    @rule(number=NUMBER)
    def unpin_file(self, number: int) -> None:
        if number in self.files_pinned:
            self.store.unpin(FILES[number][0].root)
            self.files_pinned.discard(number)

    @rule()
    def collect(self) -> None:
        self.store.collect()
        self.whole &= self.files_pinned

    @rule()
    def check(self) -> None:
        assert self.store.check().is_sound

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = FileBlockStore(self._folder.name)

    @rule()
    def rebuild(self) -> None:
        self.store.close()
        FileBlockStore.rebuild_index(self._folder.name)
        self.store = FileBlockStore(self._folder.name)

    @invariant()
    def pinned_and_whole_stay(self) -> None:
        if not hasattr(self, "store"):
            return
        for cid, data in self.pinned.items():
            assert self.store.get(cid) == data
        for number in self.whole:
            layout, data = FILES[number]
            path = self.store.file_path(layout.root)
            if path is not None:
                assert path.read_bytes() == data

    @invariant()
    def what_it_has_is_right(self) -> None:
        if hasattr(self, "store"):
            for cid, data in self.known.items():
                assert not self.store.has(cid) or self.store.get(cid) == data


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=30,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
