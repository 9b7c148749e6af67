# SPDX-License-Identifier: MIT
"""Operations that end early: canceled operations, closed connections, a bus whose daemon ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import errno
import gc
import os
import signal
import threading
import unittest

import ipcbus
import kinds_pb2
from common import Case, Echo, PrivateBus, new_name, program
from ipcbus import aio, sync
from kinds_ipc import Kinds, KindsService, KindsSync, KindsSyncService

HUNG = """
    import asyncio, sys
    from ipcbus import aio
    from kinds_ipc import KindsService

    class Hung(KindsService):
        opened = 0

        async def Count(self, request, context):
            self.opened += 1
            yield {}

        async def Nothing(self, context):
            print(self.opened, flush=True)

    async def main():
        async with aio.Connection() as bus:
            await bus.register(sys.argv[1], Hung())
            print("ready", flush=True)
            await bus.serve_forever()

    asyncio.run(main())
"""


def count_fds() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def without_fds(fds: int) -> None:
    """Returns when no more than this number of files are open. Ending threads close some."""
    while count_fds() > fds:
        await asyncio.sleep(0.01)


async def without_threads(threads: int) -> None:
    """Returns when no more than this number of threads run."""
    while threading.active_count() > threads:
        await asyncio.sleep(0.01)


class Canceled(Case):
    async def test_canceled_opening_leaves_nothing(self):
        name = new_name()
        server = program(HUNG, name)
        self.addCleanup(server.communicate)
        self.addCleanup(server.kill)
        await asyncio.to_thread(server.stdout.readline)
        kinds = await self.client.get(Kinds, name)
        fds = count_fds()
        threads = threading.active_count()
        os.kill(server.pid, signal.SIGSTOP)
        for _ in range(20):
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.01), kinds.Count(until=1):
                    pass
        with self.assertRaises(ipcbus.DeadlineExceeded):
            await kinds.Count(until=1, timeout=0.01).receive()
        closing = kinds.Count(until=1)
        opening = asyncio.create_task(closing.receive())
        await asyncio.sleep(0)
        self.assertLessEqual(threading.active_count(), threads)
        os.kill(server.pid, signal.SIGCONT)
        await self.within(opening)
        closing.cancel()
        # The server received only this stream.
        await self.within(kinds.Nothing())
        self.assertEqual(server.stdout.readline(), "1\n")
        await self.within(without_fds(fds))

    async def test_opening_ends_with_the_bus(self):
        name = new_name()
        server = program(HUNG, name)
        self.addCleanup(server.communicate)
        self.addCleanup(server.kill)
        await asyncio.to_thread(server.stdout.readline)
        fds = count_fds()
        bus = aio.Connection()
        kinds = await bus.get(Kinds, name)
        os.kill(server.pid, signal.SIGSTOP)
        opening = asyncio.create_task(kinds.Count(until=1).receive())
        await asyncio.sleep(0)
        await bus.close()
        with self.assertRaises(ipcbus.Canceled):
            await self.within(opening)
        await self.within(without_fds(fds))

    async def test_streams_do_not_outlive_the_connection(self):
        class Endless(KindsService):
            async def Count(self, request, context):
                yield {}
                await asyncio.sleep(60)

        name = new_name()
        await self.server.register(name, Endless())
        fds = count_fds()
        async with aio.Connection() as bus:
            stream = (await bus.get(Kinds, name)).Count(until=1)
            await stream.receive()
        await self.within(without_fds(fds))

    async def test_canceled_names_leave_nothing(self):
        """Operations on names while the service manager is stopped and then continued."""
        with PrivateBus() as private:
            async with aio.Connection(private.path) as bus, aio.Connection(private.path) as other:
                await bus.register("test.before", Echo())
                threads = threading.active_count()
                os.kill(private.manager.pid, signal.SIGSTOP)
                for wait in (
                    lambda: bus.register("test.name", Echo()),
                    lambda: bus.unregister_name("test.before"),
                    lambda: bus.get_raw("test.name"),
                    lambda: bus.wait_raw("test.name", timeout=60),
                    lambda: bus.check_name("test.name"),
                    lambda: bus.list_names("test.*"),
                ):
                    with self.assertRaises(TimeoutError):
                        await asyncio.wait_for(wait(), 0.05)
                    await self.within(without_threads(threads))
                os.kill(private.manager.pid, signal.SIGCONT)
                with self.assertRaises(ipcbus.NotFound):
                    await self.within(bus.check_name("test.name"))
                # The canceled operations have no effect on new operations.
                await bus.register("test.name", Echo())
                await (await other.get_raw("test.name")).ping()

    async def test_names_start_no_thread_and_do_not_block(self):
        """A server and a client in one loop, while the service manager is stopped, and while a
        server does not accept a stream. Each function returns to the loop, although no reply can
        arrive. The loop itself lets the service manager continue after 100 ticks, so that a
        function that blocks would block for ever."""
        gaps: list[float] = []

        def tasks() -> int:
            return len(os.listdir("/proc/self/task"))

        async def tick(times: int) -> None:
            loop = asyncio.get_running_loop()
            for _ in range(times):
                before = loop.time()
                await asyncio.sleep(0.001)
                gaps.append(loop.time() - before)

        class Slow(aio.RawService):
            """Accepts no stream."""

            async def serve(self, request):  # type: ignore
                await asyncio.sleep(60)

        with PrivateBus() as private:
            async with aio.Connection(private.path) as bus, aio.Connection(private.path) as other:
                await bus.register("test.served", KindsService())
                await bus.register("test.old", Echo())
                await bus.register("test.slow", Slow())
                kinds = await other.get(Kinds, "test.served")
                unaccepted = Kinds(other, (await other.get_raw("test.slow"))._proxy).Join()
                threads = tasks()
                os.kill(private.manager.pid, signal.SIGSTOP)
                work = {
                    "register": bus.register("test.new", Echo()),
                    "taken": other.register("test.served", Echo(), queue=True),
                    "unregister": bus.unregister_name("test.old"),
                    "get": other.get(Kinds, "test.served"),
                    "wait": other.wait_raw("test.new", timeout=60),
                    "check": other.check_name("test.served"),
                    "list": other.list_names("test.served"),
                    "watch": other.watch_names("test.new", lambda *change: None),
                    "open": unaccepted.finish(),
                }
                running = {}
                for name, call in work.items():
                    running[name] = asyncio.create_task(call)
                    await tick(1)
                await tick(int(os.environ.get("IPCBUS_TICKS", 100)))
                self.assertEqual(tasks(), threads)
                # Streams need no service manager.
                stream = kinds.Count(until=1)
                with contextlib.suppress(ipcbus.Error):
                    await self.within(stream.receive())
                self.assertEqual(tasks(), threads)
                self.assertFalse(any(task.done() for task in running.values()))
                print(f"# largest gap between ticks of 1 ms: {max(gaps) * 1e3:.3f} ms")
                os.kill(private.manager.pid, signal.SIGCONT)
                unaccepted.cancel()
                with self.assertRaises(ipcbus.Canceled):
                    await self.within(running.pop("open"))
                done = {name: await self.within(task) for name, task in running.items()}
                self.assertEqual((done["register"], done["taken"]), (True, False))
                self.assertEqual(done["check"].name, "test.served")
                self.assertEqual([info.name for info in done["list"]], ["test.served"])
                with self.assertRaises(ipcbus.NotFound):
                    await bus.unregister_name("test.old")
                done["watch"].end()
                self.assertEqual(tasks(), threads)

    async def test_the_only_thread_does_not_wait_for_streams(self):
        """A handler of ``sync`` on the only serving thread may use names. A wait for a stream there
        fails at once."""
        outcome: list[object] = []

        class Lonely(sync.RawService):
            def serve(self, request):
                bus.wait_raw("test.lonely.other", timeout=60)
                kinds = bus.get(KindsSync, "test.lonely.other")
                try:
                    outcome.append(kinds.Count(until=1).receive())
                except ipcbus.Error as error:
                    outcome.append(error.code)
                return b""

        class Endless(KindsService):
            async def Count(self, request, context):
                await asyncio.sleep(60)
                yield {}

        await self.server.register("test.lonely.other", Endless())
        with sync.Connection() as bus:
            bus.register("test.lonely", Lonely())
            thread = threading.Thread(target=bus.run)
            thread.start()
            await self.within((await self.client.get_raw("test.lonely")).call(1))
            bus.stop()
            await asyncio.to_thread(thread.join)
        self.assertEqual(outcome, [errno.EDEADLK])
        await self.server.unregister_name("test.lonely.other")

    async def test_end_of_a_watch_of_names_does_not_block_the_loop(self):
        changes: asyncio.Queue = asyncio.Queue()
        with PrivateBus() as private:
            async with aio.Connection(private.path) as bus:
                threads = threading.active_count()
                watch = await bus.watch_names("test.*", lambda *change: changes.put_nowait(change))
                await self.within(changes.get())
                os.kill(private.manager.pid, signal.SIGSTOP)
                # end() must not block: the service manager is stopped.
                watch.end()
                watch.end()
                self.assertEqual(threading.active_count(), threads)
                os.kill(private.manager.pid, signal.SIGCONT)
                await bus.register("test.name", Echo())
                await bus.list_names("test.*")
                self.assertTrue(changes.empty())

    async def test_register_canceled_at_any_time_is_not_registered(self):
        """register() may be canceled before, while and after the service manager replies."""
        for turns in range(12):
            name = new_name()
            task = asyncio.create_task(self.server.register(name, Echo()))
            for _ in range(turns):
                await asyncio.sleep(0.0003)
            if task.cancel():
                with self.assertRaises(asyncio.CancelledError):
                    await task
                while await self.client.list_names(name):
                    await asyncio.sleep(0.01)

    async def test_failed_register_is_not_registered(self):
        """The timeout of the client expires, but the service manager handles the request later.
        """
        with PrivateBus() as private, sync.Connection(private.path, timeout=0.2) as bus:
            os.kill(private.manager.pid, signal.SIGSTOP)
            with self.assertRaises(ipcbus.DeadlineExceeded):
                await asyncio.to_thread(bus.register, "test.name", sync.RawService())
            os.kill(private.manager.pid, signal.SIGCONT)
            async with aio.Connection(private.path) as other:
                while await other.list_names("test.*"):
                    await asyncio.sleep(0.01)

    async def test_canceled_wait_for_a_name(self):
        threads = threading.active_count()
        for _ in range(20):
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(self.client.wait_raw(new_name(), timeout=60), 0.005)
        await self.within(without_threads(threads))


class Slow(aio.RawService):
    """A handler that takes time to clean up when it is canceled."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.end = asyncio.Event()

    async def serve(self, request):
        self.begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await self.end.wait()


