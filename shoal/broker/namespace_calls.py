"""Scripts on the namespace's own keys, which belong to no partition."""

from typing import TYPE_CHECKING, Any

import hiredis

from shoal.broker.resilience import error_for
from shoal.broker.scripts import script
from shoal.errors import BrokerUnavailable
from shoal.model.partition import slot_of

if TYPE_CHECKING:
    from shoal.broker.broker import Broker


async def run_on(broker: "Broker", key: str, verb: str, *arguments: bytes | str | int) -> Any:
    """Run one script whose KEYS[1] is ``key``; loads it, and follows a move, once each.

    Raises:
        BrokerUnavailable: Redis is away; BrokerError: it refuses.
    """
    node = broker.topology.node_of(slot_of(key))
    await node.connected()
    wanted = script(verb)
    for attempt in range(3):
        reply = await node.call("EVALSHA", wanted.sha, 1, key, *arguments)
        if not isinstance(reply, hiredis.ReplyError):
            return reply
        if attempt < 2 and "NOSCRIPT" in str(reply):
            await node.call("SCRIPT", "LOAD", wanted.source)
        elif attempt < 2 and "MOVED" in str(reply):
            await broker.topology.refresh()
            node = broker.topology.node_of(slot_of(key))
            await node.connected()
        else:
            raise error_for(str(reply))
    raise BrokerUnavailable(f"{key} can't be reached")
