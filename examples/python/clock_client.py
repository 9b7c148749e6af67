#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clock_client.py COUNT [PERIOD_MS]: prints COUNT ticks, then sends COUNT times for comparison."""

import asyncio
import sys

from clock_ipc import Clock

from ipcbus.aio import Connection


async def main():
    count = int(sys.argv[1])
    period_ms = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    async with Connection() as bus:
        clock = await bus.wait(Clock, "demo.clock", timeout=10)
        # The end of the context cancels the stream, and the server stops sending.
        async with clock.Watch(period_ms=period_ms) as ticks:
            for _ in range(count):
                print(f"tick {(await anext(ticks)).number}")
        async with clock.Compare() as clocks:
            for _ in range(count):
                await clocks.send(usec=0)
            verdict = await clocks.finish()
        word = "slow" if verdict.worst_usec < -1_000_000 else "right"
        print(f"{verdict.clocks} clocks compared, they are {word}")


asyncio.run(main())
