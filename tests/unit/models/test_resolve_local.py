"""Folders and files on disk become artifacts that say what was verified."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import save

from ipfs_accelerate.config import Settings
from ipfs_accelerate.errors import (
    InputError,
    IntegrityError,
    ModelFormatError,
    ModelReferenceError,
    SourceUnavailableError,
)
from ipfs_accelerate.models import Family, resolve, verify
from ipfs_accelerate.models.manifest import MANIFEST_NAME, Expected, sha256_of, write_manifest
from ipfs_accelerate.plugins import hookimpl, plugin_manager

CONFIG = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", offline=True)


@pytest.fixture
def folder(tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(CONFIG))
    arrays = {"weight": np.ones((4, 5), np.float32), "position_ids": np.arange(9)}
    (directory / "model.safetensors").write_bytes(save(arrays))
    (directory / "README.md").write_text("words")
    return directory


def shard(folder, number, **arrays):
    (folder / f"model-0000{number}-of-00002.safetensors").write_bytes(save(arrays))


def test_a_folder_is_described_from_its_files(folder, settings):
    artifact = resolve(folder, settings=settings)

    assert artifact.task == "fill-mask"
    assert artifact.family is Family.EMBEDDING
    assert artifact.architecture == "BertForMaskedLM"
    assert artifact.parameters == 20
    assert artifact.formats == {"safetensors"}
    assert artifact.weights == "trained"
    assert artifact.provenance.kind == "local"
    assert {f.path for f in artifact.files} == {"config.json", "model.safetensors"}
    assert artifact.files[1].sha256 == sha256_of(folder / "model.safetensors")


@pytest.mark.needs("minilm")
def test_the_real_encoder_is_recognised(minilm_directory, settings):
    artifact = resolve(minilm_directory, settings=settings)

    assert artifact.task == "feature-extraction"
    assert artifact.parameters == 22_713_216


def test_the_identity_follows_the_bytes_not_the_place(folder, settings, tmp_path):
    first = resolve(folder, settings=settings).identity
    moved = folder.rename(tmp_path / "elsewhere")
    assert resolve(moved, settings=settings).identity == first

    (moved / "config.json").write_text(json.dumps({**CONFIG, "x": 1}))
    assert resolve(moved, settings=settings).identity != first


def test_a_flipped_bit_changes_the_hash_even_under_the_old_times(folder, settings):
    file = folder / "model.safetensors"
    before = resolve(folder, settings=settings)
    status = file.stat()
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert resolve(folder, settings=settings, verify="full").identity != before.identity
    assert resolve(folder, settings=settings).identity != before.identity


def test_an_unusable_cache_costs_nothing_but_time(folder, settings):
    first = resolve(folder, settings=settings)
    (settings.home / "facts.sqlite").write_bytes(b"not a database" * 500)

    assert resolve(folder, settings=settings) == first
    assert resolve(folder, settings=settings) == first


def test_random_weights_are_named_so(folder, settings):
    (folder / "weights.json").write_text('{"weights": "random(seed=3)"}')

    artifact = resolve(folder, settings=settings)

    assert artifact.weights == "random(seed=3)"
    assert artifact.provenance.kind == "random_weights"


def test_a_single_safetensors_file_is_a_model(folder, settings):
    (folder / "config.json").unlink()
    (folder / "tokenizer.json").write_text("{}")

    artifact = resolve(folder / "model.safetensors", settings=settings)

    assert [f.path for f in artifact.files] == ["model.safetensors"]
    assert (artifact.parameters, artifact.architecture, artifact.task) == (20, None, None)


def test_a_single_file_comes_with_the_configuration_beside_it(folder, settings):
    (folder / "tokenizer.json").write_text("{}")

    artifact = resolve(folder / "model.safetensors", settings=settings)

    assert [f.path for f in artifact.files] == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert artifact.task == "fill-mask"


def test_a_home_that_cannot_be_made_costs_only_the_memory(folder, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    nowhere = Settings(home=tmp_path / "file" / "home", offline=True)

    assert resolve(folder, settings=nowhere).parameters == 20
    assert "hashes are not remembered" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("m.gguf", b"GGUF\x03\0\0\0" + b"\0" * 16, "gguf"),
        ("m.tflite", b"\x1c\0\0\0TFL3" + b"\0" * 8, "tflite"),
    ],
)
def test_other_formats_are_recognised_by_their_bytes(tmp_path, settings, name, content, kind):
    file = tmp_path / name
    file.write_bytes(content)
    assert resolve(file, settings=settings).formats == {kind}

    file.write_bytes(content[::-1])
    with pytest.raises(ModelFormatError, match="is not"):
        resolve(file, settings=settings)


def test_all_shards_of_an_index_are_needed(folder, settings):
    (folder / "model.safetensors").unlink()
    shard(folder, 1, a=np.ones(3, np.float32))
    shard(folder, 2, b=np.ones(4, np.float32))
    first, second = (f"model-0000{n}-of-00002.safetensors" for n in (1, 2))
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": first, "b": second}}))
    assert resolve(folder, settings=settings).parameters == 7

    index.write_text(json.dumps({"weight_map": {"a": first, "c": second}}))
    with pytest.raises(IntegrityError, match=r"lacks 1 tensors of its index, e\.g\. 'c'"):
        resolve(folder, settings=settings)

    (folder / second).unlink()
    with pytest.raises(IntegrityError, match=r"00002-of-00002.*is missing: the index"):
        resolve(folder, settings=settings)


def test_a_manifest_is_held_against_the_folder(folder, settings):
    file = folder / "model.safetensors"
    size, digest = file.stat().st_size, sha256_of(file)
    write_manifest(folder / MANIFEST_NAME, [Expected("model.safetensors", size, digest)])
    report = verify(folder, settings=settings)
    checks = {f.path: f.checks for f in report.files}
    assert report.is_ok
    assert checks["model.safetensors"] == ("size", "sha256", "header", "tensor spans")

    write_manifest(folder / MANIFEST_NAME, [Expected("model.safetensors", size + 1, digest)])
    with pytest.raises(IntegrityError, match=f"expected {size + 1} bytes, found {size}"):
        resolve(folder, settings=settings)

    write_manifest(folder / MANIFEST_NAME, [Expected("model.safetensors", size, "0" * 64)])
    with pytest.raises(IntegrityError, match=f"expected {'0' * 64}, found {digest}"):
        resolve(folder, settings=settings)

    write_manifest(folder / MANIFEST_NAME, [Expected("vocab.txt", 3)])
    with pytest.raises(IntegrityError, match=r"vocab\.txt is missing"):
        resolve(folder, settings=settings)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": "other/1", "files": []}', '{"schema": 1}', "{" * 100_000]
)
def test_a_manifest_that_is_none_is_refused(folder, settings, text):
    (folder / MANIFEST_NAME).write_text(text)

    with pytest.raises(ModelFormatError, match="manifest"):
        resolve(folder, settings=settings)


@pytest.mark.parametrize("text", ["", "[1]", '"config"', "{", "nan?", "[" * 100_000])
def test_a_config_that_is_no_object_is_refused(folder, settings, text):
    (folder / "config.json").write_text(text)

    with pytest.raises(ModelFormatError, match=r"config\.json"):
        resolve(folder, settings=settings)


def test_a_folder_without_weights_is_refused(folder, settings):
    (folder / "model.safetensors").unlink()

    with pytest.raises(IntegrityError, match="holds no weights"):
        resolve(folder, settings=settings)


def test_a_report_names_every_problem_at_once(folder, settings):
    (folder / "config.json").write_text("{")
    (folder / "model.safetensors").write_bytes(b"short")

    report = verify(folder, settings=settings)

    assert [p.code for p in report.problems] == ["model_format", "integrity"]
    assert not report.manifest()


def test_a_cid_that_is_none_is_refused(settings):
    with pytest.raises(ModelReferenceError, match="not a content identifier"):
        resolve("ipfs://b" + "a" * 58, settings=settings)


def test_schemes_nobody_serves_say_who_would(settings):
    manager = plugin_manager()
    plugin = manager.unregister(name="resolve-s3")
    try:
        with pytest.raises(SourceUnavailableError, match="is served by") as caught:
            resolve("s3://bucket/key", settings=settings)
    finally:
        manager.register(plugin, name="resolve-s3")

    assert "ipfs_accelerate_resolve" in caught.value.hint


def test_a_plugin_serves_a_scheme(folder, settings):
    class Plugin:
        @hookimpl
        def ipfs_accelerate_resolve(self, ref, cache_dir):
            return folder if ref.location == "bucket/key" else None

    plugin = Plugin()
    plugin_manager().register(plugin)
    try:
        artifact = resolve("s3://bucket/key", settings=settings)
    finally:
        plugin_manager().unregister(plugin)

    assert artifact.parameters == 20
    assert artifact.provenance.source == "s3://bucket/key"


@pytest.mark.parametrize("query", ["seed=x", "seed=-1", "colour=red"])
def test_random_references_with_unknown_options_are_refused(settings, query):
    with pytest.raises(ModelReferenceError, match="not understood"):
        resolve(f"random://bert?{query}", settings=settings)


def test_an_unknown_way_to_verify_is_refused(folder, settings):
    with pytest.raises(InputError, match="'cached' nor 'full'"):
        resolve(folder, settings=settings, verify="never")
