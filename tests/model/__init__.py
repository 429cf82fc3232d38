"""The broker's scripts on a real server, played against a model that knows no Redis."""
