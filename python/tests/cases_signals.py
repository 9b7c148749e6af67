# SPDX-License-Identifier: MIT
"""Signals in blocking functions of ``ipcbus.sync``, sent by another process or another thread while
the function waits."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading

import ipcbus
from common import Case, Echo, new_name, program
from echo_ipc import EchoSync
from ipcbus import sync
from kinds_ipc import KindsSyncService

# begin() prints a line just before it waits.
COMMON = """
    import os, signal, sys, threading, time
    import ipcbus
    from ipcbus import sync

    name, case = sys.argv[1:]

    def say(text):
        print(text, flush=True)

    def send_later(number, seconds=0.3):
        threading.Timer(seconds, os.kill, (os.getpid(), number)).start()
"""

CALLER = (
    COMMON
    + """
    def wait(bus, echo):
        if case == "call":
            echo.call(2)
        elif case == "timeout":
            echo.call(2, timeout=50)
        elif case == "name":
            bus.wait_raw("nobody.has.this", timeout=50)
        elif case == "stream":
            echo._proxy.open(3, 0, 0, None, None, 0)
        elif case == "space":
            while True:
                echo.oneway(1, bytes(100000), timeout=50)

    with sync.Connection() as bus:
        echo = bus.get_raw(name)
        say("waits")
        began = time.monotonic()
        try:
            wait(bus, echo)
        except KeyboardInterrupt:
            say("interrupted")
        assert time.monotonic() - began < 20
        alive = bus.get_raw(name + ".alive")
        assert bytes(alive.call(1, b"goes on")) == b"goes on"
"""
)

HANDLER = (
    COMMON
    + """
    seen = []

    def on_signal(number, frame):
        seen.append(number)
        if case == "calls":
            assert bytes(echo.call(1, b"inside")) == b"inside"
        if case == "raises":
            raise LookupError("from the handler")

    with sync.Connection() as bus:
        echo = bus.get_raw(name)
        signal.signal(signal.SIGUSR1, on_signal)
        signal.siginterrupt(signal.SIGUSR1, case != "restart")
        for i in range(3):
            send_later(signal.SIGUSR1, 0.2 + 0.1 * i)
        try:
            assert bytes(echo.call(4, b"late")) == b"late"
            say("replied")
        except LookupError as error:
            say(str(error))
        time.sleep(0.5)
        assert seen == [signal.SIGUSR1] * 3, seen
"""
)

SERVER = (
    COMMON
    + """
    class Interrupted(sync.RawService):
        def serve(self, request):
            if request.method == 1:
                return bytes(request.data)
            if request.method == 2:
                sys.exit(3)
            send_later(signal.SIGINT, 0.1)
            time.sleep(30)

    with sync.Connection() as bus:
        bus.register(name, Interrupted())
        say("serves")
        try:
            bus.run()
        except KeyboardInterrupt:
            say("interrupted")
"""
)

# The signal arrives in a callback that the server makes while the main thread waits.
NESTED = (
    COMMON
    + """
    from echo_ipc import EchoSyncService
    from kinds_ipc import KindsSync

    class Back(EchoSyncService):
        def Say(self, request, context):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)

    with sync.Connection() as bus:
        kinds = bus.get(KindsSync, name)
        say("waits")
        try:
            kinds.Callback(to=Back())
        except KeyboardInterrupt:
            say("interrupted")
        kinds.Nothing()
