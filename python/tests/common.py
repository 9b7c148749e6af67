# SPDX-License-Identifier: MIT
"""Functions and services that the cases share."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

import ipcbus
from ipcbus import aio

_numbers = itertools.count()


def new_name() -> str:
    return f"test.n{os.getpid()}.x{next(_numbers)}"


class Case(unittest.IsolatedAsyncioTestCase):
    """A case with two connections, ``server`` and ``client``."""

    async def asyncSetUp(self) -> None:
        self.server = aio.Connection()
        self.client = aio.Connection()

    async def asyncTearDown(self) -> None:
        await self.client.close()
        await self.server.close()

    async def serve(self, service: aio.RawService) -> aio.Proxy:
        name = new_name()
        await self.server.register(name, service)
        return await self.client.get_raw(name)

    async def within(self, awaitable, seconds: float = 10):  # type: ignore[no-untyped-def]
        return await asyncio.wait_for(awaitable, seconds)


def program(text: str, *args: str, **options) -> subprocess.Popen:  # type: ignore
    """Starts Python with this program. It prints a line when it is ready."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def pid_of(pidfd: int) -> int:
    """The process of a pidfd, which is closed."""
    with open(f"/proc/self/fdinfo/{pidfd}") as info:
        fields = dict(line.split(":", 1) for line in info)
    os.close(pidfd)
    return int(fields["Pid"])


class PrivateBus:
    """A daemon and a service manager for one test, which may stop and kill them. They end with the
    test at the latest."""

    def __enter__(self) -> PrivateBus:
        self.folder = tempfile.TemporaryDirectory()
        self.start()
        return self

    def start(self) -> None:
        build = os.environ["B"]
        self.daemon = subprocess.Popen(
            [
                f"{build}/daemon/ipcbusd",
                f"--bus={self.folder.name}/bus",
                "--print-path=1",
                "--until=0",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.path = self.daemon.stdout.readline().rstrip("\n")
        self.manager = subprocess.Popen(
            [f"{build}/servicemanager/servicemanager", "--bus", self.path],
            stderr=subprocess.PIPE,
            text=True,
        )
        while "ready" not in self.manager.stderr.readline():
            pass

    def kill(self) -> None:
        for process in (self.manager, self.daemon):
            process.kill()
            process.communicate()

    def __exit__(self, *args: object) -> None:
        self.kill()
        self.folder.cleanup()


class Echo(aio.RawService):
    """Replies with the request. Records all requests in attributes."""

    INTERFACE = "test.Echo"
    ACCEPT_FDS = True

    def __init__(self) -> None:
        self.canceled = asyncio.Event()
        self.begun = asyncio.Event()
        self.seen: list[bytes] = []

    async def serve(self, request: ipcbus._base.RawRequest):  # type: ignore
        self.seen.append(bytes(request.data))
        self.begun.set()
        return await getattr(self, f"serve_{request.method}")(request)

    async def serve_1(self, request):  # type: ignore
        return bytes(request.data)

    async def serve_2(self, request):  # type: ignore
        """Waits until it is canceled."""
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.canceled.set()
            raise
