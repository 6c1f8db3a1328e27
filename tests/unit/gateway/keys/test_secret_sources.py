"""References point to secrets; what goes wrong is said without repeating what was given."""

from __future__ import annotations

import os
import sys
import types

import pytest

from ipfs_accelerate.errors import ConfigurationError, MissingExtraError
from ipfs_accelerate.gateway.keys import KEY_VARIABLES, keys_from_environment, load_secret

PASTED = "sk-proj-0123456789abcdef"


def private_file(tmp_path, data: bytes, mode: int = 0o600):
    path = tmp_path / "key"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_variable_is_read():
    assert load_secret("env:MY_KEY", environ={"MY_KEY": "abc"}).reveal() == "abc"


def test_a_private_file_is_read(tmp_path):
    path = private_file(tmp_path, b"abc\n")
    assert load_secret(f"file:{path}", environ={}).reveal() == "abc"


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o660])
def test_a_file_others_can_touch_is_refused_with_the_command_that_helps(tmp_path, mode):
    path = private_file(tmp_path, b"abc", mode)
    with pytest.raises(ConfigurationError, match="may be read by others") as caught:
        load_secret(f"file:{path}", environ={})
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"a\nb", PASTED.encode() + b"\xff\xfe", b"x" * 100_000]
)
def test_a_file_without_one_key_is_refused_and_its_bytes_are_not_shown(tmp_path, data):
    path = private_file(tmp_path, data)
    with pytest.raises(ConfigurationError) as caught:
        load_secret(f"file:{path}", environ={})
    assert PASTED not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_is_not_there_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigurationError, match=str(path)):
            load_secret(f"file:{path}", environ={})


@pytest.mark.parametrize(
    "reference",
    [PASTED, f"env:{PASTED}", f"key:{PASTED}", f"file:{PASTED}", f"keyring:{PASTED}", "", "env:"],
)
def test_a_key_pasted_in_place_of_a_reference_is_not_repeated(reference):
    with pytest.raises(ConfigurationError) as caught:
        load_secret(reference, environ={})
    assert PASTED not in str(caught.value.to_dict())


def test_a_variable_that_is_not_set_or_empty_is_named():
    with pytest.raises(ConfigurationError, match="no variable MY_KEY"):
        load_secret("env:MY_KEY", environ={})
    with pytest.raises(ConfigurationError, match="MY_KEY is empty"):
        load_secret("env:MY_KEY", environ={"MY_KEY": "  "})


def test_a_keyring_that_is_not_installed_names_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingExtraError, match="keyring"):
        load_secret("keyring:service/name", environ={})


def test_a_keyring_is_asked_by_service_and_name(monkeypatch):
    library = types.ModuleType("keyring")
    library.get_password = lambda service, name: f"{service}-{name}" if name == "me" else None
    monkeypatch.setitem(sys.modules, "keyring", library)
    assert load_secret("keyring:openai/me", environ={}).reveal() == "openai-me"
    with pytest.raises(ConfigurationError, match="no such entry"):
        load_secret("keyring:openai/other", environ={})


def test_the_keyring_of_a_machine_without_one_is_a_typed_error(monkeypatch):
    def locked(service, name):
        raise RuntimeError("no back end")

    library = types.ModuleType("keyring")
    library.get_password = locked
    monkeypatch.setitem(sys.modules, "keyring", library)
    with pytest.raises(ConfigurationError, match="RuntimeError"):
        load_secret("keyring:openai/me", environ={})


def test_several_keys_of_one_service_are_numbered_without_a_gap():
    environ = {f"OPENAI_API_KEY{n}": f"k{n}" for n in ("", "_2", "_3", "_5")}
    found = keys_from_environment("openai", environ)
    assert list(found) == ["OPENAI_API_KEY", "OPENAI_API_KEY_2", "OPENAI_API_KEY_3"]
    assert [secret.reveal() for secret in found.values()] == ["k", "k_2", "k_3"]


def test_the_first_name_that_is_set_wins_and_empty_counts_as_not_set():
    environ = {"GEMINI_API_KEY": " ", "GOOGLE_API_KEY": "g"}
    assert list(keys_from_environment("gemini", environ)) == ["GOOGLE_API_KEY"]
    assert keys_from_environment("local", {"LOCAL_API_KEY": "x"}) == {}


def test_a_provider_outside_the_table_has_a_variable_of_its_own_name():
    assert list(keys_from_environment("my-cloud", {"MY_CLOUD_API_KEY": "x"})) == [
        "MY_CLOUD_API_KEY"
    ]


def test_every_variable_of_the_table_is_a_key():
    names = [name for names in KEY_VARIABLES.values() for name in names]
    assert all(name.endswith("_API_KEY") or name == "HF_TOKEN" for name in names)
