"""Measuring: plans, sampling, isolation, and the checks that make a number trustworthy."""
