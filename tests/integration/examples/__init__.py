"""The examples as a whole."""
