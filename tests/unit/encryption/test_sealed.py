"""What of a task is encrypted, and how it reads with and without the key."""

import json
from typing import Any

from shoal.broker.results import Inspected
from shoal.config import Settings
from shoal.model.attempt import line_tail
from shoal.model.identity import task_id
from shoal.model.note import line_of
from shoal.sealed import opened, seal_document, seal_line, seal_outcome, seal_spec
from shoal.settings.keys import EncryptionKey
from shoal.task_view import view_task
from shoal.vault import Vault

ID = task_id(0, 1_700_000_000_000, 1)
VAULT = Vault([EncryptionKey("k1", b"1" * 32)], "t")
SETTINGS = Settings().task
ERROR = {
    "type": "ValueError",
    "message": "canary\n\x1f",
    "fingerprint": "0123456789ab",
    "traceback": "canary",
}
PROGRESS = {"fraction": 0.5, "current": 5, "total": 10, "message": "canary", "attempt": 1, "at": 7}


def sealed_task() -> Inspected:
    """A task of which everything is there."""
    body, tail = seal_outcome(
        VAULT, ID, "dead", b"exhausted:0123456789ab", json.dumps(ERROR).encode(),
        line_tail(1_700_000_000_000, 5, "dead", "ValueError: canary\n\x1f" + "x" * 300),
    )  # fmt: skip
    result, _ = seal_outcome(VAULT, ID, "completed", b"", b'"canary"', b"1\x1f2\x1fcompleted\x1f")
    header = b'{"m":{"a":"b"}}\n'
    fields = {
        "type": b"mail",
        "entry": b"default:1/1-0",
        "spec": seal_spec(VAULT, ID, header, header + b'{"p":"canary"}'),
        "result": result,
        "error": body,
        "history": b"run\x1ft/1\x1fw-0.a\x1f" + tail + b"\ninterrupted\x1ft/2\x1fw-0.a\x1f0\x1f0\x1fdrained\x1f\n",
        "progress": seal_document(VAULT, ID, "progress", json.dumps(PROGRESS).encode()),
        "log": seal_line(VAULT, ID, line_of(1, 1_700_000_000_000, "info", 'canary "ü"')),
        "reason": b"exhausted",
    }  # fmt: skip
    return Inspected(ID, "DEAD", None, 0, fields)


def view(vault: Vault | None, task: Inspected) -> dict[str, Any]:
    """The document of the API."""
    return view_task(opened(vault, task), SETTINGS).to_json()


def test_nothing_but_what_is_named_is_stored_in_the_clear() -> None:
    """No field holds the text; type, metadata, an error's type and fingerprint and the fraction can be read."""
    fields = sealed_task().fields
    assert b"canary" not in b"".join(fields.values())
    assert fields["spec"].startswith(b'{"m":{"a":"b"}}\n\x01\x02k1')
    assert set(json.loads(fields["error"])) == {"type", "fingerprint", "sealed"}
    assert set(json.loads(fields["progress"])) == {"fraction", "attempt", "at", "sealed"}
    assert fields["history"].count(b"\n") == 2


def test_with_the_key_it_reads_as_if_nothing_were_encrypted() -> None:
    """Every text is there as it was written."""
    task = view(VAULT, sealed_task())
    assert task["payload"] == {"p": "canary"}
    assert task["result"] == "canary"
    assert task["error"] == ERROR
    assert task["history"][0]["error"].startswith("ValueError: canary  xxx")
    assert len(task["history"][0]["error"]) == 200
    assert task["history"][1]["error"] is None
    assert task["progress"]["message"] == "canary"
    assert task["progress"]["current"] == 5
    assert task["log"][0]["message"] == 'canary "ü"'


def test_without_it_each_text_says_which_key_it_needs() -> None:
    """A marker in the place of each; what was never secret is there."""
    for vault in (None, Vault([EncryptionKey("k2", b"1" * 32)], "t")):
        task = view(vault, sealed_task())
        marker = "encrypted with key k1"
        assert task["payload"] == task["result"] == marker
        assert task["error"] == {
            "type": "ValueError",
            "fingerprint": "0123456789ab",
            "message": marker,
        }
        assert task["history"][0]["error"] == marker
        assert (task["progress"]["fraction"], task["progress"]["message"]) == (0.5, marker)
        assert (task["log"][0]["level"], task["log"][0]["message"]) == ("info", marker)
        assert task["metadata"] == {"a": "b"}


def test_what_was_stored_before_there_were_keys_stays_readable() -> None:
    """A task in the clear looks the same to everyone, also one whose texts look odd."""
    fields = {
        "type": b"mail",
        "spec": b'{}\n{"sealed":"no"}',
        "result": b'"\\u0001"',
        "error": b'{"type":"E","message":"\\"sealed\\""}',
        "history": b"run\x1ft\x1fw\x1f1\x1f2\x1ffailed\x1f\x02no base64\n",
        "progress": b'{"fraction":1,"message":"\\"sealed\\"","sealed":5}',
        "log": line_of(1, 5, "info", "\x02text") + b"damaged\n",
    }
    task = Inspected(ID, "COMPLETED", None, 0, fields)
    assert {**opened(VAULT, task).fields, "log": fields["log"]} == fields
    assert view(None, task)["log"][0]["message"] == "\x02text"
    assert view(None, task)["history"][0]["error"] == "\x02no base64"


def test_damaged_documents_are_shown_as_far_as_they_can_be_read() -> None:
    """No stored bytes make a reader fail."""
    for damaged in (
        b'{"sealed"',
        b'"sealed"',
        b'{"sealed":"\x02AQ=="}',
        b'{"sealed":"x"}',
        b"\x01",
    ):
        fields = {"type": b"m", "spec": b"{}\n\x01", "result": damaged, "error": damaged,
                  "progress": damaged, "log": damaged, "history": b""}  # fmt: skip
        assert view(VAULT, Inspected(ID, "DEAD", None, 0, fields))["payload"].startswith(
            "encrypted"
        )


def test_outcomes_that_are_not_the_handlers_stay_readable() -> None:
    """Hand-backs, cancellations, and why something could not be decrypted: an operator needs these."""
    tail = line_tail(1, 2, "returned", "full")
    assert seal_outcome(VAULT, ID, "returned", b"full", b"", tail) == (b"", tail)
    tail = line_tail(1, 2, "dead", "CannotDecrypt: encrypted with key k9")
    body = b'{"type":"CannotDecrypt"}'
    assert seal_outcome(VAULT, ID, "dead", b"decrypt:ab", body, tail) == (body, tail)
