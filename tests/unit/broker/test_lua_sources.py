"""The Lua sources keep the rules that Redis itself does not check."""

import re
from importlib import resources

import pytest

SOURCES = {
    path.name: path.read_text("utf-8")
    for path in sorted(
        (path for path in resources.files("shoal.broker").joinpath("lua").iterdir()),
        key=lambda path: path.name,
    )
    if path.name.endswith(".lua")
}
VERBS = {name: source for name, source in SOURCES.items() if not name.startswith("lib_")}

#: A command and its first argument that is no subcommand.
_CALL = re.compile(
    r"\b(?:redis\.)?p?call\(\s*'([A-Z]+)'(?:\s*,\s*'(?:CREATE|DELCONSUMER|CONSUMERS|STREAM|GROUPS)')?"
    r"\s*(?:,\s*([^,)]+))?"
)
#: What all keys must begin with: the prefix that is taken from KEYS[1].
_ROOTED = re.compile(
    r"P \.\.|KEYS\[1\]|(?:string\.)?sub\(KEYS\[1\]|[^\n]+ and P \.\.[^\n]+ or P \.\."
)
_WITHOUT_KEY = {"TIME"}


def _code(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if not line.lstrip().startswith("--"))


def _is_rooted(argument: str, source: str) -> bool:
    """Whether a key argument is built from KEYS[1], here or where its variable is set."""
    if _ROOTED.match(argument):
        return True
    if argument.startswith("'GROUP'"):  # XREADGROUP: its keys follow STREAMS
        return True
    unpacked = re.match(r"unpack\((\w+)", argument)
    name = unpacked[1] if unpacked else re.match(r"\w*", argument)[0]  # type: ignore[index]
    if not name:
        return False
    whole = re.findall(rf"\b{name}\s*=\s*\{{?\s*([^\s{{}}][^\n{{}}]*)", source)
    whole += re.findall(rf"for _, {name} in ipairs\(\{{ ([^\n]+)", source)
    # A list that is begun empty is told by what is put into it; otherwise its first member is the key.
    values = whole or re.findall(rf"\b{name}\[[^\]]+\]\s*=\s*([^\n]+)", source)
    if values:
        return all(
            _ROOTED.match(value) or (value.split(",")[0] != name and _is_rooted(value, source))
            for value in values
        )
    parameter = re.search(rf"function (\w+)\({name}\b", source)
    if parameter is None:
        return False
    passed = [
        argument
        for other in SOURCES.values()
        for argument in re.findall(rf"(?<!function )\b{parameter[1]}\(([^,)]+)", _code(other))
    ]
    return bool(passed) and all(
        _ROOTED.match(argument) or _is_rooted(argument, source) for argument in passed
    )


@pytest.mark.parametrize("name", SOURCES)
def test_keys_are_built_from_the_marker(name: str) -> None:
    """Every key is KEYS[1] or its prefix and a name, so that a script stays in its hash tag."""
    source = _code(SOURCES[name])
    assert not re.search(r"KEYS\[(?!1\])", source)
    calls = [
        (command, argument)
        for command, argument in _CALL.findall(source)
        if command not in _WITHOUT_KEY
    ]
    assert [call for call in calls if not _is_rooted(call[1], source)] == []
    # No call hides its command, so that none is missed above.
    hidden = re.findall(r"\bp?call\((?!')[^)]*", source)
    assert all(call.startswith(("call(unpack(", "pcall(...")) for call in hidden), hidden
    for table in re.findall(r"\bcall\(unpack\((\w+)\)", source):
        assert re.search(rf"{table} = \{{ '[A-Z]+', (?:P \.\.|KEYS\[1\])", source)


@pytest.mark.parametrize("name", VERBS)
def test_header_is_a_contract(name: str) -> None:
    """Each verb says what it does, its key, its arguments if it has any, what it returns and changes."""
    lines = VERBS[name].splitlines()
    assert re.fullmatch(r"#!lua(?: flags=(?:allow-oom|no-writes))?", lines[0])
    verb = name.removesuffix(".lua")
    assert lines[1].startswith(f"-- {verb}: ")
    header = []
    for line in lines[1:]:
        if not line.startswith("--") or line.startswith("--#"):
            break
        header.append(line)
    text = "\n".join(header)
    for part in ("--   KEYS[1]  ", "-- Returns  ", "-- Changes  "):
        assert part in text, part
    assert ("--   ARGV     " in text) == ("ARGV" in _code(VERBS[name])), "ARGV"
    if lines[0] == "#!lua flags=no-writes":
        assert "-- Changes  nothing." in text
    elif "allow-oom" in lines[0] or verb in {"submit", "schedule_put"}:
        assert re.search(r"May (?:be repeated|come late or twice)", text) is not None


def test_only_what_brings_new_data_is_refused_without_memory() -> None:
    """Everything but what accepts tasks or operators' requests runs on a full server, or it could never drain."""
    refused = {name for name, source in VERBS.items() if source.startswith("#!lua\n")}
    assert refused <= {
        "submit.lua",
        "idempotency.lua",
        "idempotency_stored.lua",
        "schedule_put.lua",
    }
    assert "submit.lua" in refused


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_forbidden(name: str) -> None:
    """Nothing scans, blocks, re-takes by idle time alone, or reads its own pending entries as new deliveries."""
    source = _code(SOURCES[name])
    for word in ("'KEYS'", "'SCAN'", "'HSCAN'", "'XAUTOCLAIM'", "'BLOCK'", "loadstring", "cjson"):
        assert word not in source, word
    for read in re.findall(r"'XREADGROUP'[^\n]*", source):
        assert read.rstrip(")").rstrip().endswith("'>'"), read


@pytest.mark.parametrize("name", VERBS)
def test_includes_exist_and_are_used(name: str) -> None:
    """A verb includes only helpers that exist, and each once."""
    (included,) = [
        line.removeprefix("--# include ").split()
        for line in VERBS[name].splitlines()
        if line.startswith("--# include ")
    ] or [[]]
    assert len(set(included)) == len(included)
    assert {f"{helper}.lua" for helper in included} <= SOURCES.keys()


def test_every_end_is_told() -> None:
    """Where a script ends a task it calls `at_end`, or dependents would wait for ever."""
    ends = re.compile(r"call\('HSET'[^\n]*'state', '(?:COMPLETED|DEAD|CANCELLED)'")
    found = 0
    for name, source in SOURCES.items():
        lines = _code(source).splitlines()
        for at, line in enumerate(lines):
            if ends.search(line):
                found += 1
                after = "\n".join(lines[at : at + 20])
                assert "at_end(id, " in after, f"{name}: {line.strip()}"
    assert found >= 3
