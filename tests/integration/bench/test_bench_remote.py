"""Services behind the gateway as targets, with a mock service over real HTTP."""

from __future__ import annotations

import json

import pytest

from ipfs_accelerate.testing.providers import Answer, MockProvider, faults

pytestmark = [pytest.mark.needs("torch", "transformers"), pytest.mark.slow]
LLAMA = "random://llama?size=tiny&seed=0"
BERT = "random://bert?size=tiny&seed=0"
SIZES = ("--seq", "16", "--new-tokens", "4", "--budget", "200ms", "--no-gate", "--json")


@pytest.fixture
def configured(accel, tmp_path):
    """A folder whose settings lead to a mock and to the models of this machine."""

    def write(mock: MockProvider, model: str = "org/llama") -> None:
        (accel.folder / "ipfs-accelerate.toml").write_text(
            f"""
            [gateway.endpoints.mock]
            provider = "vllm"
            base_url = "{mock.url}"
            [gateway.endpoints.local]
            provider = "local"
            [gateway.routes.served]
            candidates = ["mock/{model}"]
            [gateway.routes.here]
            candidates = ["local/{BERT}"]
            """
        )

    yield write
    (accel.folder / "ipfs-accelerate.toml").unlink(missing_ok=True)


def test_a_service_ranks_beside_a_local_target_and_hides_what_only_it_knows(accel, configured):
    words = Answer((" a", " b", " c", " d"), finish="length")
    with MockProvider("vllm", answers=words) as mock:
        configured(mock)
        targets = "gateway/served/remote,torch/cpu/fp32"
        done = accel("run", LLAMA, "--targets", targets, *SIZES)
        asked = mock.requests[-1].asked
    assert done.returncode == 0, done.stderr
    rows = {row["target"]: row for row in json.loads(done.stdout)["results"]}
    assert {row["rank"] for row in rows.values()} == {1, 2}
    row = rows["gateway/served/remote"]
    assert row["device"] == "remote service served"
    assert (row["precision"], row["executed_precision"]) == ("remote", "remote")
    assert row["origin"] == "measured"
    assert row["samples"] > 1
    assert row["tokens_per_s"] > 0
    for name in ("peak_memory_bytes", "load_ns", "energy_j", "placement", "cpu_time_ns", "parity"):
        assert row[name] is None
        assert row["environment"]["missing"][name]
    assert row["metrics"]["prefill_ns"] + row["metrics"]["decode_ns"] > 0
    assert "tokens_differ" not in row["flags"]
    assert asked.model == "org/llama"


def test_a_service_that_ends_early_is_not_credited_with_the_tokens_asked_for(accel, configured):
    with MockProvider("vllm", answers=Answer((" a", " b"))) as mock:
        configured(mock)
        done = accel("run", LLAMA, "--targets", "gateway/mock/remote", *SIZES, "--batch", "2")
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)["results"]
    assert "tokens_differ" in row["flags"]
    per_call = row["tokens_per_s"] / (row["throughput_items_per_s"] / 2)
    assert per_call == pytest.approx(4)


def test_a_model_behind_the_gateway_gives_the_vectors_of_the_same_model_beside_it(
    accel, configured
):
    with MockProvider("vllm") as mock:
        configured(mock)
        done = accel("run", BERT, "--targets", "gateway/here/remote", *SIZES)
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)["results"]
    assert row["parity"]["ok"] is True
    assert row["parity"]["cosine"] > 0.9999


def test_another_model_than_the_one_named_is_doubted(accel, configured):
    with MockProvider("vllm") as mock:
        configured(mock)
        done = accel("run", BERT, "--targets", "gateway/served/remote", *SIZES)
    [row] = json.loads(done.stdout)["results"]
    assert "parity_failed" in row["flags"]
    assert "shape" in row["environment"]["missing"]["parity"]


def test_a_service_that_fails_is_a_failed_case_with_its_own_words(accel, configured):
    with MockProvider("vllm", faults=[faults.Status(500)]) as mock:
        configured(mock)
        done = accel("run", LLAMA, "--targets", "gateway/served/remote", *SIZES)
    assert done.returncode == 1
    [row] = json.loads(done.stdout)["results"]
    assert row["status"] != "ok"
    assert row["error"]["error"]["code"]


def test_without_configuration_services_are_unavailable(accel):
    done = accel("run", LLAMA, "--targets", "gateway/*", *SIZES)
    assert done.returncode == 3
    assert "no route or endpoint of the gateway is configured" in done.stderr
