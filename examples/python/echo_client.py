#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""echo_client.py TEXT: sends the text to demo.echo and prints the reply."""

import asyncio
import sys

from echo_ipc import Echo

import ipcbus
from ipcbus.aio import Connection


async def main():
    async with Connection() as bus:
        echo = await bus.get(Echo, "demo.echo")
        reply = await echo.Say(text=sys.argv[1], timeout=1)
        print(reply.text)


try:
    asyncio.run(main())
except ipcbus.Error as error:
    sys.exit(f"say: {error}")
