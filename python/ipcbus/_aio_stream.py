# SPDX-License-Identifier: MIT
"""Both sides of streams for ``aio``.

All methods must be called in the thread of the loop. The library's callbacks may run in other
threads; ``_run`` of the connection passes them to the loop. Each stream has an event that is set
whenever a message, space or the end may have arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import _core, stubs
from ._base import Entry, Unique, to_delay, to_metadata, to_usec, to_window
from .errors import Canceled, DeadlineExceeded, Error, NoReply, WouldBlock

if TYPE_CHECKING:
    from .aio import Connection, Served, TypedProxy

Req = TypeVar("Req")
Rep = TypeVar("Rep")


class End:
    """One side of a stream: send and receive without blocking the loop. On the server's side,
    served is the handler's task, which is canceled when the client is gone."""

    def __init__(
        self, bus: Connection, stream: _core.Stream, served: Served | None = None
    ) -> None:
        self.stream = stream
        self._served = served
        self._changed = asyncio.Event()
        bus._ends.add(self)
        # The library keeps the callback until the stream has ended, so the callback must not hold a
        # reference of the Stream.
        stream.watch(lambda: bus._run(self._change))

    def wake(self) -> None:
        """Wakes send() and receive(), which then check the stream again. The connection calls it
        when it or the bus has ended."""
        self._changed.set()

    def _change(self) -> None:
        self.wake()
        try:
            broken = self._served is not None and self.stream.is_canceled
        except Error:
            return  # the stream has ended
        if broken and self._served is not None:
            self._served.cancel()
            self._served = None

    async def receive(self) -> stubs.Item | None:
        while True:
            self._changed.clear()
            try:
                received = self.stream.receive(0)
                return None if received is None else stubs.Item(received)
            except WouldBlock:
                pass
            await self._changed.wait()

    async def send(self, data: bytes, entries: tuple[Entry, ...] | None) -> None:
        while True:
            self._changed.clear()
            try:
                return self.stream.send(data, entries, 0)
            except WouldBlock:
                pass
            await self._changed.wait()


@contextlib.asynccontextmanager
async def _limit(delay: float | None, text: str) -> AsyncIterator[None]:
    """Limits the time of its block. Raises ``WouldBlock``."""
    try:
        async with asyncio.timeout(delay):
            yield
    except DeadlineExceeded:
        raise  # the deadline of the stream itself
    except TimeoutError:
        raise WouldBlock(text) from None


class Stream(Unique, Generic[Req, Rep]):
    """The client's side of a method with streams. It is an iterator of the replies::

        async with clock.Ticks(count=3) as ticks:
            async for tick in ticks:
                print(tick.number)

    The stream is opened on first use. The method's argument timeout limits the whole stream, in
    seconds; None is the option of the method. Without both, the connection's limits the opening.
    At the end of ``async with``, or when the last reference to the Stream is gone, an open stream
    is canceled together with the server's handler. Any number of tasks may send and receive at
    once. If a task is canceled in send() or receive(), no message is lost and an open stream stays
    open. """

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
        self._content = content
        self._timeout = method.timeout if timeout is None else timeout
        self._metadata = to_metadata(metadata)
        self._detached = detached
        self._window = to_window(window)
        self._end: End | None = None
        self._opening = asyncio.Lock()
        self._opener: asyncio.Task[None] | None = None
        self._canceled = False
        self._ended = not method.sends
        self._finished = False

    def __del__(self) -> None:
        self.cancel()

    async def __aenter__(self: S) -> S:
        await self._opened()
        return self

    async def __aexit__(self, *args: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Ends both directions on both sides. The functions below raise ``Canceled``, also in tasks
        that wait in them. If the stream is not open yet, it is never opened."""
        self._canceled = True
        end = getattr(self, "_end", None)
        opener = getattr(self, "_opener", None)
        if end is not None:
            end.stream.cancel()
            end.wake()
        elif opener is not None:
            opener.cancel()

    async def _opened(self) -> End:
        self._client._bus._check_loop()
        if self._end is not None:
            return self._end
        async with self._opening:
            if self._end is None and not self._canceled:
                self._opener = asyncio.create_task(self._open())
                try:
                    # wait() raises CancelledError only if the current task is canceled.
                    await asyncio.wait([self._opener])
                    if not (self._canceled and self._opener.cancelled()):
                        self._opener.result()
                except asyncio.CancelledError:
                    self._opener.cancel()
                    raise
                finally:
                    self._opener = None
        if self._end is None:
            raise Canceled("the stream was canceled")
        return self._end

    async def _open(self) -> None:
        stream = await self._client._open(
            self._method.number,
            to_usec(self._timeout),
            self._metadata,
            self._detached,
            self._window,
        )
        end = End(self._client._bus, stream)
        try:
            if not self._method.sends:
                async with _limit(stubs.REQUEST_WAIT, "there was no space for the request"):
                    await self._send(end, self._content)
                stubs.end_requests(stream)
        except BaseException:
            stream.cancel()
            raise
        self._end = end

    async def _send(self, end: End, content: Any) -> None:
        packer = stubs.Packer(self._client._bus)
        data = packer.pack(self._method.request, content)
        await end.send(data, packer.entries)

    async def send(
        self, request: Req | Mapping[str, Any] | None = None, /, **fields: Any
    ) -> None:
        """Sends a request, a mapping of its fields, or its fields. Waits while the server has no
        space for another request. If the server ended the stream, raises its error, or ``Error``
        with ``errno.EPIPE``, as after end()."""
        stubs.check_sends(self._method)
        content = stubs.choose(self._method, request, fields)
        await self._send(await self._opened(), content)

    async def end(self) -> None:
        """Ends the messages of the client. The server's iterator of requests then stops. A later
        end() raises ``Error`` with ``errno.EALREADY``; receive() and finish() continue."""
        self._ended = True
        (await self._opened()).stream.end()

    def __aiter__(self: S) -> S:
        return self

    async def __anext__(self) -> Rep:
        reply = await self.receive()
        if reply is None:
            raise StopAsyncIteration
        return reply

    async def receive(self, *, timeout: float | None = None) -> Rep | None:
        """Returns the next message, or None at the end. If the stream ended with an error, raises
        it. If none arrives within timeout seconds (None: no limit; 0: no wait), raises
        ``WouldBlock``; the stream stays open. The timeout does not apply to opening the stream.
        ``DeadlineExceeded`` means that the timeout of the stream itself expired. If the method has
        a single reply and the messages of the client have not ended, a timeout is needed:
        ``InvalidArgument``."""
        stubs.check_receives(self._method, self._ended or timeout is not None)
        delay = to_delay(timeout)
        end = await self._opened()
        async with _limit(delay, "no message has arrived in time"):
            item = await end.receive()
        if item is None:
            return None
        reply: Rep = stubs.receive_reply(self._client._bus, self._method, item)
        return reply

    async def finish(self) -> Rep:
        """Ends the messages of the client and returns the only reply of a method without a stream
        of replies. Raises ``NoReply`` if there is none, ``Error`` with ``errno.EALREADY`` if finish()
        has returned it before, or the error of the stream."""
        stubs.check_unfinished(self._method, self._finished)
        self._ended = True
        stubs.end_requests((await self._opened()).stream)
        reply = await self.receive()
        if reply is None:
            raise NoReply(f"{self._method.name} ended without a reply")
        self._finished = True
        return reply


S = TypeVar("S", bound=Stream[Any, Any])
