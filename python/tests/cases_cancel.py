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


async def without_threads(threads: int) -> None:
    """Returns when there are no more threads than these."""
    while threading.active_count() > threads:
        await asyncio.sleep(0.01)


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
