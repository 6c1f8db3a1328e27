"""Secrets of the gateway: what holds them, where they come from; nothing here shows one."""

from ipfs_accelerate.gateway.keys.names import KEY_VARIABLES, keys_from_environment
from ipfs_accelerate.gateway.keys.secret import Secret
from ipfs_accelerate.gateway.keys.sources import load_secret

__all__ = ["KEY_VARIABLES", "Secret", "keys_from_environment", "load_secret"]
