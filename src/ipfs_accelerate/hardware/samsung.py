"""Devices: samsung."""
