# SPDX-License-Identifier: MIT
"""What generated code, of ``protoc --ipc_out=lang=python:DIR``, is made of.

Programs use two names of it: ``ObjectLike`` and ``FdLike``, the values to which a field of the
types ``ipc.Object`` and ``ipc.Fd`` can be set, as a keyword of a call or in a mapping.
"""

from __future__ import annotations

import errno
import functools
import importlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, Generic, Protocol, TypeVar, Union

from . import _core
from ._base import BaseContext, Entry, ServiceSettings
from .errors import BadMessage, Error, InvalidArgument, NotFound, ProtocolError, Unimplemented
from .memory import Memory

M = TypeVar("M")
C = TypeVar("C")
# Deeper than protobuf's own limit.
MAX_DEPTH = 100


class HasFileno(Protocol):
    def fileno(self) -> int: ...


class HasProxy(Protocol):
    _proxy: _core.Proxy


# A client or proxy; a service, which becomes a new object each time; or an object of
# make_object().
ObjectLike = Union[HasProxy, "HasServe", _core.Object]
# A file descriptor or file, which stays the sender's.
FdLike = Union[int, HasFileno]


class HasServe(Protocol):
    ACCEPT_FDS: bool


class Exporter(Protocol):
    """A bus, as far as packing needs it."""

    def make_object(self, service: Any) -> _core.Object: ...


class Method:
    """One method of an interface. request and reply are None for ipc.None; *_holds says that
    the message may contain objects or files; timeout is the option, in seconds."""

    __slots__ = (
        "name",
        "attribute",
        "code",
        "request",
        "reply",
        "oneway",
        "sends",
        "pushes",
        "request_holds",
        "reply_holds",
        "timeout",
    )

    def __init__(
        self,
        name: str,
        attribute: str,
        code: int,
        request: Any,
        reply: Any,
        *,
        oneway: bool = False,
        sends: bool = False,
        pushes: bool = False,
        request_holds: bool = False,
        reply_holds: bool = False,
        timeout: float | None = None,
    ) -> None:
        self.name = name
        self.attribute = attribute
        self.code = code
        self.request = request
        self.reply = reply
        self.oneway = oneway
        self.sends = sends
        self.pushes = pushes
        self.request_holds = request_holds
        self.reply_holds = reply_holds
        self.timeout = timeout


class Interface:
    """A service of a .proto file: what both sides must agree on."""

    def __init__(self, name: str, descriptor_set: bytes, methods: tuple[Method, ...]) -> None:
        self.name = name
        self.descriptor_set = descriptor_set
        self.methods = methods
        self.streams = any(method.sends or method.pushes for method in methods)
        self.by_code = {method.code: method for method in methods}

    def describe(self) -> bytes:
        """An ipc.Description."""
        name = self.name.encode()
        return b"".join(
            (
                b"\x0a" + _varint(len(name)) + name,
                b"\x12" + _varint(len(self.descriptor_set)) + self.descriptor_set,
            )
        )

    def find_stream(self, code: int) -> Method:
        """The method with streams that is opened."""
        method = self.by_code.get(code)
        if method is None or not (method.sends or method.pushes):
            raise Unimplemented(f"{self.name} has no stream with the number {code:#x}")
        return method

    def find(self, call: _core.Call) -> Method:
        """The method that is called. Raises what the caller gets if there is none."""
        method = self.by_code.get(call.code)
        if method is None:
            raise Unimplemented(f"{self.name} has no method with the number {call.code:#x}")
        if method.sends or method.pushes:
            raise ProtocolError(f"{self.name}.{method.name} has streams: it is opened, not called")
        if method.oneway and not call.oneway:
            raise ProtocolError(f"{self.name}.{method.name} is oneway: it has no reply")
        if call.oneway and not method.oneway:
            raise ProtocolError(f"{self.name}.{method.name} is no oneway")
        return method


