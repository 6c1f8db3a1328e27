"""The Hub, through its own client: what a model consists of, fetched and checked file by file."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from ipfs_accelerate.errors import (
    AccelerateError,
    ConnectivityError,
    IntegrityError,
    ModelError,
    ModelFormatError,
)
from ipfs_accelerate.models.hub_errors import WrongSize, disk_space_for, not_a_hub, translate
from ipfs_accelerate.models.hub_selection import select_files
from ipfs_accelerate.models.manifest import Expected, FactCache, read_manifest, write_manifest
from ipfs_accelerate.models.retry import Retry, Transient
from ipfs_accelerate.models.verification_files import Inspection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from huggingface_hub.hf_api import ModelInfo

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.models.reference import ModelRef

__all__ = ["Hub", "Snapshot"]

logger = logging.getLogger(__name__)
T = TypeVar("T")
_ANSWER_S = 30.0
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit of a model on this machine.

    Attributes:
        directory: Its files, no links among them.
        commit: The commit a branch or tag was pinned to.
        expected: Sizes and hashes as the hub states them.
        task: Pipeline tag as the hub states it.
    """

    directory: Path
    commit: str
    expected: Mapping[str, Expected]
    task: str | None


class Hub:
    """A model hub and the copies of its models here.

    ``<models_dir>/hub/<org>--<name>/<commit>/`` holds the files of a commit, hard-linked to the
    client's own cache so that commits share what did not change; ``<commit>.json`` beside it is the
    receipt that an offline start is checked against.

    Args:
        settings: Endpoint, folders, attempts, offline mode.
        retry: Policy of repetition; made from the settings when ``None``.
    """

    def __init__(self, settings: Settings, *, retry: Retry | None = None) -> None:
        self._settings = settings
        self._retry = retry or Retry(attempts=settings.hub_attempts, jitter=_jitter())
        self._cache = FactCache(settings.home / "facts.sqlite")

    def fetch(self, ref: ModelRef, *, allow_pickle: bool = False) -> Snapshot:
        """Bring a model to this machine, or complete what is here.

        Raises:
            ModelNotFoundError: No such model, revision or file.
            AccessDeniedError: The hub wants other credentials.
            ConnectivityError: No answer after all attempts, or offline and not here.
            IntegrityError: The bytes were wrong twice, or there are no weights.
            UnsafeModelError: The only weights are pickles.
        """
        home = self._settings.models_dir / "hub" / ref.location.replace("/", "--")
        known = self._known_commit(home, ref)
        if known is not None and (self._settings.offline or _COMMIT.match(ref.revision or "")):
            snapshot = self._receipt(home, known)
            if snapshot is not None and (self._settings.offline or self._is_whole(snapshot)):
                return snapshot
        if self._settings.offline:
            raise ConnectivityError(
                f"{ref} is not on this machine, and offline mode is on",
                hint=f"unset IPFS_ACCELERATE_OFFLINE and run: accel models fetch {ref}",
            )
        return self._online(home, ref, allow_pickle=allow_pickle)

    def _online(self, home: Path, ref: ModelRef, *, allow_pickle: bool) -> Snapshot:
        info = self._call(str(ref), lambda: self._info(ref))
        if not info.sha or info.siblings is None:
            raise ConnectivityError(f"the hub did not say which commit {ref} is")
        expected = _expected(info)
        chosen = select_files(str(ref), expected, allow_pickle=allow_pickle)
        snapshot = Snapshot(
            home / info.sha, info.sha, {path: expected[path] for path in chosen}, info.pipeline_tag
        )
        with disk_space_for(str(ref)):
            self._complete_all(home, ref, snapshot)
        return snapshot

    def _complete_all(self, home: Path, ref: ModelRef, snapshot: Snapshot) -> None:
        from filelock import FileLock

        snapshot.directory.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{snapshot.directory}.lock"):
            for entry in snapshot.expected.values():
                self._complete(ref, snapshot, entry)
            write_manifest(
                _receipt_path(home, snapshot.commit),
                snapshot.expected.values(),
                extra={"model": ref.location, "commit": snapshot.commit, "task": snapshot.task},
            )
        _remember_commit(home, ref, snapshot.commit)

    def _info(self, ref: ModelRef) -> ModelInfo:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self._settings.hub_endpoint.rstrip("/"))
        try:
            return api.model_info(
                ref.location, revision=ref.revision, files_metadata=True, timeout=_ANSWER_S
            )
        except (KeyError, TypeError, AttributeError) as error:  # JSON, but not of a hub
            raise not_a_hub(str(ref)) from error

    def _complete(self, ref: ModelRef, snapshot: Snapshot, entry: Expected) -> None:
        """Fetch a file unless it is here and right; wrong bytes are fetched once more."""
        destination = snapshot.directory / entry.path
        if destination.is_file() and self._problem(destination, entry) is None:
            return
        problem: ModelError | None = None
        for is_again in (False, True):
            try:
                path = self._call(
                    f"{entry.path} of {ref}",
                    partial(self._get, ref, snapshot.commit, entry.path, is_again=is_again),
                )
            except WrongSize as error:
                problem = IntegrityError(f"{entry.path} of {ref}: {error}", hint=_WRONG)
                continue
            problem = self._problem(path, entry)
            if problem is None:
                _link(path, destination)
                return
            logger.warning("%s of %s has wrong bytes; fetching it again", entry.path, ref)
        assert problem is not None
        raise IntegrityError(
            f"the hub sent wrong bytes twice: {problem.message}",
            hint=_WRONG,
            details=problem.details,
        ) from problem

    def _get(self, ref: ModelRef, commit: str, path: str, *, is_again: bool) -> Path:
        from huggingface_hub import hf_hub_download

        with _quiet_progress():
            found = hf_hub_download(
                ref.location,
                path,
                revision=commit,
                cache_dir=self._settings.models_dir / "hub-cache",
                endpoint=self._settings.hub_endpoint.rstrip("/"),
                force_download=is_again,
            )
        return Path(os.path.realpath(found))

    def _call(self, what: str, operation: Callable[[], T]) -> T:
        def translated() -> T:
            try:
                return operation()
            except AccelerateError:
                raise
            except Exception as error:  # the client's own errors, told apart by `translate`
                better = translate(error, what)
                if better is None:
                    raise
                raise better from error

        try:
            return self._retry.call(translated, what=what)
        except Transient as error:
            raise ConnectivityError(
                f"{what} could not be fetched from {self._settings.hub_endpoint} in"
                f" {self._retry.attempts} attempts: {error.reason}",
                hint="check the network, or use a copy that is here with IPFS_ACCELERATE_OFFLINE=1",
            ) from error

    def _problem(self, file: Path, entry: Expected) -> ModelError | None:
        inspection = Inspection(file.parent, self._cache)
        try:
            inspection.compare_size(file, file.stat().st_size, entry)
            inspection.compare_hash(file, self._cache.sha256(file), entry)
        except ModelError as error:
            return error
        return None

    def _is_whole(self, snapshot: Snapshot) -> bool:
        return all(
            (snapshot.directory / entry.path).is_file()
            and self._problem(snapshot.directory / entry.path, entry) is None
            for entry in snapshot.expected.values()
        )

    def _known_commit(self, home: Path, ref: ModelRef) -> str | None:
        if _COMMIT.match(ref.revision or ""):
            return ref.revision
        try:
            text = _ref_path(home, ref).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        return text if _COMMIT.match(text) else None

    def _receipt(self, home: Path, commit: str) -> Snapshot | None:
        path = _receipt_path(home, commit)
        if not path.is_file() or not (home / commit).is_dir():
            return None
        try:
            expected = read_manifest(path)
            task = json.loads(path.read_bytes()).get("task")
        except ModelFormatError:
            logger.warning("%s is unreadable; the model will be fetched again", path)
            return None
        return Snapshot(home / commit, commit, expected, task if isinstance(task, str) else None)


