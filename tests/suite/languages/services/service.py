# SPDX-License-Identifier: MIT
"""Shared by the Python programs of this folder, as service.h for C."""

import asyncio
import sys

import ipcbus
from ipcbus.aio import Connection

LONG = 60


def check(condition):
    if not condition:
        raise AssertionError


async def fails(name, awaitable):
    """Checks that it fails with this error of the service."""
    try:
        await awaitable
    except ipcbus.ServiceError as error:
        check(error.name == name)
        return
    raise AssertionError(f"no error {name}")


def service_main(serve, call):
    async def main(side, name):
        async with Connection() as bus:
            if side == "client":
                await asyncio.wait_for(call(bus, name), LONG)
            else:
                await serve(bus, name)
                await bus.serve_forever()

    asyncio.run(main(*sys.argv[1:]))
