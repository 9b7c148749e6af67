# SPDX-License-Identifier: MIT
# The byte layer. Programs use ipcbus.aio and ipcbus.sync. python/core/core.h has the rules for
# threads and the GIL. All times are in microseconds. Every function may raise ipcbus.Error.
from collections.abc import Callable
from typing import Any, Literal, Union, overload

from .errors import Error

ACCEPT_FDS: int
OBJECT: int
PROXY: int
FD: int
REGION_DEFAULT: int
NUMBER_PING: int
NUMBER_DESCRIBE: int
NUMBER_DUMP: int
NUMBER_STREAM: int
REPLACE: int
DETACHED: int
OBJECT_LABEL: int
NAME_PRESENT: int
NAME_GONE: int
NAME_SETTLED: int
NAME_REPLACE: int
NAME_QUEUE: int
REGISTRATION_ACQUIRED: int
REGISTRATION_LOST: int
REGISTRATION_FAILED: int
NEVER: int

_Data = Union[bytes, bytearray, memoryview, "Message", "Call", None]
_Entries = Union[tuple[tuple[int, Union["Object", "Proxy", int]], ...], None]
_Metadata = Union[tuple[str, ...], None]
_Done = Callable[[Any, Any], object]

def set_error_factory(factory: Callable[..., BaseException], /) -> None: ...
def close_all() -> None: ...
def message_bytes(payload: _Data, /) -> bytes: ...

# callback(priority of syslog(3), text, perhaps an exception): process-wide.
def set_log(callback: Callable[..., object], /) -> None: ...
# As ipc_printable() of the C library makes it, up to a null character.
def printable(text: str, /) -> str: ...
# Makes end() of a cancellation() end calls, opened streams and functions of names that this thread
# begins from now on, on the connection of the cancellation. Returns the one that the thread had.
def set_cancellation(slot: Slot | None, /) -> Slot | None: ...

class Slot:
    # The callback does not begin any more. Cancels a call whose reply did not arrive, the opening
    # of a stream, or a cancellation().
    def end(self) -> None: ...
    # Of a cancellation(): whether end() was called, or the connection was closed.
    @property
    def canceled(self) -> bool: ...

# A reply: a read-only buffer over the region.
class Message:
    @property
    def data(self) -> memoryview: ...
    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...
    @property
    def entries(self) -> tuple[tuple[int, int], ...]: ...
    def take(self, index: int, /) -> Union["Object", "Proxy", int]: ...
    # Raises BufferError if a memoryview of it is in use.
    def release(self) -> None: ...

