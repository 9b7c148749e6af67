# SPDX-License-Identifier: MIT
"""Methods with streams, in both directions, for asyncio and for threads."""

from __future__ import annotations

import asyncio
import errno
import gc
import math
import os
import threading
import time

import ipcbus
import kinds_pb2
from common import Case, new_name, program
from ipcbus import aio, sync
from kinds_ipc import Kinds, KindsService, KindsSync, KindsSyncService


class Full(ipcbus.ServiceError, name="test.Full"):
    pass


class MyKinds(KindsService):
    def __init__(self):
        self.sent = 0
        self.ended = asyncio.Event()
        self.got = []

    async def Count(self, request, context):
        try:
            for i in range(request.until):
                if i and i == request.fail:
                    raise Full("enough", details=b"d")
                if i and i == request.wait:
                    await asyncio.sleep(60)
                self.sent += 1
                yield kinds_pb2.PlainReply(text=str(i))
        finally:
            self.ended.set()

    async def Join(self, requests, context):
        return {"text": " ".join([request.text async for request in requests])}

    async def Chat(self, requests, context):
        async for request in requests:
            self.got.append(request.text)
            yield {"text": request.text.upper()}

    async def Files(self, requests, context):
        async for request in requests:
            with context.take_file(request.file, "w") as file:
                file.write(request.text)
            with open("/dev/null") as null:
                yield {"file": null, "text": request.text}


class Slow(aio.RawService):
    def __init__(self):
        self.goes_on = asyncio.Event()
        self.served = 0

    async def serve(self, request):
        await self.goes_on.wait()
        self.served += 1


class Patient(KindsService):
    """Waits again after a timeout and after a message that is damaged."""

    def __init__(self):
        self.waited = asyncio.Event()

    async def Join(self, requests, context):
        texts = []
        while True:
            try:
                async with asyncio.timeout(0.01 if texts else None):
                    texts.append((await anext(requests)).text)
            except TimeoutError:
                self.waited.set()
            except ipcbus.BadMessage:
                texts.append("bad")
            except StopAsyncIteration:
                return {"text": " ".join(texts)}


class PatientSync(KindsSyncService):
    def Join(self, requests, context):
        texts = []
        while True:
            try:
                texts.append(next(requests).text)
            except ipcbus.BadMessage:
                texts.append("bad")
            except StopIteration:
                return {"text": " ".join(texts)}


class MySync(KindsSyncService):
    def Count(self, request, context):
        for i in range(request.until):
            yield {"text": str(i)}

    def Join(self, requests, context):
        return {"text": " ".join(request.text for request in requests)}

    def Chat(self, requests, context):
        for request in requests:
            yield {"text": request.text.upper()}