_WRONG = "the hub or something between here and it corrupts the file; try another network or mirror"


def _expected(info: ModelInfo) -> dict[str, Expected]:
    found: dict[str, Expected] = {}
    for sibling in info.siblings or ():
        digest = sibling.lfs.sha256 if sibling.lfs is not None else None
        found[sibling.rfilename] = Expected(
            sibling.rfilename,
            sibling.size,
            sha256=digest,
            git_sha1=None if digest else sibling.blob_id,
        )
    return found


def _receipt_path(home: Path, commit: str) -> Path:
    return home / f"{commit}.json"


def _ref_path(home: Path, ref: ModelRef) -> Path:
    return home / "refs" / quote(ref.revision or "(default)", safe="()")


def _remember_commit(home: Path, ref: ModelRef, commit: str) -> None:
    path = _ref_path(home, ref)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.partial")
    unfinished.write_text(commit, encoding="ascii")
    unfinished.replace(path)


def _link(source: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}.partial")
    unfinished.unlink(missing_ok=True)
    try:
        unfinished.hardlink_to(source)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, unfinished)
    unfinished.replace(destination)


@contextmanager
def _quiet_progress() -> Iterator[None]:
    """No progress bars where nobody watches."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if sys.stderr.isatty() or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _jitter() -> np.random.Generator:
    """Unseeded: the waits of many machines must differ."""
    import numpy as np

    return np.random.default_rng()
