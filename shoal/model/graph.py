"""Tasks submitted together that name one another: in what order they go, and which of them can't."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: What ``depends_on`` puts before the name of a task of the same batch.
PREFIX = "ref:"


class Node(NamedTuple):
    """One task of a batch.

    Attributes:
        ref: What others may call it; ``None`` = nobody names it.
        needs: What it depends on: task ids, and ``ref:NAME``.
    """

    ref: str | None
    needs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Arranged:
    """A batch in order.

    Attributes:
        order: Places of the tasks that are sound and belong to a graph, each after those it depends on, and
            each graph in one piece.
        group: By place, the lowest place of its graph.
        parents: By place, what it depends on: a place, or a task id.
        faults: By place, what is wrong with it.
    """

    order: list[int]
    group: dict[int, int]
    parents: dict[int, list[int | str]]
    faults: dict[int, str]


def arrange(nodes: Sequence[Node | None]) -> Arranged:
    """Find out what belongs together, and refuse what can't run.

    A task is at fault when its name is taken, when it names nobody or one that is at fault, and when it waits for
    itself, directly or by way of others.

    Args:
        nodes: In the order given; ``None`` = refused for another reason.
    """
    faults: dict[int, str] = {}
    places = _names(nodes, faults)
    parents: dict[int, list[int | str]] = {}
    for place, node in enumerate(nodes):
        if node is None or place in faults:
            continue
        named: list[int | str] = []
        for need in dict.fromkeys(node.needs):
            if not need.startswith(PREFIX):
                named.append(need)
            elif (name := need.removeprefix(PREFIX)) not in places:
                faults[place] = f"no task of this batch has the ref {name!r:.80}"
                break
            else:
                named.append(places[name])
        else:
            parents[place] = named
    group = _groups(parents)
    order = _order(nodes, parents, group, faults)
    return Arranged(order, group, parents, faults)


def _names(nodes: Sequence[Node | None], faults: dict[int, str]) -> dict[str, int]:
    """Place by name; of tasks with the same name each is at fault, since nobody knows which is meant."""
    by_name: dict[str, list[int]] = {}
    for place, node in enumerate(nodes):
        if node is not None and node.ref is not None:
            by_name.setdefault(node.ref, []).append(place)
    for name, held in by_name.items():
        if len(held) > 1:
            faults.update(
                dict.fromkeys(held, f"{len(held)} tasks of this batch have the ref {name!r:.80}")
            )
    return {name: held[0] for name, held in by_name.items()}


def _groups(parents: dict[int, list[int | str]]) -> dict[int, int]:
    """By place, the lowest place that it is connected with; only of what is connected with another."""
    root: dict[int, int] = {}

    def find(place: int) -> int:
        while root.setdefault(place, place) != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    for place, named in parents.items():
        for parent in named:
            if isinstance(parent, int):
                low, high = sorted((find(place), find(parent)))
                root[high] = low
    return {place: find(place) for place in root}


def _order(
    nodes: Sequence[Node | None],
    parents: dict[int, list[int | str]],
    group: dict[int, int],
    faults: dict[int, str],
) -> list[int]:
    """Parents first; what stays behind is part of a circle, or depends on what is at fault."""
    missing = {
        place: sum(isinstance(parent, int) for parent in named)
        for place, named in parents.items()
        if place in group
    }
    children: dict[int, list[int]] = {}
    for place, named in parents.items():
        for parent in named:
            if isinstance(parent, int):
                children.setdefault(parent, []).append(place)
    # Depth by depth, so that a graph of any depth needs no recursion.
    sound = [place for place, count in missing.items() if count == 0]
    for place in sound:
        for child in children.get(place, ()):
            missing[child] -= 1
            if missing[child] == 0:
                sound.append(child)
    _spread_faults(nodes, parents, children, set(missing) - set(sound), faults)
    rank = {place: at for at, place in enumerate(sound)}
    return sorted(rank, key=lambda place: (group[place], rank[place]))


def _spread_faults(
    nodes: Sequence[Node | None],
    parents: dict[int, list[int | str]],
    children: dict[int, list[int]],
    stuck: set[int],
    faults: dict[int, str],
) -> None:
    """Say of each task that can't be submitted why."""
    # At fault for their own reasons, or refused before they came here: those that name them go with them.
    bad = [place for place, node in enumerate(nodes) if node is None or place in faults]
    for place in bad:
        for child in children.get(place, ()):
            if child not in faults:
                faults[child] = "it depends on a task of this batch that was refused"
                bad.append(child)
    circle = {place for place in stuck if place not in faults}
    # Only what waits for itself is in a circle; the others wait behind one.
    for place in sorted(circle):
        if _reaches(place, place, parents, circle):
            faults[place] = "it waits for itself, by way of the tasks it depends on"
    for place in sorted(circle):
        faults.setdefault(place, "it depends on a task of this batch that was refused")


def _reaches(start: int, goal: int, parents: dict[int, list[int | str]], within: set[int]) -> bool:
    seen: set[int] = set()
    left = [parent for parent in parents[start] if isinstance(parent, int)]
    while left:
        place = left.pop()
        if place == goal:
            return True
        if place not in seen and place in within:
            seen.add(place)
            left += [parent for parent in parents[place] if isinstance(parent, int)]
    return False