class Closing(Case):
    async def begin(self):
        self.bus, self.slow, name = aio.Connection(), Slow(), new_name()
        await self.bus.register(name, self.slow)
        self.call = asyncio.create_task((await self.client.get_raw(name)).call(1))
        await self.within(self.slow.begun.wait())

    async def end(self):
        self.assertTrue(self.bus._connection.closed)
        with self.assertRaises(ipcbus.Error):
            await self.within(self.call)
        await self.within(self.bus.serve_forever())
        self.slow.end.set()
        await self.bus.close()

    async def test_canceled_close_closes(self):
        await self.begin()
        with self.assertRaises(TimeoutError):
            await asyncio.wait_for(self.bus.close(), 0.05)
        await self.end()

    async def test_concurrent_closes_return_when_it_is_closed(self):
        await self.begin()
        closes = [asyncio.create_task(self.bus.close()) for _ in range(3)]
        await asyncio.sleep(0.05)
        self.assertFalse(any(close.done() for close in closes))
        self.slow.end.set()
        await self.within(asyncio.gather(*closes))
        await self.end()

    async def test_handlers_may_close(self):
        """Each close() waits for the handlers, except for a handler that called it."""
        bus, name = aio.Connection(), new_name()

        class Closer(aio.RawService):
            async def serve(self, request):
                try:
                    await asyncio.sleep(60 if request.method else 0)
                finally:
                    await bus.close()

        await bus.register(name, Closer())
        proxy = await self.client.get_raw(name)
        calls = [asyncio.create_task(proxy.call(code)) for code in (1, 2, 0)]
        for result in await self.within(asyncio.gather(*calls, return_exceptions=True)):
            self.assertIsInstance(result, ipcbus.Error)
        await self.within(bus.close())

    async def test_close_ends_waits(self):
        async with aio.Connection() as bus:
            name = new_name()
            await self.server.register(name, Waiting())
            kinds = await bus.get(Kinds, name)
            stream = kinds.Count(until=1)
            await stream.receive()
            waits = [
                asyncio.create_task(wait)
                for wait in (
                    kinds.wait_dead(),
                    kinds.Nothing(),
                    stream.receive(),
                    bus.wait_raw(new_name(), timeout=60),
                )
            ]
            await asyncio.sleep(0.1)
        for wait in waits:
            with self.assertRaises(ipcbus.Canceled):
                await self.within(wait)

    async def test_wait_after_close_is_canceled(self):
        bus = aio.Connection()
        future = bus._future()  # as of wait_raw() while close() runs
        await bus.close()
        with self.assertRaises(ipcbus.Canceled):
            await self.within(bus._wait(future))

    async def test_close_in_a_child_leaves_the_parent_alone(self):
        service = Echo()
        name = new_name()
        await self.server.register(name, service)
        threaded = sync.Connection()
        await asyncio.to_thread(threaded.register, new_name(), sync.RawService())
        running = threading.Thread(target=threaded.run)
        running.start()
        child = os.fork()
        if child == 0:
            try:
                self.server.close().send(None)
            except StopIteration:
                threaded.close()
                threaded.stop()
                os._exit(7)
            os._exit(1)
        status = await asyncio.to_thread(os.waitpid, child, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status[1]), 7)
        proxy = await self.client.get_raw(name)
        self.assertEqual(bytes(await self.within(proxy.call(1, b"x"))), b"x")
        self.assertTrue(running.is_alive())
        threaded.close()
        running.join(10)
        self.assertFalse(running.is_alive())


    async def test_close_ends_waits_of_threads(self):
        name = new_name()
        await self.server.register(name, Waiting())
        bus = sync.Connection()
        kinds = await asyncio.to_thread(bus.get, KindsSync, name)

        def receive():
            with kinds.Count(until=1) as stream:
                for _ in stream:
                    pass

        with concurrent.futures.ThreadPoolExecutor() as pool:
            waits = [
                pool.submit(function)
                for function in (
                    kinds.Nothing,
                    receive,
                    lambda: bus.wait_raw(new_name(), timeout=60),
                    lambda: bus.wait(KindsSync, new_name(), timeout=60),
                )
            ]
            await asyncio.sleep(0.2)
            bus.close()
            for wait in waits:
                with self.assertRaises(ipcbus.Canceled):
                    await self.within(asyncio.wrap_future(wait))

    async def send_oneways(self, name: str, number: int) -> None:
        proxy = await self.client.get_raw(name)
        for _ in range(number):
            await proxy.oneway(0)

    async def test_close_logs_discarded_oneways_once(self):
        bus, name = sync.Connection(), new_name()
        service = sync.RawService()
        bus.register(name, service)
        held = bus.make_object(service)
        await self.send_oneways(name, 20)
        with self.assertLogs("ipcbus", "WARNING") as logs:
            bus.close()
        del held
        self.assertEqual(len(logs.output), 1, logs.output)
        self.assertIn("ipc: 20 oneways were discarded: this connection closed", logs.output[0])

    async def test_close_logs_oneways_discarded_while_it_waits_once(self):
        await self.begin()
        name = new_name()
        await self.bus.register(name, aio.RawService())
        with self.assertLogs("ipcbus", "WARNING") as logs:
            close = asyncio.create_task(self.bus.close())
            await asyncio.sleep(0.05)
            await self.send_oneways(name, 20)
            await asyncio.sleep(0.2)
            self.slow.end.set()
            await self.within(close)
        self.assertEqual(len(logs.output), 1, logs.output)
        self.assertIn("ipc: 20 oneways were discarded: this connection closed", logs.output[0])
        await self.end()

    async def test_close_ends_a_wait_without_a_service_manager(self):
        with PrivateBus() as private:
            private.manager.kill()
            private.manager.wait()
            bus = sync.Connection(private.path)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                wait = pool.submit(bus.wait_raw, "test.nobody", timeout=60)
                await asyncio.sleep(0.2)
                bus.close()
                with self.assertRaises(ipcbus.Canceled):
                    await self.within(asyncio.wrap_future(wait))


