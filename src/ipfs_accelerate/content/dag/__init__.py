"""Block formats: dag-pb, UnixFS, DAG-CBOR, sharded directories, and the links of any block.

Everything here is pure: bytes in, values out. How files become blocks is `content.importing`, how
blocks become files is `content.reading`.
"""

from ipfs_accelerate.content.dag.links import block_of, links_of
from ipfs_accelerate.content.dag.pb import Link, Node
from ipfs_accelerate.content.dag.unixfs import Kind, UnixNode, wrap_leaf
from ipfs_accelerate.content.dag.walk import iter_dag

__all__ = ["Kind", "Link", "Node", "UnixNode", "block_of", "iter_dag", "links_of", "wrap_leaf"]
