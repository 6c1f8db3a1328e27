"""Where blocks come from: one file a kind of source, all behind `Source`.

What a source returns is not trusted: whoever asked verifies it.
"""

from ipfs_accelerate.content.sources.protocol import Deliver, Source, SourceKind, Want

__all__ = ["Deliver", "Source", "SourceKind", "Want"]
