from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.errors import InputError, ModelFormatError
from ipfs_accelerate.inference.chat import ChatTemplate
from ipfs_accelerate.testing.conformance.models import onnx_artifact

if TYPE_CHECKING:
    from pathlib import Path

    from ipfs_accelerate.models import ModelArtifact

CHATML = """{% for message in messages %}
<|im_start|>{{ message.role }}
{% generation %}
{{ message['content'] | trim }}{% endgeneration %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}
<|im_start|>assistant
{% endif %}"""
HI = {"role": "user", "content": "Hi"}


@pytest.fixture
def artifact(tmp_path: Path) -> ModelArtifact:
    return onnx_artifact(tmp_path / "model")


def template(artifact: ModelArtifact, source: object, **settings: object) -> ChatTemplate:
    fields = {"chat_template": source, **settings}
    (artifact.directory / "tokenizer_config.json").write_text(json.dumps(fields))
    return ChatTemplate(artifact, now=lambda: datetime(2026, 2, 3, tzinfo=UTC))


def test_a_conversation_ends_where_the_assistant_speaks(artifact):
    text = template(artifact, CHATML).render([HI])
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_an_assistant_turn_is_continued_right_after_its_text(artifact):
    text = template(artifact, CHATML).render([HI, {"role": "assistant", "content": "The answer"}])
    assert text.endswith("<|im_start|>assistant\nThe answer")


def test_a_template_that_changes_the_assistant_turn_cannot_continue_it(artifact):
    loud = template(artifact, "{% for m in messages %}{{ m.content | upper }}{% endfor %}")
    with pytest.raises(InputError, match="cannot be continued"):
        loud.render([HI, {"role": "assistant", "content": "quiet"}])


def test_special_tokens_and_the_date_are_known_to_the_template(artifact):
    source = "{{ bos_token }}{{ strftime_now('%d %b %Y') }}{{ eos_token }}"
    found = template(artifact, source, bos_token={"content": "<s>"}, eos_token="</s>")
    assert found.render([HI]) == "<s>03 Feb 2026</s>"


def test_the_file_of_the_template_wins_and_named_ones_have_a_default(artifact):
    named = [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]
    assert template(artifact, named).render([HI]) == "D"
    (artifact.directory / "chat_template.jinja").write_text("F")
    assert template(artifact, named).render([HI]) == "F"


def test_what_a_template_refuses_is_said_in_its_words(artifact):
    strict = template(artifact, "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(InputError, match="roles must alternate"):
        strict.render([HI])


def test_a_model_without_template_is_asked_for_completions(artifact):
    with pytest.raises(InputError, match="no chat template") as caught:
        ChatTemplate(dataclasses.replace(artifact))
    assert "completions" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ strftime_now.__globals__['json'] }}",
        "{{ messages.append(1) }}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(9999) %}xxxxxxxxxx{% endfor %}{% endfor %}",
        "{% include 'etc/passwd' %}",
    ],
)
def test_a_template_gets_out_of_its_sandbox_nowhere(artifact, source):
    with pytest.raises(InputError):
        template(artifact, source).render([HI])


def test_what_is_no_template_is_a_fault_of_the_model(artifact):
    with pytest.raises(ModelFormatError):
        template(artifact, "{% if %}")
