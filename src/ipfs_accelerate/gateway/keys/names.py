"""The variables in which the keys of each kind of service are looked for."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.keys.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KEY_VARIABLES", "keys_from_environment"]

#: Kind of service → variables, the first one set wins. The names are those of the services' own
#: clients where there is one, and ``<SERVICE>_API_KEY`` elsewhere.
KEY_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY", "CLAUDE_API_KEY"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "local": (),
    "ollama": ("OLLAMA_API_KEY",),
    "opea": ("OPEA_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "ovms": ("OVMS_API_KEY",),
    "tei": ("TEI_API_KEY", "HF_TOKEN"),
    "tgi": ("TGI_API_KEY", "HF_TOKEN"),
    "vllm": ("VLLM_API_KEY",),
}


def keys_from_environment(provider: str, environ: Mapping[str, str]) -> dict[str, Secret]:
    """The keys of a kind of service, by the name of their variable; empty when there are none.

    Further keys have a number from 2 on behind the name: ``OPENAI_API_KEY``, ``OPENAI_API_KEY_2``,
    … without a gap. A variable that is set to nothing counts as not set.

    Args:
        provider: Name of the kind; of one not in the table, ``<NAME>_API_KEY`` is looked for.
        environ: Variables, e.g. ``os.environ``.
    """
    names = KEY_VARIABLES.get(provider, (f"{provider.upper().replace('-', '_')}_API_KEY",))
    first = next((name for name in names if environ.get(name, "").strip()), None)
    if first is None:
        return {}
    numbered = itertools.chain([first], (f"{first}_{number}" for number in itertools.count(2)))
    present = itertools.takewhile(lambda name: environ.get(name, "").strip(), numbered)
    return {name: Secret(environ[name], origin=f"the variable {name}") for name in present}
