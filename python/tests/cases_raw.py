# SPDX-License-Identifier: MIT
"""Calls of bytes: results and errors."""

from __future__ import annotations

import asyncio
import errno
import gc
import math
import os
import pickle
import queue
import threading
import time
import unittest

import ipcbus
from ipcbus import NameChange, RegistrationEvent
from common import Case, Echo, new_name, pid_of, program
from ipcbus import _core, aio, sync


class Empty(ipcbus.ServiceError, name="test.Empty"):
    pass


class Failing(Echo):
    async def serve_3(self, request):
        raise Empty("nothing to say", number=7, details=b"\0\xff")

    async def serve_4(self, request):
        raise KeyError("secret")

    async def serve_5(self, request):
        raise ipcbus.PermissionDenied("not you")

    async def serve_6(self, request):
        raise ipcbus.NotFound("other", name="test.Other")

    async def serve_7(self, request):
        raise ipcbus.DeadObject("behind")

    async def serve_8(self, request):
        return b"", ((1, -1),)


class Calls(Case):
    async def test_echo(self):
        proxy = await self.serve(Echo())
        for data in (b"", b"x", b"x" * 100_000, b"x" * 3_000_000):
            reply = await proxy.call(1, data)
            self.assertEqual(bytes(reply), data)
            self.assertEqual(len(reply), len(data))
        self.assertEqual(bytes(await proxy.call(1, bytearray(b"abc"))), b"abc")
        self.assertEqual(bytes(await proxy.call(1, memoryview(b"abc")[1:])), b"bc")
        self.assertEqual(bytes(await proxy.call(1, await proxy.call(1, b"again"))), b"again")

    async def test_many_at_once(self):
        proxy = await self.serve(Echo())
        replies = await asyncio.gather(*(proxy.call(1, b"%d" % i) for i in range(500)))
        self.assertEqual([bytes(r) for r in replies], [b"%d" % i for i in range(500)])

    async def test_service_error(self):
        proxy = await self.serve(Failing())
        with self.assertRaises(Empty) as caught:
            await proxy.call(3)
        error = caught.exception
        self.assertEqual(error.code, errno.EREMOTEIO)
        self.assertEqual((error.name, error.text), ("test.Empty", "nothing to say"))
        self.assertEqual((error.number, error.details), (7, b"\0\xff"))
        self.assertIs(error.origin, ipcbus.Origin.PEER)
        self.assertEqual(str(error), "test.Empty: nothing to say")
        copy = pickle.loads(pickle.dumps(error))
        self.assertIs(type(copy), Empty)
        self.assertEqual(copy.details, error.details)
        with self.assertRaises(ipcbus.ServiceError) as caught:
            await proxy.call(6)
        self.assertIs(type(caught.exception), ipcbus.ServiceError)
        self.assertEqual(caught.exception.name, "test.Other")
        self.assertEqual(caught.exception.code, errno.ENOENT)

    async def test_errno(self):
        proxy = await self.serve(Failing())
        with self.assertRaises(PermissionError) as caught:
            await proxy.call(5)
        self.assertEqual(caught.exception.text, "not you")
        # An errno that only the bus may report becomes an error of a service behind the server.
        with self.assertRaises(ipcbus.ServiceError) as caught:
            await proxy.call(7)
        self.assertIs(caught.exception.origin, ipcbus.Origin.BEHIND)
        self.assertEqual(caught.exception.cause, errno.EOWNERDEAD)
        self.assertEqual(str(caught.exception), "behind the server: behind")
        # The meaning that an errno has for the server is not sent.
        with self.assertRaises(ipcbus.Error) as caught:
            await proxy.call(8)
        text = "the server reports EBADF: Bad file descriptor"
        self.assertEqual((str(caught.exception), caught.exception.text), (text, text))

    async def test_origin_of_a_dead_object(self):
        proxy = await self.serve(Echo())
        await self.server.close()
        for call in (proxy.call(1), proxy._open(1, 0, None), proxy.oneway(1)):
            with self.assertRaises(ipcbus.DeadObject) as caught:
                await call
            self.assertIs(caught.exception.origin, ipcbus.Origin.BUS)

    async def test_origin_of_an_expired_timeout(self):
        proxy = await self.serve(Echo())
        # A call that expires before it is sent never starts.
        for call in (proxy.call(1, timeout=1e-6), proxy._open(1, 1, None)):
            with self.assertRaises(ipcbus.DeadlineExceeded) as caught:
                await call
            self.assertIs(caught.exception.origin, ipcbus.Origin.BUS)

    async def test_wrong_arguments(self):
        proxy = await self.serve(Echo())
        for kind in (aio.Connection, sync.Connection):
            for timeout in (0, -1):
                with self.assertRaisesRegex(ipcbus.InvalidArgument, "timeout must be positive"):
                    kind(timeout=timeout)
            with self.assertRaisesRegex(TypeError, "5 is not callable"):
                kind(reconnect=5)
            kind(timeout=math.inf)
        bus = sync.Connection()
        for function in (
            proxy.on_death,
            self.client.on_registration,
            bus.on_registration,
            lambda callback: bus.watch_names("x", callback),
        ):
            with self.assertRaisesRegex(TypeError, "None is not callable"):
                function(None)
            with self.assertRaisesRegex(TypeError, "must be a plain function"):
                function(Echo().serve)
        with self.assertRaisesRegex(TypeError, "None is not callable"):
            await self.client.watch_names("x", None)
        with self.assertRaisesRegex(TypeError, "name must be a str, not <class 'NoneType'>"):
            await self.client.get_raw(None)
        bus.close()

    async def test_unexpected_exception(self):
        proxy = await self.serve(Failing())
        with self.assertLogs("ipcbus", "ERROR") as logs, self.assertRaises(ipcbus.Error) as caught:
            await proxy.call(4)
        self.assertEqual(caught.exception.name, "ipc.Unhandled")
        self.assertIn("KeyError", caught.exception.text)
        self.assertNotIn("secret", str(caught.exception))
        self.assertIn("secret", logs.output[0])

    async def test_deadline(self):
        service = Echo()
        proxy = await self.serve(service)
        began = time.monotonic()
        with self.assertRaises(TimeoutError) as caught:
            await proxy.call(2, timeout=0.2)
        self.assertIsInstance(caught.exception, ipcbus.DeadlineExceeded)
        self.assertGreaterEqual(time.monotonic() - began, 0.19)
        await self.within(service.canceled.wait())
        for timeout in (0, -1):
            text = f"^the timeout of {timeout} s has expired: nothing was sent$"
            with self.assertRaisesRegex(ipcbus.DeadlineExceeded, text):
                await proxy.call(1, timeout=timeout)
        for call in (proxy.call(1, timeout="1"), self.client.wait_raw("x", timeout="1")):
            text = "timeout must be a number of seconds or None, not '1'"
            with self.assertRaisesRegex(TypeError, text):
                await call
        self.assertEqual(len(service.seen), 1)
        with self.assertRaises(ValueError):
            await proxy.call(1, timeout=math.nan)
        await proxy.call(1, timeout=math.inf)

    async def test_default_timeout(self):
        name = new_name()
        await self.server.register(name, Echo())
        async with aio.Connection(timeout=0.1) as bus:
            proxy = await bus.get_raw(name)
            with self.assertRaises(ipcbus.DeadlineExceeded):
                await proxy.call(2)

    async def test_cancel(self):
        service = Echo()
        proxy = await self.serve(service)
        task = asyncio.create_task(proxy.call(2))
        await self.within(service.begun.wait())
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        await self.within(service.canceled.wait())
        self.assertEqual(bytes(await proxy.call(1, b"on")), b"on")

    async def test_cancel_reaches_the_end_of_a_chain(self):
        last = Echo()
        target = await self.serve(last)
        name = new_name()

        class Middle(aio.RawService):
            async def serve(self, request):
                return await inner.call(2)

        async with aio.Connection() as bus:
            await bus.register(name, Middle())
            last_name = new_name()
            await self.server.register(last_name, last)
            inner = await bus.get_raw(last_name)
            proxy = await self.client.get_raw(name)
            task = asyncio.create_task(proxy.call(0))
            await self.within(last.begun.wait())
            task.cancel()
            await self.within(last.canceled.wait())
            # The handler is also canceled if the deadline expires after it has begun.
            last.canceled.clear()
            last.begun.clear()
            limit = 0.1
            while not last.begun.is_set():
                with self.assertRaises(ipcbus.DeadlineExceeded):
                    await proxy.call(0, timeout=limit)
                limit *= 4
            await self.within(last.canceled.wait())
        del target

    async def test_oneway(self):
        service = Echo()
        proxy = await self.serve(service)
        for i in range(50):
            await proxy.oneway(1, b"%d" % i)
        await proxy.call(1, b"end")
        while len(service.seen) < 51:
            await asyncio.sleep(0.01)
        seen = [data for data in service.seen if data != b"end"]
        self.assertEqual(seen, [b"%d" % i for i in range(50)])

        def send_at_once():
            with sync.Connection() as bus:
                for timeout in (0, -1):
                    bus.get_raw(name).oneway(1, b"now", timeout=timeout)

        name = new_name()
        await self.server.register(name, service)
        await asyncio.to_thread(send_at_once)
        while service.seen.count(b"now") < 2:
            await asyncio.sleep(0.01)

    async def test_oneway_without_space(self):
        service = Echo()
        proxy = await self.serve(service)
        big = b"x" * 3_000_000
        with self.assertRaises(BlockingIOError):
            for _ in range(100):
                await proxy.oneway(2, big)
        with self.assertRaises(TimeoutError):
            await proxy.oneway(1, big, timeout=0.2)
        task = asyncio.create_task(proxy.oneway(1, big, timeout=10))
        await asyncio.sleep(0.1)
        self.assertFalse(task.done())
        for handler in list(self.server._tasks):
            handler.cancel()
        while not task.done():
            for handler in list(self.server._tasks):
                handler.cancel()
            await asyncio.sleep(0.05)
        await task

    async def test_oneway_error_is_logged_once(self):
        proxy = await self.serve(Failing())
        for code, text in (4, "unhandled exception"), (5, "a oneway failed: not you"):
            with self.assertLogs("ipcbus") as logs:
                await proxy.oneway(code)
                while not logs.output:
                    await asyncio.sleep(0.001)
                await proxy.call(1)
            self.assertEqual(len(logs.output), 1)
            self.assertRegex(logs.output[0], rf" method {code:#x} \(uid \d+, pid \d+\): {text}")

    async def test_who_calls(self):
        class Who(aio.RawService):
            async def serve(self, request):
                left = request.remaining()
                self.left = left
                return f"{request.uid} {request.gid} {request.pid} {request.metadata('k')}".encode()

        who = Who()
        proxy = await self.serve(who)
        with self.assertRaises(ipcbus.MessageTooLarge):
            await proxy.call(9, metadata={"k": "x" * 65536})
        reply = bytes(await proxy.call(9, metadata={"k": "v\u00e9"}, timeout=5))
        self.assertEqual(reply.decode(), f"{os.geteuid()} {os.getegid()} {os.getpid()} v\u00e9")
        self.assertTrue(4 < who.left <= 5)
        await proxy.call(9)
        self.assertIsNone(who.left)

    async def test_pidfd_and_label_of_the_caller(self):
        class Who(aio.RawService):
            LABEL = True

            async def serve(self, request):
                fd = request.pidfd()
                self.inheritable = os.get_inheritable(fd)
                self.pid = pid_of(fd)
                return (request.label or "").encode()

        who = Who()
        try:
            with open("/proc/self/attr/current") as file:
                label = file.read().rstrip("\n\0")
        except OSError:  # no security module has labels
            label = ""
        self.assertEqual(bytes(await (await self.serve(who)).call(1)).decode(), label)
        self.assertEqual((who.pid, who.inheritable), (os.getpid(), False))

    async def test_frozen_process(self):
        server = program(
            """
            import sys
            from ipcbus import sync
            with sync.Connection() as bus:
                bus.register(sys.argv[1], sync.RawService())
                print("ready", flush=True)
                bus.run()
            """,
            name := new_name(),
        )
        self.addCleanup(server.communicate)
        self.addCleanup(server.kill)
        await asyncio.to_thread(server.stdout.readline)

        async def change(verb):
            tool = f"{os.environ['B']}/tools/ipcctl"
            process = await asyncio.create_subprocess_exec(tool, verb, name)
            self.assertEqual(await self.within(process.wait()), 0)

        proxy = await self.client.get_raw(name)
        await change("freeze")
        with self.assertRaises(ipcbus.PeerFrozen):
            await proxy.ping()
        await change("thaw")
        await proxy.ping()

    async def test_closed(self):
        service = Echo()
        proxy = await self.serve(service)
        pending = asyncio.create_task(proxy.call(2))
        await self.within(service.begun.wait())
        await self.client.close()
        with self.assertRaises(ipcbus.Canceled):
            await pending
        with self.assertRaises(ipcbus.Canceled):
            await proxy.call(1)
        with self.assertRaises(ipcbus.Canceled):
            proxy.on_death(print)
        await self.client.close()
        await self.within(service.canceled.wait())

    async def test_server_closes(self):
        service = Echo()
        proxy = await self.serve(service)
        pending = asyncio.create_task(proxy.call(2))
        await self.within(service.begun.wait())
        await self.server.close()
        with self.assertRaisesRegex(ipcbus.NoReply, "the server closed its connection") as caught:
            await self.within(pending)
        self.assertIs(caught.exception.origin, ipcbus.Origin.PEER)
        with self.assertRaises(ipcbus.DeadObject):
            await proxy.call(1)
        await self.within(proxy.wait_dead())

    async def test_exception_of_a_callback_is_logged(self):
        called = asyncio.Event()

        def fail():
            called.set()
            raise KeyError("of a callback")

        proxy = await self.serve(Echo())
        proxy.on_death(fail)
        with self.assertLogs("ipcbus", "ERROR") as logs:
            await self.server.close()
            await self.within(called.wait())
        self.assertIn("ipc: callback: unhandled exception", logs.output[0])
        self.assertIn("KeyError: 'of a callback'", logs.output[0])


