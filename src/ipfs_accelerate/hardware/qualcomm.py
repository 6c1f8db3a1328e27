"""Devices: qualcomm."""