class Cancellations(Case):
    """Cancellations and parents of ``ipcbus.sync``."""

    async def test_what_a_cancellation_ends(self):
        class Hanging(KindsService):
            def __init__(self):
                self.begun, self.canceled = asyncio.Event(), asyncio.Event()

            async def hang(self):
                self.begun.set()
                try:
                    await asyncio.sleep(60)
                finally:
                    self.canceled.set()

            async def Nothing(self, context):
                await self.hang()

            async def Count(self, request, context):
                await self.hang()
                yield {}

            async def Plain(self, request, context):
                return {"text": request.text}

        name, nobody = new_name(), new_name()
        service = Hanging()
        await self.server.register(name, service)
        with sync.Connection() as bus, sync.Connection() as other:
            kinds = await asyncio.to_thread(bus.get, KindsSync, name)

            def receive():
                with kinds.Count(until=1) as stream:
                    stream.receive()

            for wait in kinds.Nothing, receive, lambda: bus.wait_raw(nobody):
                stop, outer = sync.Cancellation(bus), sync.Cancellation(bus)
                inside = threading.Event()

                def work():
                    with outer:
                        with stop:
                            inside.set()
                            with self.assertRaises(ipcbus.Canceled):
                                wait()
                            with self.assertRaises(ipcbus.Canceled):
                                kinds.Plain(text="later")
                            # A cancellation does not affect calls of another connection.
                            other.check_name(name)
                        self.assertEqual(kinds.Plain(text="outer").text, "outer")
                        outer.cancel()
                        with self.assertRaises(ipcbus.Canceled):
                            kinds.Plain(text="outer")
                    self.assertEqual(kinds.Plain(text="outside").text, "outside")

                service.begun.clear(), service.canceled.clear()
                working = asyncio.create_task(asyncio.to_thread(work))
                waits_for_name = wait not in (kinds.Nothing, receive)
                await asyncio.to_thread(inside.wait)
                if waits_for_name:
                    await asyncio.sleep(0.1)
                else:
                    await self.within(service.begun.wait())
                self.assertFalse(stop.is_canceled())
                stop.cancel()
                self.assertTrue(stop.is_canceled())
                await self.within(working)
                if not waits_for_name:
                    await self.within(service.canceled.wait())
            last = sync.Cancellation(bus)
        self.assertTrue(last.is_canceled())

    async def test_calls_in_a_copied_context_are_for_the_handlers_call(self):
        class Front(KindsSyncService):
            def Plain(self, request, context):
                with concurrent.futures.ThreadPoolExecutor(1) as pool:
                    copied = contextvars.copy_context()
                    waits = pool.submit(copied.run, back.Plain), pool.submit(back.Plain)
                    return {"text": " ".join(wait.result().text for wait in waits)}

        class Back(KindsService):
            async def Plain(self, request, context):
                return {"text": "none" if context.remaining() is None else "limited"}

        front_name, back_name = new_name(), new_name()
        await self.server.register(back_name, Back())
        with sync.Connection() as bus:
            back = await asyncio.to_thread(bus.get, KindsSync, back_name)
            await asyncio.to_thread(bus.register, front_name, Front())
            thread = threading.Thread(target=bus.run)
            thread.start()
            front = await self.client.get(Kinds, front_name)
            reply = await self.within(front.Plain(timeout=20))
            bus.stop()
            await asyncio.to_thread(thread.join)
        self.assertEqual(reply.text, "limited none")