class Call:
    @property
    def data(self) -> memoryview: ...
    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...
    @property
    def method(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def label(self) -> str | None: ...
    def pidfd(self) -> int: ...
    @property
    def remaining(self) -> int: ...
    @property
    def is_canceled(self) -> bool: ...
    @property
    def oneway(self) -> bool: ...
    @property
    def replied(self) -> bool: ...
    @property
    def entries(self) -> tuple[tuple[int, int], ...]: ...
    def take(self, index: int, /) -> Union["Object", "Proxy", int]: ...
    def metadata(self, name: str, /) -> str | None: ...
    def reply(self, data: _Data, entries: _Entries, /) -> None: ...
    def error(
        self, code: int, number: int, name: str | None, text: str | None, details: bytes, /
    ) -> None: ...
    # Raises Canceled if no reply is needed any more. Returns False for a oneway.
    def on_cancel(self, callback: Callable[[], object], /) -> bool: ...
    # Ends it as close() does, and counts a discarded oneway.
    def refuse(self) -> None: ...
    def release(self) -> None: ...

class Stream:
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def label(self) -> str | None: ...
    @property
    def remaining(self) -> int: ...
    @property
    def is_canceled(self) -> bool: ...
    def metadata(self, name: str, /) -> str | None: ...
    def watch(self, callback: Callable[[], object], /) -> None: ...
    # After the timeout, send() raises WouldBlock. If timeout is 0, it does not wait. On the main
    # thread, signal handlers of Python run during the wait; an exception in a handler ends the
    # wait. receive() does the same.
    def send(self, data: _Data, entries: _Entries, timeout: int, /) -> None: ...
    # Returns None at the end; otherwise the data, and for each entry its tag, kind and value.
    def receive(self, timeout: int, /) -> tuple[
        bytes, tuple[tuple[int, int, Union["Object", "Proxy", int, None]], ...]
    ] | None: ...
    def end(self) -> None: ...
    def error(
        self, code: int, number: int, name: str | None, text: str | None, details: bytes, /
    ) -> None: ...
    def cancel(self) -> None: ...
    def release(self) -> None: ...

class Object:
    @property
    def id(self) -> int: ...
    @property
    def owner(self) -> Any: ...
    # This process drops its reference. The object ends when no process refers to it any more.
    def close(self) -> None: ...
    # Ends the object for all processes, and unregisters its names.
    def end(self) -> None: ...

class Proxy:
    @property
    def id(self) -> int: ...
    @property
    def connection(self) -> Connection: ...
    def call(
        self,
        method: int,
        data: _Data,
        entries: _Entries,
        flags: int,
        timeout: int,
        metadata: _Metadata,
        parent: Call | Stream | None,
        /,
    ) -> Message: ...
    def call_async(
        self,
        method: int,
        data: _Data,
        entries: _Entries,
        flags: int,
        timeout: int,
        metadata: _Metadata,
        parent: Call | Stream | None,
        callback: Callable[[Message | None, Error | None], object],
        /,
    ) -> Slot: ...
    def oneway(
        self,
        method: int,
        data: _Data,
        entries: _Entries,
        flags: int,
        timeout: int,
        metadata: _Metadata,
        parent: Call | Stream | None,
        /,
    ) -> None: ...
    def open(
        self,
        method: int,
        flags: int,
        timeout: int,
        metadata: _Metadata,
        parent: Call | Stream | None,
        window: int,
        /,
    ) -> Stream: ...
    def open_async(
        self,
        method: int,
        flags: int,
        timeout: int,
        metadata: _Metadata,
        parent: Call | Stream | None,
        window: int,
        callback: Callable[[Stream | None, Error | None], object],
        /,
    ) -> Slot: ...
    def on_death(self, callback: Callable[[], object], /) -> Slot: ...

class Connection:
    def __init__(self, path: str | None = ..., region_size: int = ..., /) -> None: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def fileno(self) -> int: ...
    # Serves at most that many events, and after stop() a single event. Returns whether more may be
    # pending.
    def process(self, most: int, /) -> bool: ...
    # Ends process() on other threads, or around the calling handler, after the running handler.
    def stop(self) -> None: ...
    # See set_cancellation().
    def cancellation(self) -> Slot: ...
    # Functions of names. With a callback, they return at once; callback(result, exception) then
    # runs once on a serving thread, unless Slot.end() comes first. Without one, they block.
    # register() returns False if the object is in the queue of the name. If it fails, the caller must
    # end the object, because the service manager may know it already.
    @overload
    def register(self, name: str, object: Object, flags: int, callback: None, /) -> bool: ...
    @overload
    def register(self, name: str, object: Object, flags: int, callback: _Done, /) -> Slot: ...
    @overload
    def unregister(self, name: str, callback: None, /) -> bool: ...
    @overload
    def unregister(self, name: str, callback: _Done, /) -> Slot: ...
    # If timeout is None, it does not wait for the name. With an interface, it raises
    # InterfaceMismatch if the object has another interface.
    @overload
    def get(
        self, name: str, timeout: int | None, interface: str | None, callback: None, /
    ) -> Proxy: ...
    @overload
    def get(
        self, name: str, timeout: int | None, interface: str | None, callback: _Done, /
    ) -> Slot: ...
    @overload
    def check(self, name: str, callback: None, /) -> tuple[str, str, int, int]: ...
    @overload
    def check(self, name: str, callback: _Done, /) -> Slot: ...
    @overload
    def list(self, pattern: str, callback: None, /) -> list[tuple[str, str, int, int]]: ...
    @overload
    def list(self, pattern: str, callback: _Done, /) -> Slot: ...
    # If blocks is false, it returns at once; callback(0, error or None, None) then reports the
    # result.
    @overload
    def watch(
        self,
        pattern: str,
        callback: Callable[[int, tuple[str, str, int, int] | None, Proxy | None], object],
        blocks: Literal[True],
        /,
    ) -> Slot: ...
    @overload
    def watch(
        self,
        pattern: str,
        callback: Callable[[int, tuple[str, str, int, int] | Error | None, Proxy | None], object],
        blocks: Literal[False],
        /,
    ) -> Slot: ...
    def on_registration(
        self, callback: Callable[[str, int, Exception | None], object], /
    ) -> Slot: ...
    def on_writable(self, callback: Callable[[], object], /) -> Slot: ...
    # Opens the bus again after its end. callback(False) runs when it has ended, callback(True) when
    # it is back.
    def set_reconnect(self, callback: Callable[[bool], object], /) -> Slot: ...
    def set_timeout(self, usec: int, /) -> None: ...
    def object(
        self,
        interface: str | None,
        flags: int,
        serve: Callable[[Call], object],
        owner: object,
        stream: Callable[[Stream, int], object] | None,
        features: int,
        window: int,
        /,
    ) -> Object: ...

# <ipc/test.h>. Functions raise ValueError after free().
class TestBus:
    def __new__(
        cls,
        flags: int,
        ipcbusd: str | None,
        servicemanager: str | None,
        parameters: tuple[str, ...],
        manager_arguments: tuple[str, ...],
        /,
    ) -> TestBus: ...
    @property
    def path(self) -> str: ...
    @property
    def pid(self) -> int: ...
    def advance(self, usec: int, /) -> int: ...
    def wait_calls(self, n: int, /) -> int: ...
    def fail_memory(self, nth: int, pid: int, /) -> int: ...
    # Raises RuntimeError while another thread uses the bus.
    def free(self) -> None: ...
