"""The pure ground of Shoal: states, ids, retries and partitions.

Nothing here does I/O or reads a clock; the time and the random source are arguments. Only the
standard library is imported.
"""
