"""The command line: ``ipfs-accelerate <noun> <verb>``, alias ``accel``.

Each noun is a module of its own, imported only when used.
"""

from ipfs_accelerate.cli.main import main

__all__ = ["main"]
