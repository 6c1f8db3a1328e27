"""The block store: whole files, an index of the blocks in them, and who may delete what.

How files are cut into blocks lives in `content.importing`; where missing blocks come from, in
`content.exchange`.
"""

from ipfs_accelerate.content.blockstore.assembly import Assembly
from ipfs_accelerate.content.blockstore.checking import CheckReport
from ipfs_accelerate.content.blockstore.collecting import CollectReport
from ipfs_accelerate.content.blockstore.guard import Guard
from ipfs_accelerate.content.blockstore.lookup import Location
from ipfs_accelerate.content.blockstore.pins import Pin
from ipfs_accelerate.content.blockstore.placing import LinkMode, Placed
from ipfs_accelerate.content.blockstore.rebuilding import RebuildReport
from ipfs_accelerate.content.blockstore.store import FileBlockStore, StoreStats
from ipfs_accelerate.content.blockstore.tensors import SafeTensors

__all__ = [
    "Assembly",
    "CheckReport",
    "CollectReport",
    "FileBlockStore",
    "Guard",
    "LinkMode",
    "Location",
    "Pin",
    "Placed",
    "RebuildReport",
    "SafeTensors",
    "StoreStats",
]