class Streams(Case):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.name = new_name()
        self.service = MyKinds()
        await self.server.register(self.name, self.service)
        self.kinds = await self.client.get(Kinds, self.name)

    async def test_no_space_for_a_request(self):
        slow = Slow()
        proxy = await self.serve(slow)
        sent = 0
        for size in (2**bits for bits in range(16, -1, -1)):
            with self.assertRaises(ipcbus.WouldBlock):
                while True:
                    await proxy.oneway(1, b"x" * size)
                    sent += 1

        def open_sync():
            with sync.Connection() as bus:
                bus.get(KindsSync, self.name).Count(until=1)

        async def open_async():
            await self.kinds.Count(until=1).receive()

        began = time.monotonic()
        opened = await asyncio.gather(
            open_async(), asyncio.to_thread(open_sync), return_exceptions=True
        )
        for result in opened:
            self.assertIsInstance(result, ipcbus.WouldBlock)
        self.assertGreaterEqual(time.monotonic() - began, 5)
        slow.goes_on.set()
        while slow.served < sent:
            await asyncio.sleep(0.01)

    async def test_replies(self):
        texts = [reply.text async for reply in self.kinds.Count(until=100)]
        self.assertEqual(texts, [str(i) for i in range(100)])
        self.assertEqual([r async for r in self.kinds.Count(until=0)], [])
        many = await asyncio.gather(*(self.collect(50) for _ in range(10)))
        self.assertEqual(many, [texts[:50]] * 10)

    async def collect(self, until):
        return [reply.text async for reply in self.kinds.Count(until=until)]

    async def test_error(self):
        texts = []
        with self.assertRaises(Full) as caught:
            async for reply in self.kinds.Count(until=100, fail=20):
                texts.append(reply.text)
        self.assertEqual(len(texts), 20)
        self.assertEqual(caught.exception.details, b"d")

    async def test_requests(self):
        async with self.kinds.Join() as join:
            for i in range(60):
                await join.send(text=str(i))
            # Neither waits for a reply that the server does not send.
            for wait in (join.receive(), anext(join)):
                with self.assertRaisesRegex(ipcbus.InvalidArgument, "^Join has a single reply, "):
                    await wait
            with self.assertRaises(ipcbus.WouldBlock):
                await join.receive(timeout=0)
            reply = await join.finish()
            with self.assertRaisesRegex(ipcbus.Error, "^finish.. has returned the reply") as twice:
                await join.finish()
            self.assertEqual(twice.exception.code, errno.EALREADY)
            self.assertIsNone(await join.receive())
        self.assertEqual(reply.text, " ".join(map(str, range(60))))
        async with self.kinds.Join() as join:
            await join.end()
            self.assertEqual((await join.receive()).text, "")
        self.assertEqual((await self.kinds.Join().finish()).text, "")

    async def test_both(self):
        async with self.kinds.Chat() as chat:
            for i in range(40):
                text = f"a{i}"
                await chat.send({"text": text} if i % 2 else kinds_pb2.PlainRequest(text=text))
                self.assertEqual((await chat.receive()).text, f"A{i}")
            await chat.end()
            self.assertIsNone(await chat.receive())

    async def test_identity_of_the_client(self):
        class Who(MyKinds):
            async def Count(self, request, context):
                self.label = context.label
                with test.assertRaises(ipcbus.InvalidArgument):
                    context.pidfd()
                yield {"text": str(context.pid)}

        class Known(Who):
            LABEL = True

        test = self
        for service in Known(), Who():
            name = new_name()
            await self.server.register(name, service)
            async with (await self.client.get(Kinds, name)).Count(until=1) as stream:
                self.assertEqual((await stream.receive()).text, str(os.getpid()))
        self.assertIsNone(service.label)

    async def test_credit(self):
        """A receiver that does not receive slows down the sender, and no message is lost."""
        async with self.kinds.Count(until=1000) as stream:
            await stream.receive()
            await asyncio.sleep(0.2)
            self.assertLess(self.service.sent, 40)
            rest = [reply.text async for reply in stream]
        self.assertEqual(rest, [str(i) for i in range(1, 1000)])
        # The same from client to server. The handler waits while it sends its replies.
        async with self.kinds.Chat() as chat:
            sending = asyncio.create_task(self.send_many(chat, 300))
            await asyncio.sleep(0.2)
            self.assertFalse(sending.done())
            self.assertLess(len(self.service.got), 100)
            for i in range(300):
                self.assertEqual((await self.within(chat.receive())).text, str(i))
            await sending

    async def test_window(self):
        """Each side sends as much as the other one's window allows."""

        class Deaf(MyKinds):
            async def Join(self, requests, context):
                await self.ended.wait()
                return {"text": " ".join([request.text async for request in requests])}

        class DeafSync(KindsSyncService):
            def __init__(self):
                self.ended = threading.Event()

            def Count(self, request, context):
                self.sent = 0
                for i in range(request.until):
                    self.sent += 1
                    yield {"text": str(i)}

            def Join(self, requests, context):
                self.ended.wait()
                return {"text": " ".join(request.text for request in requests)}

        for window in None, 1, 3, 16:
            ahead = window or 16
            for base in Deaf, DeafSync:
                service = base()
                service.WINDOW = ahead
                name = new_name()
                bus = self.server if base is Deaf else sync.Connection()
                if base is Deaf:
                    await bus.register(name, service)
                else:
                    running = asyncio.create_task(asyncio.to_thread(bus.run))
                    await asyncio.to_thread(bus.register, name, service)
                await self.check_windows(name, service, window, ahead)
                if base is DeafSync:
                    bus.stop()
                    await running
                    bus.close()

    async def check_windows(self, name, service, window, ahead):
        kinds = await self.client.get(Kinds, name)
        async with kinds.Count(until=50, window=window) as stream:
            # One more waits in the handler.
            while getattr(service, "sent", 0) <= ahead:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            self.assertEqual(service.sent, ahead + 1)
            texts = [reply.text async for reply in stream]
        self.assertEqual(texts, [str(i) for i in range(50)])
        service.ended.clear()
        async with kinds.Join() as join:
            sent = 0
            with self.assertRaises(TimeoutError):
                while True:
                    async with asyncio.timeout(0.05):
                        await join.send(text="x")
                    sent += 1
            self.assertEqual(sent, ahead)
            service.ended.set()
            self.assertEqual((await join.finish()).text, " ".join("x" * sent))

    async def test_windows_are_checked(self):
        with sync.Connection() as bus:
            others = await asyncio.to_thread(bus.get, KindsSync, self.name)
            for kinds in self.kinds, others:
                for window in 0, 17, -1, 1 << 40:
                    with self.assertRaisesRegex(ipcbus.InvalidArgument, "^window must be from 1 to 16"):
                        kinds.Count(until=1, window=window)
                for window in "1", 1.0:
                    with self.assertRaises(TypeError):
                        kinds.Count(until=1, window=window)
            for connection, service in (self.server, MyKinds()), (bus, MySync()):
                for window in 0, 17:
                    service.WINDOW = window
                    with self.assertRaises(ipcbus.InvalidArgument):
                        connection.make_object(service)

    async def send_many(self, chat, many):
        for i in range(many):
            await chat.send(text=str(i))
        await chat.end()

    async def test_cancel(self):
        """The handler's task ends when the context, the last reference, the client's task or the
        client ends."""
        async with self.kinds.Count(until=10, wait=5) as stream:
            for _ in range(5):
                await stream.receive()
        await self.within(self.service.ended.wait())
        with self.assertRaisesRegex(ipcbus.Canceled, "^the stream was canceled$"):
            await stream.receive()

        self.service.ended.clear()
        stream = self.kinds.Count(until=10, wait=5)
        await stream.receive()
        del stream
        gc.collect()
        await self.within(self.service.ended.wait())

        self.service.ended.clear()
        self.service.sent = 0
        task = asyncio.create_task(self.collect_wait())
        while self.service.sent < 5:
            await asyncio.sleep(0.01)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        del task
        gc.collect()
        await self.within(self.service.ended.wait())

        self.service.ended.clear()
        stream = self.kinds.Count(until=10, wait=5)
        await stream.receive()
        await self.client.close()
        await self.within(self.service.ended.wait())
        with self.assertRaisesRegex(ipcbus.Canceled, "^the connection is closed$"):
            await stream.receive()

    async def test_cancel_before_the_stream_is_open(self):
        """It is never opened, and tasks that wait for the opening end. A task that is canceled at
        the same time stays canceled."""
        early = self.kinds.Count(until=10, wait=5)
        early.cancel()
        opening = self.kinds.Count(until=10, wait=5)
        task = asyncio.create_task(opening.receive())
        await asyncio.sleep(0)
        opening.cancel()
        slow = await self.serve(Slow())
        unaccepted = Kinds(self.client, slow._proxy).Join()
        waiting = [asyncio.create_task(unaccepted.finish()) for _ in range(2)]
        await asyncio.sleep(0.2)
        self.assertFalse(waiting[0].done())
        unaccepted.cancel()
        for wait in early.receive(), early.end(), early.__aenter__(), task, *waiting:
            with self.assertRaisesRegex(ipcbus.Canceled, "^the stream was canceled$"):
                await self.within(wait)
        for order in "t", "ts", "st":
            unaccepted = Kinds(self.client, slow._proxy).Join()
            task = asyncio.create_task(unaccepted.finish())
            await asyncio.sleep(0.05)
            opener = unaccepted._opener
            for which in order:
                (task if which == "t" else unaccepted).cancel()
            await asyncio.wait([task], timeout=10)
            self.assertTrue(task.cancelled(), order)
            self.assertTrue(opener.cancelled(), order)
        await self.kinds.ping()
        self.assertEqual(self.service.sent, 0)

    async def test_cancel_ends_waits(self):
        """Tasks and threads that wait in a stream end when another one cancels it."""
        for wait in (lambda chat: chat.receive(), lambda chat: self.send_many(chat, 10000)):
            chat = await self.kinds.Chat().__aenter__()
            task = asyncio.create_task(wait(chat))
            await asyncio.sleep(0.2)
            self.assertFalse(task.done())
            chat.cancel()
            with self.assertRaisesRegex(ipcbus.Canceled, "^the stream was canceled$"):
                await self.within(task)

        with sync.Connection() as bus:
            kinds = await asyncio.to_thread(bus.get, KindsSync, self.name)
            chat = await asyncio.to_thread(kinds.Chat)
            task = asyncio.create_task(asyncio.to_thread(chat.receive))
            await asyncio.sleep(0.2)
            self.assertFalse(task.done())
            chat.cancel()
            with self.assertRaises(ipcbus.Canceled):
                await self.within(task)

    async def collect_wait(self):
        async with self.kinds.Count(until=10, wait=5) as stream:
            return [reply async for reply in stream]

    async def test_deadline(self):
        stream = self.kinds.Count(until=10, wait=5, timeout=0.2)
        with self.assertRaises(TimeoutError):
            async for _ in stream:
                pass
        await self.within(self.service.ended.wait())

    async def test_receive_timeout(self):
        """A timeout of receive() ends the wait and not the stream."""
        async with self.kinds.Chat() as chat:
            for timeout in (0, 0.05, -1):
                with self.assertRaisesRegex(ipcbus.WouldBlock, "^no message has arrived in time$"):
                    await self.within(chat.receive(timeout=timeout))
            with self.assertRaises(ValueError):
                await chat.receive(timeout=math.nan)
            for i in range(40):
                await chat.send(text=f"a{i}")
                reply = await chat.receive(timeout=math.inf if i % 2 else 60)
                self.assertEqual(reply.text, f"A{i}")
            await chat.end()
            self.assertIsNone(await chat.receive(timeout=60))
        # The timeout of the stream has expired for every receive().
        stream = self.kinds.Count(until=10, wait=1, timeout=0.2)
        await stream.receive()
        for _ in range(2):
            with self.assertRaises(ipcbus.DeadlineExceeded):
                await self.within(stream.receive(timeout=60))

    async def test_receive_timeout_loses_nothing(self):
        """With any timeout, each reply arrives once and in order."""
        texts = []
        async with self.kinds.Count(until=200) as stream:
            while True:
                try:
                    reply = await stream.receive(timeout=1e-5)
                except ipcbus.WouldBlock:
                    await asyncio.sleep(0)
                    continue
                if reply is None:
                    break
                texts.append(reply.text)
        self.assertEqual(texts, [str(i) for i in range(200)])

    async def test_errors_and_timeouts_do_not_end_the_requests(self):
        """A handler that waits again gets the next request, and not the end."""
        patient = Patient()
        with sync.Connection() as server:
            await self.server.register("test.patient", patient)
            await asyncio.to_thread(server.register, "test.patient-sync", PatientSync())
            serving = threading.Thread(target=server.run)
            serving.start()
            for name in ("test.patient", "test.patient-sync"):
                kinds = await self.client.get(Kinds, name)
                async with kinds.Join() as join:
                    await join.send(text="a")
                    if name == "test.patient":
                        await self.within(patient.waited.wait())
                    (await join._opened()).stream.send(b"\xff", None, 0)
                    await join.send(text="b")
                    reply = await self.within(join.finish())
                self.assertEqual(reply.text, "a bad b")
            server.stop()
            await asyncio.to_thread(serving.join)

    async def test_server_closes(self):
        stream = self.kinds.Count(until=10, wait=5)
        await stream.receive()
        await self.server.close()
        with self.assertRaises(ipcbus.Error):
            while await self.within(stream.receive()):
                pass

    async def test_files(self):
        async with self.kinds.Files() as files:
            read, write = os.pipe()
            await files.send(file=write, text="into the pipe")
            os.close(write)
            reply = await files.receive()
            self.assertEqual(reply.text, "into the pipe")
            aio.Received.take_file(reply, reply.file).close()
            self.assertEqual(os.read(read, 100), b"into the pipe")
            self.assertEqual(os.read(read, 100), b"")
            os.close(read)
            # A file that is not taken is closed.
            read, write = os.pipe()
            await files.send(file=write, text="")
            os.close(write)
            await files.receive()
            self.assertEqual(os.read(read, 100), b"")
            os.close(read)

    async def test_wrong(self):
        with self.assertRaises(ipcbus.ProtocolError):
            await self.kinds.call(next(m.number for m in Kinds.INTERFACE.methods if m.sends))
        with self.assertRaises(ipcbus.Unimplemented):
            stream = await asyncio.to_thread(self.kinds._proxy.open, 99, 0, 0, None, None, 0)
            await asyncio.to_thread(stream.receive, 5_000_000)
        chat = await self.kinds.Chat().__aenter__()
        await chat._end.send(b"\x0a\xff\xff", None)
        with self.assertRaises(ipcbus.BadMessage):
            await self.within(chat.receive())
        with self.assertRaises(ipcbus.Unimplemented):
            async with self.kinds_of(KindsService()) as kinds:
                await kinds.Chat().receive()

    async def test_send_to_a_stream_of_replies(self):
        async with self.kinds.Count(until=10) as stream:
            with self.assertRaisesRegex(ipcbus.Error, "^Count has a single request, ") as caught:
                await stream.send(until=1)
            self.assertEqual(caught.exception.code, errno.EPIPE)
            self.assertEqual(len([reply async for reply in stream]), 10)

    async def test_handlers_of_the_wrong_kind(self):
        class Lists(KindsService):
            async def Count(self, request, context):
                return []

            def Nothing(self, context):
                return {}

            def Join(self, requests, context):
                return {}

        class Threads(KindsSyncService):
            async def Count(self, request, context):
                yield {}

            async def Nothing(self, context):
                pass

            def Chat(self, requests, context):
                pass

        with sync.Connection() as server:
            server.register("test.threads", Threads())
            serving = threading.Thread(target=server.run)
            serving.start()
            threads = await self.client.get(Kinds, "test.threads")
            async with self.kinds_of(Lists()) as kinds:
                for call, text in (
                    (kinds.Count(until=10).receive(), "Lists.Count has a stream of replies: "),
                    (kinds.Nothing(), "Lists.Nothing must be a coroutine function"),
                    (kinds.Join().finish(), "Lists.Join must be a coroutine function"),
                    (threads.Count(until=1).receive(), "Threads.Count must be a plain function"),
                    (threads.Nothing(), "Threads.Nothing must be a plain function"),
                    (threads.Chat().receive(), "Threads.Chat has a stream of replies: "),
                ):
                    with self.assertLogs("ipcbus") as logs, self.assertRaises(ipcbus.ServiceError):
                        await self.within(call)
                    self.assertIn(text, logs.output[0])
            server.stop()
            await asyncio.to_thread(serving.join)

    def kinds_of(self, service):
        test = self

        class Context:
            async def __aenter__(self):
                name = new_name()
                await test.server.register(name, service)
                return await test.client.get(Kinds, name)

            async def __aexit__(self, *args):
                pass

        return Context()

    async def test_leaks(self):
        def count() -> tuple[int, int]:
            gc.collect()
            return len(os.listdir("/proc/self/fd")), len(gc.get_objects())

        async def until_few(fds: int, objects: int) -> None:
            """Returns when no more fds and objects are left. A busy server ends streams later."""
            while (counts := count())[0] > fds or counts[1] > objects:
                await asyncio.sleep(0.01)

        async def use(streams: int) -> None:
            for _ in range(streams):
                await self.collect(5)
                self.service.ended.clear()
                async with self.kinds.Count(until=10, wait=5) as stream:
                    await stream.receive()
                await self.within(self.service.ended.wait())
            await self.kinds.ping()

        await use(streams=100)
        fds, objects = count()
        # Python 3.13 makes about 150 objects of its own at some time.
        await use(streams=300)
        await self.within(until_few(fds + 1, objects + 250), seconds=60)


