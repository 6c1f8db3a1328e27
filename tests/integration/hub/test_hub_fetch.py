"""Fetching models through the real `huggingface_hub` client."""

import logging
import subprocess
import traceback
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download

from ipfs_accelerate.config import Settings
from ipfs_accelerate.errors import (
    AccessDeniedError,
    ConnectivityError,
    DiskFullError,
    IntegrityError,
    ModelNotFoundError,
    UnsafeModelError,
)
from ipfs_accelerate.models import ModelRef, resolve
from ipfs_accelerate.models.hub import Hub
from ipfs_accelerate.models.verification_files import git_blob_sha1
from ipfs_accelerate.testing.hub_server import Fault, Repository, git_id

REF = ModelRef.parse("hub://org/model")
TOKEN = "hf_thisIsTheSecretToken"


def test_only_config_tokenizer_and_safe_weights_are_fetched(server, settings):
    artifact = resolve(REF, settings=settings)

    assert [f.path for f in artifact.files] == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert artifact.parameters == 1024
    assert artifact.task == "feature-extraction"
    for path in ("pytorch_model.bin", "README.md", "quantized", ".h5"):
        assert server.count(path) == 0


def test_the_artifact_is_pinned_to_a_commit(server, settings, repository):
    artifact = resolve("hub://org/model@v1", settings=settings)

    assert artifact.provenance.kind == "downloaded"
    assert artifact.provenance.source == f"org/model@{repository.commit}"
    assert artifact.directory.name == repository.commit


def test_no_file_of_the_artifact_is_a_link(server, settings):
    artifact = resolve(REF, settings=settings)

    assert not [f for f in artifact.files if (artifact.directory / f.path).is_symlink()]


def test_a_second_resolve_downloads_nothing(server, settings):
    first = resolve(REF, settings=settings)
    before = server.count("/resolve/") + server.count("/cdn/")
    second = resolve(REF, settings=settings)

    assert second == first
    assert server.count("/resolve/") + server.count("/cdn/") == before


def test_a_pinned_commit_that_is_here_needs_no_request(server, settings, repository):
    resolve(f"hub://org/model@{repository.commit}", settings=settings)
    before = len(server.requests)

    resolve(f"hub://org/model@{repository.commit}", settings=settings)

    assert len(server.requests) == before


def test_offline_uses_what_is_here_and_says_what_is_not(server, settings):
    online = resolve(REF, settings=settings)
    offline = settings.model_copy(update={"offline": True})
    before = len(server.requests)

    assert resolve(REF, settings=offline).identity == online.identity
    with pytest.raises(ConnectivityError, match="offline mode is on") as caught:
        resolve("hub://org/other", settings=offline)

    assert "accel models fetch org/other" in caught.value.hint
    assert len(server.requests) == before


def test_a_new_commit_shares_unchanged_files(server, settings, repository):
    old = resolve(REF, settings=settings)
    changed = {**repository.files, "tokenizer.json": b'{"version": "1.1"}'}
    server.repositories["org/model"] = Repository(changed)

    new = resolve(REF, settings=settings)

    assert new.identity != old.identity
    assert server.count("/cdn/") == 1
    assert (new.directory / "model.safetensors").samefile(old.directory / "model.safetensors")


def test_a_damaged_copy_is_replaced(server, settings):
    artifact = resolve(REF, settings=settings)
    file = artifact.directory / "model.safetensors"
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))

    assert resolve(REF, settings=settings).identity == artifact.identity
    assert file.read_bytes() == good


def test_a_damaged_copy_is_an_integrity_error_offline(server, settings):
    artifact = resolve(REF, settings=settings)
    file = artifact.directory / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-5])

    with pytest.raises(IntegrityError, match=r"truncated: expected \d+ bytes, found \d+"):
        resolve(REF, settings=settings.model_copy(update={"offline": True}))


@pytest.mark.parametrize(
    ("reference", "error", "says"),
    [
        ("hub://org/model@v9", ModelNotFoundError, "no such revision: org/model@v9"),
        ("hub://org/private", AccessDeniedError, "status 401"),
        ("hub://org/gated", AccessDeniedError, "status 401"),
        ("hub://org/absent", AccessDeniedError, "or does not exist"),
        ("hub://org/pickled", UnsafeModelError, "only pickled weights"),
        ("hub://org/empty", IntegrityError, "no safetensors or ONNX weights"),
    ],
)
def test_what_cannot_be_had_is_said_without_a_retry(hub, clock, reference, error, says):
    with pytest.raises(error, match=says) as caught:
        hub.fetch(ModelRef.parse(reference))

    assert caught.value.hint
    assert clock.now_ns() == 0


