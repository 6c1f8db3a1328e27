"""Devices: cpu."""
