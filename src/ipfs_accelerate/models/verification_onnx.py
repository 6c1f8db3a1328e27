"""Validity of ONNX files: parses, passes the checker, and reads no file outside its folder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import IntegrityError, ModelFormatError
from ipfs_accelerate.models.safety import confine, refuse_disguise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

__all__ = ["check_external_data", "external_files", "inspect_onnx"]

#: INT64, STRING, BOOL and UINT64 of onnx.proto: positions and shapes, not weights.
_INDEX_TYPES = frozenset({7, 8, 9, 13})
_REFETCH = "fetch the file again from its source, or export the model again"


def inspect_onnx(path: Path) -> dict[str, object]:
    """Parse a graph without its external data, check it, and say what it holds.

    Returns:
        JSON-serialisable: ``parameters`` (elements of all floating and 4- to 32-bit integer
        initializers with at least one dimension), ``inputs`` and ``outputs`` as
        ``[name, dtype, shape]``, ``external`` as ``[location, offset, length | None]``, ``opsets``.

    Raises:
        ModelFormatError: It is not an ONNX model or the checker rejects it.
        IntegrityError: It is truncated or its external data are missing or too short.
        UnsafeModelError: It names external data outside its folder, or is a pickle.
    """
    model = _load(path)
    if not model.HasField("graph") or not model.opset_import:
        raise ModelFormatError(f"{path} holds no ONNX graph", hint=_REFETCH)
    external = sorted({_external(t) for t in _tensors(model) if t.data_location == 1})
    facts: dict[str, object] = {
        "parameters": sum(_elements(t) for t in _initializers(model.graph)),
        "external": [list(entry) for entry in external],
        "opsets": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        **_signature(model.graph),
    }
    check_external_data(path, facts["external"])  # type: ignore[arg-type]  # built just above
    _run_checker(path)
    return facts


def external_files(path: Path) -> list[str]:
    """Names of the files a graph keeps its weights in, relative to its folder, as it says.

    Raises:
        ModelFormatError: It is not an ONNX model.
        UnsafeModelError: It is a pickle or an archive.
    """
    return sorted({_external(t)[0] for t in _tensors(_load(path)) if t.data_location == 1})


def _load(path: Path) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    with path.open("rb") as stream:
        refuse_disguise(path, stream.read(512))
    try:
        return onnx.load(str(path), load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise ModelFormatError(
            f"{path} is not an ONNX model or is truncated: {error}", hint=_REFETCH
        ) from error


def check_external_data(path: Path, entries: Sequence[Sequence[object]]) -> list[str]:
    """Check that all external data of a graph lie in its folder and are long enough.

    Returns:
        The file names, relative to the graph's folder.

    Raises:
        UnsafeModelError: A name leaves the folder.
        IntegrityError: A file is missing or shorter than the graph says.
    """
    needed: dict[str, int] = {}
    for location, offset, length in entries:
        end = int(str(offset)) + (0 if length is None else int(str(length)))
        needed[str(location)] = max(end, needed.get(str(location), 0))
    for location, end in needed.items():
        data = confine(path.parent, location)
        if not data.is_file():
            raise IntegrityError(f"{path} needs {location!r}, which is missing", hint=_REFETCH)
        if data.stat().st_size < end:
            raise IntegrityError(
                f"{data} is truncated: {path.name} expects at least {end} bytes,"
                f" found {data.stat().st_size}",
                hint=_REFETCH,
                details={"expected_bytes": end, "found_bytes": data.stat().st_size},
            )
    return sorted(needed)


def _run_checker(path: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(str(path))  # by path, so that external data are checked too
    except (onnx.checker.ValidationError, ValueError) as error:
        raise ModelFormatError(
            f"{path} is rejected by the ONNX checker: {str(error).strip()[:500]}", hint=_REFETCH
        ) from error


def _external(tensor: TensorProto) -> tuple[str, int, int]:
    fields = {entry.key: entry.value for entry in tensor.external_data}
    try:
        offset, length = int(fields.get("offset", 0)), int(fields.get("length", 0))
    except ValueError as error:
        raise ModelFormatError(f"tensor {tensor.name!r} has external data {fields!r}") from error
    if offset < 0 or length < 0:
        raise ModelFormatError(f"tensor {tensor.name!r} has external data {fields!r}")
    return str(fields.get("location", "")), offset, length


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    yield from _subgraphs(graph.node)


def _subgraphs(nodes: Iterable[NodeProto]) -> Iterator[GraphProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)


def _initializers(graph: GraphProto) -> Iterator[TensorProto]:
    for part in _graphs(graph):
        yield from part.initializer
        for sparse in part.sparse_initializer:
            yield sparse.values


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from _initializers(model.graph)
    nodes = [node for part in _graphs(model.graph) for node in part.node]
    for function in model.functions:
        nodes.extend(function.node)
        for part in _subgraphs(function.node):
            yield from part.initializer
            nodes.extend(part.node)
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor.values
                yield attribute.sparse_tensor.indices


def _elements(tensor: TensorProto) -> int:
    if tensor.data_type in _INDEX_TYPES or not tensor.dims:
        return 0
    return math.prod(tensor.dims)


def _signature(graph: GraphProto) -> Mapping[str, object]:
    constants = {tensor.name for tensor in graph.initializer}
    return {
        "inputs": [_spec(v) for v in graph.input if v.name not in constants],
        "outputs": [_spec(value) for value in graph.output],
    }


def _spec(value: ValueInfoProto) -> list[object]:
    import onnx

    tensor = value.type.tensor_type
    try:
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except KeyError:
        dtype = str(onnx.TensorProto.DataType.Name(tensor.elem_type)).lower()
    shape: list[object] = []
    for index, dim in enumerate(tensor.shape.dim):
        known = dim.HasField("dim_value")
        shape.append(int(dim.dim_value) if known else dim.dim_param or f"dim_{index}")
    return [value.name, dtype, shape]
