#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""files_client.py [NAME [TEXT]]: lists the files, prints a file, or writes TEXT to it.

Uses ipcbus.sync: each call blocks the thread.
"""

import sys

from files_ipc import FilesSync

import ipcbus
from ipcbus.sync import Connection


def main():
    with Connection() as bus:
        files = bus.wait(FilesSync, "demo.files", timeout=10)
        if len(sys.argv) < 2:
            print(*files.List().names, sep="\n")
            return
        reply = files.Open(name=sys.argv[1], create=len(sys.argv) > 2)
        if len(sys.argv) > 2:
            with reply.take_file(reply.message.fd, "w") as file:
                file.write(sys.argv[2])
        else:
            with reply.take_file(reply.message.fd) as file:
                sys.stdout.write(file.read().decode())


try:
    main()
except ipcbus.Error as error:
    sys.exit(f"open: {error}")
