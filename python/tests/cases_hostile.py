# SPDX-License-Identifier: MIT
"""Bad peers, deaths, late views, fork, threads and exit must not cause a crash, hang or leak."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import traceback

import ipcbus
from common import Case, Echo, new_name, program
from ipcbus import aio, sync


def frame(message_size: int, metadata_size: int) -> bytes:
    """The head of a frame (libipc/conn/frame.h). A frame contains bytes and metadata."""
    return struct.pack("<B3xIII", 7, message_size, metadata_size, 0)


class Peers(Case):
    async def test_garbage(self):
        """A request with a malformed frame does not reach the handler. A reply has no frame."""
        service = Echo()
        proxy = await self.serve(service)
        frames = [
            frame(2**32 - 1, 8),
            frame(8, 2**32 - 1) + b"x" * 8,
            frame(0, 3) + b"abc",
            frame(8, 0)[:9],
        ]

        class Liar(aio.RawService):
            async def serve(self, request):
                return frames[request.method]

        liar = await self.serve(Liar())
        for i, bad in enumerate(frames):
            self.assertEqual(bytes(await liar.call(i)), bad)
            with self.assertRaises(ipcbus.BadMessage):
                await proxy.call(1, bad)
        self.assertEqual(service.seen, [])
        self.assertEqual(bytes(await proxy.call(1, b"on")), b"on")

    async def test_texts_of_errors(self):
        """The text of a service is printable in str(), repr() and an uncaught exception."""
        program = os.path.join(os.environ.get("B", "build"), "tests/suite/languages/foreign/server")
        server = subprocess.Popen([program])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        proxy = await self.client.wait_raw("test.foreign", timeout=30)
        long = "x" * (64 << 10)
        # A str cannot contain invalid UTF-8. Each invalid byte becomes U+FFFD.
        bad = "\ufffd\ufffd31m\ufffd|\ufffd\ufffd\ufffd"
        texts = [
            ("\x1b]2;owned\a\x1b[31mred\x7f\r\nroot# ", "?]2;owned??[31mred???root# "),
            ("\x9b31mred", "??31mred"),
            (bad, bad),
            ("a\u202eb\u200bc\u061c", "a???b???c??"),
            (long, "x" * 1020 + "..."),
        ]
        for code, (raw, shown) in enumerate(texts, 1):
            with self.assertRaises(ipcbus.ServiceError) as caught:
                await proxy.call(code)
            error = caught.exception
            self.assertEqual(str(error), f"{shown}: {shown}")
            self.assertEqual(repr(error), f"ServiceError({shown!r})")
            self.assertEqual((error.name, error.text), (raw, raw))
            self.assertEqual(error.details, long.encode())
            self.assertEqual(str(pickle.loads(pickle.dumps(error))), str(error))
            trace = "".join(traceback.format_exception_only(error))
            self.assertEqual(trace, f"ipcbus.errors.ServiceError: {shown}: {shown}\n")
        with self.assertRaises(ipcbus.Error) as caught:
            await proxy.call(100)
        self.assertEqual(str(caught.exception), texts[0][1])
        self.assertEqual(caught.exception.text, texts[0][0])

    async def test_texts_of_this_process(self):
        """A program may use any text in a message of its own."""
        for text, shown in (("half \udcff", "half ?"), ("a\0b", "a"), ("\x1b", "?")):
            self.assertEqual(str(ipcbus.Error(text)), shown)
        self.assertEqual(repr(ipcbus.Error()), "Error('')")

    async def test_server_dies(self):
        name = new_name()
        server = program(
            """
            import asyncio, os, signal, sys
            from common import Echo
            from ipcbus import aio

            async def main():
                async with aio.Connection() as bus:
                    await bus.register(sys.argv[1], Echo())
                    print("ready", flush=True)
                    await bus.serve_forever()

            asyncio.run(main())
            """,
            name,
        )
        self.addCleanup(server.communicate)
        server.stdout.readline()
        proxy = await self.client.get_raw(name)
        dead = []
        proxy.on_death(lambda: dead.append(1))
        ended = proxy.on_death(lambda: dead.append(2))
        ended.end()
        calls = [asyncio.create_task(proxy.call(2)) for _ in range(20)]
        await proxy.ping()
        os.kill(server.pid, signal.SIGKILL)
        for result in await self.within(asyncio.gather(*calls, return_exceptions=True)):
            self.assertIsInstance(result, ipcbus.DeadObject)
        await self.within(proxy.wait_dead())
        self.assertEqual(dead, [1])

    async def test_client_dies(self):
        service = Echo()
        name = new_name()
        await self.server.register(name, service)
        client = program(
            """
            import sys
            from ipcbus import sync
            sync.Connection().get_raw(sys.argv[1]).call(2)
            """,
            name,
        )
        self.addCleanup(client.communicate)
        await self.within(service.begun.wait())
        client.kill()
        await self.within(service.canceled.wait())

    async def test_handler_ignores_its_end(self):
        """A handler that continues after its call was canceled cannot reply."""
        done = asyncio.Event()

        class Stubborn(aio.RawService):
            async def serve(self, request):
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass
                done.set()
                return b"late"

        proxy = await self.serve(Stubborn())
        with self.assertRaises(ipcbus.DeadlineExceeded):
            await proxy.call(1, timeout=0.05)
        await self.within(done.wait())
        await asyncio.sleep(0.05)


class Views(Case):
    async def test_reply(self):
        proxy = await self.serve(Echo())
        reply = await proxy.call(1, b"x" * 10_000)
        view = reply.data
        self.assertTrue(view.readonly)
        with self.assertRaises(BufferError):
            reply.release()
        part = view[5_000:]
        view.release()
        with self.assertRaises(ValueError):
            view[0]
        self.assertEqual(bytes(part[:2]), b"xx")
        del reply
        gc.collect()
        self.assertEqual(part[4_999], ord("x"))
        # The view remains valid after the connection was closed.
        await self.client.close()
        self.assertEqual(part[0], ord("x"))
        part.release()

    async def test_released(self):
        proxy = await self.serve(Echo())
        reply = await proxy.call(1, b"xyz")
        reply.release()
        reply.release()
        for use in (lambda: reply.data, lambda: bytes(reply), lambda: reply.entries):
            with self.assertRaises(ValueError):
                use()
        with self.assertRaises(ValueError):
            reply.take(0)

    async def test_request(self):
        """A view of a request stays valid after the call has ended."""
        kept = []

        class Keeper(aio.RawService):
            async def serve(self, request):
                kept.append((request, request.data))
                return b"done"

        proxy = await self.serve(Keeper())
        await proxy.call(1, b"keep me")
        request, view = kept[0]
        await asyncio.sleep(0.05)
        self.assertEqual(bytes(view), b"keep me")
        with self.assertRaises(ValueError):
            request.data
        view.release()
        with self.assertRaises(ValueError):
            request.uid
        with self.assertRaises(ValueError):
            request.take(0)


class Ends(Case):
    def run_program(self, text, *args, status=0, seconds=20):
        process = program(text, *args)
        try:
            out, err = process.communicate(timeout=seconds)
        finally:
            process.kill()
        self.assertEqual(process.returncode, status, err)
        return out, err

    async def test_exit_with_calls_open(self):
        """The interpreter exits although threads wait, calls are open and handlers run."""
        name = new_name()
        service = Echo()
        await self.server.register(name, service)
        out, err = await asyncio.to_thread(
            self.run_program,
            """
            import asyncio, sys, threading
            from common import Echo, new_name
            from ipcbus import aio, sync

            bus = sync.Connection()
            proxy = bus.get_raw(sys.argv[1])
            threads = [threading.Thread(target=proxy.call, args=(2,), daemon=True)
                       for _ in range(4)]
            threads.append(threading.Thread(target=bus.run, daemon=True))
            for thread in threads:
                thread.start()

            loop = asyncio.new_event_loop()

            async def main():
                global kept
                mine = aio.Connection()
                own = new_name()
                await mine.register(own, Echo())
                there = await mine.get_raw(sys.argv[1])
                here = await aio.Connection().get_raw(own)
                kept = [asyncio.create_task(p.call(2)) for p in (there, here) for _ in range(5)]
                kept.append((await there.call(1, b"view")).data)
                await asyncio.sleep(0.1)

            loop.run_until_complete(main())
            print("end")
            """,
            name,
        )
        self.assertEqual(out, "end\n")
        self.assertNotIn("Fatal", err)
        await self.within(service.canceled.wait())

    async def test_exit_and_close_while_threads_call(self):
        """Threads get and drop proxies while the connection closes and while the interpreter exits.
        """
        name = new_name()
        await self.server.register(name, Echo())
        out, err = await asyncio.to_thread(
            self.run_program,
            """
            import sys, threading, time
            import ipcbus
            from ipcbus import sync

            def call(bus):
                try:
                    proxy = bus.get_raw(sys.argv[1])
                    while True:
                        proxy.call(1, b"x")
                except ipcbus.Canceled:
                    pass

            for turn in range(101):
                buses = [sync.Connection() for _ in range(6)]
                threads = [threading.Thread(target=call, args=(bus,), daemon=True)
                           for bus in buses]
                for thread in threads:
                    thread.start()
                time.sleep(0.02)
                if turn < 100:
                    for bus in buses:
                        bus.close()
                    for thread in threads:
                        thread.join()
            print("end")
            """,
            name,
        )
        self.assertEqual((out, err), ("end\n", ""))

    async def test_fork(self):
        name = new_name()
        await self.server.register(name, Echo())
        out, err = await asyncio.to_thread(
            self.run_program,
            """
            import gc, os, sys
            import ipcbus
            from ipcbus import sync

            bus = sync.Connection()
            proxy = bus.get_raw(sys.argv[1])
            reply = proxy.call(1, b"parent")
            watch = proxy.on_death(print)
            child = os.fork()
            if child == 0:
                try:
                    proxy.call(1)
                except ipcbus.Forked:
                    pass
                else:
                    os._exit(3)
                del reply, watch
                gc.collect()
                own = sync.Connection()
                assert bytes(own.get_raw(sys.argv[1]).call(1, b"child")) == b"child"
                bus.close()
                sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            assert bytes(reply) == b"parent"
            assert bytes(proxy.call(1, b"again")) == b"again"
            """,
            name,
        )

    async def test_other_interpreters_are_refused(self):
        """The first interpreter that imports the module keeps its classes."""
        out, err = await asyncio.to_thread(
            self.run_program,
            """
            import sys
            import ipcbus
            from ipcbus import sync

            code = f"import sys; sys.path = {sys.path}; import ipcbus"
            if sys.version_info >= (3, 13):
                import _interpreters

                print(_interpreters.run_string(_interpreters.create("legacy"), code).formatted)
            else:
                import _xxsubinterpreters

                other = _xxsubinterpreters.create(isolated=False)
                try:
                    _xxsubinterpreters.run_string(other, code)
                except _xxsubinterpreters.RunFailedError as error:
                    print(error)
            try:
                sync.Connection().get_raw("test.nobody")
            except ipcbus.NotFound:
                print("the first goes on")
            """,
        )
        self.assertRegex(out, "ImportError.*main interpreter only\nthe first goes on\n")

    async def test_ctrl_c(self):
        """A signal ends run() of sync.Connection and of asyncio."""
        for text in (
            """
            import sys
            from ipcbus import sync
            with sync.Connection() as bus:
                print("ready", flush=True)
                bus.run()
            """,
            """
            import asyncio
            from ipcbus import aio
            async def main():
                async with aio.Connection() as bus:
                    print("ready", flush=True)
                    await bus.serve_forever()
            asyncio.run(main())
            """,
        ):
            process = program(text)
            await asyncio.to_thread(process.stdout.readline)
            process.send_signal(signal.SIGINT)
            _, err = await asyncio.to_thread(process.communicate, None, 10)
            self.assertIn("KeyboardInterrupt", err)

    async def test_close_everywhere(self):
        """Threads use a connection while another thread closes it."""
        name = new_name()
        await self.server.register(name, Echo())

        def work():
            for _ in range(30):
                bus = sync.Connection()
                proxy = bus.get_raw(name)
                begin = threading.Barrier(5)

                def use():
                    begin.wait()
                    try:
                        for _ in range(100):
                            proxy.call(1, b"x").data
                            proxy.on_death(print)
                            bus.make_object(object_service)
                    except ipcbus.Error:
                        pass

                object_service = sync.RawService()
                threads = [threading.Thread(target=use) for _ in range(4)]
                for thread in threads:
                    thread.start()
                begin.wait()
                bus.close()
                for thread in threads:
                    thread.join()

        await asyncio.to_thread(work)


class Leaks(Case):
    def memory(self) -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    async def constant(self, once, times: int, most: int = 1_000_000) -> None:
        """Memory and objects do not grow over many rounds."""
        for _ in range(max(200, times // 10)):
            await once()
        gc.collect()
        objects, memory = len(gc.get_objects()), self.memory()
        blocks = sys.getallocatedblocks()
        fds = len(os.listdir("/proc/self/fd"))
        for _ in range(times):
            await once()
        gc.collect()
        # Python 3.13 makes about 150 objects of its own at some time.
        self.assertLess(len(gc.get_objects()) - objects, times // 10 + 160)
        self.assertLess(sys.getallocatedblocks() - blocks, times // 10 + 200)
        self.assertLess(self.memory() - memory, most)
        self.assertEqual(len(os.listdir("/proc/self/fd")), fds)

    async def test_calls(self):
        proxy = await self.serve(Echo2())

        async def once():
            await proxy.call(1, b"x" * 100)

        await self.constant(once, 10_000)

    async def test_errors(self):
        proxy = await self.serve(Echo2())

        async def once():
            with self.assertRaises(ipcbus.ServiceError):
                await proxy.call(3)
            with self.assertRaises(TypeError):
                await proxy.call(1, entries=((1, 0), (2, "x")))
            with self.assertRaises(ipcbus.Unimplemented):
                await proxy.call(5)

        await self.constant(once, 1_000)

    async def test_canceled(self):
        proxy = await self.serve(Echo2())

        async def once():
            task = asyncio.create_task(proxy.call(2))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await proxy.ping()

        await self.constant(once, 1_000)

    async def test_objects_and_fds(self):
        proxy = await self.serve(Echo2())

        async def once():
            mine = self.client.make_object(Echo2())
            await proxy.call(4, entries=((1, mine), (2, 0)))
            watch = proxy.on_death(print)
            watch.end()

        await self.constant(once, 1_000)

    async def test_connections(self):
        name = new_name()
        await self.server.register(name, Echo2())

        async def once():
            async with aio.Connection() as bus:
                proxy = await bus.get_raw(name)
                await proxy.call(1)
                proxy.on_death(print)
                await bus.register(new_name(), Echo2())

        await self.constant(once, 100, most=3_000_000)


class Echo2(aio.RawService):
    """As Echo, but keeps no requests."""

    ACCEPT_FDS = True

    async def serve(self, request):
        if request.method == 2:
            await asyncio.sleep(60)
        if request.method == 3:
            raise ipcbus.ServiceError("no", name="test.No", details=b"x")
        if request.method == 4:
            proxy = request.take(0)
            os.close(request.take(1))
            del proxy
        if request.method == 5:
            raise ipcbus.Unimplemented("five")
        return request.data