"""
)


class Deaf(sync.RawService):
    pass


class Counts(sync.RawService):
    def __init__(self) -> None:
        self.served = 0
        self.stops: sync.Connection | None = None

    def serve(self, request: ipcbus._base.RawRequest) -> None:
        self.served += 1
        if self.stops:
            self.stops.stop()


class CallsBack(KindsSyncService):
    def Callback(self, request, context):  # type: ignore
        return {"text": context.take(request.to, EchoSync).Say(text="x").text}

    def Nothing(self, context):  # type: ignore
        return None


class Service(Echo):
    async def serve_4(self, request):  # type: ignore
        await asyncio.sleep(1)
        return bytes(request.data)


class Signals(Case):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.name = new_name()
        self.service = Service()
        await self.server.register(self.name, self.service)
        await self.server.register(self.name + ".alive", Echo())

    def start(self, text: str, case: str, name: str = "") -> subprocess.Popen:  # type: ignore
        process = program(text, name or self.name, case)
        self.addCleanup(process.kill)
        return process

    async def line(self, process: subprocess.Popen) -> str:  # type: ignore
        return (await self.within(asyncio.to_thread(process.stdout.readline), 30)).strip()

    async def end(self, process: subprocess.Popen) -> tuple[str, int]:  # type: ignore
        out, err = await self.within(asyncio.to_thread(process.communicate, timeout=30), 40)
        if err:
            print(f"# {err}", file=sys.stderr)
        return out.strip(), process.returncode

    async def ctrl_c(self, case: str, name: str = "") -> None:
        process = self.start(CALLER, case, name)
        self.assertEqual(await self.line(process), "waits")
        if case in ("call", "timeout"):
            await self.within(self.service.begun.wait(), 30)
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGINT)
        self.assertEqual(await self.end(process), ("interrupted", 0))

    async def test_call(self) -> None:
        """A signal ends a call at once, the server is notified, and the connection stays usable."""
        for case in ("call", "timeout"):
            self.service.begun.clear()
            self.service.canceled.clear()
            await self.ctrl_c(case)
            await self.within(self.service.canceled.wait())

    async def test_name(self) -> None:
        await self.ctrl_c("name")

    async def test_deaf(self) -> None:
        """A signal ends the opening of a stream and a oneway without space, at a server that does
        not serve."""
        with sync.Connection() as deaf:
            for case in ("stream", "space"):
                name = new_name()
                deaf.register(name, Deaf())
                await self.server.register(name + ".alive", Echo())
                await self.ctrl_c(case, name)

    async def test_handler_returns(self) -> None:
        """If the signal handler returns, the call continues, also with SA_RESTART."""
        for case in ("returns", "restart", "calls"):
            self.assertEqual(await self.end(self.start(HANDLER, case)), ("replied", 0))

    async def test_run(self) -> None:
        """Ctrl-C ends run() while it waits."""
        process = self.start(SERVER, "", new_name())
        self.assertEqual(await self.line(process), "serves")
        await asyncio.sleep(0.2)
        process.send_signal(signal.SIGINT)
        self.assertEqual(await self.end(process), ("interrupted", 0))

    async def test_stop(self) -> None:
        """While messages wait, process() returns at times, and stop() ends run() after its handler."""
        name = new_name()
        counts = Counts()
        with sync.Connection() as server, sync.Connection() as client:
            server.register(name, counts)
            proxy = client.get_raw(name)
            for _ in range(200):
                proxy.oneway(1)
            server.process()
            self.assertIn(counts.served, range(1, 65))
            before = counts.served
            counts.stops = server
            server.run()
            self.assertEqual(counts.served, before + 1)

    async def test_run_in_handler(self) -> None:
        """An exception that ends the program in a handler ends run(). The caller gets an error."""
        for code, ends in ((3, ("interrupted", 0)), (2, ("", 3))):
            name = new_name()
            process = self.start(SERVER, "", name)
            self.assertEqual(await self.line(process), "serves")
            server = await self.client.get_raw(name)
            with self.assertRaises(Exception) as failed:
                await self.within(server.call(code), 20)
            self.assertEqual(failed.exception.name, "ipc.Unhandled")
            self.assertEqual(await self.end(process), ends)

    async def test_nested(self) -> None:
        """Ctrl-C in a callback ends the call for which the thread waits."""
        name = new_name()
        with sync.Connection() as server:
            server.register(name, CallsBack())
            serving = threading.Thread(target=server.run)
            serving.start()
            process = self.start(NESTED, "", name)
            self.assertEqual(await self.end(process), ("waits\ninterrupted", 0))
            server.stop()
            await asyncio.to_thread(serving.join)
