"""The Valkey server that ``shoal up`` brings along when no REDIS_URL is given."""

from shoal.embedded.server import EmbeddedServer, Readiness

__all__ = ["EmbeddedServer", "Readiness"]
