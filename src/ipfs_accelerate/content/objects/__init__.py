"""The S3 kit: several S3-compatible endpoints used as one store, through obstore.

Endpoints, their credentials, health, limits and routing live here, and how ``s3://`` references
become model folders. What the bytes mean is none of its business; blocks from objects are
`content.sources.s3`.
"""

from ipfs_accelerate.content.objects._client import ObjectInfo
from ipfs_accelerate.content.objects._interruptible import Interrupted, Patience
from ipfs_accelerate.content.objects.credentials import Keys
from ipfs_accelerate.content.objects.endpoint import Endpoint, endpoints_for, endpoints_from
from ipfs_accelerate.content.objects.health import Health, HealthPolicy, State
from ipfs_accelerate.content.objects.pool import ObjectPool
from ipfs_accelerate.content.objects.statistics import EndpointStatistics

__all__ = [
    "Endpoint",
    "EndpointStatistics",
    "Health",
    "HealthPolicy",
    "Interrupted",
    "Keys",
    "ObjectInfo",
    "ObjectPool",
    "Patience",
    "State",
    "endpoints_for",
    "endpoints_from",
]
