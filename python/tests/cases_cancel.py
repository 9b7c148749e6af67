# SPDX-License-Identifier: MIT
"""What ends before its time: canceled operations, closed connections, a bus whose daemon ends."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import threading
import unittest

import ipcbus
import kinds_pb2
from common import Case, Echo, PrivateBus, new_name, program
from ipcbus import aio, sync
from kinds_ipc import Kinds, KindsService, KindsSync, KindsSyncService

HUNG = """
    import asyncio, sys
    from ipcbus import aio
    from kinds_ipc import KindsService

    class Hung(KindsService):
        opened = 0

        async def Count(self, request, context):
            self.opened += 1
            yield {}

        async def Nothing(self, context):
            print(self.opened, flush=True)

    async def main():
        async with aio.Bus() as bus:
            await bus.register(sys.argv[1], Hung())
            print("ready", flush=True)
            await bus.serve_forever()

    asyncio.run(main())
"""


def count_fds() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def without_fds(fds: int) -> None:
    """Returns when no more files are open than these. Threads that end close some."""
    while count_fds() > fds:
        await asyncio.sleep(0.01)


async def without_threads(threads: int) -> None:
    """Returns when there are no more threads than these."""
    while threading.active_count() > threads:
        await asyncio.sleep(0.01)


class Canceled(Case):
    async def test_canceled_opening_leaves_nothing(self):
        name = new_name()
        server = program(HUNG, name)
        self.addCleanup(server.communicate)
        self.addCleanup(server.kill)
        await asyncio.to_thread(server.stdout.readline)
        kinds = await self.client.get(Kinds, name)
        fds = count_fds()
        threads = threading.active_count()
        os.kill(server.pid, signal.SIGSTOP)
        for _ in range(20):
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.01), kinds.Count(until=1):
                    pass
        with self.assertRaises(ipcbus.DeadlineExceeded):
            await kinds.Count(until=1, timeout=0.01).receive()
        closing = kinds.Count(until=1)
        opening = asyncio.create_task(closing.receive())
        await asyncio.sleep(0)
        self.assertLessEqual(threading.active_count(), threads)
        os.kill(server.pid, signal.SIGCONT)
        await self.within(opening)
        closing.cancel()
        # The server heard of this one only.
        await self.within(kinds.Nothing())
        self.assertEqual(server.stdout.readline(), "1\n")
        await self.within(without_fds(fds))

    async def test_opening_ends_with_the_bus(self):
        name = new_name()
        server = program(HUNG, name)
        self.addCleanup(server.communicate)
        self.addCleanup(server.kill)
        await asyncio.to_thread(server.stdout.readline)
        fds = count_fds()
        bus = aio.Bus()
        kinds = await bus.get(Kinds, name)
        os.kill(server.pid, signal.SIGSTOP)
        opening = asyncio.create_task(kinds.Count(until=1).receive())
        await asyncio.sleep(0)
        await bus.close()
        with self.assertRaises(ipcbus.Canceled):
            await self.within(opening)
        await self.within(without_fds(fds))

    async def test_streams_do_not_outlive_the_connection(self):
        class Endless(KindsService):
            async def Count(self, request, context):
                yield {}
                await asyncio.sleep(60)

        name = new_name()
        await self.server.register(name, Endless())
        fds = count_fds()
        async with aio.Bus() as bus:
            stream = (await bus.get(Kinds, name)).Count(until=1)
            await stream.receive()
        await self.within(without_fds(fds))

    async def test_canceled_names_leave_nothing(self):
        """The service manager hangs, and goes on later."""
        with PrivateBus() as private:
            async with aio.Bus(private.path) as bus, aio.Bus(private.path) as other:
                await bus.register("test.before", Echo())
                threads = threading.active_count()
                os.kill(private.manager.pid, signal.SIGSTOP)
                for wait in (
                    lambda: bus.register("test.name", Echo()),
                    lambda: bus.unregister("test.before"),
                    lambda: bus.get_raw("test.name"),
                    lambda: bus.get_raw("test.name", wait=60),
                    lambda: bus.check_name("test.name"),
                    lambda: bus.list_names("test."),
                ):
                    with self.assertRaises(TimeoutError):
                        await asyncio.wait_for(wait(), 0.05)
                    await self.within(without_threads(threads))
                os.kill(private.manager.pid, signal.SIGCONT)
                with self.assertRaises(ipcbus.NotFound):
                    await self.within(bus.check_name("test.name"))
                # What was canceled does not disturb.
                await bus.register("test.name", Echo())
                await (await other.get_raw("test.name")).ping()

    async def test_register_canceled_at_any_time_is_not_registered(self):
        """It may be canceled before, while and after the service manager replies."""
        for turns in range(12):
            name = new_name()
            task = asyncio.create_task(self.server.register(name, Echo()))
            for _ in range(turns):
                await asyncio.sleep(0.0003)
            if task.cancel():
                with self.assertRaises(asyncio.CancelledError):
                    await task
                while await self.client.list_names(name):
                    await asyncio.sleep(0.01)

    async def test_failed_register_is_not_registered(self):
        """Its time was over, but the service manager got it."""
        with PrivateBus() as private, sync.Bus(private.path, timeout=0.2) as bus:
            os.kill(private.manager.pid, signal.SIGSTOP)
            with self.assertRaises(ipcbus.DeadlineExceeded):
                await asyncio.to_thread(bus.register, "test.name", sync.RawService())
            os.kill(private.manager.pid, signal.SIGCONT)
            async with aio.Bus(private.path) as other:
                while await other.list_names("test."):
                    await asyncio.sleep(0.01)

    async def test_canceled_wait_for_a_name(self):
        threads = threading.active_count()
        for _ in range(20):
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(self.client.get_raw(new_name(), wait=60), 0.005)
        await self.within(without_threads(threads))


class Cleaner(KindsService):
    """Its handlers call another service after their own call has ended."""

    def __init__(self) -> None:
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.begun = asyncio.Event()

    async def cleans(self):
        try:
            await self.other.Nothing()
        except ipcbus.Canceled:
            reply = await self.other.Plain(text="cleaned", detached=True)
            await self.other.Kick(text="x", detached=True)
            async with self.other.Count(until=1, detached=True) as stream:
                count = (await stream.receive()).text
            self.ended.put_nowait(f"{reply.text} {count}")

    async def Nothing(self, context):
        try:
            self.begun.set()
            await asyncio.sleep(60)
        finally:
            await self.cleans()

    async def Count(self, request, context):
        try:
            yield {}
            await asyncio.sleep(60)
        finally:
            await self.cleans()


class Other(KindsService):
    async def Nothing(self, context):
        pass

    async def Plain(self, request, context):
        return {"text": request.text}

    async def Kick(self, request, context):
        pass

    async def Count(self, request, context):
        yield {"text": "counted"}


class Detached(Case):
    async def test_handlers_clean_up_with_detached_calls(self):
        cleaner, name, other = Cleaner(), new_name(), new_name()
        async with aio.Bus() as third:
            await third.register(other, Other())
            cleaner.other = await self.server.get(Kinds, other)
            await self.server.register(name, cleaner)
            kinds = await self.client.get(Kinds, name)
            with self.assertRaises(ipcbus.DeadlineExceeded):
                await kinds.Nothing(timeout=0.05)
            self.assertEqual(await self.within(cleaner.ended.get()), "cleaned counted")
            cleaner.begun.clear()
            task = asyncio.create_task(kinds.Nothing())
            await self.within(cleaner.begun.wait())
            task.cancel()
            self.assertEqual(await self.within(cleaner.ended.get()), "cleaned counted")
            async with kinds.Count(until=1) as stream:
                await stream.receive()
            self.assertEqual(await self.within(cleaner.ended.get()), "cleaned counted")

    async def test_handlers_of_threads_clean_up_with_detached_calls(self):
        late, ended = threading.Event(), threading.Event()
        name, other = new_name(), new_name()
        texts = []

        class Sleeper(KindsSyncService):
            def Slow(self, context):
                late.wait(10)
                try:
                    self.other.Nothing()
                except ipcbus.Error as error:
                    texts.append(error.code)
                texts.append(self.other.Plain(text="cleaned", detached=True).text)
                ended.set()

        await self.server.register(other, Other())
        with sync.Bus() as bus:
            sleeper = Sleeper()
            sleeper.other = await asyncio.to_thread(bus.get, KindsSync, other)
            await asyncio.to_thread(bus.register, name, sleeper)
            serving = threading.Thread(target=bus.run)
            serving.start()
            with self.assertRaises(ipcbus.DeadlineExceeded):
                await (await self.client.get(Kinds, name)).Slow(timeout=0.05)
            late.set()
            await self.within(asyncio.to_thread(ended.wait, 10))
            bus.stop()
            await asyncio.to_thread(serving.join)
        self.assertIn(texts[0], (errno.ETIMEDOUT, errno.ECANCELED))
        self.assertEqual(texts[1:], ["cleaned"])
