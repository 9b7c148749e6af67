# SPDX-License-Identifier: MIT
"""ipcbus for threads: each call blocks its thread until the reply.

Any thread may call any method at any time. Blocking calls run without the GIL. If Ctrl-C is pressed
while the main thread waits in a call, the call ends and is canceled at the server. If it waits for
a stream, the wait ends within 0.1 s and the stream can still be used. Other signal handlers run
during the wait. If a handler raises, the wait ends with that exception; otherwise the wait
continues.

``Connection.run()`` serves. Handlers and callbacks run on the thread that called it, one after
another. If one raises KeyboardInterrupt or SystemExit, ``run()`` ends; other exceptions of
callbacks are logged. Several threads may serve at the same time. If a called server calls back,
that handler runs on the thread that waits for the reply. Each handler of a method with streams runs
on its own thread; its exceptions end only the stream.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import select
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import AsyncGeneratorType, CoroutineType, TracebackType
from typing import Any, Generic, TypeVar

from . import _core, stubs
from ._base import (
    Buffer,
    Entry,
    NameChange,
    NameInfo,
    RegistrationEvent,
    BaseProxy,
    BaseRawService,
    RawRequest,
    Unique,
    check_callback,
    check_kind,
    check_service,
    end_call,
    end_stream,
    naming,
    reply_raw,
    this_process,
    to_changed,
    to_limit,
    to_metadata,
    to_name_wait,
    to_register_flags,
    to_usec,
    to_wait,
    to_window,
)
from ._base import Slot as Slot
from .errors import NoReply
from .stubs import Context as Context
from .stubs import Received as Received

T = TypeVar("T")
Req = TypeVar("Req")
Rep = TypeVar("Rep")

# Maximum number of events that are served before run() looks for stop(), or process() returns.
_AT_ONCE = 64
_parent: contextvars.ContextVar[_core.Call | _core.Stream | None] = contextvars.ContextVar(
    "ipcbus parent", default=None
)
_local = threading.local()


@contextlib.contextmanager
def _serving(call: _core.Call | _core.Stream) -> Iterator[None]:
    """Makes calls in its block depend on the call or stream that the thread serves."""
    before = _parent.set(call)
    try:
        yield
    finally:
        _parent.reset(before)


class Cancellation:
    """Ends calls, streams and functions of names early::

        stop = Cancellation(bus)
        with stop:
            echo.Say(text="hello")

    In this block, calls of the thread on the connection, streams that it opens and functions of
    names end with ``cancel()`` and raise ``Canceled``. Any number of threads may use a Cancellation
    at the same time, again, and within others. The innermost block counts."""

    def __init__(self, bus: Connection) -> None:
        self._slot = bus._connection.cancellation()

    def cancel(self) -> None:
        """Cancels it, for good, and does not wait. Any thread may call it. Servers are notified. A
        call whose reply has arrived keeps it. Calls that begin later raise ``Canceled``."""
        self._slot.end()

    def is_canceled(self) -> bool:
        """Whether ``cancel()`` was called or the connection was closed."""
        return self._slot.canceled

    def __enter__(self) -> Cancellation:
        contexts = _local.__dict__.setdefault("contexts", [])
        contexts.append(_core.set_cancellation(self._slot))
        return self

    def __exit__(self, *args: object) -> None:
        _core.set_cancellation(_local.contexts.pop())


class Proxy(BaseProxy):
    """An object of another process. Calls from a handler are made for the handler's call: they
    end with it, and have no later deadline. For calls on another thread, run the function in a copy
    of the handler's context: ``pool.submit(contextvars.copy_context().run, function)``."""

    _bus: Connection

    @property
    def connection(self) -> Connection:
        return self._bus

    def call(
        self,
        method: int,
        data: Buffer = b"",
        *,
        entries: tuple[Entry, ...] | None = None,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        accept_fds: bool = False,
        detached: bool = False,
    ) -> _core.Message:
        """Calls the method with this number and blocks until the reply. timeout is in seconds; None
        is the connection's, ``math.inf`` none. With accept_fds the reply may contain
        files. With detached the call does not depend on the call or stream that the thread serves.
        Raises an ``Error``."""
        return self._proxy.call(
            method,
            data,
            entries,
            (_core.ACCEPT_FDS if accept_fds else 0) | (_core.DETACHED if detached else 0),
            to_usec(timeout),
            to_metadata(metadata),
            None if detached else _parent.get(),
        )

    def oneway(
        self,
        method: int,
        data: Buffer = b"",
        *,
        entries: tuple[Entry, ...] | None = None,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        replace: bool = False,
        detached: bool = False,
    ) -> None:
        """Sends a message without a reply. Returns when the message is queued. If the receiver has
        no space, blocks for at most timeout seconds; without timeout raises ``WouldBlock``. With
        replace the message replaces an earlier one of the same method to this object that this
        connection also sent with replace and that is still queued. detached has no effect: a oneway never depends on the call or stream
        that the thread serves. A reply is not ordered with oneways that were sent before it."""
        flags = _core.REPLACE if replace else 0
        wait = 0 if timeout is None else to_wait(timeout)
        self._proxy.oneway(method, data, entries, flags, wait, to_metadata(metadata), None)

    def ping(self, *, timeout: float | None = None) -> None:
        """Returns when the object's process has served the ping."""
        self.call(_core.NUMBER_PING, timeout=timeout).release()

    def on_death(self, callback: Callable[[], object]) -> Slot:
        """Calls callback once, on a serving thread, when the object is dead: its process has
        ended it, or died, or the bus has ended. If it is dead already, calls callback soon.
        ``Slot.end()`` ends the watch earlier."""
        check_callback(callback)
        return Slot(self._proxy.on_death(callback))


