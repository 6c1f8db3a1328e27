"""Devices: intel."""
