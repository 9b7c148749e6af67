#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Registers demo.clock, which sends ticks to its clients."""

import asyncio
import itertools
import time

from clock_ipc import ClockService
from clock_pb2 import Tick

import ipcbus
from ipcbus.aio import Connection


class BadPeriod(ipcbus.ServiceError, name="clock.BadPeriod"):
    """The period is 0."""


class Clock(ClockService):
    async def Watch(self, request, context):
        if not request.period_ms:
            raise BadPeriod("a period of 0 ms")
        for number in itertools.count(1):
            await asyncio.sleep(request.period_ms / 1000)
            yield Tick(number=number, usec=time.time_ns() // 1000)

    async def Compare(self, requests, context):
        offsets = [tick.usec - time.time_ns() // 1000 async for tick in requests]
        return {"clocks": len(offsets), "worst_usec": max(offsets, key=abs, default=0)}


async def main():
    async with Connection() as bus:
        await bus.register("demo.clock", Clock())
        await bus.serve_forever()


asyncio.run(main())
