"""Directed wake-ups: who is woken, how often, and who is passed over."""

from contextlib import AsyncExitStack
from typing import Any

from shoal.broker.wakeups import Signal, Wakeups
from tests.support.builders import ME, OTHER, THIRD, Scene, outcome
from tests.support.listener import Heard, listening
from tests.support.waiting import wait_until_async


async def sleepers(
    scene: Scene, stack: AsyncExitStack, *incarnations: str, **options: Any
) -> Heard:
    """Let incarnations sleep and listen on their channels, in this order of their wake times."""
    for place, incarnation in enumerate(incarnations):
        await scene.claim(incarnation, sleep_s=10 + place, **options)
    channels = [scene.key(f"signal:{incarnation}") for incarnation in incarnations]
    return await stack.enter_async_context(listening(scene.broker, 0, *channels))


def woken(scene: Scene, heard: Heard) -> list[str]:
    """The incarnations that were woken, in order."""
    return [channel.removeprefix(scene.key("signal:")) for channel, _ in heard.all_now()]


def asleep(scene: Scene, queue: str = "*") -> list[str]:
    """Who still stands among the sleepers."""
    rows = scene.client().zrange(scene.key(f"sleepers:{queue}"), 0, -1)
    return [row.decode() for row in rows]


async def test_one_task_one_sleeper(scene: Scene) -> None:
    """One task wakes one sleeper, the one that would wake first; the others sleep on."""
    async with AsyncExitStack() as stack:
        heard = await sleepers(scene, stack, ME, OTHER, THIRD)
        await scene.submit("a")
        assert await heard.next() == (scene.key(f"signal:{ME}"), "wake default 0")
        assert asleep(scene) == [OTHER, THIRD]
        await scene.submit("b")
        assert await heard.next() == (scene.key(f"signal:{OTHER}"), "wake default 0")
        await scene.broker.depths()
        assert heard.all_now() == []


async def test_a_batch_wakes_as_many_as_it_has_tasks(scene: Scene) -> None:
    """A batch wakes one sleeper a task, at most eight a call; who is woken asks on for the rest."""
    names = [f"w-{n}.aaaaaa" for n in range(12)]
    async with AsyncExitStack() as stack:
        heard = await sleepers(scene, stack, *names)
        await scene.submit("a", "b", "c")
        await scene.broker.depths()
        assert woken(scene, heard) == names[:3]
        await scene.submit(*(f"t{n}" for n in range(20)))
        await scene.broker.depths()
        assert woken(scene, heard) == names[3:11]
        assert asleep(scene) == names[11:]


async def test_deaf_sleepers_are_passed_over(scene: Scene) -> None:
    """A sleeper that nobody hears (receivers 0) is passed over, so that a dead shard swallows no wake-up."""
    async with AsyncExitStack() as stack:
        await scene.claim(ME, sleep_s=1)
        await scene.claim(OTHER, sleep_s=2)
        heard = await sleepers(scene, stack, THIRD)
        await scene.submit("a")
        assert await heard.next() == (scene.key(f"signal:{THIRD}"), "wake default 0")
        assert asleep(scene) == []


async def test_sleepers_past_their_time_are_passed_over(scene: Scene) -> None:
    """A sleeper whose time has passed is awake or dead: it is not counted as woken."""
    async with AsyncExitStack() as stack:
        heard = await sleepers(scene, stack, ME, OTHER)
        scene.client().zadd(scene.key("sleepers:*"), {ME: scene.now_ms() - 1})
        await scene.submit("a")
        assert await heard.next() == (scene.key(f"signal:{OTHER}"), "wake default 0")
        assert heard.all_now() == []


async def test_sleepers_of_the_queue_first(scene: Scene) -> None:
    """A worker of that queue is woken before one of all queues, and one of other queues never."""
    await scene.submit("first", queue="one")
    await scene.settle(*(outcome(c) for c in (await scene.claim()).claims))
    async with AsyncExitStack() as stack:
        heard = await sleepers(scene, stack, ME)
        of_one = await sleepers(scene, stack, OTHER, queues=("one",))
        of_two = await sleepers(scene, stack, THIRD, queues=("two",))
        await scene.submit("a", queue="one")
        assert await of_one.next() == (scene.key(f"signal:{OTHER}"), "wake one 0")
        await scene.submit("b", queue="one")
        assert await heard.next() == (scene.key(f"signal:{ME}"), "wake one 0")
        assert of_two.all_now() == []
        assert asleep(scene, "two") == [THIRD]