class Cleaner(KindsService):
    """A service whose handlers call another service after their own call has ended."""

    def __init__(self) -> None:
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.begun = asyncio.Event()

    async def cleans(self):
        texts = []
        for detached in False, True:
            # A task of the handler inherits the served call.
            reply = await asyncio.create_task(self.other.Plain(text="cleaned", detached=detached))
            await self.other.Kick(text="x", detached=detached)
            async with self.other.Count(until=1, detached=detached) as stream:
                texts += [reply.text, (await stream.receive()).text]
        self.ended.put_nowait(" ".join(texts))

    async def Nothing(self, context):
        try:
            self.begun.set()
            await asyncio.sleep(60)
        finally:
            await self.cleans()

    async def Count(self, request, context):
        try:
            yield {}
            await asyncio.sleep(60)
        finally:
            await self.cleans()


class Other(KindsService):
    async def Nothing(self, context):
        pass

    async def Plain(self, request, context):
        return {"text": request.text}

    async def Kick(self, request, context):
        pass

    async def Count(self, request, context):
        yield {"text": "counted"}


class Detached(Case):
    async def test_canceled_handlers_clean_up(self):
        expected = "cleaned counted cleaned counted"
        cleaner, name, other = Cleaner(), new_name(), new_name()
        async with aio.Connection() as third:
            await third.register(other, Other())
            cleaner.other = await self.server.get(Kinds, other)
            await self.server.register(name, cleaner)
            kinds = await self.client.get(Kinds, name)
            with self.assertRaises(ipcbus.DeadlineExceeded):
                await kinds.Nothing(timeout=0.05)
            self.assertEqual(await self.within(cleaner.ended.get()), expected)
            cleaner.begun.clear()
            task = asyncio.create_task(kinds.Nothing())
            await self.within(cleaner.begun.wait())
            task.cancel()
            self.assertEqual(await self.within(cleaner.ended.get()), expected)
            async with kinds.Count(until=1) as stream:
                await stream.receive()
            self.assertEqual(await self.within(cleaner.ended.get()), expected)

    async def test_handlers_of_threads_clean_up_with_detached_calls(self):
        late, ended = threading.Event(), threading.Event()
        name, other = new_name(), new_name()
        texts = []

        class Sleeper(KindsSyncService):
            def Slow(self, context):
                late.wait(10)
                try:
                    self.other.Nothing()
                except ipcbus.Error as error:
                    texts.append(error.code)
                texts.append(self.other.Plain(text="cleaned", detached=True).text)
                ended.set()

        await self.server.register(other, Other())
        with sync.Connection() as bus:
            sleeper = Sleeper()
            sleeper.other = await asyncio.to_thread(bus.get, KindsSync, other)
            await asyncio.to_thread(bus.register, name, sleeper)
            serving = threading.Thread(target=bus.run)
            serving.start()
            with self.assertRaises(ipcbus.DeadlineExceeded):
                await (await self.client.get(Kinds, name)).Slow(timeout=0.05)
            late.set()
            await self.within(asyncio.to_thread(ended.wait, 10))
            bus.stop()
            await asyncio.to_thread(serving.join)
        self.assertIn(texts[0], (errno.ETIMEDOUT, errno.ECANCELED))
        self.assertEqual(texts[1:], ["cleaned"])