class Names(Case):
    async def test_missing(self):
        name = new_name()
        with self.assertRaises(ipcbus.NotFound) as caught:
            await self.client.get_raw(name)
        self.assertEqual(str(caught.exception), f"{name}: no process has registered the name")
        with self.assertRaises(ipcbus.DeadlineExceeded):
            await self.client.wait_raw(new_name(), timeout=0.2)
        with self.assertRaises(ValueError):
            await self.client.get_raw("not a name")
        with self.assertRaises(ValueError):
            await self.client.get_raw("nul\0")
        with self.assertRaises(TypeError):
            await self.client.get_raw(7)

    async def test_errors_name_the_argument(self):
        for kind in aio.Connection, sync.Connection:
            with self.assertRaisesRegex(ipcbus.InvalidArgument, "size of the region must.*GiB$"):
                kind(region_size=1000)
        with sync.Connection() as bus:
            for call, text in (
                (lambda bus: bus.get_raw("a b"), "^a b: the name is malformed; a name has 1 to 127"),
                (lambda bus: bus.check_name("x" * 128), "x: the name is malformed; a name has 1 to 127"),
                (lambda bus: bus.list_names("a b"), "^pattern 'a b' is not valid"),
                (lambda bus: bus.watch_names("a*b", print), "^pattern 'a\\*b' is not valid"),
            ):
                with self.assertRaisesRegex(ipcbus.InvalidArgument, text):
                    call(bus)
                with self.assertRaisesRegex(ipcbus.InvalidArgument, text):
                    await call(self.client)
            for bus, service in (bus, sync.RawService()), (self.client, Echo()):
                with self.assertRaisesRegex(ipcbus.InvalidArgument, "replace and queue"):
                    result = bus.register(new_name(), service, replace=True, queue=True)
                    await result

    async def test_wait(self):
        name = new_name()
        task = asyncio.create_task(self.client.wait_raw(name, timeout=10))
        await asyncio.sleep(0.2)
        await self.server.register(name, Echo())
        proxy = await self.within(task)
        await proxy.ping()

    async def test_list(self):
        name = new_name()
        await self.server.register(name, Echo())
        info = await self.client.check_name(name)
        self.assertEqual(info, (name, "test.Echo", os.getpid(), os.geteuid()))
        self.assertEqual(await self.client.list_names(name), [info])
        self.assertIn(info, await self.client.list_names())
        await self.server.unregister_name(name)
        self.assertEqual(await self.client.list_names(name), [])

    @unittest.skipUnless(os.geteuid() == 0, "becomes another user")
    async def test_uid_is_unsigned(self):
        uid, name = 3_000_000_000, new_name()
        # The bus is root's alone, so the user keeps its capabilities: SECBIT_NO_SETUID_FIXUP.
        registers = f"""
            import ctypes, os, sys
            from ipcbus import sync

            if ctypes.CDLL(None).prctl(28, 1 << 2):  # PR_SET_SECUREBITS
                sys.exit("PR_SET_SECUREBITS failed")
            os.setresuid({uid}, {uid}, {uid})
            with sync.Connection() as bus:
                bus.register(sys.argv[1], sync.RawService())
                bus.run()
        """
        server = program(registers, name)
        self.addCleanup(server.communicate)
        self.addCleanup(server.kill)
        await self.client.wait_raw(name, timeout=20)
        self.assertEqual((await self.client.check_name(name)).uid, uid)
        self.assertEqual([info.uid for info in await self.client.list_names(name)], [uid])

    async def test_watch_names(self):
        name = new_name()
        changes: asyncio.Queue = asyncio.Queue()
        watch = await self.client.watch_names(name, lambda *change: changes.put_nowait(change))
        self.assertEqual(await self.within(changes.get()), (NameChange.SETTLED, None, None))
        await self.server.register(name, Echo())
        change, info, proxy = await self.within(changes.get())
        self.assertEqual((change, info.name, info.interface), (NameChange.PRESENT, name, "test.Echo"))
        await proxy.ping()
        await self.server.unregister_name(name)
        change, info, proxy = await self.within(changes.get())
        self.assertEqual((change, info.name, proxy), (NameChange.GONE, name, None))
        watch.end()

    async def test_a_callback_that_ends_its_watch_of_names_is_the_last(self):
        name = new_name()
        changes: asyncio.Queue = asyncio.Queue()

        def changed(change, *_):
            changes.put_nowait(change)
            if change == NameChange.PRESENT:
                watch.end()

        watch = await self.client.watch_names(name, changed)
        self.assertEqual(await self.within(changes.get()), NameChange.SETTLED)
        for _ in range(2):
            await self.server.register(name, Echo())
            await self.server.unregister_name(name)
        self.assertEqual(await self.within(changes.get()), NameChange.PRESENT)
        await self.client.list_names(name)
        self.assertTrue(changes.empty())

    async def test_replace_and_queue(self):
        name = new_name()
        events: asyncio.Queue = asyncio.Queue()
        watch = self.server.on_registration(lambda *event: events.put_nowait(event))
        self.assertTrue(await self.server.register(name, Echo()))
        with self.assertRaisesRegex(ipcbus.NameTaken, name):
            await self.client.register(name, Echo())
        with self.assertNoLogs("ipcbus", "WARNING"):
            self.assertTrue(await self.client.register(name, Echo(), replace=True))
            self.assertEqual(await self.within(events.get()), (name, RegistrationEvent.LOST, None))
            with self.assertRaisesRegex(ipcbus.NotFound, f"{name}: this connection .* has lost it"):
                await self.server.unregister_name(name)
        self.assertFalse(await self.server.register(name, Echo(), queue=True))
        await self.client.unregister_name(name)
        self.assertEqual(await self.within(events.get()), (name, RegistrationEvent.ACQUIRED, None))
        with self.assertRaises(ipcbus.InvalidArgument):
            await self.server.register(name, Echo(), queue=True, replace=True)
        await self.server.unregister_name(name)
        watch.end()


