"""The shipped table of model types is that of the installed transformers."""

import json

import pytest

from ipfs_accelerate.hardware import Device, DeviceKind, Precision, Support
from ipfs_accelerate.models import Family
from ipfs_accelerate.models.families import generate, memory_need_bytes, suitability
from ipfs_accelerate.models.families.needs import parameters_from_config
from ipfs_accelerate.models.families.types import model_types


@pytest.mark.needs("transformers")
def test_every_installed_type_and_task_is_in_the_table():
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    shipped = {name: (kind.config, kind.tasks) for name, kind in model_types().items()}
    tasks = generate.auto_tasks(generate.models_folder())

    assert len(shipped) >= 300
    assert shipped == {
        name: (config, frozenset(tasks.get(name, ())))
        for name, config in CONFIG_MAPPING_NAMES.items()
    }


@pytest.mark.slow
@pytest.mark.needs("transformers")
def test_generating_the_table_again_changes_nothing():
    assert generate.derive() == json.loads(generate.DATA_FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("precision", "expected_bytes"),
    [
        (Precision.FP32, 480_000_000),
        (Precision.BF16, 240_000_000),
        (Precision.INT8, 129_375_000),
        (Precision.INT4, 69_375_000),
    ],
)
def test_memory_need_is_weights_scales_and_activations(precision, expected_bytes):
    assert memory_need_bytes(100_000_000, precision) == expected_bytes


def test_parameters_are_estimated_from_a_configuration():
    bert = {"hidden_size": 768, "num_hidden_layers": 12, "vocab_size": 30522}

    assert parameters_from_config(bert) == pytest.approx(109e6, rel=0.02)
    assert parameters_from_config({"text_config": bert}) == parameters_from_config(bert)
    assert parameters_from_config({"hidden_size": 768}) is None


def device(kind, *, usable=True, memory=None, precisions=()):
    verdict = Support.yes("is here") if usable else Support.no("has no driver")
    native = frozenset(precisions)
    return Device("d", kind, "a device", verdict, memory_bytes=memory, precisions=native)


def test_a_device_with_room_and_the_precision_suits_fully():
    here = device(DeviceKind.CUDA, memory=10**12, precisions=[Precision.FP32])
    found = suitability(Family.TEXT_GENERATION, 10**9, here)

    assert (found.score, found.reason) == (1.0, "nothing speaks against it")


def test_what_does_not_fit_scores_nothing():
    found = suitability(Family.EMBEDDING, 10**9, device(DeviceKind.CPU, memory=10**9))

    assert (found.score, found.memory) == (0.0, 0.0)
    assert "does not fit" in found.reason


def test_memory_falls_linearly_from_half_full_to_full():
    need = memory_need_bytes(10**6, Precision.FP32)
    three_quarters = device(DeviceKind.CPU, memory=need * 4 // 3)

    assert suitability(Family.EMBEDDING, 10**6, three_quarters).memory == pytest.approx(0.5)


def test_an_unusable_device_scores_nothing_and_says_why():
    found = suitability(Family.EMBEDDING, 10**6, device(DeviceKind.CUDA, usable=False))

    assert (found.score, found.reason) == (0.0, "has no driver")


def test_unknown_facts_do_not_enter_the_score():
    found = suitability(Family.EMBEDDING, None, device(DeviceKind.CPU))

    assert (found.score, found.memory, found.precision) == (1.0, None, None)


def test_an_imitation_never_outranks_the_cpu():
    fake, cpu = device(DeviceKind.SOFTWARE_GPU), device(DeviceKind.CPU)

    for family in Family:
        assert suitability(family, None, fake).score < suitability(family, None, cpu).score


def test_a_precision_that_is_converted_halves_the_score():
    here = device(DeviceKind.CPU, precisions=[Precision.FP32])

    assert suitability(Family.EMBEDDING, None, here, precision=Precision.FP16).score == 0.5