class TypedProxy(Proxy):
    """The base of generated proxies. A method takes a request, a mapping of its fields, or its
    fields as keywords. With detached=True its call or stream does not depend on the call or stream
    that the thread serves. A handler uses that to clean up after its own call has ended."""

    INTERFACE: stubs.Interface

    def _invoke(
        self,
        method: stubs.Method,
        request: Any,
        fields: Mapping[str, Any] | None,
        timeout: float | None,
        metadata: Mapping[str, str] | None,
        detached: bool = False,
    ) -> Any:
        data, entries = stubs.pack_request(self._bus, method, request, fields)
        reply = self.call(
            method.number,
            data,
            entries=entries,
            timeout=method.timeout if timeout is None else timeout,
            metadata=metadata,
            accept_fds=True,
            detached=detached,
        )
        if method.reply is None:
            return None
        return stubs.receive_reply(self._bus, method, reply)

    def _stream(
        self,
        method: stubs.Method,
        request: Any,
        fields: Mapping[str, Any] | None,
        timeout: float | None,
        metadata: Mapping[str, str] | None,
        detached: bool = False,
        window: int | None = None,
    ) -> Stream[Any, Any]:
        content = None if method.sends else stubs.choose(method, request, fields)
        return Stream(self, method, content, timeout, metadata, detached, window)

    def _send(
        self,
        method: stubs.Method,
        request: Any,
        fields: Mapping[str, Any] | None,
        timeout: float | None,
        metadata: Mapping[str, str] | None,
        detached: bool = False,
    ) -> None:
        data, entries = stubs.pack_request(self._bus, method, request, fields)
        self.oneway(method.number, data, entries=entries, timeout=timeout, metadata=metadata)


C = TypeVar("C", bound=TypedProxy)


