"""From CIDs to bytes: files, ranges, trees and paths out of whatever hands out verified blocks.

Nothing here trusts a size: what a node claims is compared with what its children hold, depth,
links and total bytes are bounded, and a name that could leave a folder is refused.
"""

from ipfs_accelerate.content.reading.export import export
from ipfs_accelerate.content.reading.files import file_layout, iter_file, leaf_of
from ipfs_accelerate.content.reading.tree import iter_tree, resolve_path

__all__ = ["export", "file_layout", "iter_file", "iter_tree", "leaf_of", "resolve_path"]
