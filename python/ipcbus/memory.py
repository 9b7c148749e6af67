# SPDX-License-Identifier: MIT
"""Shared memory, for fields of the type ``ipc.Memory``."""

from __future__ import annotations

import fcntl
import mmap
import os
import stat

from ._base import Unique
from .errors import BadMessage, InvalidArgument, PermissionDenied

_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
# Missing in the module fcntl. The seal refuses new writable mappings and write(); existing mappings
# remain writable.
_F_SEAL_FUTURE_WRITE = 0x10


def _seals(fd: int) -> int:
    """Returns the seals of a file, or 0 if it is no memory file."""
    try:
        return fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError:
        return 0


class Memory(Unique):
    """Memory that several processes map: each sees the writes of the others, and must synchronize
    access itself. The size never changes. ``data`` is the mapping, an ``mmap.mmap``. To send
    memory, set a field of the type ipc.Memory to a Memory. ``take_memory()`` of a request or reply
    returns received memory.

    Memory(size) creates size bytes of zeroed memory. With ``writable=True`` receivers may write to
    it too. Raises ``InvalidArgument`` if size is not positive, and ``OSError`` if the system fails.
    """

    _fd = -1

    def __init__(self, size: int, writable: bool = False) -> None:
        if size <= 0:
            raise InvalidArgument("the size of shared memory must be positive")
        self._fd = os.memfd_create("ipc", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self._fd, size)
            self.data = mmap.mmap(self._fd, size)
            seals = _SIZE_SEALS | (0 if writable else _F_SEAL_FUTURE_WRITE)
            fcntl.fcntl(self._fd, fcntl.F_ADD_SEALS, seals)
        except BaseException:
            self._close_file()
            raise

    @classmethod
    def map(cls, fd: int, writable: bool = False) -> Memory:
        """Maps a received memory file, read-only unless ``writable`` is set. Takes ownership of fd,
        and closes it if the function fails. If the sender can write, it can change the bytes at any
        time: copy the bytes before you check them. The size has no limit: check it.

        Raises ``BadMessage`` if the file is no memory of fixed size, and ``PermissionDenied`` if
        ``writable`` is set but the sender permits reading only.
        """
        self = object.__new__(cls)
        self._fd = fd
        try:
            self.data = cls._map(fd, writable)
        except BaseException:
            self._close_file()
            raise
        return self

    @staticmethod
    def _map(fd: int, writable: bool) -> mmap.mmap:
        seals = _seals(fd)
        info = os.fstat(fd)
        if seals & _SIZE_SEALS != _SIZE_SEALS or not stat.S_ISREG(info.st_mode) or not info.st_size:
            raise BadMessage("the file is no memory file of fixed size")
        # Older kernels refuse a shared mapping of a file with F_SEAL_WRITE.
        flags = mmap.MAP_PRIVATE if seals & fcntl.F_SEAL_WRITE else mmap.MAP_SHARED
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        try:
            if writable and seals & fcntl.F_SEAL_WRITE:
                raise PermissionError
            return mmap.mmap(fd, info.st_size, flags, protection)
        except PermissionError:
            raise PermissionDenied("the sender permits reading only") from None

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def fileno(self) -> int:
        """Returns the file, which the memory still owns; -1 after close()."""
        return self._fd

    def __len__(self) -> int:
        return len(self.data)

    def close(self) -> None:
        """Unmaps the memory and closes its file. Raises ``BufferError`` if a memoryview of it is in
        use."""
        self.data.close()
        self._close_file()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._close_file()
