"""Conversations as a model was trained to read them: its own chat template, in a sandbox.

Source: transformers, "Chat templates" (huggingface.co/docs/transformers/chat_templating): the names
a template may use, and how a last message of the assistant is continued.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from ipfs_accelerate.errors import InputError, ModelFormatError
from ipfs_accelerate.inference.files import read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import jinja2

    from ipfs_accelerate.models import ModelArtifact

__all__ = ["ChatTemplate"]

_FILE = "chat_template.jinja"
_MOST_CHARACTERS = 2**24
_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token")


class ChatTemplate:
    """The chat template of a model. Safe for threads.

    Args:
        artifact: Whose ``chat_template.jinja`` or ``tokenizer_config.json`` is read.
        now: The time, for templates which tell the model the date.

    Raises:
        InputError: The model has none.
        ModelFormatError: It is no template.
    """

    def __init__(
        self, artifact: ModelArtifact, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        import jinja2

        self._name = artifact.name
        settings = read_object(artifact.directory, "tokenizer_config.json")
        special = read_object(artifact.directory, "special_tokens_map.json")
        self._tokens = {name: _token(settings, special, name) for name in _SPECIAL}
        source = _source(artifact.directory, settings)
        if source is None:
            raise InputError(
                f"{artifact.name} has no chat template, so it cannot hold a conversation",
                hint="ask it for completions, which take plain text",
            )
        try:
            self._template = _environment(now).from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise ModelFormatError(f"the chat template of {artifact.name}: {error}") from error

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The prompt for the assistant's next turn, special tokens included.

        Where the last message is the assistant's, the prompt ends with its text, to be continued.

        Args:
            messages: With ``role`` and ``content``, oldest first.

        Raises:
            InputError: The template refuses them, e.g. as it knows no system's turn.
        """
        is_begun = bool(messages) and messages[-1]["role"] == "assistant"
        text = self._render(messages, asks=not is_begun)
        return self._cut(text, messages[-1]["content"]) if is_begun else text

    def _render(self, messages: Sequence[Mapping[str, str]], *, asks: bool) -> str:
        import jinja2

        pieces: list[str] = []
        length = 0
        try:
            for piece in self._template.generate(
                messages=[dict(message) for message in messages],
                add_generation_prompt=asks,
                **self._tokens,
            ):
                pieces.append(piece)
                length += len(piece)
                if length > _MOST_CHARACTERS:
                    raise InputError(f"the prompt is longer than {_MOST_CHARACTERS:,} characters")
        except (jinja2.TemplateError, TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"the chat template of {self._name} refuses this conversation: {error}",
                hint="most take one system's turn, then user and assistant in turns",
            ) from error
        return "".join(pieces)

    def _cut(self, text: str, begun: str) -> str:
        """Leave out what the template puts after the assistant's text, such as its end token."""
        at = text.rfind(begun.strip())
        if at < 0:
            raise InputError(
                f"the chat template of {self._name} changes the assistant's turn, which therefore"
                " cannot be continued",
                hint="let the conversation end with the user's turn",
            )
        end = at + len(begun.strip())
        trailing = begun[len(begun.rstrip()) :]
        return text[: end + len(trailing)] if text.startswith(trailing, end) else text[:end]


def _source(directory: Path, settings: Mapping[str, object]) -> str | None:
    path = directory / _FILE
    if path.is_file():
        return path.read_text(encoding="utf-8")
    found = settings.get("chat_template")
    if isinstance(found, list):  # several by name
        named = {one.get("name"): one.get("template") for one in found if isinstance(one, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None


def _token(settings: Mapping[str, object], special: Mapping[str, object], name: str) -> str:
    value = settings.get(name) or special.get(name)
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _environment(now: Callable[[], datetime]) -> jinja2.Environment:
    import jinja2
    import jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(jinja2.ext.Extension):
        """``{% generation %}`` marks the assistant's turns for training; here it does nothing."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:  # noqa: ANN401
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: now().strftime(form)
    return environment


def _to_json(value: object, **options: Any) -> str:  # noqa: ANN401
    import json

    return json.dumps(value, ensure_ascii=False, indent=options.get("indent"))


def _refuse(message: str) -> NoReturn:
    import jinja2

    raise jinja2.TemplateError(message)
