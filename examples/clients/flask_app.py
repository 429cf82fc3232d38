"""Submitting from Flask: ``pip install 'shoal[client]' flask``, then ``python flask_app.py 5000``.

Threads share one ``SyncClient``. SHOAL_URL and API_KEY say which API.
"""

import os
import sys

from flask import Flask, Response, jsonify, request

from shoal.client import SyncClient
from shoal.errors import QueueFull, TaskNotFound

site = Flask(__name__)
client = SyncClient(os.environ["SHOAL_URL"], os.environ["API_KEY"])


@site.post("/mails")
def send() -> tuple[Response, int]:
    """Submit, and say where to look."""
    try:
        handle = client.submit("email.send", request.get_json())
    except QueueFull as error:
        return jsonify(error="come again", seconds=error.retry_after_s), 503
    return jsonify(id=handle.id), 202


@site.get("/mails/<task_id>")
def look(task_id: str) -> tuple[Response, int]:
    """Where it stands."""
    try:
        return jsonify(state=client.task(task_id).state), 200
    except TaskNotFound:
        return jsonify(error="no such mail"), 404


if __name__ == "__main__":
    site.run(port=int(sys.argv[1]), threaded=True)
