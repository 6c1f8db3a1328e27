"""Derives ``model_types.json`` from an installed `transformers`, by reading its source only.

Run: ``python -m ipfs_accelerate.models.families.generate`` (about ten seconds, no import of torch).
"""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["DATA_FILE", "auto_tasks", "derive"]

DATA_FILE = Path(__file__).with_name("model_types.json")
_PREFIX, _SUFFIX = "MODEL_FOR_", "_MAPPING_NAMES"
_NO_TASK = {"MODEL_FOR_PRETRAINING_MAPPING_NAMES", "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES"}
_TAGS = {
    "CAUSAL_LM": "text-generation",
    "MASKED_LM": "fill-mask",
    "SEQ_TO_SEQ_CAUSAL_LM": "text2text-generation",
    "SEQUENCE_CLASSIFICATION": "text-classification",
    "SPEECH_SEQ_2_SEQ": "automatic-speech-recognition",
    "CTC": "automatic-speech-recognition",
    "RNNT": "automatic-speech-recognition",
    "TDT": "automatic-speech-recognition",
    "TEXT_TO_SPECTROGRAM": "text-to-speech",
    "TEXT_TO_WAVEFORM": "text-to-speech",
    "IMAGE": "image-feature-extraction",
    "BACKBONE": "image-feature-extraction",
}
_FIELDS = ("config", "config_class", "input_modalities", "main_input_name")
_MAIN_INPUTS = {
    "pixel_values": "image",
    "pixel_values_videos": "video",
    "input_features": "audio",
    "input_values": "audio",
    "past_values": "time",
}

_Classes = dict[str, dict[str, object]]


def models_folder() -> Path:
    """The ``models`` folder of the installed `transformers`."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        raise SystemExit("transformers is not installed: pip install 'ipfs-accelerate[torch]'")
    return Path(spec.origin).parent / "models"


def auto_tasks(folder: Path) -> dict[str, list[str]]:
    """Model type → tags of the tasks it has a class for, sorted."""
    tree = ast.parse((folder / "auto" / "modeling_auto.py").read_text(encoding="utf-8"))
    found: dict[str, set[str]] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name = node.targets[0].id
        if not name.startswith(_PREFIX) or not name.endswith(_SUFFIX) or name in _NO_TASK:
            continue
        short = name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        tag = _TAGS.get(short, short.lower().replace("_", "-"))
        for key in _mapping_keys(node.value):
            found.setdefault(key, set()).add(tag)
    return {key: sorted(tags) for key, tags in found.items()}


def _mapping_keys(value: ast.expr) -> list[str]:
    if not isinstance(value, ast.Call) or not value.args or not isinstance(value.args[0], ast.List):
        return []
    pairs = [e for e in value.args[0].elts if isinstance(e, ast.Tuple)]
    return [str(ast.literal_eval(pair.elts[0])) for pair in pairs]


def derive() -> dict[str, object]:
    """Everything that goes into the data file."""
    from transformers.models.auto import configuration_auto

    folder = models_folder()
    tasks = auto_tasks(folder)
    inputs, folders = _inputs_by_config(folder)
    types: dict[str, dict[str, object]] = {}
    names: dict[str, str] = vars(configuration_auto)["CONFIG_MAPPING_NAMES"]
    for model_type, config in sorted(names.items()):
        row: dict[str, object] = {"config": config}
        if config in inputs:
            row["inputs"] = inputs[config]
        if config in folders and folders[config] != model_type.replace("-", "_"):
            row["part_of"] = folders[config]
        if model_type in tasks:
            row["tasks"] = tasks[model_type]
        types[model_type] = row
    return {"transformers": version("transformers"), "types": types}


def _inputs_by_config(folder: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    inputs: dict[str, set[str]] = {}
    folders = _config_folders(folder)
    for file in sorted(folder.glob("*/modeling_*.py")):
        classes = _classes(file)
        for name in classes:
            config = _look(classes, name, "config") or _look(classes, name, "config_class")
            if config is None or not _is_model(classes, name):
                continue
            key = str(config).split("|", maxsplit=1)[0].strip().strip("\"'")
            inputs.setdefault(key, set()).update(_modalities(classes, name))
    return {key: sorted(found) for key, found in inputs.items()}, folders


def _config_folders(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*/configuration_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = file.parent.name
    return found


def _classes(file: Path) -> _Classes:
    found: _Classes = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        row: dict[str, object] = {"bases": [ast.unparse(base) for base in node.bases]}
        for statement in node.body:
            row.update(_field(statement))
        found[node.name] = row
    return found


def _field(statement: ast.stmt) -> dict[str, object]:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        name, value = statement.target.id, statement.annotation
        return {name: ast.unparse(value)} if name == "config" else {}
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        name = statement.targets[0].id
        return {name: ast.unparse(statement.value)} if name in _FIELDS else {}
    return {}


def _look(classes: _Classes, name: str, field: str) -> object | None:
    row = classes.get(name)
    if row is None:
        return None
    if field in row:
        return row[field]
    found = (_look(classes, str(base), field) for base in _bases(row))
    return next((value for value in found if value is not None), None)


def _bases(row: dict[str, object]) -> list[object]:
    bases = row["bases"]
    return bases if isinstance(bases, list) else []


def _is_model(classes: _Classes, name: str) -> bool:
    if name == "PreTrainedModel":
        return True
    row = classes.get(name)
    return row is not None and any(_is_model(classes, str(base)) for base in _bases(row))


def _modalities(classes: _Classes, name: str) -> set[str]:
    stated = _look(classes, name, "input_modalities")
    if stated is not None:
        value = ast.literal_eval(str(stated))
        return {value} if isinstance(value, str) else set(value)
    main = str(_look(classes, name, "main_input_name") or "").strip("\"'")
    return {_MAIN_INPUTS[main]} if main in _MAIN_INPUTS else {"text"}


def main() -> None:
    """Write the data file."""
    document = derive()
    types = document["types"]
    assert isinstance(types, dict)
    rows = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in types.items())
    head = json.dumps({"transformers": document["transformers"]})[:-1]
    DATA_FILE.write_text(f'{head}, "types": {{\n{rows}\n}}}}\n', encoding="utf-8")
    sys.stderr.write(f"wrote {len(types)} model types to {DATA_FILE}\n")


if __name__ == "__main__":
    main()