def find_folders(file: str, module: str, descriptors: bytes) -> None:
    """Make the folders of generated modules known to Python.

    A module of Python, such as types, hides a folder of the same name. `file` and `module` are those
    of one generated module, `descriptors` a FileDescriptorSet with the files of all of them.
    """
    from google.protobuf import descriptor_pb2

    root = os.path.abspath(file)
    for _ in module.split("."):
        root = os.path.dirname(root)
    folders: set[tuple[str, ...]] = set()
    for described in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
        name = described.name.removesuffix(".proto").replace("-", "_").replace("/", ".")
        parts = name.split(".")[:-1]
        folders.update(tuple(parts[: n + 1]) for n in range(len(parts)))
    for parts in sorted(folders):
        path = os.path.join(root, *parts)
        if not os.path.isdir(path):
            continue
        package = importlib.import_module(".".join(parts))
        places = getattr(package, "__path__", None)
        if places is None:
            package.__path__ = [path]
        elif path not in places:
            places.append(path)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


# --- Sending ---------------------------------------------------------------------------------


class Packer:
    """Makes a message of a mapping, and the entries of what is no bytes in it."""

    def __init__(self, bus: Exporter) -> None:
        self._bus = bus
        self._entries: list[Entry] = []

    @property
    def entries(self) -> tuple[Entry, ...] | None:
        return tuple(self._entries) or None

    def pack(self, kind: Any, content: Any) -> bytes:
        """content is a message of the kind, or a mapping of its fields. Without a kind there are no
        bytes."""
        if kind is None:
            return b""
        if not isinstance(content, Mapping):
            return serialize(kind, content)
        message = kind()
        self._fill(message, content, 0)
        return serialize(kind, message)

    def _fill(self, message: Any, content: Mapping[str, Any], depth: int) -> None:
        if depth > MAX_DEPTH:
            raise BadMessage("the message nests too deeply")
        fields = message.DESCRIPTOR.fields_by_name
        for name in content:
            if name not in fields:
                raise ValueError(f"{message.DESCRIPTOR.full_name} has no field {name!r}")
        for name in content:
            if content[name] is not None:
                self._set(message, fields[name], content[name], depth)

    def _set(self, message: Any, field: Any, value: Any, depth: int) -> None:
        repeated = field.label == field.LABEL_REPEATED
        if field.message_type is None:
            if repeated:
                getattr(message, field.name).extend(value)
            else:
                setattr(message, field.name, value)
        elif field.message_type.GetOptions().map_entry:
            self._set_map(getattr(message, field.name), field.message_type, value, depth)
        elif repeated:
            for one in value:
                self._set_message(getattr(message, field.name).add(), one, depth)
        else:
            target = getattr(message, field.name)
            target.SetInParent()
            self._set_message(target, value, depth)

    def _set_map(self, target: Any, entry: Any, value: Mapping[Any, Any], depth: int) -> None:
        if entry.fields_by_name["value"].message_type is None:
            target.update(value)
            return
        for key in value:
            self._set_message(target[key], value[key], depth)

    def _set_message(self, target: Any, value: Any, depth: int) -> None:
        name = target.DESCRIPTOR.full_name
        if name == "ipc.Object":
            target.id = self._object(value)
        elif name == "ipc.Fd":
            target.fd = self._fd(value)
        elif name == "ipc.Memory":
            target.fd.fd = self._fd(value)
        elif isinstance(value, Mapping):
            self._fill(target, value, depth + 1)
        else:
            target.CopyFrom(value)

    def _add(self, what: _core.Object | _core.Proxy | int) -> int:
        tag = len(self._entries) + 1
        self._entries.append((tag, what))
        return tag

    def _object(self, value: Any) -> int:
        if isinstance(value, (_core.Object, _core.Proxy)):
            return self._add(value)
        proxy = getattr(value, "_proxy", None)
        if proxy is not None:
            return self._add(proxy)
        if not hasattr(value, "ACCEPT_FDS"):
            raise TypeError(f"{value!r} is no client, service or object")
        return self._add(self._bus.make_object(value))

    def _fd(self, value: FdLike) -> int:
        return self._add(value if isinstance(value, int) else value.fileno())


