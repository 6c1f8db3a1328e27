"""Devices: apple."""
