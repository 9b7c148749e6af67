#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Registers demo.camera: a stream of frames of any size."""

import asyncio

from frames_ipc import CameraService

import ipcbus
from frames_checksum import checksum
from ipcbus.aio import Connection


class BadSize(ipcbus.ServiceError, name="camera.BadSize"):
    """The size is not valid."""


class Camera(CameraService):
    async def Watch(self, request, context):
        width, height = request.width, request.height
        if not (0 < width <= 8192 and 0 < height <= 8192):
            raise BadSize(f"{width} x {height} is not a valid size")
        for number in range(1, request.count + 1):
            pixels = number.to_bytes(4, "little") * (width * height)
            yield {
                "number": number,
                "width": width,
                "height": height,
                "checksum": checksum(pixels),
                "pixels": pixels,
            }


async def main():
    async with Connection() as bus:
        await bus.register("demo.camera", Camera())
        await bus.serve_forever()


asyncio.run(main())