def test_an_absent_model_is_not_found_for_those_who_are_known(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    with pytest.raises(ModelNotFoundError, match="no such model: org/absent"):
        hub.fetch(ModelRef.parse("hub://org/absent"))


def test_a_token_opens_a_private_model_and_stays_secret(
    server, settings, monkeypatch, caplog, repository
):
    caplog.set_level(logging.DEBUG)
    server.repositories["org/private"] = Repository(dict(repository.files), token=TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    artifact = resolve("hub://org/private", settings=settings)

    assert artifact.parameters == 1024
    assert TOKEN not in caplog.text
    assert TOKEN not in str(artifact)
    at_cdn = [r for r in server.requests if "/cdn/" in r.path]
    assert at_cdn
    assert all(r.authorization is None for r in at_cdn)


def test_a_refused_token_is_in_no_error_and_no_log(server, hub, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HF_TOKEN", "hf_wrongButStillSecret")

    with pytest.raises(AccessDeniedError, match="HF_TOKEN") as caught:
        hub.fetch(ModelRef.parse("hub://org/gated"))

    told = "".join(traceback.format_exception(caught.value)) + str(caught.value.to_dict())
    assert "hf_wrongButStillSecret" not in told + caplog.text
    assert any(r.authorization == "Bearer hf_wrongButStillSecret" for r in server.requests)


def test_a_busy_hub_is_asked_again_after_the_time_it_states(server, hub, clock):
    server.fail(Fault(status=429, headers={"Retry-After": "7"}), path="/api/models")

    hub.fetch(REF)

    assert clock.now_ns() == 7_000_000_000


def test_an_unavailable_hub_is_asked_again_with_growing_waits(server, hub, clock):
    server.fail(Fault(status=503), path="/api/models", times=2)

    hub.fetch(REF)

    assert 0.75e9 <= clock.now_ns() <= 1.5e9


def test_a_hub_that_stays_down_is_a_connectivity_error(server, hub, clock):
    server.fail(Fault(status=503), path="/api/models", times=9)

    with pytest.raises(ConnectivityError, match="in 3 attempts: HTTP status 503"):
        hub.fetch(REF)

    assert server.count("/api/models") == 3


def test_a_closed_connection_is_retried(server, hub, clock):
    server.fail(Fault(is_reset=True), path="/api/models")

    hub.fetch(REF)

    assert clock.now_ns() > 0


def test_a_hub_nobody_listens_on_is_a_connectivity_error(settings, hub, server, clock):
    gone = settings.model_copy(update={"hub_endpoint": "http://127.0.0.1:9"})
    hub._settings = gone

    with pytest.raises(ConnectivityError, match=r"127\.0\.0\.1:9 in 3 attempts"):
        hub.fetch(REF)


def test_a_body_cut_in_the_middle_is_resumed(server, hub, repository, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 512)
    server.fail(Fault(cut_at=3000), path="/cdn/")

    snapshot = hub.fetch(REF)

    assert (snapshot.directory / "model.safetensors").read_bytes() == repository.files[
        "model.safetensors"
    ]
    ranges = [r.range for r in server.requests if "/cdn/" in r.path]
    assert ranges[0] is None
    assert ranges[1] is not None
    assert 0 < int(ranges[1].removeprefix("bytes=").rstrip("-")) <= 3000


def test_a_body_that_stalls_is_resumed(server, hub, repository, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    server.fail(Fault(stall_at=2000), path="/cdn/")

    snapshot = hub.fetch(REF)

    assert git_blob_sha1(snapshot.directory / "model.safetensors") == git_id(
        repository.files["model.safetensors"]
    )


def test_wrong_bytes_are_fetched_once_more(server, hub, repository):
    server.fail(Fault(flip_at=2000), path="/cdn/")

    snapshot = hub.fetch(REF)

    assert (snapshot.directory / "model.safetensors").read_bytes() == repository.files[
        "model.safetensors"
    ]
    assert server.count("/cdn/") == 2


@pytest.mark.parametrize(
    ("path", "fault", "says"),
    [
        ("/cdn/", Fault(flip_at=2000), "wrong sha256: expected [0-9a-f]{64}, found [0-9a-f]{64}"),
        ("tokenizer.json", Fault(flip_at=3), "wrong git blob id"),
        ("/cdn/", Fault(shorten_to=1000), r"should be of size \d+ but has size 1000"),
    ],
)
def test_wrong_bytes_twice_are_an_integrity_error(server, hub, path, fault, says):
    server.fail(fault, path=path, method="GET", times=9)

    with pytest.raises(IntegrityError, match=says):
        hub.fetch(REF)

    assert server.count(path) == 2
    assert not list(hub._settings.models_dir.glob("hub/*/*/" + path.strip("/")))


def test_a_page_of_a_proxy_is_not_taken_for_the_hub(server, hub):
    server.fail(Fault(status=200), path="/api/models", times=9)

    with pytest.raises(ConnectivityError, match="does not speak the hub's protocol"):
        hub.fetch(REF)


def test_a_repository_cannot_name_files_outside_itself(server, hub, repository):
    repository.files["../../escape.json"] = b"{}"

    with pytest.raises(UnsafeModelError, match="outside the repository"):
        hub.fetch(REF)


def test_the_server_satisfies_the_client_s_own_snapshot(server, repository, tmp_path):
    found = snapshot_download(
        "org/model", revision="v1", endpoint=server.endpoint, cache_dir=tmp_path, token=False
    )

    assert found.endswith(repository.commit)
    for path, content in repository.files.items():
        assert (Path(found) / path).read_bytes() == content


@pytest.mark.needs("root", "linux")
def test_a_full_disk_is_named_and_leaves_nothing_half_done(server, repository, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        repository.files["model.safetensors"] = bytes(400_000)
        settings = Settings(home=small / "home", hub_endpoint=server.endpoint, hub_attempts=2)

        with (
            pytest.warns(UserWarning, match="Not enough free disk space"),
            pytest.raises(DiskFullError, match="no space left while fetching"),
        ):
            Hub(settings).fetch(REF)

        assert not list(small.glob("**/model.safetensors"))
    finally:
        subprocess.run(["umount", str(small)], check=True)
