"""Live data: what happens, sent to clients while it happens."""
