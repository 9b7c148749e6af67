# SPDX-License-Identifier: MIT
"""ipcbus for asyncio.

A ``Connection`` belongs to the event loop in which it was opened. Its methods, and those of its
proxies and streams, must be called in that loop unless they say otherwise. In another loop they
raise RuntimeError. They do not block the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import inspect
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, TypeVar

from . import _core, stubs
from ._aio_stream import End
from ._aio_stream import Stream as Stream
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
from .errors import (
    Canceled,
    DeadlineExceeded,
    Error,
    NoReply,
    ServiceError,
    WouldBlock,
)
from .stubs import Context as Context
from .stubs import Received as Received

T = TypeVar("T")

# Maximum number of events that are served before other tasks of the loop run.
_AT_ONCE = 64
# The error of a call that close() ends.
_CLOSED = "the server closed its connection"


class Served:
    """A call or stream and the task that serves it. If the task was canceled because the caller no
    longer waits, calls that the task then makes to clean up do not depend on the served call."""

    def __init__(self, parent: _core.Call | _core.Stream) -> None:
        self.parent: _core.Call | _core.Stream | None = parent
        self.task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        self.parent = None
        if self.task is not None:
            self.task.cancel()


_current: contextvars.ContextVar[Served | None] = contextvars.ContextVar(
    "ipcbus call", default=None
)


def _parent() -> _core.Call | _core.Stream | None:
    served = _current.get()
    return None if served is None else served.parent


class Proxy(BaseProxy):
    """An object of another process. A call from a handler's task depends on the served call: it
    ends with the served call and has no later deadline. If the task was canceled because its caller
    no longer waits, new calls do not depend on the served call, so that the handler can clean up.
    """

    _bus: Connection

    @property
    def connection(self) -> Connection:
        return self._bus

    async def call(
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
        """Calls the method with this number and returns its reply.

        timeout is in seconds; None is the connection's, ``math.inf`` none. If the task is
        canceled, so is the call, and the server is notified. With accept_fds the reply may contain
        files. With detached the call never depends on the call or stream that the task serves.
        Raises an ``Error``.
        """
        message: _core.Message = await self._bus._reply(
            self._proxy.call_async,
            method,
            data,
            entries,
            (_core.ACCEPT_FDS if accept_fds else 0) | (_core.DETACHED if detached else 0),
            to_usec(timeout),
            to_metadata(metadata),
            None if detached else _parent(),
        )
        return message

    async def _open(
        self,
        method: int,
        timeout: int,
        metadata: tuple[str, ...] | None,
        detached: bool = False,
        window: int = 0,
    ) -> _core.Stream:
        stream: _core.Stream = await self._bus._reply(
            self._proxy.open_async,
            method,
            _core.DETACHED if detached else 0,
            timeout,
            metadata,
            None if detached else _parent(),
            window,
        )
        return stream

    async def oneway(
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
        """Sends a message without a reply. Returns when the message is queued.

        If the receiver has no space, waits for at most timeout seconds; without timeout raises
        ``WouldBlock``. With replace the message replaces an earlier one of the same method to
        this object that this connection also sent with replace and that is still queued. detached has no effect: a oneway never depends
        on the call or stream that the task serves. A reply is not ordered with oneways that were
        sent before it.
        """
        self._bus._check_loop()
        flags = _core.REPLACE if replace else 0
        more = to_metadata(metadata)
        loop = self._bus._loop
        deadline = None if timeout is None else loop.time() + to_wait(timeout) / 1e6
        while True:
            try:
                self._proxy.oneway(method, data, entries, flags, 0, more, None)
                return
            except WouldBlock:
                if deadline is None:
                    raise
            await self._bus._writable(deadline)

    async def ping(self, *, timeout: float | None = None) -> None:
        """Returns when the object's process has served the ping."""
        (await self.call(_core.NUMBER_PING, timeout=timeout)).release()

    def on_death(self, callback: Callable[[], object]) -> Slot:
        """Calls callback once, in the loop, when the object is dead: its process has ended
        it, or died, or the bus has ended. If it is dead already, calls callback soon.
        ``Slot.end()`` ends the watch earlier."""
        check_callback(callback)
        return Slot(self._proxy.on_death(lambda: self._bus._run(callback)))

    async def wait_dead(self) -> None:
        """Returns when the object is dead, as on_death(). Raises ``Canceled`` if the connection is
        closed."""
        gone: asyncio.Future[None] = self._bus._future()
        watch = self.on_death(lambda: _settle(gone, None, None))
        try:
            await self._bus._wait(gone)
        finally:
            watch.end()