class Failing(KindsService):
    """Each kind of handler raises the exception that a case sets."""

    async def Unwritten(self, context):
        raise self.error

    async def Count(self, request, context):
        yield {"text": "first"}
        raise self.error

    async def Join(self, requests, context):
        raise self.error


class FailingSync(KindsSyncService):
    def Unwritten(self, context):
        raise self.error

    def Count(self, request, context):
        yield {"text": "first"}
        raise self.error

    def Join(self, requests, context):
        raise self.error


class Errors(Case):
    """If a handler raises anything, the client gets an error instead of the end of a stream or
    NoReply."""

    async def fails(self, call) -> ipcbus.Error:
        with self.assertRaises(ipcbus.Error) as caught:
            await self.within(call)
        self.assertNotIsInstance(caught.exception, ipcbus.NoReply)
        return caught.exception

    async def each(self, kinds):
        """Yields the errors of a call, of a stream of replies and of a stream of requests."""
        yield await self.fails(kinds.Unwritten())
        async with kinds.Count(until=1) as stream:
            self.assertEqual((await self.within(stream.receive())).text, "first")
            yield await self.fails(stream.receive())
        async with kinds.Join() as join:
            yield await self.fails(join.finish())

    async def check(self, service, name):
        kinds = await self.client.get(Kinds, name)
        path = os.fsdecode(b"/tmp/caf\xe9")
        for error, expected in (
            (Full(path), ("test.Full", "/tmp/caf?", 0, b"")),
            (Full("a\0b"), ("test.Full", "a?b", 0, b"")),
            (Full("x", details=None), ("test.Full", "x", 0, b"")),
            (Full("x", number=1 << 40), ("test.Full", "x", (1 << 31) - 1, b"")),
            (ipcbus.ServiceError("x", name="t.\udc80\0"), ("t.??", "x", 0, b"")),
            (TimeoutError(path), (None, "/tmp/caf?", 0, b"")),
        ):
            service.error = error
            async for got in self.each(kinds):
                shown = (got.name, got.text, got.number, got.details)
                self.assertEqual(shown, expected)
        service.error = ipcbus.Error("x", code=-errno.EIO)
        async for got in self.each(kinds):
            self.assertEqual((got.code, got.text), (errno.EIO, "x"))

        class Unprintable(Exception):
            def __str__(self):
                raise RuntimeError("no text")

            __repr__ = __str__

        # If an error cannot be sent as it is, the client still gets an error.
        for error in (
            Full("x", details="no bytes"),
            Full("x", number="no number"),
            Full("x", code=1 << 70),
            Unprintable(),
            KeyError("secret"),
        ):
            service.error = error
            with self.assertLogs("ipcbus", "ERROR") as logs:
                async for got in self.each(kinds):
                    self.assertEqual(got.name, "ipc.Unhandled")
                    self.assertIn(type(error).__name__, got.text)
            for line, method in zip(logs.output, ("Unwritten", "Count", "Join"), strict=True):
                caller = f"(uid {os.geteuid()}, pid {os.getpid()})"
                self.assertIn(f"ipc: test.kinds.Kinds.{method} {caller}: ", line)

    async def test_errors_arrive(self):
        failing, name = Failing(), new_name()
        await self.server.register(name, failing)
        await self.check(failing, name)
        kinds = await self.client.get(Kinds, name)
        for failing.error in (asyncio.CancelledError(), GeneratorExit()):
            async for got in self.each(kinds):
                self.assertEqual(got.name, "ipc.Unhandled")
                self.assertIs(got.origin, ipcbus.Origin.PEER)

    async def test_errors_of_threads_arrive(self):
        failing, name = FailingSync(), new_name()
        with sync.Connection() as server:
            await asyncio.to_thread(server.register, name, failing)
            serving = threading.Thread(target=server.run)
            serving.start()
            await self.check(failing, name)
            # An exception on the thread of a stream does not end the program.
            kinds = await self.client.get(Kinds, name)
            for failing.error in (SystemExit(3), KeyboardInterrupt(), GeneratorExit()):
                with self.assertLogs("ipcbus", "ERROR"):
                    stream = kinds.Count(until=1)
                    await stream.receive()
                    got = await self.fails(stream.receive())
                self.assertEqual(got.name, "ipc.Unhandled")
            server.stop()
            await asyncio.to_thread(serving.join)

    async def test_exit_in_a_stream_arrives(self):
        """The exception ends the server, and the client gets an error."""
        process = program(EXITS, name := new_name())
        self.addCleanup(process.kill)
        await asyncio.to_thread(process.stdout.readline)
        async with (await self.client.get(Kinds, name)).Count(until=1) as stream:
            await self.fails(stream.receive())
        _, err = await self.within(asyncio.to_thread(process.communicate))
        self.assertEqual(process.returncode, 3, err)


