"""Several endpoints as one store, over real sockets."""

import logging
import traceback

import pytest

from ipfs_accelerate.content.objects import Endpoint, HealthPolicy, Keys, ObjectPool, State
from ipfs_accelerate.errors import (
    AccessDeniedError,
    ConnectivityError,
    ContentLimitError,
    ContentNotFoundError,
    IntegrityError,
)
from ipfs_accelerate.testing.s3_server import S3Fault

DATA = bytes(range(256)) * 64


def test_requests_go_round_the_endpoints(pool, store, east, west):
    store("round/a", DATA)
    for _ in range(6):
        assert bytes(pool.get("round/a", 10, 20)) == DATA[10:20]
    assert (len(east.requests), len(west.requests)) == (3, 3)


def test_weights_share_the_requests_out(endpoints, store, east, west):
    from dataclasses import replace

    store("weight/a", DATA)
    with ObjectPool([replace(endpoints[0], weight=3), endpoints[1]]) as pool:
        for _ in range(8):
            pool.get("weight/a", 0, 1)
    assert (len(east.requests), len(west.requests)) == (6, 2)


def test_each_endpoint_signs_with_its_own_keys(store, east, west, monkeypatch):
    store("sign/a", DATA)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-environment")
    monkeypatch.setenv("LAB_ACCESS_KEY_ID", "FROMLABVARIABLES")
    monkeypatch.setenv("LAB_SECRET_ACCESS_KEY", "secret-of-lab")
    endpoints = [
        Endpoint("one", "east-models", url=east.url),
        Endpoint("two", "west-models", url=west.url, credentials="environment:LAB_"),
        Endpoint("three", "west-models", url=west.url, credentials="anonymous"),
    ]
    with ObjectPool(endpoints) as pool:
        for name in ("one", "two"):
            pool.head("sign/a", endpoint=name)
        with pytest.raises(AccessDeniedError):  # the bucket is not public
            pool.head("sign/a", endpoint="three")
    assert "Credential=FROMENVIRONMENT/" in east.requests[0].authorization
    assert "Credential=FROMLABVARIABLES/" in west.requests[0].authorization
    assert west.requests[1].authorization is None


def test_an_object_at_one_endpoint_only_is_found(pool, store):
    store("only/west", DATA, at=["west"])
    for _ in range(4):
        assert bytes(pool.get("only/west")) == DATA
    assert all(row.state == "closed" for row in pool.statistics())  # "not here" is an answer


def test_an_object_nowhere_is_not_found(pool):
    with pytest.raises(ContentNotFoundError) as caught:
        pool.head("no/such")
    assert caught.value.details["endpoints"] == {"east": "missing", "west": "missing"}


def test_a_bucket_that_does_not_exist_is_not_found_in_listings_too(endpoints):
    with (
        ObjectPool([endpoints[0].with_bucket("no-such-bucket")]) as pool,
        pytest.raises(ContentNotFoundError),
    ):
        list(pool.iter_objects("x"))


@pytest.mark.parametrize(
    "fault",
    [
        S3Fault(status=503, code="SlowDown"),
        S3Fault(status=500),
        S3Fault(cut_at=100),
        S3Fault(is_reset=True),
        S3Fault(stall_at=100),
    ],
    ids=lambda fault: f"{fault.status or ''}{fault.cut_at or ''}{fault.is_reset}{fault.stall_at}",
)
def test_another_endpoint_takes_over(pool, store, east, fault):
    store("over/a", DATA)
    east.fail(fault, times=2, path="over/a")
    assert bytes(pool.get("over/a", 0, len(DATA))) == DATA
    assert bytes(pool.get("over/a", 0, len(DATA))) == DATA
    rows = {row.name: row for row in pool.statistics()}
    assert rows["east"].failures >= 1
    assert rows["west"].read_bytes == 2 * len(DATA)


def test_an_endpoint_that_fails_rests_and_comes_back(endpoints, store, east):
    store("rest/a", DATA)
    east.fail(S3Fault(status=500), times=100)
    policy = HealthPolicy(first_pause_ns=3_600_000_000_000, longest_pause_ns=3_600_000_000_000)
    with ObjectPool(endpoints, policy=policy) as pool:
        for _ in range(12):
            pool.get("rest/a", 0, 1)
        rows = {row.name: row for row in pool.statistics()}
        assert rows["east"].state == State.OPEN
        assert rows["east"].requests == 3  # then it was left alone
    east.heal()
    with ObjectPool(endpoints[:1], policy=HealthPolicy(first_pause_ns=1)) as pool:
        east.fail(S3Fault(status=500), times=3)
        with pytest.raises(ConnectivityError):
            pool.get("rest/a", 0, 1)
        assert pool.statistics()[0].state == State.OPEN
        assert bytes(pool.get("rest/a", 0, 1)) == DATA[:1]  # the probe
        assert pool.statistics()[0].state == State.CLOSED