@functools.lru_cache(maxsize=None)
def _may_have_text(descriptor: Any) -> bool:
    seen, todo = set(), [descriptor]
    while todo:
        kind = todo.pop()
        if kind in seen:
            continue
        seen.add(kind)
        if any(field.type == field.TYPE_STRING for field in kind.fields):
            return True
        todo.extend(field.message_type for field in kind.fields if field.message_type)
    return False


def _has_nul(message: Any) -> bool:
    """Whether a string in the message has a NUL byte, which no string of C can have."""
    if not _may_have_text(message.DESCRIPTOR):
        return False
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        if isinstance(value, Mapping):
            values = [*value, *value.values()]
        else:
            values = value if field.label == field.LABEL_REPEATED else [value]
        for each in values:
            if isinstance(each, str):
                if "\0" in each:
                    return True
            elif hasattr(each, "ListFields") and _has_nul(each):
                return True
    return False


def serialize(kind: Any, message: Any) -> bytes:
    if not isinstance(message, kind):
        raise TypeError(f"{message!r} is no {kind.DESCRIPTOR.full_name}")
    try:
        data: bytes = message.SerializeToString()
    except Exception as error:  # protobuf's EncodeError
        raise InvalidArgument(str(error)) from None
    if b"\0" in data and _has_nul(message):
        raise InvalidArgument(f"{kind.DESCRIPTOR.full_name}: a string has a NUL byte")
    return data


def choose(method: Method, request: Any, fields: Mapping[str, Any] | None) -> Any:
    """The request itself, or its fields."""
    if request is None:
        return fields or {}
    if fields:
        raise TypeError(f"{method.name} takes a request or its fields, not both")
    return request


def pack_plain(kind: Any, content: Any) -> bytes:
    """The bytes of a message that has neither objects nor files."""
    if isinstance(content, Mapping):
        content = kind(**content)
    return serialize(kind, content)


def pack_request(
    bus: Exporter, method: Method, request: Any, fields: Mapping[str, Any] | None
) -> tuple[bytes, tuple[Entry, ...] | None]:
    """The bytes and entries of a call of the method."""
    content = choose(method, request, fields)
    if method.request_holds:
        packer = Packer(bus)
        return packer.pack(method.request, content), packer.entries
    return b"" if method.request is None else pack_plain(method.request, content), None


def reply(bus: Exporter, call: _core.Call, method: Method, content: Any) -> None:
    """Sends what a handler returned."""
    if method.reply is None:
        if content is not None:
            raise TypeError(f"{method.name} has no reply, but its handler returned {content!r}")
        call.reply(b"", None)
    elif content is None:
        raise TypeError(f"the handler of {method.name} returned None")
    elif method.reply_holds:
        packer = Packer(bus)
        data = packer.pack(method.reply, content)
        call.reply(data, packer.entries)
    else:
        call.reply(pack_plain(method.reply, content), None)


# --- Receiving -------------------------------------------------------------------------------


# One of protobuf's implementations only warns of a malformed field, and leaves out all that follows.
warnings.filterwarnings("error", "Unexpected end-group tag", RuntimeWarning)


def parse(kind: Any, name: str, message: Raw) -> Any:
    """Raises ``BadMessage``."""
    problem: Exception | None = None
    try:
        with message.data as view:
            parsed = kind.FromString(view)
        if parsed.IsInitialized():  # It has its required fields.
            return parsed
    except Exception as error:  # protobuf's DecodeError
        problem = error
    full_name = kind.DESCRIPTOR.full_name
    raise BadMessage(f"{name}: the message is not a valid {full_name}") from problem


