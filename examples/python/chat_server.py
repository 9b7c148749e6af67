#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Registers demo.chat: each member receives the lines of the other members. A member leaves by
dropping its listener or by dying."""

import asyncio

from chat_ipc import ChatService, Listener, SeatService

import ipcbus
from ipcbus.aio import Connection


class Taken(ipcbus.ServiceError, name="chat.Taken"):
    """Another member has the name."""


class Seat(SeatService):
    def __init__(self, chat, name):
        self.chat = chat
        self.name = name

    async def Say(self, request, context):
        await self.chat.notify(self.name, request.text)


class Chat(ChatService):
    def __init__(self):
        self.members = {}

    async def Join(self, request, context):
        if request.name in self.members:
            raise Taken(f"the name {request.name} is taken")
        others = list(self.members)
        listener = context.take(request.listener, Listener)
        await self.notify(request.name, "(joins)")
        self.members[request.name] = listener
        loop = asyncio.get_running_loop()
        listener.on_death(lambda: loop.create_task(self.leave(request.name)))
        return {"seat": Seat(self, request.name), "others": others}

    async def leave(self, name):
        del self.members[name]
        await self.notify(name, "(leaves)")

    async def notify(self, name, text):
        for other, listener in list(self.members.items()):
            if other == name:
                continue
            try:
                await listener.Hear(**{"from": name, "text": text})
            except ipcbus.Error:
                pass  # the member has gone or does not serve: it misses the line


async def main():
    async with Connection() as bus:
        await bus.register("demo.chat", Chat())
        await bus.serve_forever()


asyncio.run(main())