async def test_hops(scene: Scene) -> None:
    """A wake-up that its receiver can't use goes on, while something is ready, at most three times."""
    names = [f"w-{n}.aaaaaa" for n in range(5)]
    async with AsyncExitStack() as stack:
        heard = await sleepers(scene, stack, *names)
        await scene.submit("a")
        assert (await heard.next())[1] == "wake default 0"
        hops = 0
        while await scene.broker.wake(0, "default", hops + 1):
            hops += 1
            assert (await heard.next())[1] == f"wake default {hops}"
        assert hops == 2
        assert asleep(scene) == names[3:]


async def test_wake_with_nothing_ready(scene: Scene) -> None:
    """A wake-up is not passed on when nothing is ready any more, or only in another queue."""
    async with AsyncExitStack() as stack:
        heard = await sleepers(scene, stack, ME)
        assert not await scene.broker.wake(0, "default", 1)
        await scene.broker.pause("other")
        await scene.submit("a", queue="other")
        await heard.next()
        await scene.claim(ME, sleep_s=10)
        assert not await scene.broker.wake(0, "default", 1)
        assert await scene.broker.wake(0, "*", 1)


async def test_what_the_claimer_takes_itself_wakes_nobody(scene: Scene) -> None:
    """A claim that promotes and takes what it promoted wakes nobody for it."""
    await scene.submit("a", delay_s=0.001)
    now = scene.now_ms()
    await wait_until_async(lambda: scene.now_ms() > now + 2, "it is due")
    async with AsyncExitStack() as stack:
        heard = await stack.enter_async_context(
            listening(scene.broker, 0, scene.key(f"signal:{OTHER}"))
        )
        scene.client().zadd(scene.key("sleepers:*"), {OTHER: scene.now_ms() + 10_000})
        scene.client().zadd(scene.key("beats"), {OTHER: scene.now_ms()})
        assert scene.named((await scene.claim(ME)).claims) == ["a"]
        await scene.broker.depths()
        assert heard.all_now() == []


async def test_hand_backs_wake(scene: Scene) -> None:
    """What goes back by settle, release or recover wakes a sleeper."""
    async with AsyncExitStack() as stack:
        claims = await scene.running("a", "b", incarnation=OTHER)
        heard = await sleepers(scene, stack, ME)
        await scene.settle(outcome(claims["a"], "returned"), incarnation=OTHER)
        assert (await heard.next())[1] == "wake default 0"
        await scene.claim(ME, want=0, sleep_s=10)
        await scene.broker.release(0, OTHER, "killed")
        assert (await heard.next())[1] == "wake default 0"


async def test_urgent(scene: Scene) -> None:
    """With nobody asleep, HIGH and CRITICAL work where there was none is told to every shard, more is not."""
    async with listening(scene.broker, 0, scene.key("urgent")) as heard:
        await scene.submit("low", priority=0)
        await scene.submit("normal", priority=1)
        await scene.submit("high", priority=2)
        assert await heard.next() == (scene.key("urgent"), "2")
        await scene.submit("high 2", priority=2)
        await scene.submit("critical", priority=3)
        assert await heard.next() == (scene.key("urgent"), "3")
        await scene.claim(want=10)
        await scene.submit("again", priority=3)
        assert await heard.next() == (scene.key("urgent"), "3")
        assert heard.all_now() == []


async def test_urgent_work_of_a_woken_sleeper_is_its_own(scene: Scene) -> None:
    """Where as many sleepers were woken as urgent tasks came, no other shard hears of them."""
    async with (
        AsyncExitStack() as stack,
        listening(scene.broker, 0, scene.key("urgent")) as everyone,
    ):
        heard = await sleepers(scene, stack, ME)
        await scene.submit("a", priority=3)
        assert (await heard.next())[1] == "wake default 0"
        await scene.claim(ME, want=1)
        await scene.submit("b", priority=2)
        assert await everyone.next() == (scene.key("urgent"), "2")
        assert everyone.all_now() == []


