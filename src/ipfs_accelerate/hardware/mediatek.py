"""Devices: mediatek."""
