"""Submitting from FastAPI: ``pip install 'shoal[client]' fastapi uvicorn``, then ``python fastapi_app.py 8000``.

One ``Client`` lives as long as the site. SHOAL_URL and API_KEY say which API.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request

from shoal.client import Client
from shoal.errors import QueueFull, TaskNotFound


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The client's connections are closed with the site."""
    async with Client(os.environ["SHOAL_URL"], os.environ["API_KEY"]) as client:
        app.state.client = client
        yield


site = FastAPI(lifespan=lifespan)


@site.post("/mails", status_code=202)
async def send(request: Request, mail: dict[str, Any]) -> dict[str, str]:
    """Submit, and say where to look."""
    client: Client = request.app.state.client
    try:
        return {"id": (await client.submit("email.send", mail)).id}
    except QueueFull as error:
        headers = {"Retry-After": f"{error.retry_after_s:.0f}"}
        raise HTTPException(503, "come again", headers) from None


@site.get("/mails/{task_id}")
async def look(request: Request, task_id: str) -> dict[str, str]:
    """Where it stands."""
    client: Client = request.app.state.client
    try:
        return {"state": (await client.task(task_id)).state}
    except TaskNotFound:
        raise HTTPException(404, "no such mail") from None


if __name__ == "__main__":
    uvicorn.run(site, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
