"""The client over TLS: certificates are checked, connections kept, waits still cut short."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.content.sources._http_wire import is_loopback, proxy_for
from ipfs_accelerate.content.sources.gateway import GatewaySource
from ipfs_accelerate.errors import ConfigurationError, ConnectivityError
from ipfs_accelerate.telemetry import MonotonicClock
from ipfs_accelerate.testing.conformance.source import Receiver, SampleFile, sample_file
from ipfs_accelerate.testing.gateway_server import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Server and client contexts of a certificate for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36_500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    text = serialization.Encoding.PEM
    pem.write_bytes(
        key.private_bytes(text, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(text)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


@pytest.fixture
def content() -> SampleFile:
    return sample_file(12, 100_000)


@pytest.fixture
def server(
    content: SampleFile, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> Iterator[FakeGateway]:
    with FakeGateway(content.blocks, [content.layout], context=contexts[0]) as made:
        yield made


def test_blocks_come_over_tls(
    server: FakeGateway, content: SampleFile, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    source = GatewaySource(server.url, context=contexts[1])
    receiver = Receiver()
    for wants in (content.wants, content.bare_wants):
        source.fetch(wants, receiver, cancel=threading.Event(), timeout_s=5.0)
    assert len(receiver.got) == 12
    assert server.connections == 1
    source.close()


def test_an_unknown_certificate_is_refused(server: FakeGateway, content: SampleFile) -> None:
    source = GatewaySource(server.url)
    with pytest.raises(ConnectivityError, match="CERTIFICATE_VERIFY_FAILED"):
        source.fetch(content.wants, Receiver(), cancel=threading.Event(), timeout_s=5.0)
    source.close()


def test_silence_over_tls_is_cut_short(
    server: FakeGateway, content: SampleFile, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    source = GatewaySource(server.url, context=contexts[1])
    server.is_silent.set()
    cancel = threading.Event()
    timer = threading.Timer(0.2, cancel.set)
    timer.start()
    start_ns = MonotonicClock.now_ns()
    source.fetch(content.wants, Receiver(), cancel=cancel, timeout_s=30.0)
    assert MonotonicClock.now_ns() - start_ns < 1_500_000_000
    timer.join()
    source.close()


def test_the_proxy_of_the_environment_is_used_but_not_for_loopback(
    monkeypatch: pytest.MonkeyPatch, content: SampleFile
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with FakeGateway(content.blocks, [content.layout]) as server:
        monkeypatch.setenv("http_proxy", server.url)
        assert proxy_for("http", "127.0.0.1") is None
        assert proxy_for("http", "gateway.localhost") is None
        assert proxy_for("https", "gateway.invalid") is None
        assert proxy_for("http", "gateway.invalid") == ("127.0.0.1", server.port)
        source = GatewaySource("http://gateway.invalid")
        receiver = Receiver()
        source.fetch(content.wants[:1], receiver, cancel=threading.Event(), timeout_s=5.0)
        assert len(receiver.got) == 1
        assert server.requests[0].path.startswith("http://gateway.invalid/ipfs/")
        assert server.requests[0].host == "gateway.invalid"
        source.close()
        monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:1")
        with pytest.raises(ConfigurationError) as caught:
            proxy_for("http", "gateway.invalid")
        assert "secret" not in str(caught.value)
    assert is_loopback("[::1]")
    assert not is_loopback("10.0.0.1")
