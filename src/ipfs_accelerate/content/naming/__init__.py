"""Names that can be moved: IPNS records, made, verified and kept.

How records travel is not decided here: a gateway serves those in a `RecordStore`.
"""

from ipfs_accelerate.content.naming.names import name_of, parse_name, public_key_of
from ipfs_accelerate.content.naming.record import IpnsRecord
from ipfs_accelerate.content.naming.signing import publish, verify
from ipfs_accelerate.content.naming.store import RecordStore

__all__ = [
    "IpnsRecord",
    "RecordStore",
    "name_of",
    "parse_name",
    "public_key_of",
    "publish",
    "verify",
]
