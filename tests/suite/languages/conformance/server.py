# SPDX-License-Identifier: MIT
"""conform.proto and versions.proto as a service in Python: `server.py NAME`."""

from __future__ import annotations

import asyncio
import os
import sys

import ipcbus
from conform_ipc import PeerService, Visitor, VisitorService
from ipcbus.aio import Connection
from versions_ipc import NewerService, OlderService


def left_ms(context):
    left = context.remaining()
    return 0 if left is None else int(left * 1000)


class Host(VisitorService):
    async def Ask(self, request, context):
        return {"number": request.number + 1, "left_ms": left_ms(context)}


class Peer(PeerService):
    def __init__(self):
        self.notes = []
        self.waiting = 0
        self.canceled = 0

    async def Echo(self, request, context):
        return request

    async def Fail(self, request, context):
        if not request.name:
            raise ipcbus.Error(request.text, code=request.code)
        raise ipcbus.ServiceError(
            request.text,
            code=request.code or None,
            name=request.name,
            number=request.number,
            details=request.details,
        )

    async def Drop(self, context):
        raise ipcbus.NoReply()

    async def Note(self, request, context):
        self.notes.append(request.number)

    async def Notes(self, context):
        return {"numbers": self.notes}

    async def Visit(self, request, context):
        visitor = context.take(request.visitor, Visitor)
        said = await visitor.Ask(number=request.number)
        refused = ""
        if request.refuse:
            try:
                await visitor.Refuse()
            except ipcbus.ServiceError as error:
                refused = f"{error.name}: {error.text}"
        return {
            "number": said.number,
            "left_ms": said.left_ms,
            "refused": refused,
            "host": Host(),
            "back": visitor,
        }

    async def Host(self, request, context):
        await context.take(request.visitor, Visitor).Stay()

    async def Write(self, request, context):
        same = context.take_fd(request.file)
        context.close_later(same)
        other = os.memfd_create("other", os.MFD_CLOEXEC)
        context.close_later(other)
        for fd in (same, other):
            os.pwrite(fd, request.text.encode(), 0)
        return {"same": same, "other": other}

    async def Turn(self, request, context):
        return {"chunks": reversed(request.chunks)}

    async def Hang(self, context):
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.canceled += 1
            raise
        finally:
            self.waiting -= 1

    async def HangBriefly(self, context):
        await self.Hang(context)

    async def Hangs(self, context):
        return {"waiting": self.waiting, "canceled": self.canceled}

    async def Left(self, context):
        return {"number": left_ms(context)}

    async def Count(self, request, context):
        for number in range(1, abs(request.number) + 1):
            yield {"number": number}
        if request.number < 0:
            raise ipcbus.ServiceError("it is negative", name="conform.Negative")

    async def Total(self, requests, context):
        return {"number": sum([request.number async for request in requests])}

    async def Running(self, requests, context):
        total = 0
        self.waiting += 1
        try:
            async for request in requests:
                total += request.number
                yield {"number": total}
        except (asyncio.CancelledError, GeneratorExit, ipcbus.Error):
            self.canceled += 1
            raise
        finally:
            self.waiting -= 1

    async def Exit(self, context):
        os._exit(0)


class Older(OlderService):
    async def Say(self, request, context):
        return {"text": f"heard: {request.text}", "tone": request.tone}


class Newer(NewerService):
    async def Ask(self, request, context):
        return {
            "text": f"{request.text}, {request.times} times",
            "tone": "GLAD",
            "reason": "a reason",
            "others": [{}, {"times": 7}],
        }


async def main(name):
    async with Connection() as bus:
        await bus.register(f"{name}.older", Older())
        await bus.register(f"{name}.newer", Newer())
        await bus.register(name, Peer())
        await bus.serve_forever()


asyncio.run(main(sys.argv[1]))
