from ipfs_accelerate.testing.store_fixtures import flip, other, sample, store

__all__ = ["flip", "other", "sample", "store"]