class Entries(Case):
    async def test_fds(self):
        class Pipe(aio.RawService):
            ACCEPT_FDS = True

            async def serve(self, request):
                self.entries = request.entries
                fd = request.take(0)
                os.write(fd, b"from the server")
                os.close(fd)
                if request.method == 2:
                    null = os.open("/dev/null", os.O_RDONLY)
                    asyncio.get_running_loop().call_later(0.5, os.close, null)
                    return b"", ((5, null),)

        service = Pipe()
        proxy = await self.serve(service)
        r, w = os.pipe()
        await proxy.call(1, entries=((9, w),))
        self.assertEqual(service.entries, ((9, _core.FD),))
        reply = await proxy.call(2, entries=((9, w),), accept_fds=True)
        os.close(w)
        self.assertEqual(reply.entries, ((5, _core.FD),))
        fd = reply.take(0)
        self.assertFalse(os.get_inheritable(fd))
        os.close(fd)
        with self.assertRaises(ipcbus.Error):
            reply.take(0)
        with self.assertRaises(IndexError):
            reply.take(1)
        self.assertEqual(os.read(r, 100), b"from the server" * 2)
        self.assertEqual(os.read(r, 100), b"")
        os.close(r)

    async def test_fds_that_nobody_takes(self):
        proxy = await self.serve(Echo())
        r, w = os.pipe()
        await proxy.call(1, entries=((1, w), (2, w)))
        os.close(w)
        # The server's copies are closed with the request.
        self.assertEqual(await self.within(asyncio.to_thread(os.read, r, 1)), b"")
        os.close(r)

    async def test_fds_refused(self):
        class Without(Echo):
            ACCEPT_FDS = False

        proxy = await self.serve(Without())
        with self.assertRaises(PermissionError):
            await proxy.call(1, entries=((1, 0),))
        with self.assertRaises(ipcbus.Error) as caught:
            await (await self.serve(Echo())).call(1, entries=((1, 9999),))
        self.assertEqual(caught.exception.code, errno.EBADF)

    async def test_objects(self):
        class Registry(aio.RawService):
            async def serve(self, request):
                kind = request.entries[0][1]
                if kind == _core.PROXY:
                    self.proxy = aio.Proxy(server, request.take(0))
                    return await self.proxy.call(1, b"called back")
                self.own = request.take(0)
                return b"own", ((3, self.own),)

        server, service, callback = self.server, Registry(), Echo()
        proxy = await self.serve(service)
        mine = self.client.make_object(callback)
        self.assertEqual(bytes(await proxy.call(1, entries=((1, mine),))), b"called back")
        self.assertEqual(callback.seen, [b"called back"])
        # An object of the server comes back to it as its own object; so does an object of the
        # client.
        theirs = await self.client.get_raw(
            (await self.server.list_names("test.*"))[-1].name
        )
        reply = await proxy.call(1, entries=((2, proxy._proxy),))
        self.assertIs(service.own.owner, service)
        self.assertEqual(aio.Proxy(self.client, reply.take(0)), proxy)
        del theirs
        # Without references the object ends, and the server is notified.
        mine.close()
        del mine, callback
        gc.collect()

    async def test_wrong_entries(self):
        proxy = await self.serve(Echo())
        other = self.server.make_object(Echo())
        for entries in ((1,), ((1, "x"),), ((1, 2, 3),), ((-1, 0),), ((1, 2**40),), [], 7):
            with self.subTest(entries=entries), self.assertRaises(
                (TypeError, OverflowError, ipcbus.Error)
            ):
                await proxy.call(1, entries=entries)
        with self.assertRaises(ipcbus.Error):
            await proxy.call(1, entries=((1, other),))
        with self.assertRaises(ipcbus.Error) as caught:
            await proxy.call(1, entries=((1, 0),) * 65)
        self.assertEqual(caught.exception.code, errno.E2BIG)
        for args in ((-1,), (2**32,), ("x",), (1, "text"), (1, 7)):
            with self.assertRaises((TypeError, OverflowError)):
                await proxy.call(*args)


