"""The block store: whole files, an index of the blocks in them, and who may delete what.

How files are cut into blocks lives in `content.importing`; where missing blocks come from, in
`content.exchange`.
"""

from ipfs_accelerate.content.blockstore.assembly import Assembly
from ipfs_accelerate.content.blockstore.guard import Guard
from ipfs_accelerate.content.blockstore.lookup import Location
from ipfs_accelerate.content.blockstore.store import FileBlockStore

__all__ = ["Assembly", "FileBlockStore", "Guard", "Location"]
