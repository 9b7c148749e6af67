#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""frames_client.py COUNT WIDTH HEIGHT: receives COUNT pictures of demo.camera and checks each
pixel."""

import asyncio
import sys

from frames_ipc import Camera

from frames_checksum import checksum
from ipcbus.aio import Connection


async def main():
    count, width, height = map(int, sys.argv[1:])
    seen = damaged = 0
    async with Connection() as bus:
        camera = await bus.wait(Camera, "demo.camera", timeout=10)
        async with camera.Watch(count=count, width=width, height=height) as frames:
            async for frame in frames:
                seen += 1
                right = len(frame.pixels) == width * height * 4 and frame.number == seen
                damaged += not (right and checksum(frame.pixels) == frame.checksum)
    print(f"{seen} frames of {width} x {height}, {damaged} damaged")


asyncio.run(main())
