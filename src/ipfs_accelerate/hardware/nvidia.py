"""Devices: nvidia."""
