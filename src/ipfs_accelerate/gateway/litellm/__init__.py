"""The long tail: services that have no provider of their own, asked through LiteLLM.

LiteLLM is used as a transport of the OpenAI dialect, which is what it makes of every service. It
comes with the extra ``litellm``, is imported by the first call, and does nothing of what the
gateway does itself: no retries, no fallback, no cache, no routing.
"""

from ipfs_accelerate.gateway.litellm.opening import ipfs_accelerate_backend

__all__ = ["ipfs_accelerate_backend"]
