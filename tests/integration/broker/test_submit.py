"""submit: what is accepted, what is known already, and what is refused."""

from tests.support.builders import SPEC, Scene

FIRST_USE = {
    f"stream:default:{priority}{isolated}": "group shoal"
    for priority in range(4)
    for isolated in ("", ":isolated")
}
"""The first task of a queue makes the streams of all its priorities with their groups."""


async def test_first_task(scene: Scene) -> None:
    """A task that is due now is an entry and a hash that names it; the first of a queue makes its groups."""
    before = scene.state()
    (answer,) = await scene.submit("a")
    assert answer.status == "new"
    assert answer.id == scene.id("a")
    assert scene.changes(before) == {
        **FIRST_USE,
        "stream:default:1/a.1": "a mail",
        "task:a/spec": SPEC.decode().replace("\n", ";"),
        "task:a/type": "mail",
        "task:a/entry": "default:1/a.1",
        "queues/default": "member",
        "ready/default:1": "1",
        "counts/PENDING": "1",
        "counts/PENDING:mail": "1",
        "stats/types": "1",
        "stats/submitted:mail": "1",
        "stats/submitted/default:1": "1",
        "events/1": "k=submitted i=a y=mail*1 s=default:1*1",
    }
