# SPDX-License-Identifier: MIT
"""Types and functions that ``aio`` and ``sync`` share."""

from __future__ import annotations

import contextlib
import enum
import errno
import inspect
import logging
import numbers
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, Union

from . import _core
from .errors import DeadlineExceeded, Error, InvalidArgument

log = logging.getLogger("ipcbus")


_forks = 0


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


def this_process() -> tuple[int, int]:
    """Identifies this process: a child in a new PID namespace may have the pid of its parent."""
    return os.getpid(), _forks


def _log_line(priority: int, text: str, error: BaseException | None = None) -> None:
    """Logs an error that no caller sees. priority is one of syslog(3)."""
    level = logging.ERROR if priority <= 3 else logging.WARNING if priority == 4 else logging.INFO
    log.log(level, "%s", text, exc_info=error)


_core.set_log(_log_line)

Buffer = Union[bytes, bytearray, memoryview, _core.Message, _core.Call]
# An entry of a message: a tag, and an object of this process, an object of another process, or a
# file descriptor. The sender still owns the file descriptor after sending.
Entry = tuple[int, Union[_core.Object, _core.Proxy, int]]


class NameInfo(NamedTuple):
    """A registered name. ``interface`` is "" if it is unknown, ``pid`` 0 if it is not visible."""

    name: str
    interface: str
    pid: int
    uid: int


class NameChange(enum.IntEnum):
    """A change that ``watch_names()`` reports."""

    PRESENT = _core.NAME_PRESENT
    """The name was registered, or replaced by another object."""
    GONE = _core.NAME_GONE
    """The name was unregistered, its process died, or the bus has ended."""
    SETTLED = _core.NAME_SETTLED
    """All names that exist were reported."""


class RegistrationEvent(enum.IntEnum):
    """An event of a registration or a watch of names, for ``on_registration()``."""

    ACQUIRED = _core.REGISTRATION_ACQUIRED
    """The object was in the queue of the name, and has the name now."""
    LOST = _core.REGISTRATION_LOST
    """The registration has ended: another object of this user replaced it, or another process
    unregistered it."""
    FAILED = _core.REGISTRATION_FAILED
    """The registration or watch could not be renewed at a new service manager, or a change of a
    watched name was lost."""


def to_register_flags(replace: bool, queue: bool) -> int:
    if replace and queue:
        raise InvalidArgument("replace and queue cannot both be set")
    return (_core.NAME_REPLACE if replace else 0) | (_core.NAME_QUEUE if queue else 0)


@contextlib.contextmanager
def naming(argument: str, text: str | None) -> Iterator[None]:
    """Names the argument of a function that fails because of it."""
    try:
        yield
    except InvalidArgument:
        raise InvalidArgument(f"{argument} {text!r} is not valid") from None


# Seconds. An int of any size can be compared with a float; conversion to float could overflow.
FOREVER = 1e12


def _check_time(seconds: object) -> None:
    if not isinstance(seconds, numbers.Real):
        raise TypeError(f"timeout must be a number of seconds or None, not {seconds!r}")
    if seconds != seconds:
        raise ValueError("timeout must be a number of seconds or None, not nan")


def to_usec(seconds: float | None) -> int:
    """Converts a timeout in seconds to microseconds for libipc. None becomes 0, the default.
    Raises ``DeadlineExceeded`` if the time is not positive, ``ValueError`` if it is NaN, and
    ``TypeError`` if it is no number."""
    if seconds is None:
        return 0
    _check_time(seconds)
    if seconds <= 0:
        raise DeadlineExceeded(f"the timeout of {seconds!r:.20} s has expired: nothing was sent")
    if seconds > FOREVER:
        return _core.NEVER
    return max(1, int(seconds * 1e6))


def to_wait(seconds: float | None) -> int:
    """Converts the timeout of a wait for a message of a stream. None is no timeout. If the time is
    0 or negative, the result is 1 microsecond: the function then returns a message only if it has
    arrived."""
    if seconds is None:
        return _core.NEVER
    _check_time(seconds)
    return to_usec(seconds) if seconds > 0 else 1


def to_name_wait(seconds: float | None) -> int:
    """Converts the timeout of a wait for a name. If the time is 0 or negative, the library does
    not wait."""
    usec = to_wait(seconds)
    return 0 if seconds is not None and seconds <= 0 else usec


def to_delay(seconds: float | None) -> float | None:
    """Converts a timeout as to_wait() does, but to seconds for asyncio."""
    return None if seconds is None else to_wait(seconds) / 1e6


def to_limit(seconds: float) -> int:
    """Converts the timeout of a connection. ``math.inf`` is no timeout."""
    _check_time(seconds)
    if seconds <= 0:
        raise InvalidArgument("timeout must be positive")
    return to_usec(seconds)


# The most messages that the other side of a stream may send ahead.
WINDOW_MAX = 16


def to_window(window: int | None) -> int:
    """Checks a window of a stream. None becomes 0, the default."""
    if window is None:
        return 0
    if not isinstance(window, int):
        raise TypeError(f"window must be a number of messages or None, not {window!r}")
    if not 1 <= window <= WINDOW_MAX:
        raise InvalidArgument(f"window must be from 1 to {WINDOW_MAX}, not {window}")
    return window