EXITS = """
    import asyncio, sys
    from ipcbus import aio
    from kinds_ipc import KindsService

    class Exits(KindsService):
        async def Count(self, request, context):
            sys.exit(3)
            yield {}

    async def main():
        async with aio.Connection() as bus:
            await bus.register(sys.argv[1], Exits())
            print("ready", flush=True)
            await bus.serve_forever()

    asyncio.run(main())
"""


class Threads(Case):
    async def test_sync(self):
        """A synchronous client with both kinds of services."""
        await self.server.register("test.async-streams", MyKinds())
        with sync.Connection() as server:
            await asyncio.to_thread(server.register, "test.sync-streams", MySync())
            serving = threading.Thread(target=server.run)
            serving.start()
            for name in ("test.async-streams", "test.sync-streams"):
                await self.within(asyncio.to_thread(self.use, name))
                kinds = await self.client.get(Kinds, name)
                texts = [reply.text async for reply in kinds.Count(until=40)]
                self.assertEqual(len(texts), 40)
            server.stop()
            await asyncio.to_thread(serving.join)

    async def test_interrupt(self):
        """Ctrl-C ends a wait of the main thread. Stream and connection stay usable."""
        await self.server.register("test.interrupt", MyKinds())
        for wait in ("receive", "iterate", "send"):
            process = program(INTERRUPTED, wait)
            self.addCleanup(process.kill)
            out, err = await self.within(asyncio.to_thread(process.communicate, timeout=50), 60)
            self.assertEqual((out, process.returncode), ("interrupted\ngoes on\n", 0), err)

    async def test_main_thread(self):
        """Timeouts hold across the slices of the main thread, and signal handlers run."""
        await self.server.register("test.main-thread", MyKinds())
        process = program(MAIN_THREAD)
        self.addCleanup(process.kill)
        out, err = await self.within(asyncio.to_thread(process.communicate, timeout=50), 60)
        self.assertEqual((out, process.returncode), ("late\nalarm\n4\n", 0), err)

    def use(self, name):
        with sync.Connection() as bus:
            kinds = bus.get(KindsSync, name)
            counts = kinds.Count(until=50)
            with self.assertRaisesRegex(ipcbus.Error, "^Count has a single request, "):
                counts.send(until=1)
            texts = [reply.text for reply in counts]
            self.assertEqual(texts, [str(i) for i in range(50)])
            with kinds.Join() as join:
                for i in range(30):
                    join.send(text=str(i))
                for wait in (join.receive, lambda: next(join)):
                    with self.assertRaisesRegex(
                        ipcbus.InvalidArgument, "^Join has a single reply, "
                    ):
                        wait()
                with self.assertRaises(ipcbus.WouldBlock):
                    join.receive(timeout=0)
                join.end()
                self.assertEqual(join.finish().text, " ".join(map(str, range(30))))
                with self.assertRaises(ipcbus.Error) as twice:
                    join.finish()
                self.assertEqual(twice.exception.code, errno.EALREADY)
            with kinds.Chat() as chat:
                chat.send(text="x")
                self.assertEqual(chat.receive(timeout=60).text, "X")
                for timeout in (0, -1, 0.05, 0.25):
                    with self.assertRaisesRegex(
                        ipcbus.WouldBlock, "^no message has arrived in time$"
                    ):
                        chat.receive(timeout=timeout)
                with self.assertRaises(ValueError):
                    chat.receive(timeout=math.nan)
                chat.send(text="y")
                self.assertEqual(chat.receive(timeout=math.inf).text, "Y")
                chat.end()
                self.assertIsNone(chat.receive())
            for wait in chat.receive, chat.send, chat.end:
                with self.assertRaisesRegex(ipcbus.Canceled, "^the stream was canceled$"):
                    wait()
            # The timeout of the stream has expired for every receive().
            with kinds.Chat(timeout=0.2) as chat:
                for _ in range(2):
                    with self.assertRaises(ipcbus.DeadlineExceeded):
                        chat.receive(timeout=60)


