"""Devices: browsers."""
