# SPDX-License-Identifier: MIT
"""ipcbus.testing: private buses, stopped time, and calls that have arrived."""

from __future__ import annotations

import asyncio
import copy
import errno
import os
import threading
import unittest

import ipcbus
from ipcbus import aio, sync
from ipcbus.testing import Bus

HOUR = 3600.0


def new_bus(**settings) -> Bus:
    build = os.environ["B"]
    return Bus(
        ipcbusd=f"{build}/daemon/ipcbusd",
        servicemanager=f"{build}/servicemanager/servicemanager",
        **settings,
    )


class Silent(sync.RawService):
    """Replies when the test allows it."""

    def __init__(self):
        self.goes_on = threading.Event()

    def serve(self, request):
        if request.method == 2:
            self.goes_on.wait()
        return b"reply"


class SilentAio(aio.RawService):
    async def serve(self, request):
        await asyncio.sleep(1000)


class Testing(unittest.TestCase):
    def test_time_stands_still(self):
        with new_bus(manual_clock=True) as bus:
            with sync.Connection(bus.path) as server, sync.Connection(bus.path) as client:
                service = Silent()
                server.register("demo.silent", service)
                serving = threading.Thread(target=server.run)
                serving.start()
                silent = client.wait_raw("demo.silent", timeout=60)
                # So many that later ones would use a direct channel.
                for _ in range(50):
                    silent.call(1, timeout=HOUR).release()
                bus.wait_calls(0)
                caught = []

                def call():
                    try:
                        silent.call(2, timeout=HOUR)
                    except ipcbus.Error as error:
                        caught.append(error)

                calling = [threading.Thread(target=call) for _ in range(2)]
                for thread in calling:
                    thread.start()
                bus.wait_calls(2)
                bus.advance(HOUR / 2)
                self.assertEqual(caught, [])
                bus.wait_calls(2)
                bus.advance(HOUR / 2)
                for thread in calling:
                    thread.join()
                self.assertEqual([type(error) for error in caught], [ipcbus.DeadlineExceeded] * 2)
                service.goes_on.set()
                server.stop()
                serving.join()

    def test_asyncio(self):
        async def run(bus):
            async with aio.Connection(bus.path) as server, aio.Connection(bus.path) as client:
                await server.register("demo.silent", SilentAio())
                silent = await client.get_raw("demo.silent")
                task = asyncio.create_task(silent.call(1, timeout=HOUR))
                await asyncio.to_thread(bus.wait_calls)
                await asyncio.to_thread(bus.advance, HOUR)
                with self.assertRaises(ipcbus.DeadlineExceeded):
                    await task

        with new_bus(manual_clock=True) as bus:
            asyncio.run(run(bus))

    def test_settings(self):
        with new_bus(manager=False, parameters={"user_files": 100}) as bus:
            self.assertTrue(os.path.exists(bus.path))
            os.kill(bus.pid, 0)
            with self.assertRaises(ipcbus.Unimplemented):
                bus.advance(1)
            with self.assertRaises(ipcbus.Unimplemented):
                bus.wait_calls()
            with sync.Connection(bus.path) as connection:
                with self.assertRaises(ipcbus.NoManager):
                    connection.get_raw("demo.none")
            self.assertFalse(bus.fail_memory(1 << 40))
            self.assertTrue(bus.fail_memory(0))
            with self.assertRaises(TypeError):
                copy.copy(bus)
        self.assertFalse(os.path.exists(bus.path))
        bus.close()
        for use in lambda: bus.advance(1), bus.wait_calls, lambda: bus.fail_memory(1):
            with self.assertRaisesRegex(ValueError, "the bus has ended"):
                use()

    def test_wrong_arguments(self):
        for settings, code in (
            ({"ipcbusd": "/nowhere/ipcbusd"}, errno.ENOENT),
            ({"ipcbusd": "/bin/false", "manager": False}, errno.EPIPE),
        ):
            with self.assertRaises(ipcbus.Error) as caught:
                Bus(**settings)
            self.assertEqual(caught.exception.code, code)
        with self.assertRaises(TypeError):
            Bus(ipcbusd=1)
        with self.assertRaises(ipcbus.Error):
            new_bus(parameters={"no_such_parameter": 1})
        with new_bus(manual_clock=True, manager=False) as bus:
            with self.assertRaises(ipcbus.InvalidArgument):
                bus.wait_calls(65)
            with self.assertRaises(OverflowError):
                bus.advance(-1)

    def test_a_bus_in_use_is_not_closed(self):
        bus = new_bus(manual_clock=True)
        failed = []

        def wait():
            try:
                bus.wait_calls(1)
            except ipcbus.Error as error:
                failed.append(error.code)

        waiting = threading.Thread(target=wait)
        waiting.start()
        while True:
            try:
                bus.close()
            except RuntimeError:
                break
            bus = new_bus(manual_clock=True)
        os.kill(bus.pid, 9)
        waiting.join()
        self.assertIn(failed[0], (errno.ECONNREFUSED, errno.ECONNRESET))
        bus.close()