class Item:
    """A received message of a stream. What came along and was not taken ends with it."""

    __slots__ = ("_bytes", "_what", "entries")

    def __init__(
        self,
        received: tuple[bytes, tuple[tuple[int, int, _core.Object | _core.Proxy | int | None], ...]],
    ) -> None:
        self._bytes, entries = received
        self.entries = tuple((tag, kind) for tag, kind, _ in entries)
        self._what: list[Any] = [what for _, _, what in entries]

    def __bytes__(self) -> bytes:
        return self._bytes

    @property
    def data(self) -> memoryview:
        return memoryview(self._bytes)

    def take(self, index: int) -> _core.Object | _core.Proxy | int:
        what: _core.Object | _core.Proxy | int | None = self._what[index]
        if what is None:
            raise NotFound("the object ended, or it was taken")
        self._what[index] = None
        return what

    def release(self) -> None:
        for what in self._what:
            if isinstance(what, int):
                os.close(what)
        self._what.clear()

    def __del__(self) -> None:
        self.release()


Raw = Union[_core.Message, _core.Call, Item]


class Attachments:
    """The objects and files of a received message."""

    def __init__(self, bus: Any, raw: Raw, message: Any) -> None:
        self._bus = bus
        self._raw = raw
        self._entries: dict[tuple[bool, int], list[int]] = {}
        self._unclaimed: dict[tuple[bool, int], int] = {}
        for index, (tag, kind) in enumerate(raw.entries):
            self._entries.setdefault((kind == _core.FD, tag), []).append(index)
        self._number(message, 0)

    def _number(self, message: Any, depth: int) -> None:
        """Checks that each object and file that a field names came along."""
        if depth > MAX_DEPTH:
            raise BadMessage("the message nests too deeply")
        name = message.DESCRIPTOR.full_name
        if name == "ipc.Object":
            if message.id:
                self._check(False, message.id)
            return
        if name == "ipc.Fd":
            self._check(True, message.fd)
            return
        for field, value in message.ListFields():
            for one in _messages(field, value):
                self._number(one, depth + 1)

    def _check(self, is_fd: bool, tag: int) -> None:
        """Each field has an entry of its own."""
        unclaimed = self._unclaimed.get((is_fd, tag))
        if unclaimed is None:
            unclaimed = len(self._entries.get((is_fd, tag), ()))
        if not unclaimed:
            what = "file" if is_fd else "object"
            raise BadMessage(f"a field names the {what} {tag}, which did not come along")
        self._unclaimed[is_fd, tag] = unclaimed - 1

    def _take(self, is_fd: bool, tag: int) -> Any:
        indices = self._entries.get((is_fd, tag))
        if not indices:
            raise NotFound("the field is empty, or what was in it was taken")
        return self._raw.take(indices.pop(0))

    def fd(self, field: Any) -> int:
        """Takes the file descriptor of a field of the type ipc.Fd. The caller closes it."""
        fd: int = self._take(True, field.fd)
        return fd

    def object(self, field: Any, kind: int, other: str) -> Any:
        indices = self._entries.get((False, field.id))
        if indices and self._raw.entries[indices[0]][1] != kind:
            raise Error(f"the object belongs to {other} process", code=errno.EXDEV)
        return self._take(False, field.id)


def _messages(field: Any, value: Any) -> Iterable[Any]:
    """The messages in a field."""
    kind = field.message_type
    if kind is None:
        return ()
    if kind.GetOptions().map_entry:
        value = value.values() if kind.fields_by_name["value"].message_type else ()
    elif field.label != field.LABEL_REPEATED:
        value = (value,)
    messages: Iterable[Any] = value
    return messages


