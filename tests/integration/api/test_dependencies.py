"""Tasks that depend on others, over HTTP."""

from tests.support.api import Api

NOBODY = "01890a5d-ac96-7001-8000-000000000001"


def task(**fields: object) -> dict[str, object]:
    """A body."""
    return {"type": "mail", "payload": 1, **fields}


def test_a_child_waits_and_shows_for_whom(api: Api) -> None:
    """SCHEDULED, with what it depends on and what it waits for; an unknown parent is a 422 that names it."""
    parent = api.post(task()).json["task_id"]
    answer = api.post(task(depends_on=[parent], on_dependency_failure="run", retention="1h"))
    assert (answer.status, answer.json["state"]) == (202, "SCHEDULED")
    shown = api.get(answer.headers["location"]).json
    assert (shown["depends_on"], shown["waiting_for"]) == ([parent], [parent])
    refused = api.post(task(depends_on=[NOBODY]))
    assert (refused.status, refused.code) == (422, "unknown_dependency")
    assert NOBODY in refused.json["detail"]


def test_a_batch_of_graphs(api: Api) -> None:
    """Refs are resolved in any order; a graph is in one partition; circles and their followers are refused."""
    answer = api.post(
        {
            "tasks": [
                task(depends_on=["ref:a", "ref:b"], ref="c"),
                task(ref="a"),
                task(ref="b", depends_on=["ref:a"]),
                task(ref="x", depends_on=["ref:y"]),
                task(ref="y", depends_on=["ref:x"]),
                task(depends_on=["ref:x"]),
                task(depends_on=["ref:nobody"]),
                task(ref="z", depends_on=["ref:z"]),
                task(ref="twice"),
                task(ref="twice"),
                task(),
                task(ref="orphan", depends_on=[NOBODY]),
                task(depends_on=["ref:orphan"]),
            ]
        },
        "/api/v1/tasks/batch",
    )
    assert answer.status == 202
    results = answer.json["results"]
    assert [result.get("state") or result["code"] for result in results] == [
        "SCHEDULED", "PENDING", "SCHEDULED", *["invalid_task"] * 7, "PENDING",
        "unknown_dependency", "unknown_dependency",
    ]  # fmt: skip
    assert "waits for itself" in results[3]["detail"]
    assert "refused" in results[5]["detail"]
    a, b, c = (results[n]["task_id"] for n in (1, 2, 0))
    assert len({task_id[15:18] for task_id in (a, b, c)}) == 1
    assert sorted(api.get(f"/api/v1/tasks/{c}").json["waiting_for"]) == sorted([a, b])
    assert api.get(f"/api/v1/tasks/{c}").json["depends_on"] == [a, b]


def test_a_batch_of_a_graph_is_repeated(api: Api) -> None:
    """With an Idempotency-Key the same ids come back, and the graph stands once."""
    body = {"tasks": [task(ref="a"), task(depends_on=["ref:a"]), task()]}
    headers = {"Idempotency-Key": "k"}
    first = api.post(body, "/api/v1/tasks/batch", headers=headers)
    again = api.post(body, "/api/v1/tasks/batch", headers=headers)
    assert [r["task_id"] for r in first.json["results"]] == [
        r["task_id"] for r in again.json["results"]
    ]
    assert api.get("/api/v1/tasks").json["total"] == 3
