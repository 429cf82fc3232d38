"""The OpenAPI document, made from the table of endpoints and the Structs that bodies are read by.

``python -m shoal.api.openapi > docs/openapi.json`` writes the committed copy.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from shoal import __version__
from shoal.api.descriptions import DESCRIPTIONS, Description
from shoal.api.endpoints import ADMIN, Endpoint
from shoal.api.idempotency import MAX_KEY_CHARS
from shoal.api.problems import CONTENT_TYPE
from shoal.documents import ProblemDocument
from shoal.model.priority import Priority

Schema = dict[str, Any]

_REF = "#/components/schemas/{name}"
_JSON = "application/json"
_OPEN = ("/health", "/livez", "/readyz", "/metrics", "/ws", "/openapi.json")
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$"
_NAMED_SCHEMES: Schema = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a token (JWT)."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "shoal_session"},
}


def is_described(endpoint: Endpoint) -> bool:
    """Whether it belongs to the API: pages, their parts and what only they read do not."""
    if endpoint.path.startswith("/api/v1/dashboard/"):
        return False
    return endpoint.path.startswith(("/api/", "/admin/")) or endpoint.path in _OPEN


def document(endpoints: Sequence[Endpoint] = ADMIN) -> Schema:
    """The whole document.

    Args:
        endpoints: Of both ports: the operators' has all.
    """
    described = [endpoint for endpoint in endpoints if is_described(endpoint)]
    kinds = _kinds(described)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, Schema] = {}
    for endpoint in described:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shoal",
            "version": __version__,
            "summary": "A distributed task queue on Redis Streams.",
            "description": "`/admin/…` is on ADMIN_PORT only, which has all the rest as well. "
            "Errors are `application/problem+json` with a stable `code`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{name: []} for name in _NAMED_SCHEMES],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _NAMED_SCHEMES},
    }


def encoded(endpoints: Sequence[Endpoint] = ADMIN) -> bytes:
    """The same as JSON, for people and diffs."""
    raw = msgspec.json.encode(document(endpoints))
    return msgspec.json.format(raw, indent=1) + b"\n"


def operation_id(endpoint: Endpoint) -> str:
    """Such as ``get_api_v1_tasks_id``."""
    words = re.findall(r"[A-Za-z0-9]+", endpoint.path.replace("-", ""))
    return "_".join([endpoint.method.lower(), *words])


def _kinds(endpoints: Sequence[Endpoint]) -> list[type[Struct]]:
    found: dict[type[Struct], None] = {ProblemDocument: None}
    for endpoint in endpoints:
        about = _about(endpoint)
        for kind in (about.body, *about.answers.values()):
            if isinstance(kind, type):
                found[kind] = None
    return list(found)


def _about(endpoint: Endpoint) -> Description:
    return DESCRIPTIONS.get(f"{endpoint.method} {endpoint.path}", Description())


def _operation(endpoint: Endpoint, schemas: dict[type[Struct], Schema]) -> Schema:
    about = _about(endpoint)
    said = (endpoint.handler.__doc__ or "").strip().partition("\n")[0]
    area = re.findall(r"[a-z-]+", endpoint.path.removeprefix("/api/v1").removeprefix("/admin"))
    operation: Schema = {
        "operationId": operation_id(endpoint),
        "summary": said.rstrip("."),
        "tags": [area[0] if endpoint.path.startswith(("/api/", "/admin/")) else "process"],
        "parameters": _parameters(endpoint, about),
        "responses": _responses(about, schemas),
    }
    if endpoint.role is None:
        operation["security"] = []
    else:
        operation["x-role"] = endpoint.role.word
        if endpoint.scope is not None:
            operation["x-scope"] = endpoint.scope.value
    if about.body is not None:
        content = {_JSON: {"schema": schemas[about.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(endpoint: Endpoint, about: Description) -> list[Schema]:
    rows: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(endpoint, name)}
        for name in re.findall(r"\{(\w+)", endpoint.path)
    ]
    rows += [
        {
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.meaning,
            "schema": parameter.schema,
        }
        for parameter in about.query
    ]
    if about.idempotent_key:
        rows.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same request with the same key is done once, for 24 hours.",
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MAX_KEY_CHARS,
                    "pattern": "^[!-~]+$",
                },
            }
        )
    return rows


def _path_schema(endpoint: Endpoint, name: str) -> Schema:
    if name == "priority":
        return {"type": "string", "enum": [priority.name for priority in Priority]}
    if "/tasks/" in endpoint.path:
        return {"type": "string", "pattern": _UUID}
    return {"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"}


def _responses(about: Description, schemas: dict[type[Struct], Schema]) -> Schema:
    problem: Schema = {
        "description": "A problem.",
        "content": {CONTENT_TYPE: {"schema": schemas[ProblemDocument]}},
    }
    responses: Schema = {}
    for status, kind in (about.answers or {200: ""}).items():
        answer: Schema = {"description": "Done." if status < 300 else "Not now."}
        if isinstance(kind, type):
            answer["content"] = {_JSON: {"schema": schemas[kind]}}
        elif kind:
            answer["content"] = {kind: {"schema": {"type": "string"}}}
        if about.has_location and status < 300:
            answer["headers"] = {"Location": {"required": True, "schema": {"type": "string"}}}
        if about.links and status < 300:
            answer["links"] = {
                target: {
                    "operationId": target,
                    "parameters": {"id": f"$response.body#/{member}"},
                }
                for member, targets in about.links.items()
                for target in targets
            }
        responses[str(status)] = answer
    responses["default"] = problem
    return responses


if __name__ == "__main__":
    sys.stdout.buffer.write(encoded())
