#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""files_server.py FOLDER: registers demo.files, which opens the files of a folder. A name cannot
lead out of the folder."""

import asyncio
import errno
import os
import sys

from files_ipc import FilesService

import ipcbus
from ipcbus.aio import Connection


class BadName(ipcbus.ServiceError, name="files.BadName"):
    """The name is not the name of a file in the folder."""


class Files(FilesService):
    def __init__(self, folder):
        self.folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    async def List(self, context):
        return {"names": os.listdir(self.folder)}

    async def Open(self, request, context):
        if not request.name or "/" in request.name or request.name in (".", ".."):
            raise BadName(f'"{request.name}" is not the name of a file')
        flags = os.O_RDWR | os.O_CREAT if request.create else os.O_RDONLY
        try:
            fd = os.open(request.name, flags | os.O_NOFOLLOW, 0o600, dir_fd=self.folder)
        except OSError as error:
            text = f"{request.name}: {os.strerror(error.errno)}"
            raise ipcbus.Error(text, code=error.errno or errno.EIO) from None
        # The reply contains a copy of the fd. The context closes this fd after sending.
        context.close_later(fd)
        return {"fd": fd}


async def main():
    async with Connection() as bus:
        await bus.register("demo.files", Files(sys.argv[1]))
        await bus.serve_forever()


asyncio.run(main())
