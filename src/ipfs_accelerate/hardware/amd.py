"""Devices: amd."""
