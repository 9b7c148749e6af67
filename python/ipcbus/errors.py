# SPDX-License-Identifier: MIT
"""Errors of calls, as exceptions.

Every exception is an ``Error``. Its class is the kind of the error. The classes have the names of
``enum ipc_errno`` in ``<ipc/error.h>``. If ``origin`` is ``Origin.PEER``, the server chose the
class: its ``NotFound`` says that it did not find something, not that the name does not exist.
The attributes have the details:

``code``
    The errno, positive: ``errno.ENOENT``.
``name``, ``text``, ``number``, ``details``
    Set by the server: a name such as ``"echo.Empty"``, a text for people, an int, and bytes.
    If the server did not set them, ``name`` is ``None`` and ``details`` is empty.
``origin``
    The reporter of the error: ``Origin.HERE``, ``BUS``, ``PEER`` or ``BEHIND``.
``cause``
    With ``Origin.BEHIND``, the errno behind ``code``; else 0.

``str()`` and ``repr()`` of an error are safe to print to a terminal or a log, whatever text the
server sent. Control characters and characters that cannot be encoded become question marks, and
text longer than a kilobyte is cut. The attributes have the unchanged text.

A server defines its own errors as classes with a name. A handler raises them. If a client has
imported the class, it gets an instance of it::

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
    """The reporter of an error: this library, the bus, the peer, or a server behind the peer."""

    HERE = 0
    BUS = 1
    PEER = 2
    BEHIND = 3


class Error(Exception):
    """The base of all errors of this package. The module describes the attributes."""

    default_code: ClassVar[int] = errno.EIO
    default_name: ClassVar[str | None] = None
    # The text, if it is only this library's meaning of the code. It is not sent to other processes.
    _meaning: str | None = None

    def __init__(
        self,
        text: str = "",
        *,
        code: int | None = None,
        name: str | None = None,
        number: int = 0,
        details: bytes = b"",
        origin: Origin = Origin.HERE,
        cause: int = 0,
    ) -> None:
        super().__init__(text)
        self.code = self.default_code if code is None else abs(code)
        self.name = self.default_name if name is None else name
        self.text = text
        self.number = number
        self.details = details
        self.origin = origin
        self.cause = cause

    def __str__(self) -> str:
        text = self.text or errno.errorcode.get(self.code, str(self.code))
        text = _core.printable(text)
        if self.cause and not self.name and self.text != self._meaning:
            text = f"behind the server: {text}"
        return f"{_core.printable(self.name)}: {text}" if self.name else text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_core.printable(self.text)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_again, (type(self), self.text, self.__dict__))


def _again(kind: type[Error], text: str, values: dict[str, Any]) -> Error:
    error = kind(text)
    error.__dict__.update(values)
    return error


class InvalidArgument(Error, ValueError):
    """An argument is malformed, or refers to a closed object."""

    default_code = errno.EINVAL


class Canceled(Error):
    """The call or stream was canceled, or its connection was closed."""

    default_code = errno.ECANCELED


class DeadlineExceeded(Error, TimeoutError):
    """The timeout expired."""

    default_code = errno.ETIMEDOUT


class NotFound(Error):
    """No process has registered the name; the bus, object or file does not exist, or was taken out
    of a message before; or the server did not find something. The bus may also be a socket that
    is left of an ended ipcbusd; ``code`` is then ECONNREFUSED."""

    default_code = errno.ENOENT


class PermissionDenied(Error, PermissionError):
    """The policy or the receiver forbids it, or the bus may not be opened."""

    default_code = errno.EACCES


class NameTaken(Error):
    """A living process has registered the name."""

    default_code = errno.EEXIST


class ActivationFailed(Error):
    """The program could not be started on demand."""

    default_code = errno.EHOSTUNREACH


class NoManager(Error):
    """No service manager is running."""

    default_code = errno.ENOTCONN


class BusEnded(Error):
    """The daemon ipcbusd that ran the bus has ended."""

    default_code = errno.ECONNRESET


class DeadObject(Error):
    """The object is dead: its process has ended it, or died."""

    default_code = errno.EOWNERDEAD


class PeerFrozen(Error):
    """The object's process is frozen."""

    default_code = errno.EHOSTDOWN


class Unimplemented(Error, NotImplementedError):
    """The object has no such method, or no handler for it."""

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
    """The message does not fit into the receiver's region, or exceeds the receiver's limit."""

    default_code = errno.EMSGSIZE


class WouldBlock(Error, BlockingIOError):
    """The receiver has no space for a oneway, or no message of a stream arrived in time. Try again
    later."""

    default_code = errno.EAGAIN


class QuotaExceeded(Error):
    """A limit of the user, or of the receiver for the user, is reached."""

    default_code = errno.EDQUOT


class NoReply(Error):
    """The server ended the call without a reply, or the stream without an end."""

    default_code = errno.ENOMSG


class Forked(Error):
    """The connection belongs to the parent process."""

    default_code = errno.ECHILD


class ServiceError(Error):
    """The server reports its own error: an error with a name, whatever its ``code``, or with the
    code EREMOTEIO. Define a subclass for each name of an error."""

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
        DeadObject,
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
_by_code[errno.ECONNREFUSED] = NotFound


def make_error(
    code: int,
    number: int,
    name: str | None,
    text: str,
    details: bytes,
    origin: int,
    cause: int,
    own_text: int,
) -> Error:
    """Creates the exception for an error of libipc. A name has precedence over the code."""
    kind: type[Error] = _by_code.get(code, Error)
    if name is not None:
        kind = _by_name.get(name, ServiceError)
    error = kind.__new__(kind)
    Error.__init__(
        error,
        text,
        code=code,
        name=name,
        number=number,
        details=details,
        origin=Origin(origin),
        cause=cause,
    )
    error._meaning = None if own_text else text
    return error


_core.set_error_factory(make_error)
