"""``accel models`` says what it found, per file, and ends with the right status."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from ipfs_accelerate.cli.main import _run


@pytest.fixture
def folder(tmp_path):
    directory = tmp_path / "tiny-bert"
    directory.mkdir()
    (directory / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    (directory / "model.safetensors").write_bytes(save({"weight": np.ones((2, 3), np.float32)}))
    return directory


def accel(capsys, *arguments):
    code = _run(["models", *map(str, arguments)])
    return code, capsys.readouterr()


def test_verify_names_every_file_and_what_was_checked(capsys, folder):
    (folder / "notes.md").write_text("x")

    code, out = accel(capsys, "verify", folder)

    assert code == 0
    assert "model.safetensors  (safetensors: hashed, header, tensor spans)" in out.out
    assert "notes.md  (not part of a model)" in out.out
    assert out.out.rstrip().endswith("may be used")


def test_verify_ends_with_one_when_it_finds_a_problem(capsys, folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])

    code, out = accel(capsys, "verify", folder, "--json")
    document = json.loads(out.out)

    assert code == 1
    assert document["schema"] == "ipfs-accelerate/models-verify/1"
    assert document["is_ok"] is False
    assert [p["code"] for p in document["problems"]] == ["integrity"]
    assert document["problems"][0]["details"] == {"expected_bytes": 24, "found_bytes": 23}


def test_content_that_nobody_has_ends_with_three(capsys):
    cid = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
    code, out = accel(capsys, "verify", f"ipfs://{cid}")

    assert code == 3
    assert "error[content_not_found]" in out.err


def test_show_describes_the_model(capsys, folder):
    code, out = accel(capsys, "show", folder, "--json")
    document = json.loads(out.out)

    assert code == 0
    assert (document["family"], document["parameters"]) == ("embedding", 6)
    assert [f["path"] for f in document["files"]] == ["config.json", "model.safetensors"]


def test_fetch_notes_a_changed_version_and_list_shows_the_newest(capsys, folder):
    _, first = accel(capsys, "fetch", folder, "--json")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    code, second = accel(capsys, "fetch", folder)
    _, listed = accel(capsys, "list", "--json")

    old, new = json.loads(first.out), json.loads(listed.out)["models"]
    assert code == 0
    assert old["is_new_version"] is True
    assert old["replaces_version"] is None
    assert f"version changed: {old['identity'][:12]} ->" in second.err
    assert [m["model_name"] for m in new] == [str(folder)]
    assert new[0]["version"] != old["identity"]


def test_notes_are_kept_and_checked(capsys, folder):
    accel(capsys, "fetch", folder)

    code, out = accel(capsys, "annotate", folder, "owner=me")
    assert (code, out.out) == (0, "owner=me\n")
    code, out = accel(capsys, "annotate", folder, "owner")
    assert code == 2
    assert "not KEY=VALUE" in out.err


def test_an_empty_ledger_lists_nothing_and_says_what_to_do(capsys):
    code, out = accel(capsys, "list")

    assert (code, out.out) == (0, "")
    assert "accel models fetch REF" in out.err


@pytest.mark.parametrize(
    ("name", "family"), [("whisper", "audio"), ("LlamaForCausalLM", "text_generation")]
)
def test_a_type_or_class_is_classified_without_files(capsys, name, family):
    code, out = accel(capsys, "classify", name, "--json")
    document = json.loads(out.out)

    assert code == 0
    assert document["family"] == family
    assert document["evidence"][0]["says"]


@pytest.mark.parametrize(
    "verb", ["verify", "show", "fetch", "classify", "list", "annotate", "convert"]
)
def test_help_ends_with_an_example(capsys, verb):
    code, out = accel(capsys, verb, "--help")

    assert code == 0
    assert "Example: accel models " + verb in out.out
