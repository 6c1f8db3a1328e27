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

__all__ = ["ConfigClass", "config_classes", "load_config_class", "model_class_of", "select"]


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


def model_class_of(found: ConfigClass, config_class: Any) -> Any | None:  # noqa: ANN401
    """The class to build from it: the base model, else the nearest with a head.

    Returns:
        ``None`` where the configuration only describes a part of another model.
    """
    models = [m for m in _model_classes(found) if m.config_class is config_class]
    mapped = _mapped_names(config_class.model_type)
    plain = found.name.removesuffix("Config")
    order = (*mapped, f"{plain}Model", plain, f"{plain}ForConditionalGeneration")
    by_name = {m.__name__: m for m in models}
    preferred = next((by_name[name] for name in order if name in by_name), None)
    return preferred or next(iter(models), None)


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

    names = modeling_auto.MODEL_MAPPING_NAMES.get(model_type, ())
    return [names] if isinstance(names, str) else list(names)
