import json

import pytest

from ipfs_accelerate.store.environment import Environment

STORED = {
    "cores": 2, "governor": None, "seed": 1, "load_before": {"load_1min": 3.0},
    "versions": {"openvino": "2026.4", "none": None},
    "settings": {"threads": 2, "preparation_ns": 12345, "peak_flops_per_s": 1e12},
}  # fmt: skip


@pytest.mark.parametrize("stored", [STORED, json.dumps(STORED)])
def test_only_what_was_given_and_is_known_is_a_fact(stored):
    found = Environment.parse(stored)
    assert found.facts == {"cores": 2, "version of openvino": "2026.4", "threads": 2}


@pytest.mark.parametrize("stored", [None, "[]", {"settings": [1], "versions": "none"}, "null"])
def test_what_is_no_environment_has_no_facts(stored):
    assert Environment.parse(stored).facts == {}
