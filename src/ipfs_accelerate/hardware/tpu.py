"""Devices: tpu."""
