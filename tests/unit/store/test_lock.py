"""Many readers or one writer, decided by a deadline on an injected clock."""

from __future__ import annotations

import os
import threading

import pytest

from ipfs_accelerate.errors import StoreLockedError
from ipfs_accelerate.store.lock import LedgerLock
from ipfs_accelerate.telemetry import FakeClock


@pytest.fixture
def lock(tmp_path):
    return LedgerLock(tmp_path / "ledger.duckdb", timeout_s=10, clock=FakeClock())


def test_readers_share(lock):
    with lock.shared(), lock.shared():
        pass


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        ("shared", "exclusive"),
        ("exclusive", "shared"),
        ("exclusive", "exclusive"),
    ],
)
def test_a_writer_is_alone_and_the_error_names_the_holder(lock, held, wanted):
    with (
        getattr(lock, held)(),
        pytest.raises(StoreLockedError, match=str(os.getpid())) as caught,
        getattr(lock, wanted)(),
    ):
        pass
    assert caught.value.details["pids"] == [os.getpid()]


def test_the_lock_is_free_after_use_and_after_an_error(lock):
    with pytest.raises(RuntimeError), lock.exclusive():
        raise RuntimeError
    with lock.exclusive():
        pass


def test_a_waiting_writer_keeps_later_readers_out(tmp_path):
    path = tmp_path / "ledger.duckdb"
    patient = LedgerLock(path, timeout_s=60)
    order: list[str] = []

    def write() -> None:
        with patient.exclusive():
            order.append("writer")

    writer = threading.Thread(target=write)
    hasty = LedgerLock(path, timeout_s=0)
    with patient.shared():
        writer.start()
        refused = False
        while not refused:  # until the writer stands in the gate
            try:
                with hasty.shared():
                    pass
            except StoreLockedError:
                refused = True
        assert order == []
    writer.join(60)
    assert order == ["writer"]
