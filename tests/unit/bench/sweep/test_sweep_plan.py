"""What a sweep sets out to do."""

from datetime import UTC, datetime

import pytest

from ipfs_accelerate.bench.sweep.classes import ConfigClass, config_classes, select
from ipfs_accelerate.bench.sweep.plan import RULES, SweepRequest, plan_sweep, versions_of
from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.store import StoredVerdict, Verdict

CLASSES = [ConfigClass(f"{n}Config", n.lower(), f"m.{n}") for n in ("Bert", "Llama", "Vit", "T5")]
TORCH, ORT = "torch/cpu/fp32", "onnxruntime/cpu/fp32"


def stored(name: str, target: str, verdict: Verdict, versions: dict[str, str] | None = None):
    return StoredVerdict(
        model_class="M",
        config_class=name,
        model_name=name,
        host="h",
        target=target,
        verdict=verdict,
        stage=None,
        error_class=None,
        first_line="x",
        largest_error=None,
        allowed_error=None,
        shrink_level=None,
        inputs={},
        parameters=None,
        versions=versions_of(target) if versions is None else versions,
        elapsed_ns=1,
        source="sweep",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        previous_verdict=None,
        previous_versions={},
        previous_at=None,
    )


def planned(known=(), **fields):
    trials = plan_sweep(SweepRequest(**fields), known, CLASSES)
    return [(t.config_class.name, t.targets) for t in trials]


def test_pytorch_comes_first_for_every_class():
    found = planned(runtimes=("torch", "onnxruntime"))
    assert [targets for _, targets in found] == [(TORCH,)] * 4 + [(ORT,)] * 4


def test_what_has_a_verdict_is_not_tried_again():
    known = [stored("BertConfig", TORCH, Verdict.WORKS), stored("T5Config", TORCH, Verdict.ERROR)]
    names = [name for name, _ in planned(known, runtimes=("torch",))]
    assert names == ["LlamaConfig", "VitConfig"]


def test_failures_are_tried_again_on_request_only():
    known = [stored(c.name, TORCH, Verdict.WORKS) for c in CLASSES[:3]]
    known.append(stored("T5Config", TORCH, Verdict.ERROR))
    assert planned(known, runtimes=("torch",)) == []
    assert planned(known, runtimes=("torch",), retry_failed=True) == [("T5Config", (TORCH,))]


def test_another_version_of_a_library_makes_a_verdict_stale():
    known = [stored(c.name, TORCH, Verdict.WORKS) for c in CLASSES]
    known[1] = stored("LlamaConfig", TORCH, Verdict.WORKS, {"torch": "1.0"})
    assert planned(known, runtimes=("torch",), retry_stale=True) == [("LlamaConfig", (TORCH,))]


def test_other_rules_of_the_sweep_make_a_verdict_stale():
    known = [stored(c.name, TORCH, Verdict.WORKS) for c in CLASSES]
    known[2] = stored("VitConfig", TORCH, Verdict.ERROR, {**versions_of(TORCH), RULES: "older"})
    assert planned(known, runtimes=("torch",)) == []
    assert planned(known, runtimes=("torch",), retry_stale=True) == [("VitConfig", (TORCH,))]
    assert versions_of(TORCH)[RULES] != versions_of(ORT)[RULES]  # graphs have rules of their own


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another():
    drawn = [planned(runtimes=("torch",), sample=2, seed=seed) for seed in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 2
    assert any(other != drawn[0] for other in drawn[2:])


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UnknownNameError) as caught:
        select(CLASSES, ["BretConfig"])
    assert "'BertConfig'" in str(caught.value.hint)
    with pytest.raises(UnknownNameError, match="onnx"):
        SweepRequest(runtimes=("onnx",))


@pytest.mark.parametrize("field", ["budget_ns", "timeout_ns", "memory_bytes", "sample"])
def test_a_limit_of_zero_is_refused(field: str):
    with pytest.raises(InputError, match="positive"):
        SweepRequest(**{field: 0})


@pytest.mark.needs("torch")
def test_every_configuration_class_of_transformers_is_found_once_without_importing_it():
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    names = [c.name for c in config_classes()]
    assert len(names) == len(set(names))
    assert set(CONFIG_MAPPING_NAMES.values()) <= set(names)
