from __future__ import annotations

from pathlib import Path

import pytest

from ipfs_accelerate.config import Settings, environment_names, load_settings
from ipfs_accelerate.errors import ConfigurationError


def test_argument_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "ipfs-accelerate.toml"
    file.write_text("threads = 3\nhub_attempts = 7\nlock_timeout_s = 9.0\n")
    environment = {"IPFS_ACCELERATE_HUB_ATTEMPTS": "8", "IPFS_ACCELERATE_LOCK_TIMEOUT_S": "10"}
    settings = load_settings({"lock_timeout_s": 11.0}, environment=environment, file=file)
    assert (settings.threads, settings.hub_attempts, settings.lock_timeout_s) == (3, 8, 11.0)
    assert settings.offline is False


def test_arguments_that_are_none_count_as_not_given() -> None:
    environment = {"IPFS_ACCELERATE_THREADS": "4"}
    assert load_settings({"threads": None}, environment=environment).threads == 4


def test_published_variable_names_the_ledger() -> None:
    settings = load_settings(environment={"BENCHMARK_DB_PATH": "/data/b.duckdb"})
    assert settings.ledger_path == Path("/data/b.duckdb")


def test_own_variable_beats_the_published_one() -> None:
    both = {"BENCHMARK_DB_PATH": "/a.duckdb", "IPFS_ACCELERATE_DB_PATH": "/b.duckdb"}
    assert load_settings(environment=both).ledger_path == Path("/b.duckdb")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"IPFS_ACCELERATE_THREDS": "2"}, "IPFS_ACCELERATE_THREADS"),
        ({"IPFS_ACCELERATE_THREADS": "many"}, "threads"),
        ({"IPFS_ACCELERATE_THREADS": "0"}, "threads"),
    ],
)
def test_bad_environment_is_an_error_that_names_the_setting(
    environment: dict[str, str], expected: str
) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        load_settings(environment=environment)


def test_unknown_key_in_the_file_suggests_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("ofline = true\n")
    with pytest.raises(ConfigurationError, match="offline"):
        load_settings(environment={}, file=file)


def test_broken_file_names_the_path(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("threads = = 2")
    with pytest.raises(ConfigurationError, match=r"s\.toml"):
        load_settings(environment={}, file=file)


def test_every_setting_is_described_and_has_a_variable() -> None:
    assert set(environment_names()) == set(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())


def test_a_list_from_the_environment_is_written_with_commas() -> None:
    environment = {"IPFS_ACCELERATE_CONTENT_GATEWAYS": "http://a:1, https://b/"}
    assert load_settings(environment=environment).content_gateways == ("http://a:1", "https://b")


def test_a_list_in_the_file_is_an_array(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('content_peers = ["10.0.0.1:4801", "10.0.0.2:4801"]\n')
    assert len(load_settings(environment={}, file=file).content_peers) == 2


@pytest.mark.parametrize("url", ["ftp://a", "127.0.0.1:5001", "http://"])
def test_an_address_without_http_is_refused_by_name(url: str) -> None:
    with pytest.raises(ConfigurationError, match="content_kubo"):
        load_settings(environment={"IPFS_ACCELERATE_CONTENT_KUBO": url})


def test_the_token_is_in_no_printed_form_of_the_settings() -> None:
    settings = load_settings(environment={"IPFS_ACCELERATE_CONTENT_TOKEN": "tell-nobody"})
    assert settings.content_token is not None
    assert settings.content_token.get_secret_value() == "tell-nobody"
    for text in (repr(settings), str(settings.model_dump(mode="json")), settings.model_dump_json()):
        assert "tell-nobody" not in text


def test_a_token_of_the_wrong_type_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"content_token": ["tell-nobody"]})
    assert "tell-nobody" not in str(caught.value)
