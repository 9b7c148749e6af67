#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""chat_client.py NAME: sends the lines of its standard input, and prints the lines of other
members, until the input ends."""

import asyncio
import sys

from chat_ipc import Chat, ListenerService, Seat

import ipcbus
from ipcbus.aio import Connection


class Listener(ListenerService):
    async def Hear(self, request, context):
        print(f"{getattr(request, 'from')}: {request.text}", flush=True)


async def main():
    async with Connection() as bus:
        chat = await bus.wait(Chat, "demo.chat", timeout=10)
        joined = await chat.Join(name=sys.argv[1], listener=Listener())
        for other in joined.others:
            print(f"{other} is here", flush=True)
        seat = joined.take(joined.seat, Seat)
        while line := await asyncio.to_thread(sys.stdin.readline):
            await seat.Say(text=line.rstrip("\n"))


try:
    asyncio.run(main())
except ipcbus.Error as error:
    sys.exit(f"join: {error}")