class Waiting(KindsService):
    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)
        self.canceled: asyncio.Queue[str] = asyncio.Queue()
        self.requests_ended = asyncio.Event()

    async def waits(self, what: str) -> None:
        self.begun.release()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.canceled.put_nowait(what)
            raise

    async def Nothing(self, context):
        await self.waits("call")

    async def Count(self, request, context):
        yield kinds_pb2.PlainReply(text="first")
        await self.waits("stream")

    async def Join(self, requests, context):
        async for _ in requests:
            pass
        self.requests_ended.set()
        await self.waits("join")


class Limits(Case):
    async def test_time_limits_of_any_number(self):
        nan, huge = float("nan"), 10**400
        name, nobody = new_name(), new_name()
        await self.server.register(name, Other())
        kinds = await self.client.get(Kinds, name)
        for wait in (
            kinds.Nothing(timeout=nan),
            kinds.Kick(text="x", timeout=nan),
            kinds.Count(until=1).receive(timeout=nan),
            self.client.wait(Kinds, name, timeout=nan),
            self.client.wait_raw(nobody, timeout=nan),
        ):
            with self.assertRaises(ValueError):
                await self.within(wait)
        await self.within(kinds.Nothing(timeout=huge))
        await self.within(kinds.Kick(text="x", timeout=huge))
        await self.within(kinds.Count(until=1).receive(timeout=huge))
        await self.within(self.client.wait(Kinds, name, timeout=huge))
        for limit in (0, -1, -huge):
            await self.within(self.client.wait(Kinds, name, timeout=limit))
            with self.assertRaises(ipcbus.DeadlineExceeded):
                await self.within(self.client.wait_raw(nobody, timeout=limit))
        with sync.Connection() as bus:
            for limit in (0, -1, -huge):
                await self.within(asyncio.to_thread(bus.wait, KindsSync, name, timeout=limit))
                with self.assertRaises(ipcbus.DeadlineExceeded):
                    bus.wait_raw(nobody, timeout=limit)
            with self.assertRaises(ValueError):
                bus.wait_raw(nobody, timeout=nan)

    async def test_hung_manager_does_not_hold_up_a_wait_with_a_limit(self):
        with PrivateBus() as private:
            async with aio.Connection(private.path) as bus:
                await bus.list_names()
                private.manager.send_signal(signal.SIGSTOP)
                with self.assertRaises(ipcbus.DeadlineExceeded):
                    await self.within(bus.wait_raw("test.nobody", timeout=0.1))
                private.manager.send_signal(signal.SIGCONT)

    async def test_classes_of_the_other_surface_are_refused(self):
        for kind, service in ((KindsSync, KindsSyncService()), (KindsService, KindsService)):
            with self.assertRaisesRegex(TypeError, "is not derived from ipcbus.aio.TypedProxy"):
                await self.client.get(kind, new_name())
            with self.assertRaisesRegex(TypeError, "is not an implementation for ipcbus.aio") as caught:
                await self.client.register(new_name(), service)
            is_class = isinstance(service, type)
            self.assertEqual("of the class, KindsService()" in str(caught.exception), is_class)
        with sync.Connection() as bus:
            with self.assertRaisesRegex(TypeError, "is not derived from ipcbus.sync.TypedProxy"):
                bus.get(Kinds, new_name())
            with self.assertRaisesRegex(TypeError, "is not an implementation for ipcbus.sync"):
                bus.make_object(KindsService())


