"""Credentials: where they come from, and which of several is taken."""
