# SPDX-License-Identifier: MIT
"""A private bus for a test: see <ipc/test.h> and docs/guide/testing-programs.md::

    with Bus(manual_clock=True) as bus, Connection(bus.path) as connection:
        ...

The bus is a child process, ipcbusd, with a service manager. It ends at the end of ``with``, or at
any end of the process that made it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import _core
from ._base import Unique

_NO_MANAGER = 1
_MANUAL_CLOCK = 2


class Bus(Unique):
    """A bus. Any thread may use it. All functions except for ``path`` and ``pid`` block, so a
    coroutine should call them in ``asyncio.to_thread()``.

    With manual_clock only ``advance()`` advances the time of the deadlines of calls. Without
    manager the bus has no service manager. ipcbusd and servicemanager are the paths of the
    programs; None: the first in $PATH, else the installed ones. parameters are those of the bus
    (ipcbus(4)), manager_arguments more arguments for the service manager. Raises ``NotFound`` if a
    program was not found, and an ``Error`` with the code ``EPIPE`` if one of them ended at once.
    """

    def __init__(
        self,
        *,
        manual_clock: bool = False,
        manager: bool = True,
        ipcbusd: str | None = None,
        servicemanager: str | None = None,
        parameters: Mapping[str, int] | None = None,
        manager_arguments: Sequence[str] = (),
    ) -> None:
        self._bus = _core.TestBus(
            (_MANUAL_CLOCK if manual_clock else 0) | (0 if manager else _NO_MANAGER),
            ipcbusd,
            servicemanager,
            tuple(f"{name}={value}" for name, value in (parameters or {}).items()),
            tuple(manager_arguments),
        )
        self.path: str = self._bus.path
        """The path of the bus, for ``Connection()`` and ``IPCBUS_BUS``."""
        self.pid: int = self._bus.pid
        """The process id of the daemon. A test may ``os.kill()`` it, also with SIGSTOP."""

    def __enter__(self) -> Bus:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the bus. Connections to it fail with ``BusEnded`` from then on."""
        self._bus.free()

    def advance(self, seconds: float) -> None:
        """Advances the time of a bus with manual_clock. When it returns, each call whose deadline
        has passed has failed with ``DeadlineExceeded``; its caller may not have noticed yet.
        Streams and waits for space use real time. Raises ``Unimplemented`` without
        manual_clock."""
        self._bus.advance(round(seconds * 1e6))

    def wait_calls(self, n: int = 1) -> None:
        """Returns when n calls, at most 64, have arrived at their servers and have no reply yet, on
        the whole bus. So a test knows that the call of another thread or program has begun, before
        it advances the time. Raises ``Unimplemented`` without manual_clock."""
        self._bus.wait_calls(n)

    def fail_memory(self, nth: int, pid: int = 0) -> bool:
        """Makes the nth allocation of the bus from now fail once, in ioctls of that process (0: of
        any). 0 cancels this. Returns whether the failure that was set before had not happened."""
        return self._bus.fail_memory(nth, pid) == 1
