"""Faults at random from a seed on a system at work, for as long as you like: ``python -m tests.chaos.soak``."""