def check_kind(kind: object, base: type) -> None:
    """Checks a class of proxies. ``ipcbus.aio`` and ``ipcbus.sync`` have different classes."""
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise TypeError(f"{kind!r} is not derived from {base.__module__}.{base.__name__}")


def check_callback(callback: object) -> None:
    if not callable(callback):
        raise TypeError(f"{callback!r} is not callable")
    if inspect.iscoroutinefunction(callback):
        raise TypeError(f"{callback!r} must be a plain function (def): callbacks are not awaited")


def check_service(service: object, *bases: type) -> None:
    if not isinstance(service, bases):
        text = f"{service!r} is not an implementation for {bases[0].__module__}"
        if isinstance(service, type) and issubclass(service, bases):
            text += f": pass an instance of the class, {service.__name__}()"
        raise TypeError(text)


def to_changed(reconnect: bool | Callable[[bool], object]) -> Callable[[bool], object]:
    """Returns the function that a connection calls when its bus has ended or is back."""
    if reconnect is not True:
        check_callback(reconnect)
    return reconnect if callable(reconnect) else lambda back: None


def to_seconds(usec: int) -> float | None:
    return None if usec == _core.NEVER else usec / 1e6


def to_metadata(metadata: Mapping[str, str] | None) -> tuple[str, ...] | None:
    if not metadata:
        return None
    return tuple(text for pair in metadata.items() for text in pair)


class Unique:
    """An object that owns a file, a connection or a stream. Two copies would both close it."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"{type(self).__name__} cannot be copied or pickled")


class Slot:
    """A callback that the program can end. The callback goes on if the Slot is deleted."""

    def __init__(self, slot: _core.Slot) -> None:
        self._slot = slot

    def end(self) -> None:
        """Ends the callback: it does not begin any more, but may still be running on another
        thread. Does not block."""
        self._slot.end()


class BaseContext:
    """A served call or stream: the connection, and the caller's identity, deadline and metadata."""

    def __init__(self, connection: Any, call: _core.Call | _core.Stream) -> None:
        self._bus = connection
        self._call = call

    @property
    def connection(self) -> Any:
        """The connection that received the call, for calls of the handler."""
        return self._bus

    @property
    def uid(self) -> int:
        """The caller's effective user id, from the bus, in this process's user namespace."""
        return self._call.uid

    @property
    def gid(self) -> int:
        return self._call.gid

    @property
    def pid(self) -> int:
        """The caller's process id, or 0 if the process is not visible in this PID namespace."""
        return self._call.pid

    @property
    def label(self) -> str | None:
        """The security module's label of the caller; None if there is none, or the class does
        not set ``LABEL``."""
        return self._call.label

    def pidfd(self) -> int:
        """Returns a new pidfd of the caller's process, which the handler must close. Raises
        ``InvalidArgument`` in a handler of a stream, and an ``Error`` with the code ``ESRCH`` if
        the process is gone."""
        if isinstance(self._call, _core.Stream):
            raise InvalidArgument("a stream has no pidfd")
        return self._call.pidfd()

    def remaining(self) -> float | None:
        """Returns the seconds until the deadline of the call or stream, or None if it has none."""
        return to_seconds(self._call.remaining)

    def is_canceled(self) -> bool:
        """Returns whether no reply is needed any more: canceled, expired, or the caller died.
        Either side may have canceled a stream. A long handler of ``ipcbus.sync`` must check
        this. The task of a handler of ``ipcbus.aio`` is canceled."""
        return self._call.is_canceled

    def metadata(self, name: str) -> str | None:
        """Returns the metadata that the caller set under the name, or None. The bus does not
        check it."""
        return self._call.metadata(name)


class RawRequest(BaseContext):
    """A request of bytes. ``bytes(request.data)`` copies it. ``request.data`` shows the region
    itself and is valid until the handler returns."""

    _call: _core.Call

    @property
    def method(self) -> int:
        return self._call.method

    @property
    def data(self) -> memoryview:
        return self._call.data

    @property
    def entries(self) -> tuple[tuple[int, int], ...]:
        """Tag and kind (``_core.OBJECT``, ``PROXY``, ``FD``) of each object and file in the
        request."""
        return self._call.entries

    def take(self, index: int) -> _core.Object | _core.Proxy | int:
        """Takes an entry. Each entry can be taken once. The handler must close a file descriptor.
        Raises ``NotFound`` if the entry was taken before, or if it is an object of this process
        that has ended."""
        return self._call.take(index)


class Named(Protocol):
    """The part of an implementation that lines of the log need."""

    def _method(self, number: int) -> str: ...


class ServiceSettings:
    """Settings of an implementation, for the objects that are made from it."""

    #: Whether requests may contain files.
    ACCEPT_FDS = False
    #: Whether ``label`` of a context works.
    LABEL = False
    #: Messages that a client may send ahead of a handler in a stream, 1 to 16.
    WINDOW = WINDOW_MAX

    def _features(self) -> int:
        return _core.OBJECT_LABEL if self.LABEL else 0