class Sync(Case):
    async def test_errors_of_opening_name_the_bus(self):
        text = "cannot open the bus /nowhere: there is no bus; start it: ipcbusd --bus /nowhere"
        for kind in aio.Connection, sync.Connection:
            with self.assertRaises(ipcbus.NotFound) as caught:
                kind("/nowhere")
            self.assertEqual(str(caught.exception), text)

    async def test_names(self):
        name = new_name()
        changes: queue.Queue = queue.Queue()
        events: queue.Queue = queue.Queue()

        class Echo(sync.RawService):
            pass

        def work():
            with sync.Connection() as first, sync.Connection() as second:
                first.on_registration(lambda *event: events.put(event))
                second.watch_names(name, lambda *change: changes.put(change[0]))
                servers = [threading.Thread(target=bus.run) for bus in (first, second)]
                for thread in servers:
                    thread.start()
                self.assertTrue(first.register(name, Echo()))
                with self.assertRaises(ipcbus.NameTaken):
                    second.register(name, Echo())
                self.assertTrue(second.register(name, Echo(), replace=True))
                self.assertEqual(events.get(timeout=10), (name, RegistrationEvent.LOST, None))
                self.assertFalse(first.register(name, Echo(), queue=True))
                second.unregister_name(name)
                self.assertEqual(events.get(timeout=10), (name, RegistrationEvent.ACQUIRED, None))
                first.unregister_name(name)
                while changes.get(timeout=10) != NameChange.GONE:
                    pass
                for bus in (first, second):
                    bus.stop()
                for thread in servers:
                    thread.join()

        await asyncio.to_thread(work)

    async def test_handler_learns_that_nobody_waits(self):
        begun, ended = threading.Event(), threading.Event()
        name, seen = new_name(), []

        class Slow(sync.RawService):
            def serve(self, request):
                seen.append(request.is_canceled())
                begun.set()
                for _ in range(1000):
                    if request.is_canceled():
                        break
                    time.sleep(0.01)
                seen.append(request.is_canceled())
                ended.set()
                return b""

        with sync.Connection() as server:
            await asyncio.to_thread(server.register, name, Slow())
            serving = threading.Thread(target=server.run)
            serving.start()
            proxy = await self.client.get_raw(name)
            call = asyncio.create_task(proxy.call(1))
            self.assertTrue(await asyncio.to_thread(begun.wait, 10))
            call.cancel()
            self.assertTrue(await asyncio.to_thread(ended.wait, 10))
            server.stop()
            serving.join()
        self.assertEqual(seen, [False, True])

    async def test_threads(self):
        """Eight threads call a service that three threads serve."""
        name = new_name()

        class Echo(sync.RawService):
            def serve(self, request):
                if request.method == 3:
                    raise Empty("here")
                return bytes(request.data)

        def work():
            with sync.Connection() as client:
                server = sync.Connection()
                server.register(name, Echo())
                servers = [threading.Thread(target=server.run) for _ in range(3)]
                for thread in servers:
                    thread.start()
                proxy = client.wait_raw(name, timeout=5)
                wrong = []

                def call(number):
                    try:
                        for i in range(200):
                            data = b"%d %d" % (number, i)
                            if bytes(proxy.call(1, data)) != data:
                                wrong.append(data)
                        with self.assertRaises(Empty):
                            proxy.call(3, timeout=10)
                    except BaseException as e:
                        wrong.append(e)

                threads = [threading.Thread(target=call, args=(n,)) for n in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                server.close()
                for thread in servers:
                    thread.join(10)
                    self.assertFalse(thread.is_alive())
                return wrong

        self.assertEqual(await asyncio.to_thread(work), [])

    async def test_sync_client(self):
        service = Echo()
        name = new_name()
        await self.server.register(name, service)

        def work():
            with sync.Connection() as bus:
                proxy = bus.get_raw(name)
                self.assertEqual(bytes(proxy.call(1, b"x")), b"x")
                proxy.oneway(1, b"oneway")
                proxy.ping()
                with self.assertRaises(ipcbus.DeadlineExceeded):
                    proxy.call(2, timeout=0.1)
            with self.assertRaises(ipcbus.Canceled):
                proxy.call(1)

        await asyncio.to_thread(work)
        self.assertIn(b"oneway", service.seen)

    async def test_close_during_a_call(self):
        service = Echo()
        name = new_name()
        await self.server.register(name, service)
        bus = sync.Connection()
        proxy = await asyncio.to_thread(bus.get_raw, name)
        call = asyncio.create_task(asyncio.to_thread(proxy.call, 2, timeout=1))
        await self.within(service.begun.wait())
        bus.close()
        with self.assertRaises(ipcbus.Error):
            await self.within(call)
