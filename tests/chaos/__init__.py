"""Faults made on purpose, on real processes and real servers; each test ends with the checker."""