def test_all_endpoints_failing_is_a_connectivity_error(pool, east, west):
    for proxy in (east, west):
        proxy.fail(S3Fault(status=503, code="SlowDown"), times=100)
    with pytest.raises(ConnectivityError, match="slow down") as caught:
        pool.head("any")
    assert caught.value.details["status"] == 503


def test_denied_access_says_so_without_any_key(pool, east, west, caplog):
    caplog.set_level(logging.DEBUG)
    for proxy in (east, west):
        proxy.fail(
            S3Fault(status=403, code="InvalidAccessKeyId", repeats="AKIAEXAMPLEKEYID"), times=9
        )
    with pytest.raises(AccessDeniedError) as caught:
        pool.get("secret/a", 0, 1)
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    shown += repr(pool.statistics()) + repr(pool.endpoint("east"))
    assert "InvalidAccessKeyId" in shown
    for secret in ("AKIAEXAMPLEKEYID", "the-secret-of-the-account"):
        assert secret not in shown


def test_a_denied_endpoint_leaves_the_work_to_another(pool, store, east):
    store("denied/a", DATA)
    east.fail(S3Fault(status=403, code="AccessDenied"), times=9)
    assert bytes(pool.get("denied/a")) == DATA


def test_keys_missing_at_one_endpoint_leave_the_work_to_another(endpoints, store):
    store("keyless/a", DATA)
    keyless = Endpoint("keyless", "east-models", url=endpoints[0].url)
    with ObjectPool([keyless, endpoints[1]]) as pool:
        assert bytes(pool.get("keyless/a")) == DATA
    with ObjectPool([keyless]) as pool, pytest.raises(AccessDeniedError, match="no credentials"):
        pool.head("keyless/a")


def test_keys_come_from_a_profile(tmp_path, store, east, monkeypatch):
    store("profile/a", DATA)
    path = tmp_path / "credentials"
    path.write_text("[lab]\naws_access_key_id=FROMPROFILE\naws_secret_access_key=%x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    endpoint = Endpoint("lab", "east-models", url=east.url, credentials="profile:lab")
    with ObjectPool([endpoint]) as pool:
        pool.head("profile/a")
    assert "Credential=FROMPROFILE/" in east.requests[0].authorization


def test_an_object_that_changed_is_not_mixed(pool, store):
    store("change/a", DATA)
    infos = pool.holders("change/a")
    store("change/a", DATA[::-1])
    with pytest.raises(IntegrityError, match="changed"):
        pool.get("change/a", 0, 10, at=infos)


def test_a_range_past_the_end_is_refused(pool, store):
    store("short/a", b"x" * 10)
    with pytest.raises(IntegrityError):
        pool.get("short/a", 5, 50)


def test_listing_gives_all_pages_in_order(pool, server, endpoints):
    for number in range(7):
        server.put("east-models", f"list/{number:03}", b"x" * number)
    rows = list(pool.iter_objects("list", endpoint="east"))
    assert [(row.key, row.size_bytes) for row in rows] == [(f"list/{n:03}", n) for n in range(7)]


def test_deleting_is_done_everywhere(pool, store, server):
    store("delete/a", DATA)
    pool.delete("delete/a")
    pool.delete("delete/a")
    assert "delete/a" not in server.keys("east-models") + server.keys("west-models")


def test_an_object_too_large_for_memory_is_refused(pool, server, monkeypatch):
    import ipfs_accelerate.content.objects.pool as module

    monkeypatch.setattr(module, "_MAX_WHOLE_BYTES", 100)
    server.put("east-models", "large/a", DATA)
    with pytest.raises(ContentLimitError, match="download it"):
        pool.get("large/a")


def test_requests_in_flight_stay_within_the_limit(endpoints, store, east):
    import threading
    from dataclasses import replace

    store("flight/a", DATA)
    peak, now, lock = [0], [0], threading.Lock()
    original = east.take_fault

    def watched(request):
        with lock:
            now[0] += 1
            peak[0] = max(peak[0], now[0])
        try:
            east.stopping.wait(0.02)
            return original(request)
        finally:
            with lock:
                now[0] -= 1

    east.take_fault = watched
    with ObjectPool([replace(endpoints[0], max_concurrency=2)]) as pool:
        threads = [threading.Thread(target=pool.get, args=("flight/a", 0, 9)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert peak[0] == 2


def test_the_environment_does_not_redirect_a_configured_endpoint(pool, store, monkeypatch, east):
    store("env/a", DATA)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-somebody-else")
    assert bytes(pool.get("env/a")) == DATA


def test_keys_without_a_secret_are_refused():
    from ipfs_accelerate.errors import ConfigurationError

    with pytest.raises(ConfigurationError):
        Keys("id", "")
