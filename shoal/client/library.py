"""httpx and httpx-sse, which come with an extra: whoever lacks them is told which."""

try:
    import httpx
    import httpx_sse
except ImportError:
    raise ImportError(
        "shoal.Client needs httpx and httpx-sse: pip install 'shoal[client]'"
    ) from None

__all__ = ["httpx", "httpx_sse"]
