# SPDX-License-Identifier: MIT
"""What ``aio`` and ``sync`` share."""

from __future__ import annotations

import enum
import errno
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, Union

from . import _core
from .errors import DeadlineExceeded, Error

log = logging.getLogger("ipcbus")


def _log_line(priority: int, text: str, error: BaseException | None = None) -> None:
    """Errors that no caller sees, with a priority of syslog(3)."""
    level = logging.ERROR if priority <= 3 else logging.WARNING if priority == 4 else logging.INFO
    log.log(level, "%s", text, exc_info=error)


_core.set_log(_log_line)

Buffer = Union[bytes, bytearray, memoryview, _core.Message, _core.Call]
# What travels beside the bytes of a message under a tag: an object of this process, one of
# another process, or a file descriptor, which stays the sender's.
Entry = tuple[int, Union[_core.Object, _core.Proxy, int]]


class NameInfo(NamedTuple):
    """A registered name. ``interface`` is "" if it is unknown, ``pid`` 0 if it is not visible."""

    name: str
    interface: str
    pid: int
    uid: int


class NameChange(enum.IntEnum):
    """What ``watch_names()`` reports."""

    PRESENT = _core.NAME_PRESENT
    """The name was registered, or replaced by another object."""
    GONE = _core.NAME_GONE
    """The name was unregistered, its process died, or the bus has ended."""
    SETTLED = _core.NAME_SETTLED
    """All names that exist were reported."""


class Registration(enum.IntEnum):
    """What ``on_registration()`` reports about a name or a watch of this bus."""

    ACQUIRED = _core.REGISTRATION_ACQUIRED
    """It was in the queue of the name, and has the name now."""
    LOST = _core.REGISTRATION_LOST
    """It has ended: another object of this user replaced it, or another process unregistered
    it."""
    FAILED = _core.REGISTRATION_FAILED
    """It could not be registered at a new service manager, or a change of a name was lost."""


def to_register_flags(replace: bool, queue: bool) -> int:
    return (_core.NAME_REPLACE if replace else 0) | (_core.NAME_QUEUE if queue else 0)


# Seconds. An int of any size may be compared with it.
FOREVER = 1e12


def to_usec(seconds: float | None) -> int:
    """A time limit for libipc: 0 is the default. A time that is over fails here."""
    if seconds is None:
        return 0
    if seconds != seconds:
        raise ValueError("a time limit is a number")
    if seconds <= 0:
        raise DeadlineExceeded("the time is over")
    if seconds > FOREVER:
        return _core.NEVER
    return max(1, int(seconds * 1e6))


def to_wait(seconds: float | None) -> int:
    """How long to wait for a message of a stream. With 0 it is there already, or it is late."""
    if seconds is None:
        return _core.NEVER
    if seconds != seconds:
        raise ValueError("a time limit is a number")
    return to_usec(seconds) if seconds > 0 else 1


def to_name_wait(seconds: float | None) -> int:
    """How long to wait for a name. With 0 the library does not wait."""
    return 0 if seconds is not None and seconds <= 0 else to_wait(seconds)


def to_delay(seconds: float | None) -> float | None:
    """The same for asyncio."""
    return None if seconds is None else to_wait(seconds) / 1e6


def check_kind(kind: object, base: type) -> None:
    """Of a class of clients: ipcbus.aio and ipcbus.sync have different ones."""
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise TypeError(f"{kind!r} is no class of clients of {base.__module__}")


def check_service(service: object, *bases: type) -> None:
    if not isinstance(service, bases):
        raise TypeError(f"{service!r} is no service of {bases[0].__module__}")


def to_changed(reconnect: bool | Callable[[bool], object]) -> Callable[[bool], object]:
    """The function of a Bus that is called when its bus has ended or is back."""
    return reconnect if callable(reconnect) else lambda back: None


def to_seconds(usec: int) -> float | None:
    return None if usec == _core.NEVER else usec / 1e6


