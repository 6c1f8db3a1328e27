"""The registry keeps every version of a model, what was noted about it, and says what changed."""

from dataclasses import replace

import pytest

from ipfs_accelerate.errors import InputError, ModelNotFoundError
from ipfs_accelerate.models import registry
from ipfs_accelerate.store import Ledger, ModelRecord

FIRST = ModelRecord(
    "org/model", "a" * 64, "embedding", "text", "hub", "BertModel", 22.7, {"task": "fill-mask"}
)
SECOND = replace(FIRST, version="b" * 64)
OTHER = ModelRecord("org/other", "c" * 64, "vision", "vision", "hub")


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.duckdb") as opened:
        yield opened


def test_the_first_version_replaces_nothing(ledger):
    found = registry.register(ledger, FIRST)

    assert (found.is_new, found.replaces) == (True, None)
    assert found.model.metadata == {"task": "fill-mask"}
    assert found.model.parameters_million == 22.7


def test_a_changed_version_is_detected_once(ledger):
    registry.register(ledger, FIRST)
    changed = registry.register(ledger, SECOND)
    again = registry.register(ledger, SECOND)

    assert changed.is_new
    assert changed.replaces.version == FIRST.version
    assert (again.is_new, again.replaces) == (False, None)


def test_listing_shows_the_newest_version_of_each_model(ledger):
    for record in (FIRST, OTHER, SECOND):
        registry.register(ledger, record)

    assert [(m.model_name, m.version[0]) for m in registry.models(ledger)] == [
        ("org/model", "b"),
        ("org/other", "c"),
    ]
    assert [m.model_name for m in registry.models(ledger, family="vision")] == ["org/other"]
    assert [m.version[0] for m in registry.versions(ledger, "org/model")] == ["b", "a"]


def test_a_version_is_found_by_the_start_of_its_key(ledger):
    registry.register(ledger, FIRST)
    registry.register(ledger, SECOND)

    assert registry.show(ledger, "a" * 8).version == FIRST.version
    assert registry.show(ledger, FIRST.model_id).version == FIRST.version


@pytest.mark.parametrize("name", ["org/absent", "a", ""])
def test_an_unknown_or_vague_name_is_refused_with_known_ones(ledger, name):
    registry.register(ledger, FIRST)

    with pytest.raises(ModelNotFoundError, match="no single model") as caught:
        registry.show(ledger, name)

    assert "org/model" in caught.value.hint


def test_notes_are_merged_and_removed_and_leave_the_facts_alone(ledger):
    registry.register(ledger, FIRST)

    registry.annotate(ledger, "org/model", {"owner": "me", "licence": "apache-2.0"})
    model = registry.annotate(ledger, "org/model", {"owner": None, "checked": "yes"})

    assert model.annotations == {"licence": "apache-2.0", "checked": "yes"}
    assert model.metadata == {"task": "fill-mask"}
    assert registry.models(ledger)[0].annotations == model.annotations


def test_a_note_on_an_absent_key_is_an_error(ledger):
    with pytest.raises(InputError, match="no model"):
        ledger.annotate_model("0" * 32, {"a": "b"})
