"""Decides what is tried where, when and with which key; pure state machines, no input or output."""
