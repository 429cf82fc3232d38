"""Handlers on real input, and a demonstration that runs them."""