class Stream(Unique, Generic[Req, Rep]):
    """The client's side of a method with streams. It is an iterator of the replies::

        with clock.Ticks(count=3) as ticks:
            for tick in ticks:
                print(tick.number)

    At the end of ``with``, or when the last reference to the Stream is gone, an open stream is
    canceled together with the server's handler. A thread may send while another thread receives.
    """

    def __init__(
        self,
        client: TypedProxy,
        method: stubs.Method,
        content: Any,
        timeout: float | None,
        metadata: Mapping[str, str] | None,
        detached: bool = False,
        window: int | None = None,
    ) -> None:
        self._client = client
        self._method = method
        limit = to_usec(method.timeout if timeout is None else timeout)
        self._stream = client._proxy.open(
            method.number,
            _core.DETACHED if detached else 0,
            limit,
            to_metadata(metadata),
            None if detached else _parent.get(),
            to_window(window),
        )
        self._ended = not method.sends
        self._finished = False
        if not method.sends:
            self._send(content, to_wait(stubs.REQUEST_WAIT))
            stubs.end_requests(self._stream)

    def __del__(self) -> None:
        self.cancel()

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *args: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Ends both directions on both sides."""
        stream = getattr(self, "_stream", None)
        if stream is not None:
            stream.cancel()

    def _send(self, content: Any, wait_usec: int = _core.NEVER) -> None:
        packer = stubs.Packer(self._client._bus)
        data = packer.pack(self._method.request, content)
        self._stream.send(data, packer.entries, wait_usec)

    def send(
        self, request: Req | Mapping[str, Any] | None = None, /, **fields: Any
    ) -> None:
        """Sends a request, a mapping of its fields, or its fields. Blocks while the server has no
        space for another request. If the server ended the stream, raises its error, or ``Error``
        with ``errno.EPIPE``, as after end()."""
        stubs.check_sends(self._method)
        self._send(stubs.choose(self._method, request, fields))

    def end(self) -> None:
        """Ends the messages of the client. The server's iterator of requests then stops. A later
        end() raises ``Error`` with ``errno.EALREADY``; receive() and finish() continue."""
        self._ended = True
        self._stream.end()

    def __iter__(self: S) -> S:
        return self

    def __next__(self) -> Rep:
        reply = self.receive()
        if reply is None:
            raise StopIteration
        return reply

    def receive(self, *, timeout: float | None = None) -> Rep | None:
        """Blocks until the next message and returns it, or None at the end. If the stream ended with
        an error, raises it. If none arrives within timeout seconds, raises
        ``WouldBlock``; the stream stays open, and a later receive() may get the message. With 0 the
        function returns a message only if it has arrived. ``DeadlineExceeded`` means that the
        timeout of the stream itself expired. If the method has a single reply and the
        messages of the client have not ended, a timeout is needed: ``InvalidArgument``."""
        stubs.check_receives(self._method, self._ended or timeout is not None)
        received = self._stream.receive(to_wait(timeout))
        if received is None:
            return None
        item = stubs.Item(received)
        reply: Rep = stubs.receive_reply(self._client._bus, self._method, item)
        return reply

    def finish(self) -> Rep:
        """Ends the messages of the client and returns the only reply of a method without a stream
        of replies. Raises ``NoReply`` if there is none, and ``Error`` with ``errno.EALREADY`` if
        finish() has returned it before."""
        stubs.check_unfinished(self._method, self._finished)
        self._ended = True
        stubs.end_requests(self._stream)
        reply = self.receive()
        if reply is None:
            raise NoReply(f"{self._method.name} ended without a reply")
        self._finished = True
        return reply


S = TypeVar("S", bound=Stream[Any, Any])


class RawService(BaseRawService):
    """An implementation that receives bytes. Derive from it and define ``serve``."""

    def serve(self, request: RawRequest) -> Buffer | tuple[Buffer, tuple[Entry, ...]] | None:
        """Serves a call or oneway. Returns the bytes of the reply, or a tuple of bytes and entries.
        An exception is reported to the caller."""
        raise NotImplementedError

    def _serve(self, bus: Connection, call: _core.Call) -> None:
        reply_raw(call, _plain(self, "serve", self.serve(RawRequest(bus, call))))


class Service(stubs.BaseService):
    """The base of generated services. A handler gets the request and a ``Context``, and returns the
    reply or a mapping of its fields. With streams, it gets an iterator of requests and returns an
    iterable of replies. An exception is reported to the caller."""

    def _serve(self, bus: Connection, call: _core.Call) -> None:
        if call.method == _core.NUMBER_DESCRIBE and not call.oneway:
            call.reply(self.INTERFACE.describe(), None)
            return
        method = self.INTERFACE.find(call)
        handler = getattr(self, method.attribute)
        context = Context(bus, call)
        try:
            if method.request is None:
                reply = handler(context)
            else:
                reply = handler(context._request(method, call), context)
            _plain(self, method.attribute, reply)
            if not method.oneway:
                stubs.reply(bus, call, method, reply)
        finally:
            context._end()

    def _serve_stream(self, bus: Connection, stream: _core.Stream, number: int) -> None:
        method = self.INTERFACE.find_stream(number)
        handler = getattr(self, method.attribute)
        context = Context(bus, stream)
        try:
            requests = _Requests(stream, method, context)
            if method.sends:
                result = handler(requests, context)
            elif method.request is None:
                # An empty message, as the request of a method without a request.
                stream.receive(_core.NEVER)
                result = handler(context)
            else:
                request = next(requests, None)
                if request is None:
                    raise NoReply(f"{method.name} was opened without a request")
                result = handler(request, context)
            _plain(self, method.attribute, result)
            if method.pushes and not isinstance(result, Iterable):
                raise TypeError(
                    f"{type(self).__name__}.{method.attribute} has a stream of replies: it must be "
                    "a generator, which yields them"
                )
            for reply in result if method.pushes else (result,):
                packer = stubs.Packer(bus)
                data = packer.pack(method.reply, reply)
                stream.send(data, packer.entries, _core.NEVER)
            stream.end()
        finally:
            context._end()


def _plain(service: Service | RawService, handler: str, result: T) -> T:
    if isinstance(result, (CoroutineType, AsyncGeneratorType)):
        if isinstance(result, CoroutineType):
            result.close()
        raise TypeError(
            f"{type(service).__name__}.{handler} must be a plain function (def, without async)"
        )
    return result


class _Requests(Iterator[Any]):
    """The requests of a stream. An error does not end them, as it would end a generator: the next
    request can still be received."""

    def __init__(self, stream: _core.Stream, method: stubs.Method, context: Context) -> None:
        self._stream = stream
        self._method = method
        self._context = context

    def __next__(self) -> Any:
        received = self._stream.receive(_core.NEVER)
        if received is None:
            raise StopIteration
        return self._context._request(self._method, stubs.Item(received))


class Connection(Unique):
    """A connection to a bus.

    ``with Connection() as bus`` opens and closes it. path is the path of a bus; None is the default
    bus, see ipc_open() in <ipc/ipc.h>. region_size is the number of bytes of received messages that
    may wait here. timeout is the timeout in seconds of calls without their own; None is no
    timeout.

    With reconnect, the connection survives the end of ipcbusd, and opens the bus again when ipcbusd
    is back: see ipc_set_reconnect() in <ipc/admin.h>. Services, their names, and proxies found by
    name remain valid. Calls, streams and other proxies end. If reconnect is a function, a serving
    thread calls it with False when the bus has ended, and with True when the bus is back.
    """

    _Proxy = Proxy

    def __init__(
        self,
        path: str | None = None,
        *,
        region_size: int = _core.REGION_DEFAULT,
        timeout: float | None = None,
        reconnect: bool | Callable[[bool], object] = False,
    ) -> None:
        self._connection = _core.Connection(path, region_size)
        if timeout is not None:
            self._connection.set_timeout(to_limit(timeout))
        if reconnect:
            self._connection.set_reconnect(to_changed(reconnect))
        self._process_id = this_process()
        self._stopped, self._stop = os.pipe()
        os.set_blocking(self._stop, False)

    def __enter__(self: B) -> B:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_stop"):
            os.close(self._stopped)
            os.close(self._stop)

    def close(self) -> None:
        """Closes the connection. ``run()`` returns. Waits on other threads raise ``Canceled``,
        except for a oneway that waits for space until its timeout. Objects and their names then
        end. After fork(), close() in the child does not affect the parent's connection."""
        self.stop()
        self._connection.close()

    # --- Serving -----------------------------------------------------------------------------

    def fileno(self) -> int:
        """Returns a file descriptor that is readable when events are pending. The connection
        still owns it."""
        return self._connection.fileno()

    def process(self) -> None:
        """Serves pending events without waiting, at most 64. If more are pending, ``fileno()``
        stays readable."""
        self._connection.process(_AT_ONCE)

    def run(self) -> None:
        """Serves until ``stop()`` or ``close()``, or raises an error such as ``BusEnded``. Signal
        handlers of Python run while it waits."""
        poll = select.poll()
        poll.register(self._stopped, select.POLLIN)
        poll.register(self.fileno(), select.POLLIN)
        while not self._connection.closed:
            if any(fd == self._stopped for fd, _ in poll.poll()):
                return
            if not self._connection.closed:
                self.process()

    def stop(self) -> None:
        """Makes ``run()`` return on all threads as soon as their handlers have returned; a later
        ``run()`` returns at once. May be called in a signal handler. Does nothing in a child after
        fork(), which shares the pipe with its parent."""
        if this_process() == self._process_id:
            self._connection.stop()
            with contextlib.suppress(BlockingIOError):
                os.write(self._stop, b"\0")

    def make_object(self, service: Service | RawService) -> _core.Object:
        """Makes an object of an implementation, to be sent in a field of a message or as an
        entry, also more than once. ``register()`` takes it directly. The object lives as long as
        this process has references to it or other processes have proxies."""
        check_service(service, Service, RawService)
        flags = _core.ACCEPT_FDS if service.ACCEPT_FDS else 0

        def serve(call: _core.Call) -> None:
            try:
                with _serving(call):
                    service._serve(self, call)
            except BaseException as error:
                end_call(call, error, service)
                # Ctrl-C and sys.exit() must also end the function that serves.
                if not isinstance(error, Exception):
                    raise
            finally:
                call.release()

        def run(stream: _core.Stream, number: int) -> None:
            assert isinstance(service, Service)
            try:
                with _serving(stream):
                    service._serve_stream(self, stream, number)
            except BaseException as error:
                end_stream(stream, error, service, number)
            finally:
                stream.release()

        def stream(stream: _core.Stream, number: int) -> None:
            # The handler blocks on the stream, so run it on its own thread to keep serving other
            # calls.
            threading.Thread(target=run, args=(stream, number), name="ipcbus", daemon=True).start()

        streams = stream if isinstance(service, Service) and service.INTERFACE.streams else None
        return self._connection.object(
            service._interface(),
            flags,
            serve,
            service,
            streams,
            service._features(),
            to_window(service.WINDOW),
        )

    # --- Names -------------------------------------------------------------------------------

    def get(self, kind: type[C], name: str) -> C:
        """Gets the object with a name: ``echo = bus.get(EchoSync, "demo.echo")``. Raises
        ``NotFound`` if no process has registered the name, and ``InterfaceMismatch`` if the object
        has another interface."""
        check_kind(kind, TypedProxy)
        return kind(self, self._connection.get(name, None, kind.INTERFACE.name, None))

    def wait(self, kind: type[C], name: str, *, timeout: float | None = None) -> C:
        """Waits until the name is registered, and gets the object. timeout is in seconds; None is
        no timeout, and 0 waits like get(). Raises ``DeadlineExceeded`` if no process registered the
        name in time, ``NoManager`` if the time is over and no service manager is running, and
        ``InterfaceMismatch`` as get() does."""
        check_kind(kind, TypedProxy)
        limit = to_name_wait(timeout)
        return kind(self, self._connection.get(name, limit, kind.INTERFACE.name, None))

    def get_raw(self, name: str) -> Proxy:
        """Like get(), for an object of any interface."""
        return Proxy(self, self._connection.get(name, None, None, None))

    def wait_raw(self, name: str, *, timeout: float | None = None) -> Proxy:
        """Like wait(), for an object of any interface."""
        return Proxy(self, self._connection.get(name, to_name_wait(timeout), None, None))

    def check_name(self, name: str) -> NameInfo:
        """Returns the interface and owner of a name. Raises ``NotFound`` if no
        process has registered the name."""
        return NameInfo(*self._connection.check(name, None))

    def list_names(self, pattern: str = "*") -> list[NameInfo]:
        """Lists the names that match pattern, sorted: a name, or a prefix followed by ``*``."""
        with naming("pattern", pattern):
            return [NameInfo(*info) for info in self._connection.list(pattern, None)]

    def watch_names(
        self, pattern: str, callback: Callable[[NameChange, NameInfo | None, Proxy | None], object]
    ) -> Slot:
        """Watches names. pattern is a name, or a prefix followed by ``*``. Calls callback on a
        serving thread: for each matching name that exists, once with ``SETTLED``, and then for each
        change. Calls do not overlap. The proxy is None if the name is gone, may not be called, or
        belongs to this connection."""
        check_callback(callback)

        def changed(
            change: int, info: tuple[str, str, int, int] | None, proxy: _core.Proxy | None
        ) -> None:
            callback(
                NameChange(change),
                None if info is None else NameInfo(*info),
                None if proxy is None else Proxy(self, proxy),
            )

        with naming("pattern", pattern):
            return Slot(self._connection.watch(pattern, changed, True))

    def register(
        self,
        name: str,
        service: Service | RawService,
        *,
        replace: bool = False,
        queue: bool = False,
    ) -> bool:
        """Registers an implementation under a name. If a living process has registered the name,
        raises ``NameTaken``. If that process belongs to the same user, replace and queue prevent
        this: with replace it loses the name; with queue the function returns False, and this object
        gets the name when the other registration ends. Raises ``PermissionDenied`` if the policy
        forbids the name."""
        flags = to_register_flags(replace, queue)
        exported = self.make_object(service)
        try:
            return self._connection.register(name, exported, flags, None)
        except BaseException:
            exported.end()
            raise

    def on_registration(
        self, callback: Callable[[str, RegistrationEvent, Exception | None], object]
    ) -> Slot:
        """Calls callback on a serving thread, with the name or the pattern of the watch, when this
        connection has acquired a name from the queue or lost a name, or when a registration or a
        watch could not be renewed at a new service manager. The exception is None except in the
        last case."""
        check_callback(callback)
        return Slot(
            self._connection.on_registration(
                lambda name, event, error: callback(name, RegistrationEvent(event), error)
            )
        )

    def unregister_name(self, name: str) -> None:
        """Ends this connection's own newest registration of a name, not that of another connection.
        Raises ``NotFound`` if there is none, or if the name was lost (``RegistrationEvent.LOST``)."""
        self._connection.unregister(name, None)


B = TypeVar("B", bound=Connection)
