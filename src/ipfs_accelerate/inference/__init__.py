"""The facade: choose a target, load once, run, fall back along a stated chain."""
