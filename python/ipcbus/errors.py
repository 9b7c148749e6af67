# SPDX-License-Identifier: MIT
"""Errors of calls, as exceptions.

Every exception is an ``Error``. Its class says what happened. The classes have the names of ``enum
ipc_errno`` in ``<ipc/error.h>``. Its attributes say more:

``code``
    The errno, positive: ``errno.ENOENT``.
``name``, ``message``, ``number``, ``details``
    What the service set: ``"echo.Empty"``, a text for people, an int, and bytes. ``name`` is
    ``None`` and ``details`` empty if the service set none.
``origin``
    Who reports it: ``Origin.HERE``, ``BUS``, ``PEER`` or ``BEHIND``.
``cause_code``
    With ``Origin.BEHIND`` the errno behind ``code``; else 0.

``str()`` and ``repr()`` of it are for people: a terminal and a log can have them, whatever the
service sent. Control characters and the like are question marks there, and what is longer than a
kilobyte is cut. The attributes are what the service sent.

A service defines errors of its own as classes with a name. A handler raises them, and a client
that has the class gets an instance of it::

    class Empty(ServiceError, name="echo.Empty"):
        pass

    raise Empty("nothing to say")
"""

from __future__ import annotations

import enum
import errno
from typing import Any, ClassVar

from . import _core


class Origin(enum.IntEnum):
    """Who reports an error."""

    HERE = 0
    BUS = 1
    PEER = 2
    BEHIND = 3


class Error(Exception):
    """A call, or something else of this package, failed. See the module."""

    default_code: ClassVar[int] = errno.EIO
    default_name: ClassVar[str | None] = None

    def __init__(
        self,
        message: str = "",
        *,
        code: int | None = None,
        name: str | None = None,
        number: int = 0,
        details: bytes = b"",
        origin: Origin = Origin.HERE,
        cause_code: int = 0,
    ) -> None:
        super().__init__(message)
        self.code = self.default_code if code is None else abs(code)
        self.name = self.default_name if name is None else name
        self.message = message
        self.number = number
        self.details = details
        self.origin = origin
        self.cause_code = cause_code

    def __str__(self) -> str:
        text = self.message or errno.errorcode.get(self.code, str(self.code))
        text = _core.printable(text)
        return f"{_core.printable(self.name)}: {text}" if self.name else text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_core.printable(self.message)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_again, (type(self), self.message, self.__dict__))


def _again(kind: type[Error], message: str, values: dict[str, Any]) -> Error:
    error = kind(message)
    error.__dict__.update(values)
    return error


class InvalidArgument(Error, ValueError):
    """An argument is malformed, or what it names is closed."""

    default_code = errno.EINVAL


class Canceled(Error):
    """The server, or the end of the connection, canceled the call."""

    default_code = errno.ECANCELED


class DeadlineExceeded(Error, TimeoutError):
    """The time limit expired."""

    default_code = errno.ETIMEDOUT


class NotFound(Error):
    """Nobody has the name."""

    default_code = errno.ENOENT


class PermissionDenied(Error, PermissionError):
    """The policy, or the receiver, forbids it."""

    default_code = errno.EACCES


class NameTaken(Error):
    """A living service has the name, or it is reserved for another user."""

    default_code = errno.EEXIST


class ActivationFailed(Error):
    """The service could not be started."""

    default_code = errno.EHOSTUNREACH


class NoManager(Error):
    """No service manager is running."""

    default_code = errno.ENOTCONN


class BusEnded(Error):
    """The daemon that ran the bus has ended."""

    default_code = errno.ECONNRESET


class PeerDied(Error):
    """The object's process died, or destroyed the object."""

    default_code = errno.EOWNERDEAD


class PeerFrozen(Error):
    """The object's process is frozen."""

    default_code = errno.EHOSTDOWN


class Unimplemented(Error, NotImplementedError):
    """The object has no such method."""

    default_code = errno.EOPNOTSUPP


class InterfaceMismatch(Error):
    """The object has another interface."""

    default_code = errno.EPROTOTYPE


class ProtocolError(Error):
    """The two sides treat the method in different ways, or a peer violates the protocol."""

    default_code = errno.EPROTO


class BadMessage(Error):
    """A message does not match its type."""

    default_code = errno.EBADMSG


class MessageTooLarge(Error):
    """The message does not fit."""

    default_code = errno.EMSGSIZE


class WouldBlock(Error, BlockingIOError):
    """The receiver has no space for a oneway, or a stream is not ready. Try again later."""

    default_code = errno.EAGAIN


class QuotaExceeded(Error):
    """A quota of the user is used up."""

    default_code = errno.EDQUOT


class NoReply(Error):
    """The server ended the call without a reply."""

    default_code = errno.ENOMSG


class Forked(Error):
    """The connection belongs to the parent process."""

    default_code = errno.ECHILD


class ServiceError(Error):
    """The service reports an error of its own. Subclasses have its name."""

    default_code = errno.EREMOTEIO

    def __init_subclass__(cls, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if name is not None:
            cls.default_name = name
            _by_name[name] = cls


_by_name: dict[str, type[ServiceError]] = {}
_by_code: dict[int, type[Error]] = {
    kind.default_code: kind
    for kind in (
        InvalidArgument,
        Canceled,
        DeadlineExceeded,
        NotFound,
        PermissionDenied,
        NameTaken,
        ActivationFailed,
        NoManager,
        BusEnded,
        PeerDied,
        PeerFrozen,
        Unimplemented,
        InterfaceMismatch,
        ProtocolError,
        BadMessage,
        MessageTooLarge,
        WouldBlock,
        QuotaExceeded,
        NoReply,
        Forked,
        ServiceError,
    )
}
_by_code[errno.EPERM] = PermissionDenied


def make_error(
    code: int,
    number: int,
    name: str | None,
    message: str,
    details: bytes,
    origin: int,
    cause: int,
) -> Error:
    """The exception for an error of libipc. A class that a program registered for the name comes
    first."""
    kind: type[Error] = _by_code.get(code, Error)
    if name is not None:
        kind = _by_name.get(name, kind)
    error = kind.__new__(kind)
    Error.__init__(
        error,
        message,
        code=code,
        name=name,
        number=number,
        details=details,
        origin=Origin(origin),
        cause_code=cause,
    )
    return error


_core.set_error_factory(make_error)
