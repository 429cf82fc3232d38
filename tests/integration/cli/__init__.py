"""The command line against real servers and workers."""
