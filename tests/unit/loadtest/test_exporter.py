"""What is read of the workers' exporter."""

from loadtest.exporter import ClaimCalls, parse_claim_calls

SCRAPE = """\
# HELP shoal_claims_total Claim calls answered.
# TYPE shoal_claims_total counter
shoal_claims_total{result="empty"} 4000.0
shoal_claims_total{result="found"} 1000.0
# HELP shoal_tasks_claimed_total Tasks that claims brought.
# TYPE shoal_tasks_claimed_total counter
shoal_tasks_claimed_total 1500.0
"""


def test_claims_are_read_by_what_they_brought() -> None:
    """Claim calls are told apart by whether they brought tasks; other counters are left alone."""
    assert parse_claim_calls(SCRAPE) == ClaimCalls(found=1000.0, empty=4000.0)


def test_what_never_occurred_is_zero() -> None:
    """Before the first claim there is no sample, and the count is 0."""
    assert parse_claim_calls("") == ClaimCalls(found=0.0, empty=0.0)


def test_claims_per_task_are_those_since_the_earlier_reading() -> None:
    """Only what came between two readings counts, full and empty claims together."""
    before, after = ClaimCalls(found=10.0, empty=5.0), ClaimCalls(found=60.0, empty=55.0)
    assert after.per_task(before, 50) == {"claims_per_task": 2.0, "empty_claims_per_task": 1.0}
