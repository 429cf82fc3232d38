"""Handlers for tests whose tasks a real worker runs."""

from typing import Any

from shoal import NonRetryable, Shoal, TaskContext

app = Shoal()


@app.task("double")
async def double(ctx: TaskContext, payload: int) -> int:
    """Twice its payload."""
    return payload * 2


@app.task("boom")
async def boom(ctx: TaskContext, payload: Any) -> None:
    """Fails for good."""
    raise NonRetryable("as it was told")


@app.task("metadata")
async def metadata(ctx: TaskContext, payload: Any) -> dict[str, str]:
    """What came along."""
    return dict(ctx.metadata)