async def test_urgent_work_that_nobody_takes_is_told_to_all(scene: Scene) -> None:
    """A wake-up for urgent work that ran out of sleepers or of hops ends as a message to every shard."""
    async with (
        AsyncExitStack() as stack,
        listening(scene.broker, 0, scene.key("urgent")) as everyone,
    ):
        heard = await sleepers(scene, stack, ME, OTHER)
        await scene.submit("a", priority=3)
        await heard.next()
        assert not await scene.broker.wake(0, "default", 3)
        assert await everyone.next() == (scene.key("urgent"), "3")
        assert await scene.broker.wake(0, "default", 1)
        assert (await heard.next())[1] == "wake default 1"
        assert not await scene.broker.wake(0, "default", 2)
        assert await everyone.next() == (scene.key("urgent"), "3")
        assert everyone.all_now() == []


async def test_a_woken_worker_that_leaves_some_wakes_two_others(scene: Scene) -> None:
    """A woken claim that is filled and leaves work wakes two sleepers; one from a backlog wakes none."""
    async with AsyncExitStack() as stack:
        heard = await sleepers(scene, stack, ME, OTHER, THIRD)
        for name in "abcdef":
            await scene.submit(name)
        heard.all_now()
        for incarnation in (OTHER, THIRD):
            await scene.claim(incarnation, want=0, sleep_s=10)
        await scene.claim(ME, want=2)
        assert heard.all_now() == []
        await scene.claim(ME, want=2, sleep_s=10)
        assert {(await heard.next())[0] for _ in range(2)} == {
            scene.key(f"signal:{name}") for name in (OTHER, THIRD)
        }
        assert heard.all_now() == []


async def test_a_nearer_due_time_wakes(scene: Scene) -> None:
    """Somebody is woken when a new due time comes before the first wakes by itself; not when it comes later."""
    async with AsyncExitStack() as stack:
        heard = await sleepers(scene, stack, ME, OTHER)
        await scene.submit("later", delay_s=60)
        await scene.submit("sooner", delay_s=5)
        assert await heard.next() == (scene.key(f"signal:{ME}"), "wake * 0")
        assert (await scene.claim(ME, sleep_s=10)).wake_ms < scene.now_ms() + 5_500
        claims = await scene.running("a", incarnation=THIRD)
        heard.all_now()
        await scene.settle(outcome(claims["a"], "failed", detail=b"+1000"), incarnation=THIRD)
        assert (await heard.next())[1] == "wake * 0"


async def test_a_dead_sleeper_hides_no_due_time(scene: Scene) -> None:
    """A sleeper past its time, which is dead or awake, is not taken for one that will promote in time."""
    async with AsyncExitStack() as stack:
        heard = await sleepers(scene, stack, ME, OTHER)
        scene.client().zadd(scene.key("sleepers:*"), {ME: scene.now_ms() - 1})
        await scene.submit("a", delay_s=5)
        assert await heard.next() == (scene.key(f"signal:{OTHER}"), "wake * 0")


async def test_subscriber(scene: Scene) -> None:
    """A shard's subscriber reports each subscription, its own wake-ups and cancels, and urgent work."""
    async with Wakeups(scene.broker, ME) as wakeups:
        assert {(await anext(wakeups)).kind for _ in range(2)} == {"subscribed"}
        await scene.claim(ME, sleep_s=10)
        await scene.submit("a", priority=3)
        assert await anext(wakeups) == Signal("wake", 0, "default", 0)
        await scene.submit("b", queue="other", priority=3)
        assert await anext(wakeups) == Signal("urgent", 0, priority=3)
        await scene.claim(ME)
        await scene.broker.cancel([scene.id("a")])
        assert await anext(wakeups) == Signal("cancel", 0, task_id=scene.id("a").encode())


async def test_resubscribes(scene7: Scene) -> None:
    """A subscriber whose connection is lost subscribes again, and says so: something may have been missed."""
    async with Wakeups(scene7.broker, ME) as wakeups:
        for _ in range(2):
            assert (await anext(wakeups)).kind == "subscribed"
        scene7.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        for _ in range(2):
            assert (await anext(wakeups)).kind == "subscribed"
