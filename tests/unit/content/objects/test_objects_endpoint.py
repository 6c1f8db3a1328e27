"""Endpoints from settings and environment; keys that are never shown."""

import pytest

from ipfs_accelerate.content.objects import (
    Endpoint,
    Keys,
    ObjectPool,
    endpoints_for,
    endpoints_from,
)
from ipfs_accelerate.content.objects.credentials import Redactor, find_keys
from ipfs_accelerate.content.objects.failures import FailureKind, failure_of, verdict
from ipfs_accelerate.errors import (
    AccessDeniedError,
    ConfigurationError,
    ConnectivityError,
    UnknownNameError,
    UsageError,
)


def test_a_table_becomes_endpoints():
    table = {"url": "https://s3.lab", "access_key_id": "ID", "secret_access_key": "SECRET"}
    (endpoint,) = endpoints_from({"endpoints": {"lab": table}})
    assert endpoint.keys == Keys("ID", "SECRET")
    assert endpoint.is_path_style
    assert "SECRET" not in repr(endpoint) + str(endpoint) + repr(endpoint.keys)
    assert "ID" not in repr(endpoint.keys)


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ({"lab": {"urll": "https://s3.lab"}}, UnknownNameError),
        ({"lab": {"keys": "x"}}, UnknownNameError),
        ({"lab": 3}, ConfigurationError),
        ({"lab": {"access_key_id": "half"}}, ConfigurationError),
        ({"lab": {"access_key_id": 3, "secret_access_key": 4}}, ConfigurationError),
        ({"lab": {"url": "ftp://s3.lab"}}, ConfigurationError),
        ({"lab": {"url": "https://user:pass@s3.lab"}}, ConfigurationError),
        ({"lab": {"max_concurrency": 0}}, ConfigurationError),
        ({"lab": {"weight": "heavy"}}, ConfigurationError),
        ({"lab": {"checksum": "md5"}}, ConfigurationError),
        ({"not a name": {}}, ConfigurationError),
    ],
)
def test_what_is_not_an_endpoint_is_refused(table, error):
    with pytest.raises(error) as caught:
        endpoints_from({"endpoints": table})
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("table", [{"endpoint": {}}, {"endpoints": 3}])
def test_a_table_of_another_shape_is_refused(table):
    with pytest.raises(UsageError):
        endpoints_from(table)


def test_an_endpoint_for_any_bucket_takes_the_one_of_the_reference():
    configured = [Endpoint("any"), Endpoint("other", "other"), Endpoint("same", "wanted")]
    assert [(e.name, e.bucket) for e in endpoints_for("wanted", configured)] == [
        ("any", "wanted"),
        ("same", "wanted"),
    ]


def test_without_settings_the_environment_is_the_endpoint():
    (endpoint,) = endpoints_for(
        "b00",
        environment={"AWS_ENDPOINT_URL": "http://s3.lab:9000", "AWS_REGION": "eu-west-1"},
    )
    assert (endpoint.url, endpoint.region, endpoint.bucket) == (
        "http://s3.lab:9000",
        "eu-west-1",
        "b00",
    )
    (anonymous,) = endpoints_for("b00", environment={"AWS_SKIP_SIGNATURE": "true"})
    assert anonymous.credentials == "anonymous"


@pytest.mark.parametrize(
    "endpoints", [[], [Endpoint("a", "x00"), Endpoint("a", "y00")], [Endpoint("a")]]
)
def test_a_pool_needs_endpoints_with_names_and_buckets(endpoints):
    with pytest.raises(ConfigurationError):
        ObjectPool(endpoints)


@pytest.mark.parametrize(
    ("source", "environment", "keys"),
    [
        ("environment", {"AWS_ACCESS_KEY_ID": "I", "AWS_SECRET_ACCESS_KEY": "S"}, Keys("I", "S")),
        ("environment:X_",
         {"X_ACCESS_KEY_ID": "I", "X_SECRET_ACCESS_KEY": "S", "X_SESSION_TOKEN": "T"},
         Keys("I", "S", "T")),
        ("environment", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}, None),
        ("instance", {}, None),
        ("anonymous", {"AWS_ACCESS_KEY_ID": "I", "AWS_SECRET_ACCESS_KEY": "S"}, None),
    ],
)  # fmt: skip
def test_keys_come_from_their_source(source, environment, keys, tmp_path):
    assert (
        find_keys(source, endpoint="e", environment={"HOME": str(tmp_path), **environment}) == keys
    )


def test_keys_come_from_the_default_profile(tmp_path):
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(
        "[default]\naws_access_key_id=I\naws_secret_access_key=S%\n"
    )
    environment = {"HOME": str(tmp_path)}
    assert find_keys("environment", endpoint="e", environment=environment) == Keys("I", "S%")
    with pytest.raises(AccessDeniedError, match="other"):
        find_keys("profile:other", endpoint="e", environment=environment)


def test_a_broken_credentials_file_is_named_without_its_text(tmp_path):
    path = tmp_path / "c"
    path.write_text("aws_secret_access_key=VERYSECRET\n")
    with pytest.raises(ConfigurationError) as caught:
        find_keys("profile:a", endpoint="e", environment={"AWS_SHARED_CREDENTIALS_FILE": str(path)})
    assert "VERYSECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("source", ["environment", "environment:LAB_"])
def test_no_keys_is_denied_access_with_a_hint(source, tmp_path):
    with pytest.raises(AccessDeniedError, match="ACCESS_KEY_ID"):
        find_keys(source, endpoint="e", environment={"HOME": str(tmp_path)})


@pytest.mark.parametrize("source", ["", "profile", "profile:", "vault:x", "anonymous:x"])
def test_an_unknown_source_is_refused(source):
    with pytest.raises(ConfigurationError, match="no such source"):
        find_keys(source, endpoint="e", environment={})


def test_keys_are_taken_out_of_foreign_text():
    redact = Redactor(Keys("AKIA1", "s3cret", "tok"))
    assert redact("AKIA1 signed with s3cret and tok") == (
        "[redacted] signed with [redacted] and [redacted]"
    )


def test_silence_outweighs_denial_and_denial_absence():
    missing = failure_of(FileNotFoundError("x"), str)
    denied = failure_of(ValueError("status code: 403 <Code>ExpiredToken</Code>"), str)
    silent = failure_of(OSError("Generic S3 error: HTTP error"), str)
    kinds = [missing.kind, denied.kind, silent.kind]
    assert kinds == [FailureKind.MISSING, FailureKind.DENIED, FailureKind.UNREACHABLE]
    assert isinstance(verdict("x", [missing, denied]), AccessDeniedError)
    assert isinstance(verdict("x", [missing, denied, silent]), ConnectivityError)
