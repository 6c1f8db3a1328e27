import pytest

from ipfs_accelerate.errors import UnknownNameError
from ipfs_accelerate.evidence.timing import KEY_CLASSES, class_of, find_classes
from ipfs_accelerate.models import ModelRef
from ipfs_accelerate.models.families.types import model_types


def test_there_are_thirteen_and_no_type_belongs_to_two():
    kinds = [kind for key in KEY_CLASSES for kind in key.model_types]
    assert len(KEY_CLASSES) == 13
    assert len(set(kinds)) == len(kinds)
    assert set(kinds) <= set(model_types())


@pytest.mark.parametrize("key", KEY_CLASSES, ids=lambda key: key.name)
def test_the_command_of_a_gap_names_a_model_that_can_be_asked_for(key):
    assert str(ModelRef.parse(key.example)) in key.command
    assert find_classes([key.name]) == (key,)


def test_the_stated_type_wins_over_the_name_of_the_class():
    assert class_of("llava_next", "LlavaForConditionalGeneration").name == "llava-next"
    assert class_of(None, "Qwen3ForCausalLM").name == "qwen"
    assert class_of(None, "XCLIPModel").name == "xclip"


def test_what_is_of_no_key_class_stays_out():
    assert class_of("resnet", None) is None
    assert class_of(None, None) is None
    assert class_of("distilbert", "DistilBertModel") is None


def test_an_unknown_class_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="berd") as refused:
        find_classes(["berd"])
    assert "bert" in str(refused.value.hint)
    assert [key.name for key in find_classes(["LLaVA_next", "bert"])] == ["bert", "llava-next"]
