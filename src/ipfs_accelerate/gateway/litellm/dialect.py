"""What LiteLLM is asked: the OpenAI dialect, less what would make it act on its own.

Source: LiteLLM documentation, "Input Params", "Output", "Exception Mapping".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.gateway.messages import ImagePart, Operation
from ipfs_accelerate.gateway.providers import Capabilities
from ipfs_accelerate.gateway.providers._openai import OpenAIDialect

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import Request

__all__ = ["NAME", "LiteLLM"]

NAME = "litellm"

#: Arguments of LiteLLM's functions that are no fields of a request: whom it asks with which
#: credential, and what it does besides.
_ITS_OWN = frozenset(
    {
        "api_base",
        "api_key",
        "api_version",
        "base_url",
        "cache",
        "caching",
        "callbacks",
        "client",
        "context_window_fallback_dict",
        "custom_llm_provider",
        "drop_params",
        "extra_body",
        "extra_headers",
        "fallbacks",
        "headers",
        "max_retries",
        "mock_response",
        "mock_tool_calls",
        "model_list",
        "num_retries",
        "ssl_verify",
        "timeout",
    }
)


class LiteLLM(OpenAIDialect):
    """Any service, in the form of the OpenAI API.

    Names of models are LiteLLM's: ``<its name of the service>/<model>``. Images are given as
    bytes, as LiteLLM would fetch an address from this machine for some services.
    """

    name = NAME
    default_url: ClassVar[str | None] = "https://litellm.invalid"  # it knows whom to ask
    capabilities = Capabilities(
        operations=frozenset({Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING}),
        has_streaming=True,
        has_tools=True,
        has_images=True,
    )

    def __init__(self, base_url: str | None = None) -> None:
        super().__init__(base_url)
        if base_url is None:
            self.endpoint = NAME

    def _body(self, request: Request, *, is_stream: bool) -> tuple[str, dict[str, object]]:
        path, body = super()._body(request, is_stream=is_stream)
        for name in request.extra:
            if name in _ITS_OWN or name.startswith(("aws_", "azure_", "vertex_", "litellm_")):
                raise InputError(
                    f"extra cannot hold {name!r} for {NAME}",
                    hint="whom to ask, and with which key, is set at the endpoint",
                )
        return path, body

    def _check_images(self, content: tuple[object, ...]) -> None:
        super()._check_images(content)
        if any(isinstance(part, ImagePart) and part.url is not None for part in content):
            raise self.unable("images given by their address")