def to_metadata(metadata: Mapping[str, str] | None) -> tuple[str, ...] | None:
    if not metadata:
        return None
    return tuple(text for pair in metadata.items() for text in pair)


class Slot:
    """A registered callback."""

    def __init__(self, slot: _core.Slot) -> None:
        self._slot = slot

    def end(self) -> None:
        """The callback does not run any more."""
        self._slot.end()


class BaseContext:
    """A call that is served: who calls, and until when they wait."""

    def __init__(self, call: _core.Call | _core.Stream) -> None:
        self._call = call

    @property
    def uid(self) -> int:
        """The caller's effective user, from the kernel, as seen from here."""
        return self._call.uid

    @property
    def gid(self) -> int:
        return self._call.gid

    @property
    def pid(self) -> int:
        """The caller's process, or 0 if it is not visible from here."""
        return self._call.pid

    @property
    def label(self) -> str | None:
        """The security module's label of the caller; None if there is none, or the service does
        not set ``LABEL``."""
        return self._call.label

    def pidfd(self) -> int:
        """Returns a new pidfd of the caller's process, which the handler must close. Raises
        ``InvalidArgument`` in a handler of a stream if the service does not set ``PIDFD``, and an
        ``Error`` with the code ``ESRCH`` if the process is gone."""
        return self._call.pidfd()

    def remaining(self) -> float | None:
        """Seconds until the caller stops waiting; None: there is no limit."""
        return to_seconds(self._call.remaining)

    def is_canceled(self) -> bool:
        """Whether the caller has stopped waiting. A handler of ``ipcbus.sync`` that takes long asks
        this; that of ``ipcbus.aio`` is canceled."""
        return self._call.is_canceled

    def metadata(self, name: str) -> str | None:
        """What the caller set under the name. The kernel does not check it."""
        return self._call.metadata(name)


class RawRequest(BaseContext):
    """A request of bytes. It is a buffer: ``bytes(request.data)`` copies it, ``request.data``
    shows the region itself and can be used until the handler returns."""

    _call: _core.Call

    @property
    def code(self) -> int:
        return self._call.code

    @property
    def data(self) -> memoryview:
        return self._call.data

    @property
    def entries(self) -> tuple[tuple[int, int], ...]:
        """Tag and kind (``_core.OBJECT``, ``PROXY``, ``FD``) of what came beside the bytes."""
        return self._call.entries

    def take(self, index: int) -> _core.Object | _core.Proxy | int:
        """Takes one of the entries, once. The caller closes a file descriptor. Raises ``NotFound``
        if it was taken, or if it is an object of this process that has ended."""
        return self._call.take(index)


class Named(Protocol):
    """A service, as far as a log needs it."""

    def _method(self, code: int) -> str: ...


class ServiceSettings:
    """Settings of a service, for the objects that are made of it."""

    #: Whether requests may contain files.
    ACCEPT_FDS = False
    #: Whether ``label`` of a context works.
    LABEL = False
    #: Whether ``pidfd()`` of a context works for streams. Each open stream then holds a file.
    PIDFD = False

    def _features(self) -> int:
        label = _core.OBJECT_LABEL if self.LABEL else 0
        return label | (_core.OBJECT_PIDFD if self.PIDFD else 0)


class BaseRawService(ServiceSettings):
    """What the bases of services of bytes have alike."""

    #: The name of the interface, for tools; or None.
    INTERFACE: str | None = None

    def _interface(self) -> str | None:
        return self.INTERFACE

    def _method(self, code: int) -> str:
        """The method with that number, for a log."""
        return f"{self.INTERFACE or type(self).__name__} method {code}"


def reply_raw(call: _core.Call, reply: Buffer | tuple[Buffer, tuple[Entry, ...]] | None) -> None:
    """Sends what a handler of bytes returned."""
    if call.oneway:
        return
    if isinstance(reply, tuple):
        call.reply(reply[0], reply[1])
    else:
        call.reply(reply, None)


