"""The client for asyncio; ``scripts/sync_client.py`` makes ``shoal.client.sync`` from it."""
