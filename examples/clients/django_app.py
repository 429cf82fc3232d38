"""Submitting from Django: ``pip install 'shoal[client]' django``, then ``python django_app.py 8000``.

A whole site in one file; in yours only the two views matter. SHOAL_URL and API_KEY say which API.
"""

import json
import os
import sys
from functools import cache

import django
from django.conf import settings
from django.core.servers.basehttp import WSGIServer, run
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from shoal.client import SyncClient
from shoal.errors import QueueFull, TaskNotFound

settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1", "localhost"], SECRET_KEY=os.urandom(32).hex()
)


@cache
def client() -> SyncClient:
    """One for each process: made after a server has forked."""
    return SyncClient(os.environ["SHOAL_URL"], os.environ["API_KEY"])


def send(request: HttpRequest) -> JsonResponse:
    """Submit, and say where to look."""
    try:
        handle = client().submit("email.send", json.loads(request.body))
    except QueueFull as error:
        return JsonResponse({"error": "come again", "seconds": error.retry_after_s}, status=503)
    return JsonResponse({"id": handle.id}, status=202)


def look(_request: HttpRequest, task_id: str) -> JsonResponse:
    """Where it stands."""
    try:
        return JsonResponse({"state": client().task(task_id).state})
    except TaskNotFound:
        return JsonResponse({"error": "no such mail"}, status=404)


urlpatterns = [path("mails", send), path("mails/<str:task_id>", look)]

if __name__ == "__main__":
    django.setup()
    run(
        "127.0.0.1", int(sys.argv[1]), get_wsgi_application(), threading=True, server_cls=WSGIServer
    )
