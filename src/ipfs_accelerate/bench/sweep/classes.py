"""Which configuration classes the installed `transformers` has, and the model class of each."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "ConfigClass",
    "Subject",
    "config_classes",
    "load_config_class",
    "model_class_of",
    "select",
    "subject_of",
]


@dataclass(frozen=True, slots=True)
class ConfigClass:
    """A configuration class, found without importing it.

    Attributes:
        name: Of the class, e.g. ``BertConfig``; unique in `transformers`.
        folder: Of its model, e.g. ``bert``.
        module: That defines it.
    """

    name: str
    folder: str
    module: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tried for a configuration class.

    Attributes:
        config_class: To make tiny.
        model_class: To build from it.
        is_part: Whether both are those of a larger model, of which the class describes a part.
    """

    config_class: Any
    model_class: Any
    is_part: bool


def config_classes() -> list[ConfigClass]:
    """Every configuration class of the installed `transformers`, by folder and name.

    Read from the source: importing 500 modules takes half a minute.

    Raises:
        MissingExtraError: `transformers` is not installed.
    """
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "torch", needed_for="the sweep of transformers", module="transformers"
        )
    root = Path(spec.origin).parent / "models"
    found = [c for path in sorted(root.glob("*/configuration_*.py")) for c in _classes_in(path)]
    return [c for c in found if c.folder not in {"auto", "deprecated"}]


def _classes_in(path: Path) -> Iterator[ConfigClass]:
    folder = path.parent.name
    module = f"transformers.models.{folder}.{path.stem}"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Config") and node.bases:
            yield ConfigClass(node.name, folder, module)


def select(classes: Sequence[ConfigClass], only: Iterable[str]) -> list[ConfigClass]:
    """Those named: by folder (``bert``) or by class (``BertConfig``); all when nothing is named.

    Raises:
        UnknownNameError: A name is neither.
    """
    wanted = list(only)
    known = {c.name for c in classes} | {c.folder for c in classes}
    for name in wanted:
        if name not in known:
            raise UnknownNameError(name, known)
    return [c for c in classes if not wanted or {c.name, c.folder} & set(wanted)]


def load_config_class(found: ConfigClass) -> Any:  # noqa: ANN401 (a transformers class)
    """Import it."""
    return getattr(importlib.import_module(found.module), found.name)


def subject_of(found: ConfigClass) -> Subject | None:
    """The model to try for a class: its own, or the one that it describes a part of.

    Returns:
        ``None`` where `transformers` has no model for it.
    """
    config_class, seen = load_config_class(found), {found.name}
    while True:
        model_class = model_class_of(found, config_class)
        if model_class is not None:
            return Subject(config_class, model_class, is_part=len(seen) > 1)
        siblings = (c for c in _classes_beside(found) if c.name not in seen)
        owner = next((c for c in siblings if _has(c, config_class)), None)
        if owner is None:
            return None
        found, config_class = owner, load_config_class(owner)
        seen.add(owner.name)


def _classes_beside(found: ConfigClass) -> Iterator[ConfigClass]:
    folder = Path(str(importlib.import_module(found.module).__file__)).parent
    for path in sorted(folder.glob("configuration_*.py")):
        yield from _classes_in(path)


def _has(owner: ConfigClass, config_class: Any) -> bool:  # noqa: ANN401
    return config_class in getattr(load_config_class(owner), "sub_configs", {}).values()


def model_class_of(found: ConfigClass, config_class: Any) -> Any | None:  # noqa: ANN401
    """The class to build from it: the base model, else the nearest with a head.

    Returns:
        ``None`` where the configuration only describes a part of another model.
    """
    everything = _model_classes(found)
    models = [m for m in everything if m.config_class is config_class]
    if not models:  # the class is another name of the one that the model knows
        known = [m.config_class for m in everything if isinstance(m.config_class, type)]
        base = next((b for b in config_class.__mro__[1:] if b in known), None)
        models = [m for m in everything if base is not None and m.config_class is base]
    mapped = _mapped_names(config_class.model_type)
    plain = found.name.removesuffix("Config")
    order = (*mapped, f"{plain}Model", plain, f"{plain}ForConditionalGeneration")
    by_name = {m.__name__: m for m in models}
    preferred = next((by_name[name] for name in order if name in by_name), None)
    return preferred or next(iter(models), None) or _mapped_class(mapped)


def _mapped_class(names: Iterable[str]) -> Any | None:  # noqa: ANN401
    """The model of another folder that `transformers` builds from the configuration."""
    import transformers

    found = [getattr(transformers, name) for name in names if hasattr(transformers, name)]
    base = transformers.PreTrainedModel.forward
    return next((model for model in found if model.forward is not base), None)


def _model_classes(found: ConfigClass) -> list[Any]:
    """Concrete models of the folder, those with a forward of their own, in order of the source."""
    from transformers import PreTrainedModel

    parent = found.module.rpartition(".")[0]
    folder = Path(str(importlib.import_module(parent).__file__)).parent
    models = []
    for path in sorted(folder.glob("modeling_*.py")):
        module = importlib.import_module(f"{parent}.{path.stem}")
        models += [m for m in vars(module).values() if _is_model(m, PreTrainedModel, module)]
    return models


def _is_model(found: object, base: type, module: object) -> bool:
    is_own = isinstance(found, type) and issubclass(found, base)
    if not is_own or found.__module__ != module.__name__:  # type: ignore[attr-defined]
        return False
    has_forward = found.forward is not base.forward  # type: ignore[attr-defined]
    return has_forward and "PreTrainedModel" not in found.__name__  # type: ignore[attr-defined]


def _mapped_names(model_type: str) -> list[str]:
    from transformers.models.auto import modeling_auto

    names = modeling_auto.MODEL_MAPPING_NAMES.get(model_type, ()) if model_type else ()
    return [names] if isinstance(names, str) else list(names)