class TypedProxy(Proxy):
    """The base of generated proxies. A method takes a request, a mapping of its fields, or its
    fields as keywords. With detached=True its call or stream never depends on the call or stream
    that the task serves."""

    INTERFACE: stubs.Interface

    async def _invoke(
        self,
        method: stubs.Method,
        request: Any,
        fields: Mapping[str, Any] | None,
        timeout: float | None,
        metadata: Mapping[str, str] | None,
        detached: bool = False,
    ) -> Any:
        data, entries = stubs.pack_request(self._bus, method, request, fields)
        # The request is sent before this coroutine first suspends.
        reply = await self.call(
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

    async def _send(
        self,
        method: stubs.Method,
        request: Any,
        fields: Mapping[str, Any] | None,
        timeout: float | None,
        metadata: Mapping[str, str] | None,
        detached: bool = False,
    ) -> None:
        data, entries = stubs.pack_request(self._bus, method, request, fields)
        await self.oneway(method.number, data, entries=entries, timeout=timeout, metadata=metadata)


C = TypeVar("C", bound=TypedProxy)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


class RawService(BaseRawService):
    """An implementation that receives bytes. Derive from it and define ``serve``."""

    async def serve(self, request: RawRequest) -> Buffer | tuple[Buffer, tuple[Entry, ...]] | None:
        """Serves a call or oneway. Returns the bytes of the reply, or a tuple of bytes and entries.

        If the caller stops waiting, the task is canceled. An exception is reported to the caller.
        """
        raise NotImplementedError

    async def _serve(self, bus: Connection, call: _core.Call) -> None:
        reply_raw(call, await _awaitable(self, "serve", self.serve(RawRequest(bus, call))))


class Service(stubs.BaseService):
    """The base of generated services. A handler gets the request and a ``Context``, and returns the
    reply or a mapping of its fields. If the caller stops waiting, the handler's task is canceled.
    An exception is reported to the caller."""

    async def _serve(self, bus: Connection, call: _core.Call) -> None:
        if call.method == _core.NUMBER_DESCRIBE and not call.oneway:
            call.reply(self.INTERFACE.describe(), None)
            return
        method = self.INTERFACE.find(call)
        handler = getattr(self, method.attribute)
        context = Context(bus, call)
        try:
            if method.request is None:
                result = handler(context)
            else:
                result = handler(context._request(method, call), context)
            reply = await _awaitable(self, method.attribute, result)
            if not method.oneway:
                stubs.reply(bus, call, method, reply)
        finally:
            context._end()

    async def _serve_stream(self, bus: Connection, stream: _core.Stream, number: int) -> None:
        method = self.INTERFACE.find_stream(number)
        handler = getattr(self, method.attribute)
        context = Context(bus, stream)
        end = End(bus, stream, _current.get())
        try:
            requests = _Requests(end, method, context)
            if method.sends:
                result = handler(requests, context)
            elif method.request is None:
                await end.receive()
                result = handler(context)
            else:
                try:
                    request = await anext(requests)
                except StopAsyncIteration:
                    raise NoReply(f"{method.name} was opened without a request") from None
                result = handler(request, context)
            if method.pushes:
                async with contextlib.aclosing(_replies(self, method, result)) as replies:
                    async for reply in replies:
                        await _send_reply(bus, end, method, reply)
            else:
                reply = await _awaitable(self, method.attribute, result)
                await _send_reply(bus, end, method, reply)
            stream.end()
        finally:
            context._end()


class _Requests(AsyncIterator[Any]):
    """The requests of a stream. An error or a canceled wait does not end them: the next request can
    still be received. A generator would have ended, as if the client had ended its messages."""

    def __init__(self, end: End, method: stubs.Method, context: Context) -> None:
        self._end = end
        self._method = method
        self._context = context

    async def __anext__(self) -> Any:
        item = await self._end.receive()
        if item is None:
            raise StopAsyncIteration
        return self._context._request(self._method, item)


def _awaitable(service: Service | RawService, handler: str, result: Any) -> Awaitable[Any]:
    if inspect.isawaitable(result):
        return result
    raise TypeError(
        f"{type(service).__name__}.{handler} must be a coroutine function (async def, without yield)"
    )


def _replies(service: Service, method: stubs.Method, result: Any) -> AsyncGenerator[Any, None]:
    if isinstance(result, AsyncGenerator):
        return result
    if isinstance(result, Coroutine):
        result.close()
    raise TypeError(
        f"{type(service).__name__}.{method.attribute} has a stream of replies: it must be an "
        "asynchronous generator, which yields them"
    )


async def _send_reply(bus: Connection, end: End, method: stubs.Method, reply: Any) -> None:
    packer = stubs.Packer(bus)
    await end.send(packer.pack(method.reply, reply), packer.entries)


class Connection(Unique):
    """A connection to a bus.

    ``async with Connection() as bus`` opens and closes it. path is the path of a bus; None is the
    default bus, see ipc_open() in <ipc/ipc.h>. region_size is the number of bytes of received
    messages that may wait here. timeout is the timeout in seconds of calls without their own;
    None is no timeout.

    With reconnect, the connection survives the end of ipcbusd, and opens the bus again when ipcbusd
    is back: see ipc_set_reconnect() in <ipc/admin.h>. Services, their names, and proxies found by
    name remain valid. Calls, streams and other proxies end. If reconnect is a function, the loop
    calls it with False when the bus has ended, and with True when the bus is back.
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
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._connection = _core.Connection(path, region_size)
        self._process_id = this_process()
        self._closing = False
        self._closed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waits: set[asyncio.Future[Any]] = set()
        self._ends: weakref.WeakSet[End] = weakref.WeakSet()
        self._stopped = asyncio.Event()
        self._failure: Error | None = None
        self._wait_error: Error | None = None
        if timeout is not None:
            self._connection.set_timeout(to_limit(timeout))
        if reconnect:
            changed = to_changed(reconnect)
            self._connection.set_reconnect(lambda back: self._run(changed, back))
        self._fd = self._connection.fileno()
        self._loop.add_reader(self._fd, self._process)

    async def __aenter__(self: B) -> B:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection. Handlers are canceled, and calls fail with ``Canceled``. Objects
        and their names end.

        Waits until the canceled handlers have returned. If close() itself is canceled, it closes
        the connection at once. Any task may call it again: the second call returns when the
        connection is closed. After fork(), close() in the child does not affect the parent's
        connection.
        """
        if this_process() != self._process_id:
            self._closing = True
            self._connection.close()
            return
        self._check_loop()
        current = asyncio.current_task()
        if self._closing:
            # The first close() waits for its handlers.
            if current not in self._tasks:
                await self._closed.wait()
            return
        self._closing = True
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            self._loop.remove_reader(self._fd)
            self._connection.close()
            self._end_waits(Canceled("the connection is closed"))
            self._stopped.set()
            self._closed.set()

    # --- Events ------------------------------------------------------------------------------

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(
                "the connection belongs to another event loop: open one in each loop"
            )

    def _future(self) -> asyncio.Future[Any]:
        self._check_loop()
        return self._loop.create_future()

    def _process(self) -> None:
        if self._connection.closed:
            return
        try:
            if self._connection.process(_AT_ONCE):
                self._loop.call_soon(self._process)
        except Error as error:
            self._fail(error)

    def _fail(self, error: Error) -> None:
        """The connection cannot serve any more. serve_forever() and all waits raise the error."""
        self._failure = error
        self._loop.remove_reader(self._fd)
        self._end_waits(error)
        for task in self._tasks:
            task.cancel()
        self._stopped.set()

    def _end_waits(self, error: Error) -> None:
        """Ends all waits, also later ones, with the error."""
        self._wait_error = self._failure or error
        for future in self._waits:
            _settle(future, None, copy.copy(error))
        for end in self._ends:
            end.wake()

    async def _reply(self, start: Callable[..., _core.Slot], *args: Any) -> Any:
        """Starts a call and waits for its reply. If the task is canceled, cancels the call."""
        future = self._future()

        def done(result: Any, error: Error | None) -> None:
            self._run(_settle, future, result, error)

        slot = start(*args, done)
        try:
            return await future
        except asyncio.CancelledError:
            slot.end()
            raise

    async def _wait(self, future: asyncio.Future[T]) -> T:
        """Waits for a notification from the bus. The end of the bus and close() end the wait with an
        error."""
        if self._wait_error is not None:
            raise copy.copy(self._wait_error)
        self._waits.add(future)
        try:
            return await future
        finally:
            self._waits.discard(future)

    def _run(self, function: Callable[..., object], *args: Any) -> None:
        """Runs a function in the loop. At the exit of the interpreter, callbacks of calls that have
        not ended run on the main thread."""
        if threading.get_ident() == self._thread:
            function(*args)
            return
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass  # the loop is closed: no task waits for the callback

    async def _writable(self, deadline: float | None) -> None:
        """Returns when a oneway may be tried again, because some receiver has space."""
        writable: asyncio.Future[None] = self._future()
        slot = self._connection.on_writable(lambda: self._run(_settle, writable, None, None))
        try:
            async with asyncio.timeout_at(deadline):
                await self._wait(writable)
        except TimeoutError:
            raise DeadlineExceeded("the receiver had no space in time") from None
        finally:
            slot.end()

    async def serve_forever(self) -> None:
        """Returns after ``stop()`` or ``close()``. Raises if the connection cannot serve."""
        self._check_loop()
        await self._stopped.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Makes ``serve_forever()`` return. May be called in a signal handler of the loop."""
        self._stopped.set()

    # --- Names -------------------------------------------------------------------------------

    async def _get(self, name: str, limit: int | None, interface: str | None) -> _core.Proxy:
        proxy: _core.Proxy = await self._reply(self._connection.get, name, limit, interface)
        return proxy

    async def get(self, kind: type[C], name: str) -> C:
        """Gets the object with a name: ``echo = await bus.get(Echo, "demo.echo")``. Raises
        ``NotFound`` if no process has registered the name, and ``InterfaceMismatch`` if the object
        has another interface."""
        check_kind(kind, TypedProxy)
        return kind(self, await self._get(name, None, kind.INTERFACE.name))

    async def wait(self, kind: type[C], name: str, *, timeout: float | None = None) -> C:
        """Waits until the name is registered, and gets the object. timeout is in seconds; None is
        no timeout, and 0 waits like get(). Raises ``DeadlineExceeded`` if no process registered the
        name in time, ``NoManager`` if the time is over and no service manager is running, and
        ``InterfaceMismatch`` as get() does."""
        check_kind(kind, TypedProxy)
        limit = to_name_wait(timeout)
        return kind(self, await self._get(name, limit, kind.INTERFACE.name))

    async def get_raw(self, name: str) -> Proxy:
        """As get(), for an object of any interface."""
        return Proxy(self, await self._get(name, None, None))

    async def wait_raw(self, name: str, *, timeout: float | None = None) -> Proxy:
        """As wait(), for an object of any interface."""
        return Proxy(self, await self._get(name, to_name_wait(timeout), None))

    async def check_name(self, name: str) -> NameInfo:
        """Returns the interface and owner of a name. Raises ``NotFound`` if no
        process has registered the name."""
        return NameInfo(*await self._reply(self._connection.check, name))

    async def list_names(self, pattern: str = "*") -> list[NameInfo]:
        """Lists the names that match pattern, sorted: a name, or a prefix followed by ``*``."""
        with naming("pattern", pattern):
            infos = await self._reply(self._connection.list, pattern)
        return [NameInfo(*info) for info in infos]

    async def watch_names(
        self, pattern: str, callback: Callable[[NameChange, NameInfo | None, Proxy | None], object]
    ) -> Slot:
        """Watches names. pattern is a name, or a prefix followed by ``*``. Calls callback in the
        loop: for each matching name that exists, once with ``SETTLED``, and then for each change.
        The proxy is None if the name is gone, may not be called, or belongs to this connection. The
        callback does not run after ``Slot.end()``, which does not block either."""
        check_callback(callback)
        started: asyncio.Future[None] = self._future()

        def changed(
            change: int,
            info: tuple[str, str, int, int] | Error | None,
            proxy: _core.Proxy | None,
        ) -> None:
            if not change:
                _settle(started, None, info if isinstance(info, Error) else None)
                return
            callback(
                NameChange(change),
                NameInfo(*info) if isinstance(info, tuple) else None,
                None if proxy is None else Proxy(self, proxy),
            )

        with naming("pattern", pattern):
            watch = Slot(self._connection.watch(pattern, changed, False))
            try:
                await self._wait(started)
            except BaseException:
                watch.end()
                raise
        return watch

    async def register(
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
        forbids the name. If register() fails or is canceled, the name is not registered."""
        flags = to_register_flags(replace, queue)
        exported = self.make_object(service)
        try:
            return bool(await self._reply(self._connection.register, name, exported, flags))
        except BaseException:
            exported.end()
            raise

    def on_registration(
        self, callback: Callable[[str, RegistrationEvent, Exception | None], object]
    ) -> Slot:
        """Calls callback in the loop, with the name or the pattern of the watch, when this
        connection has acquired a name from the queue or lost a name, or when a registration or a
        watch could not be renewed at a new service manager. The exception is None except in the
        last case."""
        check_callback(callback)
        return Slot(
            self._connection.on_registration(
                lambda name, event, error: self._run(
                    callback, name, RegistrationEvent(event), error
                )
            )
        )

    async def unregister_name(self, name: str) -> None:
        """Ends this connection's own newest registration of a name, not that of another connection.
        Raises ``NotFound`` if there is none, or if the name was lost (``RegistrationEvent.LOST``)."""
        await self._reply(self._connection.unregister, name)

    # --- Serving -----------------------------------------------------------------------------

    def make_object(self, service: Service | RawService) -> _core.Object:
        """Makes an object of an implementation, to be sent in a field of a message or as an
        entry, also more than once. ``register()`` takes it directly. The object lives as long as
        this process has references to it or other processes have proxies."""
        check_service(service, Service, RawService)
        flags = _core.ACCEPT_FDS if service.ACCEPT_FDS else 0

        def serve(call: _core.Call) -> None:
            self._run(self._start, service, call)

        def stream(stream: _core.Stream, number: int) -> None:
            self._run(self._start_stream, service, stream, number)

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

    def _start(self, service: Service | RawService, call: _core.Call) -> None:
        if self._closing:
            call.refuse()
            return
        served = self._create_task(
            call,
            lambda: service._serve(self, call),
            lambda error: end_call(call, error, service),
        )
        try:
            call.on_cancel(lambda: self._run(served.cancel))
        except Canceled:
            served.cancel()

    def _start_stream(self, service: Service, stream: _core.Stream, number: int) -> None:
        if self._closing:
            stream.cancel()
            return
        self._create_task(
            stream,
            lambda: service._serve_stream(self, stream, number),
            lambda error: end_stream(stream, error, service, number),
        )

    def _create_task(
        self,
        parent: _core.Call | _core.Stream,
        handler: Callable[[], Coroutine[Any, Any, None]],
        end: Callable[[BaseException], None],
    ) -> Served:
        served = Served(parent)
        context = contextvars.copy_context()
        context.run(_current.set, served)
        served.task = task = self._loop.create_task(
            self._serve(parent, handler, end), context=context
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return served

    async def _serve(
        self,
        served: _core.Call | _core.Stream,
        handler: Callable[[], Coroutine[Any, Any, None]],
        end: Callable[[BaseException], None],
    ) -> None:
        """Runs a handler, and reports its exception with end."""
        try:
            await handler()
        except (asyncio.CancelledError, GeneratorExit) as error:
            self._report_interruption(served, error, end)
            if isinstance(error, asyncio.CancelledError):
                raise
        except BaseException as error:
            end(error)
            if not isinstance(error, Exception):
                raise  # the end of the program
        finally:
            served.release()

    def _report_interruption(
        self,
        served: _core.Call | _core.Stream,
        error: BaseException,
        end: Callable[[BaseException], None],
    ) -> None:
        """Reports that a handler was canceled: by close(), by the end of the bus, by itself, or
        because its caller no longer waits."""
        if self._failure is not None:
            end(self._failure)
        elif not self._closing:
            end(ServiceError(f"the handler failed: {type(error).__name__}", name="ipc.Unhandled"))
        elif isinstance(served, _core.Stream):
            served.cancel()
        else:
            end(NoReply(_CLOSED))


B = TypeVar("B", bound=Connection)
