"""Who asks, and what they may do."""

from __future__ import annotations

from typing import NamedTuple

from shoal.api.problems import Problem
from shoal.model.role import Role, Scope

#: Every part of the API.
ALL: frozenset[Scope] = frozenset()


class Principal(NamedTuple):
    """Who asks."""

    #: Stands for the key in logs, the audit log and key names; not the key itself.
    name: str
    role: Role
    #: Empty = all.
    scopes: frozenset[Scope] = ALL
    #: Unix time from which on it is nobody any more; ``None`` = never.
    expires_s: float | None = None
    #: Whether a cookie said so, which a browser also sends for others.
    by_cookie: bool = False

    def check(self, role: Role, scope: Scope | None) -> None:
        """Make sure that it has this role, and this part of the API.

        Raises:
            Problem: ``forbidden``.
        """
        if self.role < role:
            raise Problem("forbidden", f"It needs the role {role.word}.")
        if scope is not None and self.scopes and scope not in self.scopes:
            raise Problem("forbidden", f"It needs the scope {scope.value}.")


def refusal(detail: str) -> Problem:
    """The problem of who is not known."""
    return Problem("unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="shoal"'})
