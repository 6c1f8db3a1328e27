"""Settings: argument over environment over file over default, each defined once."""

from ipfs_accelerate.config.settings import Settings, environment_names, load_settings

__all__ = ["Settings", "environment_names", "load_settings"]
