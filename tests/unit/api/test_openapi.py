"""The OpenAPI document says what the table of endpoints says, and the committed copy is current."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shoal.api.descriptions import DESCRIPTIONS
from shoal.api.docs_page import CONTENT_SECURITY_POLICY, PAGE
from shoal.api.endpoints import ADMIN, PUBLIC
from shoal.api.openapi import document, encoded, is_described, operation_id

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"


def operations() -> dict[tuple[str, str], Any]:
    """By method and path."""
    return {
        (method.upper(), path): operation
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }


def test_the_committed_copy_is_current() -> None:
    """`python -m shoal.api.openapi > docs/openapi.json` makes it."""
    assert COMMITTED.read_bytes() == encoded()


def test_routes_and_document_agree() -> None:
    """Every address of the API is described, with its role; nothing else is, and no name stands twice."""
    described = {(e.method, e.path): e for e in ADMIN if is_described(e)}
    assert set(operations()) == set(described)
    assert {(e.method, e.path) for e in PUBLIC} <= {(e.method, e.path) for e in ADMIN}
    for pair, operation in operations().items():
        endpoint = described[pair]
        assert operation.get("x-role") == (endpoint.role and endpoint.role.word), pair
        assert (operation.get("security") == []) == (endpoint.role is None), pair
        assert operation["summary"], pair
    names = [operation["operationId"] for operation in operations().values()]
    assert len(names) == len(set(names))
    assert {name.partition(" ")[2] for name in DESCRIPTIONS} <= {path for _, path in described}


@pytest.mark.parametrize("endpoint", [e for e in ADMIN if is_described(e)], ids=operation_id)
def test_parameters_and_links_lead_somewhere(endpoint: Any) -> None:
    """Each variable of a path is a parameter, and each link names an operation that takes it."""
    operation = operations()[endpoint.method, endpoint.path]
    inside = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
    assert inside == set(re.findall(r"\{(\w+)", endpoint.path))
    by_name = {op["operationId"]: op for op in operations().values()}
    for answer in operation["responses"].values():
        for link in answer.get("links", {}).values():
            taken = {p["name"] for p in by_name[link["operationId"]]["parameters"]}
            assert set(link["parameters"]) <= taken


def test_references_lead_somewhere() -> None:
    """Every schema that is named is there."""
    text = json.dumps(document())
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert names == set(document()["components"]["schemas"])


def test_bodies_refuse_unknown_fields() -> None:
    """As their Structs do."""
    schemas = document()["components"]["schemas"]
    for name in ("TaskBody", "OperationBody", "FilterBody", "RetryBody", "ScheduleBody"):
        assert schemas[name]["additionalProperties"] is False


def test_the_page_asks_no_other_host() -> None:
    """No address of another host, and a policy that would forbid it; scripts by their hash."""
    text = PAGE.decode()
    assert not re.search(r"(?:https?:)?//\w", text)
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
