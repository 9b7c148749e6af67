# SPDX-License-Identifier: MIT
"""Connections that survive their bus: ipcbusd is killed and started again, 20 times. Also errors
without a service manager or a bus."""

from __future__ import annotations

import asyncio
import errno
import threading
import time
import unittest

from clock_ipc import Clock, ClockService, ClockSync, ClockSyncService
from common import PrivateBus
from ipcbus import DeadlineExceeded, Error, NoManager, NotFound, aio, sync

RESTARTS = 20
NAME = "test.clock"


class AsyncTicks(ClockService):
    async def Watch(self, request, context):  # type: ignore[no-untyped-def]
        yield {"number": 1}
        await asyncio.sleep(60)


class SyncTicks(ClockSyncService):
    def Watch(self, request, context):  # type: ignore[no-untyped-def]
        yield {"number": 1}
        threading.Event().wait(60)


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def first(self, clock: Clock):  # type: ignore[no-untyped-def]
        """Opens a stream as soon as the service is back."""
        for _ in range(1000):
            ticks = clock.Watch(period_ms=1)
            try:
                self.assertEqual((await ticks.__anext__()).number, 1)
                return ticks
            except Error:
                await asyncio.sleep(0.02)
        self.fail("the service does not come back")

    async def test_streams_and_watches_end_and_names_come_back(self) -> None:
        events: list[bool] = []
        deaths: list[int] = []
        with PrivateBus() as private:
            server = aio.Connection(private.path, reconnect=True)
            client = aio.Connection(private.path, reconnect=events.append)
            await server.register(NAME, AsyncTicks())
            clock = await client.get(Clock, NAME)
            for number in range(RESTARTS):
                ticks = await self.first(clock)
                clock.on_death(lambda number=number: deaths.append(number))
                private.kill()
                with self.assertRaises(Error):
                    await asyncio.wait_for(ticks.__anext__(), 20)
                private.start()
            await self.first(clock)
            self.assertEqual(events, [False, True] * RESTARTS)
            self.assertEqual(deaths, list(range(RESTARTS)))
            await client.close()
            await server.close()


class Sync(unittest.TestCase):
    def first(self, clock: ClockSync):  # type: ignore[no-untyped-def]
        for _ in range(1000):
            try:
                ticks = clock.Watch(period_ms=1)
                self.assertEqual(next(ticks).number, 1)
                return ticks
            except Error:
                time.sleep(0.02)
        self.fail("the service does not come back")

    def test_a_client_that_only_calls_finds_the_name_again(self) -> None:
        events: list[bool] = []
        with (
            PrivateBus() as private,
            sync.Connection(private.path, reconnect=events.append) as server,
        ):
            server.register(NAME, SyncTicks())
            serving = threading.Thread(target=server.run)
            serving.start()
            with sync.Connection(private.path, reconnect=True) as client:
                clock = client.get(ClockSync, NAME)
                for _ in range(RESTARTS):
                    ticks = self.first(clock)
                    private.kill()
                    with self.assertRaises(Error):
                        next(ticks)
                    private.start()
                self.first(clock)
            server.stop()
            serving.join()
            self.assertEqual(events, [False, True] * RESTARTS)


class Wait(unittest.TestCase):
    """Both kinds of Connection report the name, and whether a service manager runs."""

    def test_the_message_of_a_wait_that_is_over(self) -> None:
        async def wait(path: str) -> None:
            async with aio.Connection(path) as bus:
                await bus.wait_raw("test.none", timeout=0.05)

        with PrivateBus() as private, sync.Connection(private.path) as bus:
            late = "test.none: the timeout expired: no process has registered the name, or .*"
            with self.assertRaisesRegex(DeadlineExceeded, f"^{late}$"):
                bus.wait_raw("test.none", timeout=0.05)
            with self.assertRaisesRegex(DeadlineExceeded, f"^{late}$"):
                asyncio.run(wait(private.path))
            private.manager.kill()
            private.manager.wait()
            away = "test.none: no service manager is running; start servicemanager"
            with self.assertRaisesRegex(NoManager, f"^{away}$"):
                bus.wait_raw("test.none", timeout=0.05)
            with self.assertRaisesRegex(NoManager, f"^{away}$"):
                asyncio.run(wait(private.path))


class Open(unittest.TestCase):
    def test_the_socket_of_a_killed_daemon_is_no_bus(self) -> None:
        async def open_in_loop(path: str) -> None:
            aio.Connection(path)

        with PrivateBus() as private:
            private.daemon.kill()
            private.daemon.wait()
            for path, code in (private.path, errno.ECONNREFUSED), ("/nonexistent", errno.ENOENT):
                with self.assertRaises(NotFound) as caught:
                    sync.Connection(path)
                self.assertEqual(caught.exception.code, code)
                with self.assertRaises(NotFound) as caught:
                    asyncio.run(open_in_loop(path))
                self.assertEqual(caught.exception.code, code)