# A thread sends the signal, so it arrives during the wait.
INTERRUPTED = """
    import os, signal, sys, threading
    from ipcbus import sync
    from kinds_ipc import KindsSync

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    with sync.Connection() as bus:
        kinds = bus.get(KindsSync, "test.interrupt")
        chat = kinds.Chat()
        waits = kinds.Count(until=10, wait=1)
        assert waits.receive().text == "0"
        sent = 0
        timer = threading.Timer(0.3, interrupt)
        try:
            timer.start()
            if sys.argv[1] == "receive":
                chat.receive()
            elif sys.argv[1] == "iterate":
                for reply in waits:
                    print(reply.text)
            else:
                while True:
                    chat.send(text=str(sent))
                    sent += 1
        except KeyboardInterrupt:
            print("interrupted")
        timer.join()
        for i in range(sent):
            assert chat.receive().text == str(i)
        chat.send(text="goes on")
        # One more came back if the signal arrived behind send(), not in it.
        texts = [chat.receive().text]
        if texts[0] == str(sent):
            texts.append(chat.receive().text)
        print(texts[-1].lower())
        kinds.ping()
"""

MAIN_THREAD = """
    import signal, time
    import ipcbus
    from ipcbus import sync
    from kinds_ipc import KindsSync

    class Alarm(Exception):
        pass

    def on_alarm(number, frame):
        raise Alarm

    with sync.Connection() as bus:
        kinds = bus.get(KindsSync, "test.main-thread")
        with kinds.Count(until=5, wait=1) as stream:
            assert stream.receive().text == "0"
            began = time.monotonic()
            try:
                stream.receive(timeout=0.35)
            except ipcbus.WouldBlock:
                print("late" if time.monotonic() - began >= 0.34 else "early")
            signal.signal(signal.SIGALRM, on_alarm)
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            try:
                stream.receive(timeout=3000)
            except Alarm:
                print("alarm")
        print(len(list(kinds.Count(until=4))))
"""
