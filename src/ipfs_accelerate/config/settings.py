"""The one definition of every setting; parsing is pure."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic import SecretStr as Secret

from ipfs_accelerate.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings", "environment_names", "load_settings"]

PREFIX = "IPFS_ACCELERATE_"
FILE_NAME = "ipfs-accelerate.toml"


def _default_home() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ipfs-accelerate"


def _split(value: object) -> object:
    """A list written with commas, as in an environment variable."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _is_url(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if scheme not in {"http", "https"} or not separator or not rest.strip("/"):
        raise ValueError("it must begin with http:// or https:// and name a host")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_is_url)]
UrlList = Annotated[tuple[Url, ...], BeforeValidator(_split)]
TextList = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Settings(BaseModel):
    """Every setting of the product.

    Each field is an option of ``ipfs-accelerate.toml``, the environment variable
    ``IPFS_ACCELERATE_<FIELD>`` (upper case) and an argument of the facade.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Published variables that are honoured beside the generated one.
    known_variables: ClassVar[dict[str, str]] = {"db_path": "BENCHMARK_DB_PATH"}

    home: Path = Field(
        default_factory=_default_home, description="Folder of caches: models, conversions, kernels."
    )
    db_path: Path | None = Field(
        default=None, description="Ledger file; <home>/ledger.duckdb when not set."
    )
    offline: bool = Field(default=False, description="Never contact a model source.")
    hub_endpoint: str = Field(
        default="https://huggingface.co", description="Base URL of the model hub."
    )
    hub_attempts: int = Field(
        default=5, ge=1, le=20, description="Attempts on a connectivity fault, with backoff."
    )
    threads: int | None = Field(
        default=None, ge=1, description="Intra-op threads; all usable cores when not set."
    )
    pool_memory_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Memory loaded models may take; half of the machine otherwise.",
    )
    conversion_cache_bytes: int = Field(
        default=20 * 2**30, ge=0, description="Size beyond which old conversions are deleted."
    )
    case_timeout_s: float = Field(
        default=600.0, gt=0, description="Wall-clock limit of one benchmark case."
    )
    lock_timeout_s: float = Field(
        default=30.0,
        ge=0,
        description="Longest wait for a ledger or cache locked by another process.",
    )

    content_dir: Path | None = Field(
        default=None, description="Folder of the block store; <home>/content when not set."
    )
    content_quota_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Size `accel content gc` brings the store down to; unpinned blocks go first.",
    )
    content_profile: str = Field(
        default="unixfs-v1-2025",
        description="Import profile of new content: `unixfs-v1-2025`, `unixfs-v0-2015`,"
        " `dedup-v1-2026`.",
    )
    content_gateways: UrlList = Field(
        default=(), description="Trustless gateways to fetch from; a list with commas."
    )
    content_peers: TextList = Field(
        default=(), description="Peers to fetch from and share with; a list with commas."
    )
    content_kubo: Url | None = Field(
        default=None, description="RPC address of a Kubo node, such as http://127.0.0.1:5001."
    )
    content_bitswap: TextList = Field(
        default=(),
        description="Multiaddrs of IPFS nodes to read over bitswap (extra `p2p`); with commas.",
    )
    content_token: Secret | None = Field(
        default=None, description="Token of the own peers and servers; never printed."
    )
    content_trusted_keys: TextList = Field(
        default=(), description="did:key:… of the publishers whose signatures count; with commas."
    )
    content_key_passphrase: Secret | None = Field(
        default=None, description="Opens signing keys that have a passphrase; never printed."
    )
    content_discover: bool = Field(
        default=False, description="Look for peers on the local network (mDNS)."
    )

    @property
    def content_path(self) -> Path:
        """The folder of the block store in effect."""
        return self.content_dir or self.home / "content"

    @property
    def keys_dir(self) -> Path:
        """Where the own signing keys are kept."""
        return self.home / "keys"

    s3: dict[str, object] = Field(
        default={},
        exclude=True,
        repr=False,
        description="Tables `[s3.endpoints.NAME]`: S3-compatible object stores; never printed.",
    )

    gateway_token: Secret | None = Field(
        default=None, description="Token of the gateway's server; never printed."
    )
    gateway: dict[str, object] = Field(
        default={},
        exclude=True,
        repr=False,
        description="Tables `[gateway.endpoints.NAME]` and `[gateway.routes.NAME]`; never printed.",
    )

    @property
    def names_dir(self) -> Path:
        """Where records of names (IPNS) are kept."""
        return self.home / "names"

    @property
    def ledger_path(self) -> Path:
        """The ledger file in effect."""
        return self.db_path or self.home / "ledger.duckdb"

    @property
    def models_dir(self) -> Path:
        """Where downloaded models are kept."""
        return self.home / "models"

    @property
    def conversions_dir(self) -> Path:
        """Where converted and quantized models are kept."""
        return self.home / "conversions"


def environment_names() -> dict[str, str]:
    """Setting → its environment variable."""
    return {name: PREFIX + name.upper() for name in Settings.model_fields}


def load_settings(
    arguments: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Merge arguments, environment, file and defaults.

    Args:
        arguments: Highest precedence; entries that are ``None`` count as not given.
        environment: Variables to read; ``os.environ`` when ``None``.
        file: TOML file; when ``None``, ``ipfs-accelerate.toml`` here if it exists.

    Raises:
        ConfigurationError: An unknown key, a value outside its domain, or an unreadable file.
    """
    variables = os.environ if environment is None else environment
    values = _from_file(file) | _from_environment(variables)
    values |= {k: v for k, v in (arguments or {}).items() if v is not None}
    try:
        return Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        raise _explain(error) from error


def _from_file(file: Path | None) -> dict[str, object]:
    path = file or Path(FILE_NAME)
    if file is None and not path.is_file():
        return {}
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"cannot read settings from {path}: {error}") from error


def _from_environment(variables: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for field_name, variable in Settings.known_variables.items():
        if variables.get(variable):
            values[field_name] = variables[variable]
    known = {variable: name for name, variable in environment_names().items()}
    for variable, text in variables.items():
        if variable in known:
            values[known[variable]] = text
        elif variable.startswith(PREFIX) and not variable.startswith(PREFIX + "PY_"):
            near = difflib.get_close_matches(variable, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "see the settings reference"
            raise ConfigurationError(f"unknown environment variable {variable}", hint=hint)
    return values


def _explain(error: ValidationError) -> ConfigurationError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, n=1)
        hint = (
            f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(Settings.model_fields)
        )
        return ConfigurationError(f"unknown setting {name!r}", hint=hint)
    known = Settings.model_fields.get(name.partition(".")[0])
    is_secret = known is not None and Secret in getattr(known.annotation, "__args__", ())
    given = "what was given" if is_secret else repr(first["input"])
    return ConfigurationError(
        f"setting {name!r} cannot be {given}: {first['msg']}",
        hint=known.description if known is not None else None,
    )