class BaseRawService(ServiceSettings):
    """The common base of ``aio.RawService`` and ``sync.RawService``, services of bytes."""

    #: The name of the interface, for tools; or None.
    INTERFACE: str | None = None

    def _interface(self) -> str | None:
        return self.INTERFACE

    def _method(self, number: int) -> str:
        """The method with that number, for a log."""
        return f"{self.INTERFACE or type(self).__name__} method {number:#x}"


def reply_raw(call: _core.Call, reply: Buffer | tuple[Buffer, tuple[Entry, ...]] | None) -> None:
    """Sends the result of a handler of bytes."""
    if call.oneway:
        return
    if isinstance(reply, tuple):
        call.reply(reply[0], reply[1])
    else:
        call.reply(reply, None)


def _text(text: object) -> str | None:
    """Replaces characters that cannot be sent: lone surrogates and NUL become question marks."""
    if text is None or text == "":
        return None
    return str(text).encode("utf-8", "replace").decode().replace("\0", "?")


def _describe(error: BaseException) -> tuple[int, int, str | None, str | None, bytes]:
    """Returns the arguments of ``Call.error()`` and ``Stream.error()``. The caller receives an
    ``Error`` as it is, except for characters and numbers that cannot be sent. TimeoutError becomes
    ETIMEDOUT, NotImplementedError EOPNOTSUPP. Any other exception becomes ``ipc.Unhandled``, as in
    the other languages, with the name of its class; its text appears only in the log of this
    process."""
    if isinstance(error, Error):
        number = min(max(error.number, -(1 << 31)), (1 << 31) - 1)
        details = error.details or b""
        text = None if error.text == error._meaning else _text(error.text)
        return error.code, number, _text(error.name), text, details
    if isinstance(error, TimeoutError):
        return errno.ETIMEDOUT, 0, None, _text(error), b""
    if isinstance(error, NotImplementedError):
        return errno.EOPNOTSUPP, 0, None, _text(error), b""
    text = f"the handler failed: {type(error).__name__}"
    return errno.EREMOTEIO, 0, "ipc.Unhandled", _text(text), b""


def _report(call: _core.Call | _core.Stream, error: BaseException, method: str) -> None:
    """Sends the error. If the error cannot be sent because of its contents, sends ``ipc.Unhandled``
    instead."""
    try:
        call.error(*_describe(error))
    except Exception as failure:
        if isinstance(failure, Error) and failure.code in _NOBODY_WAITS:
            raise
        _log(call, failure, method, "the error of a handler cannot be sent")
        text = _text(f"the handler failed: {type(error).__name__}")
        call.error(errno.EREMOTEIO, 0, "ipc.Unhandled", text, b"")


# Exceptions with which a handler reports an error on purpose. Only those of oneways are logged.
_EXPECTED = (Error, TimeoutError, NotImplementedError)
_NOBODY_WAITS = (errno.ECANCELED, errno.ETIMEDOUT, errno.EOWNERDEAD, errno.ECONNRESET)


def _log(
    call: _core.Call | _core.Stream,
    error: BaseException | None,
    method: str,
    what: str = "unhandled exception",
) -> None:
    """Logs an exception. If error is None, logs a warning about a oneway. The line has the same
    form as in C++ and Rust."""
    try:
        caller = f"uid {call.uid}, pid {call.pid}"
    except (Error, ValueError):  # the call or stream has ended
        caller = "the caller is gone"
    level = logging.ERROR if error else logging.WARNING
    log.log(level, "ipc: %s (%s): %s", method, caller, what, exc_info=error)


def end_call(call: _core.Call, error: BaseException, service: Named) -> None:
    """Ends a call with the exception of its handler. The call may have ended already."""
    try:
        method = service._method(call.method)
    except ValueError:  # close() has ended the call
        method = type(service).__name__
    # SystemExit and KeyboardInterrupt end the program, which reports them itself.
    if isinstance(error, Exception) and not isinstance(error, _EXPECTED):
        _log(call, error, method)
    elif call.oneway and isinstance(error, Exception):
        _log(call, None, method, f"a oneway failed: {_core.printable(str(error))}")
    if call.replied or call.oneway:
        return
    try:
        _report(call, error, method)
    except Error as failure:
        if failure.code not in _NOBODY_WAITS:
            log.warning("%s: could not report an error: %s", method, failure)


def end_stream(stream: _core.Stream, error: BaseException, service: Named, number: int) -> None:
    """Ends a stream with the exception of its handler. If no error can be sent, cancels the stream,
    because a normal end would mean success."""
    method = service._method(number)
    if not isinstance(error, _EXPECTED):
        _log(stream, error, method)
    try:
        _report(stream, error, method)
    except Exception as failure:
        log.debug("%s: could not report the end of a stream: %s", method, failure)
        stream.cancel()


class BaseProxy:
    """An object of another process. Base class for ``aio`` and ``sync``."""

    def __init__(self, bus: Any, proxy: _core.Proxy) -> None:
        self._bus = bus
        self._proxy = proxy

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseProxy) and self._proxy == other._proxy

    def __hash__(self) -> int:
        return hash(self._proxy)