class _Attached:
    """What a request and a reply offer alike."""

    _attachments: Attachments | None
    _bus: Any

    def _attached(self) -> Attachments:
        if self._attachments is None:
            raise NotFound("the message contains neither objects nor files")
        return self._attachments

    def take_fd(self, field: Any) -> int:
        """Takes the file descriptor of a field of the type ipc.Fd. The caller closes it. Raises
        ``NotFound`` if it was taken."""
        return self._attached().fd(field)

    def take_file(self, field: Any, mode: str = "rb", **options: Any) -> IO[Any]:
        """Takes the file descriptor and opens it as a file object, as open() does."""
        fd = self._attached().fd(field)
        try:
            return os.fdopen(fd, mode, **options)
        except BaseException:
            os.close(fd)
            raise

    def take_memory(self, field: Any, writable: bool = False) -> Memory:
        """Takes the memory out of a field of the type ipc.Memory: see ``Memory.map()``."""
        return Memory.map(self._attached().fd(field.fd), writable)

    def take_object(self, field: Any) -> Any:
        """Takes the object of this process out of a field of the type ipc.Object, and returns its
        service. Raises ``NotFound`` if the field is empty, or the object ended or was taken, and
        an ``Error`` with the code ``EXDEV`` if it belongs to another process."""
        return self._attached().object(field, _core.OBJECT, "another").owner

    def take(self, field: Any, kind: Callable[[Any, _core.Proxy], C]) -> C:
        """Takes the object of another process out of a field of the type ipc.Object, as a client of
        that kind. Raises ``NotFound`` if the field is empty or the object was taken, and an
        ``Error`` with the code ``EXDEV`` if it belongs to this process."""
        return kind(self._bus, self._attached().object(field, _core.PROXY, "this"))


class Context(_Attached, BaseContext):
    """A call that is served: who calls, until when they wait, and what came with the request."""

    def __init__(self, bus: Any, call: _core.Call | _core.Stream) -> None:
        super().__init__(call)
        self._bus = bus
        self._attachments = None
        self._fds: list[int] = []

    def close_later(self, fd: int) -> None:
        """Closes a file descriptor when the reply with it was sent, or the handler failed."""
        self._fds.append(fd)

    def _request(self, method: Method, raw: Raw) -> Any:
        message = parse(method.request, method.name, raw)
        if method.request_holds:
            self._attachments = Attachments(self._bus, raw, message)
        return message

    def _end(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


class Received(_Attached, Generic[M]):
    """A reply with objects or files. Its fields are attributes; ``message`` is always the
    message itself. As a context it ends with release().

    A field with the name of a method hides the method. Call it through the class then:
    ``Received.take(reply, reply.seat, Seat)``. A copy has the same objects and files, so
    release() of one releases the other."""

    def __init__(self, bus: Any, raw: _core.Message | Item, message: M) -> None:
        self._bus = bus
        self._raw = raw
        self.message = message
        self._attachments = Attachments(bus, raw, message)

    def __getattribute__(self, name: str) -> Any:
        if name != "message" and not name.startswith("_"):
            message: Any = self.message
            if name in message.DESCRIPTOR.fields_by_name:
                return getattr(message, name)
        return object.__getattribute__(self, name)

    def __copy__(self: R) -> R:
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("what came along cannot be copied or pickled; the message itself can")

    def __enter__(self: R) -> R:
        return self

    def __exit__(self, *args: object) -> None:
        Received.release(self)

    def release(self) -> None:
        """Gives the memory back, and closes the files that were not taken."""
        self._raw.release()


R = TypeVar("R", bound=Received[Any])


def receive_reply(bus: Any, method: Method, raw: _core.Message | Item) -> Any:
    """What a client gets of a reply: the message, or one with what came along."""
    message = parse(method.reply, method.name, raw)
    return Received(bus, raw, message) if method.reply_holds else message


# --- Serving ---------------------------------------------------------------------------------


class BaseService(ServiceSettings):
    """What the bases of generated services have alike."""

    INTERFACE: Interface

    def _interface(self) -> str | None:
        return self.INTERFACE.name

    def _method(self, code: int) -> str:
        """The method with that number, for a log."""
        method = self.INTERFACE.by_code.get(code)
        return f"{self.INTERFACE.name}{f'/{method.name}' if method else f' method {code}'}"

    def _unimplemented(self, method: Method) -> Unimplemented:
        return Unimplemented(f"{self.INTERFACE.name}.{method.name} is not implemented")