def _text(text: object) -> str | None:
    """What can be sent of a text: a question mark replaces what no UTF-8 has, and a NUL."""
    if text is None or text == "":
        return None
    return str(text).encode("utf-8", "replace").decode().replace("\0", "?")


def _describe(error: BaseException) -> tuple[int, int, str | None, str | None, bytes]:
    """The arguments of ``Call.error()`` and ``Stream.error()``. Callers see an ``Error`` as it is.
    Of any other exception they see ``ipc.Unhandled``, as of other languages' handlers, and its
    class; its text stays in the log of this process."""
    if isinstance(error, Error):
        number = min(max(error.number, -(1 << 31)), (1 << 31) - 1)
        details = error.details or b""
        return error.code, number, _text(error.name), _text(error.message), details
    if isinstance(error, TimeoutError):
        return errno.ETIMEDOUT, 0, None, _text(error), b""
    if isinstance(error, NotImplementedError):
        return errno.EOPNOTSUPP, 0, None, _text(error), b""
    text = f"the handler failed: {type(error).__name__}"
    return errno.EREMOTEIO, 0, "ipc.Unhandled", _text(text), b""


def _report(call: _core.Call | _core.Stream, error: BaseException, method: str) -> None:
    """Sends the error. If it cannot be sent, for what the handler put into it, at least the caller
    learns that there was one."""
    try:
        call.error(*_describe(error))
    except Exception as failure:
        if isinstance(failure, Error) and failure.code in _NOBODY_WAITS:
            raise
        _log(call, failure, method, "the error of a handler cannot be sent")
        text = _text(f"the handler failed: {type(error).__name__}")
        call.error(errno.EREMOTEIO, 0, "ipc.Unhandled", text, b"")


# What a handler raises to report an error.
_EXPECTED = (Error, TimeoutError, NotImplementedError)
_NOBODY_WAITS = (errno.ECANCELED, errno.ETIMEDOUT, errno.EOWNERDEAD, errno.ECONNRESET)


def _log(
    call: _core.Call | _core.Stream,
    error: BaseException,
    method: str,
    what: str = "unhandled exception",
) -> None:
    """Logs an exception as the library does in C++ and Rust."""
    try:
        caller = f"uid {call.uid}, pid {call.pid}"
    except (Error, ValueError):  # it is over
        caller = "the caller is gone"
    log.error("ipc: %s (%s): %s", method, caller, what, exc_info=error)


def end_call(call: _core.Call, error: BaseException, service: Named) -> None:
    """Ends a call with what its handler raised. The call may be over."""
    try:
        method = service._method(call.code)
    except ValueError:  # close() has ended the call
        method = type(service).__name__
    # What is no Exception ends the program, which says so itself.
    if isinstance(error, Exception) and not isinstance(error, _EXPECTED):
        _log(call, error, method)
    if call.replied or call.oneway:
        return
    try:
        _report(call, error, method)
    except Error as failure:
        if failure.code not in _NOBODY_WAITS:
            log.warning("%s: could not report an error: %s", method, failure)


def end_stream(stream: _core.Stream, error: BaseException, service: Named, code: int) -> None:
    """The same for a stream. If all else fails, it is canceled: its end would be a success."""
    method = service._method(code)
    if not isinstance(error, _EXPECTED):
        _log(stream, error, method)
    try:
        _report(stream, error, method)
    except Exception as failure:
        log.debug("%s: could not report the end of a stream: %s", method, failure)
        stream.cancel()


class BaseProxy:
    """An object of another process, on a bus of either kind."""

    def __init__(self, bus: Any, proxy: _core.Proxy) -> None:
        self._bus = bus
        self._proxy = proxy

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseProxy) and self._proxy == other._proxy

    def __hash__(self) -> int:
        return hash(self._proxy)
