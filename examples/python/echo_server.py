#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Registers demo.echo, which replies with the text of the request."""

import asyncio

from echo_ipc import EchoService
from echo_pb2 import SayReply

import ipcbus
from ipcbus.aio import Connection


class Empty(ipcbus.ServiceError, name="echo.Empty"):
    """The text is empty."""


class Echo(EchoService):
    async def Say(self, request, context):
        if not request.text:
            raise Empty("nothing to say")
        return SayReply(text=request.text)


async def main():
    async with Connection() as bus:
        await bus.register("demo.echo", Echo())
        await bus.serve_forever()


asyncio.run(main())
