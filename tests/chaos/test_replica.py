"""A replica promoted after a partition of the network: what it had not received is lost, nothing is illegal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.chaos.load import under_load
from tests.chaos.test_redis_comes_back import BOTH
from tests.support.binaries import Kind
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

#: Accepted by the old master while the replica hears nothing of it.
CUT_OFF = 100


def _is_in_step(replica: RedisServer) -> bool:
    with replica.client(decode=True) as client:
        info = client.info("replication")
    return bool(info["master_link_status"] == "up" and not info["master_sync_in_progress"])


@pytest.mark.slow
@BOTH
async def test_a_replica_is_promoted(kind: Kind, tmp_path: Path) -> None:
    """Lost is only what was accepted after the cut; the old master's claims and results do no harm."""
    ledger = Ledger(tmp_path / "l")
    with (
        RedisServer(kind) as master,
        RedisServer(kind) as replica,
        Proxy(master.port) as way,
        Proxy(master.port) as replication,
    ):
        with replica.client() as client:
            client.replicaof("127.0.0.1", str(replication.port))
        await wait_until_async(lambda: _is_in_step(replica), "the replica follows", 20)
        async with under_load(
            master.url, ledger, "a replica promoted", kind, way=way.url, final_url=replica.url
        ) as load:
            replication.black_hole()
            accepted = load.submissions.accepted
            await wait_until_async(
                lambda: load.submissions.accepted > accepted + CUT_OFF, "the replica lags"
            )
            load.is_forgetful = True
            way.down()
            in_doubt = load.submissions.accepted - accepted
            with replica.client() as client:
                client.replicaof("NO", "ONE")
            way.retarget(replica.port)
            master.kill()
            way.up()
            assert await load.resumed(time.monotonic_ns()) < 2.0
            # What was accepted, claimed or ended in that time, and what was running.
            load.max_lost = in_doubt
            load.max_duplicate_runs = 2 * in_doubt + 2 * 40
