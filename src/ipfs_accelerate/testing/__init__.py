"""Fakes and conformance suites for tests of this product and of plugins; never used by the product itself."""
