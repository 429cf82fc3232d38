"""The client for programs without asyncio, threads included."""

# Made by scripts/sync_client.py from shoal/client/aio/: change that.