class HalfEnded(Case):
    async def test_stream_canceled_after_the_requests_cancels_the_handler(self):
        waiting, name = Waiting(), new_name()
        await self.server.register(name, waiting)
        for requests in (0, 1):
            kinds = await self.client.get(Kinds, name)
            with self.subTest(requests=requests):
                async with kinds.Join() as stream:
                    for _ in range(requests):
                        await stream.send(text="x")
                    await stream.end()
                    await self.within(waiting.requests_ended.wait())
                    waiting.requests_ended.clear()
                self.assertEqual(await self.within(waiting.canceled.get()), "join")


class BusEnds(unittest.IsolatedAsyncioTestCase):
    """When the daemon ends, all waits end with ECONNRESET, with and without serve_forever()."""

    async def stream(self, kinds):
        async with kinds.Count(until=1) as stream:
            async for _ in stream:
                pass

    def stream_sync(self, kinds):
        with kinds.Count(until=1) as stream:
            for _ in stream:
                pass

    async def test_all_that_waits_ends(self):
        with PrivateBus() as private:
            waiting = Waiting()
            server, client = aio.Connection(private.path), aio.Connection(private.path)
            threaded = sync.Connection(private.path)
            await server.register("test.waiting", waiting)
            kinds = await client.get(Kinds, "test.waiting")
            kinds_sync = await asyncio.to_thread(threaded.get, KindsSync, "test.waiting")
            waits = {
                "call": kinds.Nothing(),
                "stream": self.stream(kinds),
                "name": client.wait_raw("test.nobody", timeout=60),
                "serve": server.serve_forever(),
                "call_sync": asyncio.to_thread(kinds_sync.Nothing),
                "stream_sync": asyncio.to_thread(self.stream_sync, kinds_sync),
                "name_sync": asyncio.to_thread(threaded.wait_raw, "test.nobody", timeout=60),
                "run_sync": asyncio.to_thread(threaded.run),
            }
            tasks = {name: asyncio.create_task(wait) for name, wait in waits.items()}
            for _ in range(4):
                await asyncio.wait_for(waiting.begun.acquire(), 10)
            private.daemon.kill()
            await asyncio.wait(tasks.values(), timeout=10)
            for name, task in tasks.items():
                with self.subTest(name):
                    self.assertTrue(task.done())
                    self.assertIsInstance(task.exception(), ipcbus.Error)
                    self.assertEqual(task.exception().code, errno.ECONNRESET)
                task.cancel()
            ended = [await asyncio.wait_for(waiting.canceled.get(), 10) for _ in range(4)]
            self.assertEqual(sorted(ended), ["call", "call", "stream", "stream"])
            name = client.wait_raw("test.x", timeout=60)
            for later in (kinds.Nothing(), self.stream(kinds), name):
                with self.assertRaises(ipcbus.Error) as caught:
                    await asyncio.wait_for(later, 10)
                self.assertEqual(caught.exception.code, errno.ECONNRESET)
            await asyncio.gather(server.close(), client.close())
            threaded.close()
