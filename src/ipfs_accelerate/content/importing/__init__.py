"""From bytes to CIDs: hash files, streams and trees under an import profile; nothing is stored.

What comes back is enough for a store to keep the file as it is: the layout of its leaves, and the
blocks above them.
"""

from ipfs_accelerate.content.importing.blocks import iter_blocks
from ipfs_accelerate.content.importing.files import hash_file, hash_stream
from ipfs_accelerate.content.importing.tree import HashedFile, HashedTree, hash_tree

__all__ = ["HashedFile", "HashedTree", "hash_file", "hash_stream", "hash_tree", "iter_blocks"]
