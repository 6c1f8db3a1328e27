"""The published ``ResourcePool`` over `Accelerator` and its pool of sessions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ipfs_accelerate.inference import Accelerator
from ipfs_accelerate.inference.tasks import tasks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.inference import LoadedModel
    from ipfs_accelerate.runtimes import Target

__all__ = ["ResourcePool"]


class ResourcePool:
    """Loaded models under the published method names.

    Args:
        accelerator: What loads and shares; one of its own when ``None``.
        low_memory_mode: Keep at most one model, for a pool of its own.

    Example:
        >>> pool = ResourcePool()
        >>> pool.get_stats()["sessions"]
        0
        >>> pool.cleanup()
    """

    def __init__(
        self, accelerator: Accelerator | None = None, *, low_memory_mode: bool = False
    ) -> None:
        self._accelerator = accelerator or Accelerator(low_memory=low_memory_mode)
        self._loaded: dict[tuple[str, str | None, tuple[str, ...]], LoadedModel] = {}

    def get_model(
        self,
        model_type: str,
        model_name: str,
        *,
        hardware_preferences: Mapping[str, Sequence[str]] | None = None,
    ) -> LoadedModel:
        """A model, loaded once and kept until `cleanup`.

        Args:
            model_type: A task, or a family name such as ``text_embedding`` that names none.
            model_name: Any model reference.
            hardware_preferences: ``{"priority_list": ["cuda", "openvino", "cpu"]}``; names of
                devices or runtimes, tried in this order before the rest of the chain.

        Raises:
            AccelerateError: See `Accelerator.load`.
        """
        task = model_type if model_type in tasks() else None
        wanted = tuple((hardware_preferences or {}).get("priority_list", ()))
        key = (model_name, task, wanted)
        if key not in self._loaded:
            target = self._preferred(model_name, wanted)
            self._loaded[key] = self._accelerator.load(model_name, target, task=task, fallback=True)
        return self._loaded[key]

    get_resource = get_model

    def _preferred(self, model_name: str, wanted: Sequence[str]) -> Target | None:
        chain = self._accelerator.explain(model_name).chain
        for name in wanted:
            for target in chain:
                if name in {target.runtime, target.device, target.device.partition(":")[0]}:
                    return target
        return None

    def get_stats(self) -> dict[str, object]:
        """See `PoolStats`."""
        return asdict(self._accelerator.pool.stats())

    def cleanup(self) -> None:
        """Close every model that was got here, and what the pool keeps idle."""
        for loaded in self._loaded.values():
            loaded.close()
        self._loaded.clear()
        self._accelerator.pool.evict_idle()
