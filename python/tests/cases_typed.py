# SPDX-License-Identifier: MIT
"""Generated clients and services, within Python and between Python and C."""

from __future__ import annotations

import asyncio
import copy
import errno
import json
import os
import pickle
import resource
import signal
import subprocess
import tempfile
import types
import weakref
from unittest import mock

import echo_pb2
import ipcbus
import kinds_pb2
from common import Case, new_name
from echo_ipc import Echo, EchoService, EchoSync, EchoSyncService
from google.protobuf import json_format, struct_pb2
from ipc import ipc_pb2
from ipcbus import aio, sync
from kinds_ipc import Kinds, KindsService, KindsSync

B = os.environ["B"]


class Empty(ipcbus.ServiceError, name="echo.Empty"):
    """The text is empty."""


class Nameless(aio.RawService):
    INTERFACE = None


class MyEcho(EchoService):
    async def Say(self, request, context):
        if not request.text:
            raise Empty("nothing to say")
        return echo_pb2.SayReply(text=request.text)


class MyKinds(KindsService):
    def __init__(self):
        self.kicked = asyncio.Event()
        self.kept = []
        self.calls = 0

    async def Nothing(self, context):
        self.calls += 1

    async def Plain(self, request, context):
        parts = [
            request.text,
            ",".join(map(str, request.numbers)),
            ",".join(f"{k}={v}" for k, v in sorted(request.counts.items())),
            request.inner.text,
            kinds_pb2.Color.Name(request.color),
            request.data.decode(),
        ]
        return {"text": " ".join(parts)}

    async def Kick(self, request, context):
        self.kicked.set()

    async def Slow(self, context):
        await asyncio.sleep(10)

    async def Callback(self, request, context):
        texts = []
        targets = [request.to] + [m.object for m in request.more]
        targets += [request.named[key].object for key in sorted(request.named)]
        for target in targets:
            echo = context.take(target, Echo)
            texts.append((await echo.Say(text=f"hello {len(texts)}")).text)
        return kinds_pb2.PlainReply(text=" ".join(texts))

    async def Write(self, request, context):
        with context.take_file(request.file, "w") as file:
            file.write(request.text)
        read, write = os.pipe()
        os.write(write, b"from the service")
        os.close(write)
        context.close_later(read)
        return {"file": read, "text": request.text}

    async def Turn(self, request, context):
        return {"chunks": reversed(request.chunks)}

    async def Share(self, request, context):
        own = ipcbus.Memory(4096)
        with context.take_memory(request.pages, writable=True) as theirs:
            for memory in (theirs, own):
                memory.data[: len(request.text)] = request.text.encode()
        return {"pages": own}

    async def Files(self, requests, context):
        async for request in requests:
            yield {"file": 0}

    async def ping_(self, context):
        return {"text": "the method"}

    async def Make(self, context):
        return {"object": MyEcho()}

    async def Same(self, request, context):
        return request

    async def Hold(self, request, context):
        return {
            "values": request.values,
            "list": request.list,
            "any": request.any if request.HasField("any") else None,
            "all": request.all,
            "named": request.named,
        }

    async def Attach(self, request, context):
        self.attached = request
        return request.values

    async def Any(self, request, context):
        return json_format.MessageToDict(request) if request.WhichOneof("kind") else request

    async def List(self, request, context):
        return json_format.MessageToDict(request)


class Typed(Case):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.name = new_name()
        self.service = MyKinds()
        await self.server.register(self.name, self.service)
        self.kinds = await self.client.get(Kinds, self.name)

    async def test_plain(self):
        reply = await self.kinds.Plain(
            text="a", numbers=[1, 2], counts={"x": 3}, inner={"text": "b"}, color="BLUE", data=b"c"
        )
        self.assertEqual(reply, kinds_pb2.PlainReply(text="a 1,2 x=3 b BLUE c"))
        request = kinds_pb2.PlainRequest(text="as a message")
        self.assertIn("as a message", (await self.kinds.Plain(request)).text)
        reply = await self.kinds.Plain({"text": "as a mapping", "inner": {"text": "b"}})
        self.assertEqual(reply.text, "as a mapping   b RED ")
        with self.assertRaises(TypeError):
            await self.kinds.Plain({"text": "x"}, text="y")
        with self.assertRaises(ValueError):
            await self.kinds.Plain({"nonsense": "x"})
        self.assertEqual((await self.kinds.Plain()).text.strip(), "RED")
        await self.kinds.Nothing()
        await self.kinds.Kick(text="x")
        await self.within(self.service.kicked.wait())
        self.assertEqual((await self.kinds.ping_()).text, "the method")
        await self.kinds.ping()

    async def test_wrong_arguments(self):
        with self.assertRaises(TypeError):
            await self.kinds.Plain(kinds_pb2.PlainRequest(), text="x")
        with self.assertRaises(ValueError):
            await self.kinds.Plain(nonsense=1)
        with self.assertRaises(TypeError):
            await self.kinds.Plain(echo_pb2.SayRequest())
        with self.assertRaises(TypeError):
            await self.kinds.Plain(text=7)
        with self.assertRaises(TypeError):
            await self.kinds.Callback(to=7)
        with self.assertRaises(ValueError):
            await self.kinds.Callback(nonsense=1)

    async def test_values_of_json(self):
        """A Struct, Value or ListValue may be given as dict, list and so on, also by the handler."""
        struct = {"a": None, "b": [True, 1.5, "x", {}, [], ("y", 2)], "fields": {"c": {"d": False}}}
        plain = {**struct, "b": [True, 1.5, "x", {}, [], ["y", 2]]}
        as_dict = json_format.MessageToDict

        for reply in (await self.kinds.Same(struct), await self.kinds.Same(**struct)):
            self.assertEqual(as_dict(reply), plain)
        for each in (struct, types.MappingProxyType(struct), await self.kinds.Same(struct)):
            self.assertEqual(as_dict((await self.kinds.Hold(values=each)).values), plain)
            # A message with an object is packed by the same rules.
            self.assertEqual(as_dict(await self.kinds.Attach(values=each, object=MyEcho())), plain)
        held = await self.kinds.Hold(list=struct["b"], any=struct, all=[1, None, [2]], named={"k": None})
        back = {"values": {}, "list": plain["b"], "any": plain, "all": [1, None, [2]], "named": {"k": None}}
        self.assertEqual(as_dict(held), back)
        for each in (False, 0, -2.5, "", [], {}, [None], {"number_value": 1}, struct_pb2.Value(bool_value=1)):
            reply = await self.kinds.Any(each)
            self.assertEqual(as_dict(reply), as_dict(each) if hasattr(each, "DESCRIPTOR") else each)
        self.assertEqual((await self.kinds.Any()).WhichOneof("kind"), "null_value")
        # Messages within values stay messages.
        mixed = struct_pb2.ListValue()
        mixed.values.add().bool_value = True
        reply = await self.kinds.List([mixed, mixed.values[0], await self.kinds.Same({"x": mixed})])
        self.assertEqual(as_dict(reply), [[True], True, {"x": [True]}])
        self.assertEqual(as_dict(await self.kinds.List()), [])

    async def test_wrong_values_of_json(self):
        deep = []
        for _ in range(200):
            deep = [deep]
        for call, kind, text in (
            (self.kinds.Same({1: 2}), TypeError, "a key is a str, not int"),
            (self.kinds.Same([]), TypeError, "Struct is needed, not list|a dict is needed, not list"),
            (self.kinds.Hold(values=7), TypeError, "Holder.values: a dict is needed, not int$"),
            (self.kinds.Hold(values={"x": {1}}), TypeError, "Holder.values: None, .* not set$"),
            (self.kinds.Hold(list={"x": 1}), TypeError, "Holder.list: a list is needed, not dict$"),
            (self.kinds.Hold(list="ab"), TypeError, "Holder.list: a list is needed, not str$"),
            (self.kinds.Hold(any=b"x"), TypeError, "Holder.any: None, .* not bytes$"),
            (self.kinds.Hold(list=deep), ipcbus.BadMessage, "too deeply"),
            (self.kinds.Any(number_value=1), TypeError, "^Any takes None, a bool, "),
            (self.kinds.List(values=[1]), TypeError, "^List takes a list"),
        ):
            with self.assertRaisesRegex(kind, text):
                await call

    async def test_string_is_no_list(self):
        """A str, bytes or mapping is not taken for a list of its parts."""
        for call, name in (
            (self.kinds.Plain(numbers=b"ab"), "PlainRequest.numbers"),
            (self.kinds.Plain(numbers={1: 2}), "PlainRequest.numbers"),
            (self.kinds.Turn(chunks=b"ab"), "Chunks.chunks"),
            (self.kinds.Turn({"chunks": "ab"}), "Chunks.chunks"),
            (self.kinds.Attach(names="ab"), "Attached.names"),
            (self.kinds.Attach(names="ab", object=MyEcho()), "Attached.names"),
            (self.kinds.Callback(more={"text": "x"}), "CallbackRequest.more"),
        ):
            with self.assertRaisesRegex(TypeError, f"{name}: a list is needed, not (str|bytes|dict)$"):
                await call
        await self.kinds.Plain(numbers={1, 2})
        await self.kinds.Attach(names=(name for name in "ab"), object=MyEcho())
        self.assertEqual(self.service.attached.names, ["a", "b"])

    async def test_enum_by_name(self):
        """Names of values work in messages with and without objects."""
        for more in ({}, {"object": MyEcho()}):
            await self.kinds.Attach(color="BLUE", colors={"x": "BLUE", "y": 0}, **more)
            self.assertEqual(self.service.attached.color, kinds_pb2.BLUE)
            self.assertEqual(dict(self.service.attached.colors), {"x": 1, "y": 0})
        with self.assertRaisesRegex(ValueError, "Attached.colors: test.kinds.Color has no value"):
            await self.kinds.Attach(colors={"x": "secret"})

    async def test_wrong_argument_is_named(self):
        """The error names the field and the type, not the contents."""
        kinds, target = self.kinds, kinds_pb2.CallbackRequest.Target
        secret = kinds_pb2.FileRequest(text="secret")
        for call, kind, text in (
            (kinds.Plain(text=7), TypeError, "^test.kinds.PlainRequest.text: 7 has type int"),
            (kinds.Plain(numbers=[1 << 40]), ValueError, "^test.kinds.PlainRequest.numbers: "),
            (kinds.Plain(color="x"), ValueError, "^test.kinds.PlainRequest.color: "),
            (kinds.Plain(text="x", nonsense=1), ValueError, "nonsense"),
            (kinds.Callback(more=[{"text": 7}]), TypeError, "CallbackRequest.more.text: 7 has"),
            (kinds.Callback(to=7), TypeError, "CallbackRequest.to: a proxy, .* not int$"),
            (kinds.Write(file="in"), TypeError, "FileRequest.file: a file or .* not str$"),
            (kinds.Plain(secret), TypeError, "PlainRequest is needed, not test.kinds.FileRequest$"),
            (kinds.Callback(secret), TypeError, "needed, not test.kinds.FileRequest$"),
            (kinds.Write(file=ipc_pb2.Fd(fd=0)), TypeError, "file descriptor .* not ipc.Fd$"),
        ):
            with self.assertRaisesRegex(kind, text):
                await call
        # A message refers to its objects and files by numbers that only a call can choose.
        file, thing = ipc_pb2.Fd(fd=0), ipc_pb2.Object(id=1)
        for call, name in (
            (kinds.Write(kinds_pb2.FileRequest(file=file)), "FileRequest.file"),
            (kinds.Share(kinds_pb2.Shared(pages={"fd": file})), "Shared.pages"),
            (kinds.Callback(kinds_pb2.CallbackRequest(to=thing)), "CallbackRequest.to"),
            (kinds.Callback(to=MyEcho(), more=[target(object=thing)]), "Target.object"),
            (kinds.Callback(kinds_pb2.CallbackRequest(more=[target(object=thing)])), "Target.object"),
        ):
            with self.assertRaisesRegex(ipcbus.InvalidArgument, f"{name}: .* by keyword"):
                await call

    async def test_bus_belongs_to_its_loop(self):
        """In another loop each function fails at once and sends nothing."""
        kinds, stream = self.kinds, self.kinds.Files()
        await stream.send(text="x")
        await stream.receive()

        async def elsewhere():
            for wait in (
                lambda: kinds.Nothing(),
                lambda: kinds.Kick(text="x"),
                lambda: kinds.Files().receive(),
                lambda: stream.receive(),
                lambda: stream.send(text="x"),
                lambda: kinds.wait_dead(),
                lambda: self.client.get(Kinds, self.name),
                lambda: self.client.list_names(),
                lambda: self.client.register("test.elsewhere", EchoService()),
                lambda: self.client.serve_forever(),
                lambda: self.client.close(),
            ):
                with self.assertRaisesRegex(RuntimeError, "another event loop"):
                    await asyncio.wait_for(wait(), 5)

        await asyncio.to_thread(asyncio.run, elsewhere())
        await kinds.Nothing()
        self.assertEqual(self.service.calls, 1)
        self.assertFalse(self.service.kicked.is_set())

    async def test_option_timeout(self):
        with self.assertRaises(ipcbus.DeadlineExceeded):
            await self.kinds.Slow()

    async def test_unimplemented(self):
        with self.assertRaises(ipcbus.Unimplemented) as caught:
            await self.kinds.Unwritten()
        self.assertIn("Kinds.Unwritten", caught.exception.text)
        with self.assertRaises(ipcbus.Unimplemented):
            await self.kinds.call(99)
        # A call of a oneway, a oneway of a call, and an invalid message.
        with self.assertRaises(ipcbus.ProtocolError):
            await self.kinds.call(Kinds.INTERFACE.methods[2].number)
        await self.kinds.oneway(Kinds.INTERFACE.methods[0].number)
        with self.assertRaises(ipcbus.BadMessage):
            await self.kinds.call(7, b"\x0a\xff\xff")
        await self.kinds.Nothing()
        self.assertEqual(self.service.calls, 1)

    async def test_interface(self):
        with self.assertRaisesRegex(ipcbus.InterfaceMismatch, f"{self.name}: the object has another"):
            await self.client.get(Echo, self.name)
        # A service that was registered without an interface is accepted.
        name = new_name()
        await self.server.register(name, Nameless())
        await self.client.wait(Echo, name, timeout=20)

    async def test_interface_in_one_request(self):
        """A service may restart while the client gets its name."""
        gone = ipcbus.NotFound("it restarts")
        with (
            mock.patch.object(aio.Connection, "check_name", side_effect=gone),
            mock.patch.object(sync.Connection, "check_name", side_effect=gone),
        ):
            await self.client.get(Kinds, self.name)
            await self.client.wait(Kinds, self.name)
            await self.within(asyncio.to_thread(self.find_sync, self.name))
            # A client waits already when the name is registered.
            for kind in (EchoService, KindsService):
                name = new_name()
                waits = [
                    asyncio.create_task(self.client.wait(Kinds, name, timeout=60)),
                    asyncio.create_task(asyncio.to_thread(self.wait_sync, name)),
                ]
                await asyncio.sleep(0.2)
                self.assertFalse(any(task.done() for task in waits))
                await self.server.register(name, kind())
                results = await self.within(asyncio.gather(*waits, return_exceptions=True), 60)
                failed = [isinstance(r, ipcbus.InterfaceMismatch) for r in results]
                self.assertEqual(failed, [kind is EchoService] * 2, results)

    def find_sync(self, name):
        with sync.Connection() as bus:
            bus.get(KindsSync, name)
            bus.wait(KindsSync, name)

    def wait_sync(self, name):
        with sync.Connection() as bus:
            bus.wait(KindsSync, name, timeout=60)

    async def test_callback(self):
        reply = await self.kinds.Callback(
            to=MyEcho(), more=[{"object": MyEcho()}], named={"k": {"object": MyEcho()}}
        )
        self.assertEqual(reply.text, "hello 0 hello 1 hello 2")
        with self.assertRaises(ipcbus.NotFound):
            await self.kinds.Callback(kinds_pb2.CallbackRequest())
        new = await self.kinds.Make()
        echo = new.take(new.object, Echo)
        self.assertEqual((await echo.Say(text="new")).text, "new")
        with self.assertRaises(Empty) as caught:
            await echo.Say()
        self.assertEqual(caught.exception.text, "nothing to say")
        # A client can be sent as an object; this client belongs to a third connection.
        name = new_name()
        async with aio.Connection() as third:
            await third.register(name, MyEcho())
            elsewhere = await self.client.get(Echo, name)
            self.assertEqual((await self.kinds.Callback(to=elsewhere)).text, "hello 0")

    async def test_finalize_reports_the_end_of_an_object(self):
        class Target(EchoService):
            async def Say(self, request, context):
                return {"text": request.text}

        ended = asyncio.Event()
        target = Target()
        weakref.finalize(target, ended.set)
        call = self.kinds.Callback(to=target)
        del target
        self.assertEqual((await call).text, "hello 0")
        del call
        await self.within(ended.wait())

    async def test_nul(self):
        """A string with a NUL byte is not sent, at any depth. Bytes may contain NUL."""
        for name, fields in (
            ("text", {"text": "allowed\0../../etc"}),
            ("counts", {"counts": {"a\0": 1}}),
            ("Inner.text", {"inner": {"text": "\0"}}),
        ):
            text = f"^the field test.kinds.PlainRequest.{name} has a NUL byte$"
            with self.assertRaisesRegex(ipcbus.InvalidArgument, text):
                await self.kinds.Plain(**fields)
        await self.kinds.Plain(text="ä", numbers=[0], counts={"a": 0})

    async def test_own(self):
        """If an object belongs to the receiver, take_object() returns the receiver's service."""

        class Own(KindsService):
            async def Callback(self, request, context):
                with self.test.assertRaises(ipcbus.Error) as caught:
                    context.take(request.to, Kinds)
                self.test.assertEqual(caught.exception.code, errno.EXDEV)
                self.own = context.take_object(request.to)
                with self.test.assertRaises(ipcbus.NotFound):
                    context.take_object(request.to)
                with self.test.assertRaises(ipcbus.Error) as caught:
                    context.take_object(request.more[0].object)
                self.test.assertEqual(caught.exception.code, errno.EXDEV)
                return {}

        own, name = Own(), new_name()
        own.test = self
        await self.server.register(name, own)
        kinds = await self.client.get(Kinds, name)
        await kinds.Callback(to=kinds, more=[{"object": MyEcho()}])
        self.assertIs(own.own, own)

    async def test_files(self):
        read, write = os.pipe()
        with os.fdopen(write, "wb") as file:
            reply = await self.kinds.Write(file=file, text="to the file")
        self.assertEqual(os.read(read, 100), b"to the file")
        self.assertEqual(os.read(read, 100), b"")
        os.close(read)
        self.assertEqual(reply.text, "to the file")
        # A method can be called through the class too, in case a field hides it.
        with aio.Received.take_file(reply, reply.file) as file:
            self.assertEqual(file.read(), b"from the service")
        with self.assertRaises(ipcbus.NotFound):
            reply.take_fd(reply.file)
        self.assertEqual(reply.message.text, reply.text)
        for shown in (str(reply), repr(reply)):
            self.assertIn('text: "to the file"', shown)

    async def test_copied_reply(self):
        """A copy has the same objects. Objects and files cannot be copied deeply or pickled."""
        new = await self.kinds.Make()
        again = copy.copy(new)
        echo = again.take(again.object, Echo)
        for one in (new, again):
            with self.assertRaises(ipcbus.NotFound):
                one.take(one.object, Echo)
        self.assertEqual((await echo.Say(text="copied")).text, "copied")
        for refused in (copy.deepcopy, pickle.dumps):
            with self.assertRaises(TypeError):
                refused(new)
        self.assertEqual(pickle.loads(pickle.dumps(new.message)), copy.deepcopy(new.message))
        with self.assertRaises(AttributeError):
            new.nothing

    async def test_take_of_a_wrong_class_keeps_the_object(self):
        new = await self.kinds.Make()
        for kind in (EchoSync, EchoService, sync.Proxy, str, None):
            with self.assertRaisesRegex(TypeError, "is not derived from ipcbus.aio.Proxy"):
                new.take(new.object, kind)
        for wrong in ("object", None, new.message):
            with self.assertRaisesRegex(TypeError, "a field of the type ipc.Object is needed"):
                new.take(wrong, Echo)
        with self.assertRaisesRegex(TypeError, "a field of the type ipc.Fd is needed"):
            new.take_fd(new.object)
        echo = new.take(new.object, Echo)
        self.assertEqual((await echo.Say(text="kept")).text, "kept")

    async def test_large_bytes(self):
        chunks = [b"small", b"", b"x" * 100_000, bytes(range(256)) * 80_000, b"end"]
        reply = await self.kinds.Turn(chunks=chunks)
        self.assertEqual(list(reply.chunks), chunks[::-1])

    async def test_shared_memory(self):
        with ipcbus.Memory(8192, writable=True) as memory:
            with await self.kinds.Share(text="hello", pages=memory) as reply:
                self.assertEqual(bytes(memory.data[:6]), b"hello\0")
                with reply.take_memory(reply.pages) as theirs:
                    self.assertEqual(len(theirs), 4096)
                    self.assertEqual(bytes(theirs.data[:6]), b"hello\0")
                    with self.assertRaises(TypeError):
                        theirs.data[0] = 0

    async def test_struct(self):
        """A google.protobuf.Struct is a message, although it also is a mapping."""
        values = struct_pb2.Struct()
        values.update({"a": 1, "b": "x", "more": {"fields": [True, None]}})
        texts = struct_pb2.ListValue()
        texts.extend(["a", 1])
        unset = struct_pb2.Struct()
        unset.fields["unset"].SetInParent()
        for each in (struct_pb2.Struct(), values, unset):
            held = kinds_pb2.Holder(values=each, list=texts)
            self.assertEqual(await self.kinds.Same(each), each)
            self.assertEqual(await self.kinds.Hold(held), held)
            self.assertEqual(await self.kinds.Hold(values=each, list=texts), held)
            self.assertEqual(await self.kinds.Attach(values=each), each)
            self.assertEqual(await self.kinds.Attach(values=each, object=MyEcho()), each)
            self.assertEqual(await self.kinds.Attach(kinds_pb2.Attached(values=each)), each)
        with self.assertRaisesRegex(ipcbus.InvalidArgument, "NUL"):
            values["nul"] = ["a\0b"]
            await self.kinds.Same(values)

    async def test_owners_of_files_are_not_copied(self):
        with ipcbus.Memory(4096) as memory, sync.Connection() as connection:
            stream = self.kinds.Count(until=1)
            for owner in (memory, connection, self.client, stream):
                for copied in (copy.copy, copy.deepcopy, pickle.dumps):
                    with self.assertRaisesRegex(TypeError, "cannot be copied or pickled"):
                        copied(owner)

    async def test_memory_that_is_refused(self):
        """The service tries to write to read-only memory, and receives files that are no memory."""
        with ipcbus.Memory(4096) as memory:
            with self.assertRaises(ipcbus.PermissionDenied):
                await self.kinds.Share(pages=memory)
        with tempfile.TemporaryFile() as file, self.assertRaises(ipcbus.BadMessage):
            await self.kinds.Share(pages=file)
        growing = os.memfd_create("growing", os.MFD_ALLOW_SEALING)
        self.addCleanup(os.close, growing)
        with self.assertRaises(ipcbus.BadMessage):
            await self.kinds.Share(pages=growing)
        with self.assertRaises(ipcbus.InvalidArgument):
            ipcbus.Memory(0)

    async def test_a_message_that_cannot_become_a_file(self):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
            with self.assertRaises(ipcbus.Error) as caught:
                await self.kinds.Turn(chunks=[bytes(20 << 20)])
            self.assertEqual(caught.exception.code, errno.EFBIG)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    async def test_entries_that_did_not_come_along(self):
        """A handler does not see tags of another process."""
        codes = {method.name: method.number for method in Kinds.INTERFACE.methods}
        entry = ((1, self.client.make_object(MyEcho())),)
        target = kinds_pb2.CallbackRequest.Target(object={"id": 2})
        targets = [
            kinds_pb2.CallbackRequest(to={"id": 2}),
            kinds_pb2.CallbackRequest(more=[{"object": {"id": 2}}]),
            kinds_pb2.CallbackRequest(named={"key": target}),
            # Each field must have its own entry.
            kinds_pb2.CallbackRequest(to={"id": 1}, more=[{"object": {"id": 1}}]),
        ]
        for wrong in targets:
            with self.subTest(wrong), self.assertRaises(ipcbus.BadMessage):
                await self.kinds.call(codes["Callback"], wrong.SerializeToString(), entries=entry)
        read, write = os.pipe()
        for fd, entries in ((0, None), (0, ((1, write),)), (-1, None), (1, entry)):
            wrong = kinds_pb2.FileRequest(file={"fd": fd}).SerializeToString()
            with self.subTest(fd), self.assertRaises(ipcbus.BadMessage):
                await self.kinds.call(codes["Write"], wrong, entries=entries, accept_fds=True)
            with self.subTest(fd), self.assertRaises(ipcbus.BadMessage):
                async with self.kinds.Files() as files:
                    await files._end.send(wrong, entries)
                    await self.within(files.receive())
        os.close(write)
        self.assertEqual(os.read(read, 1), b"")
        os.close(read)


class Interop(Case):
    """C clients with Python servers, and the reverse."""

    def run_program(self, *args, status=0):
        result = subprocess.run(args, capture_output=True, text=True, timeout=20)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout

    async def program(self, *args, status=0):
        return await asyncio.to_thread(self.run_program, *args, status=status)

    async def test_c_client(self):
        await self.server.register("demo.echo", MyEcho())
        self.assertEqual(await self.program(f"{B}/examples/echo/client", "hi"), "hi\n")
        ctl = f"{B}/tools/ipcctl"
        self.assertIn("demo.echo", await self.program(ctl, "list"))
        described = await self.program(ctl, "describe", "demo.echo")
        self.assertIn("rpc Say", described)
        called = await self.program(ctl, "call", "demo.echo", "Say", '{"text": "by ipcctl"}')
        self.assertEqual(json.loads(called), {"text": "by ipcctl"})
        await self.program(ctl, "ping", "demo.echo")
        await self.server.unregister_name("demo.echo")

    async def test_c_client_of_a_sync_server(self):
        class SyncEcho(EchoSyncService):
            def Say(self, request, context):
                if not request.text:
                    raise Empty("nothing")
                return {"text": request.text * 2}

        with sync.Connection() as bus:
            await asyncio.to_thread(bus.register, "demo.echo", SyncEcho())
            serving = asyncio.create_task(asyncio.to_thread(bus.run))
            self.assertEqual(await self.program(f"{B}/examples/echo/client", "hi"), "hihi\n")
            echo = await self.client.get(Echo, "demo.echo")
            self.assertEqual((await echo.Say(text="x")).text, "xx")
            with self.assertRaises(Empty):
                await echo.Say(text="")
            bus.stop()
            await self.within(serving)

    async def test_handlers_get_their_connection(self):
        class Typed(EchoService):
            async def Say(self, request, context):
                return {"text": str(context.connection is server)}

        class Blocking(EchoSyncService):
            def Say(self, request, context):
                return {"text": str(context.connection is bus)}

        class Raw(aio.RawService):
            async def serve(self, request):
                return str(request.connection is server).encode()

        server, names = self.server, [new_name() for _ in range(3)]
        await server.register(names[0], Typed())
        await server.register(names[1], Raw())
        self.assertEqual((await (await self.client.get(Echo, names[0])).Say()).text, "True")
        raw = await self.client.get_raw(names[1])
        self.assertEqual(bytes(await raw.call(1, b"")), b"True")
        with sync.Connection() as bus:
            await asyncio.to_thread(bus.register, names[2], Blocking())
            serving = asyncio.create_task(asyncio.to_thread(bus.run))
            self.assertEqual((await (await self.client.get(Echo, names[2])).Say()).text, "True")
            bus.stop()
            await self.within(serving)

    async def test_c_server(self):
        server = subprocess.Popen([f"{B}/examples/echo/server"])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        echo = await self.client.wait(Echo, "demo.echo", timeout=10)
        reply = await echo.Say(text="from Python")
        self.assertEqual(reply, echo_pb2.SayReply(text="from Python"))
        with self.assertRaises(Empty) as caught:
            await echo.Say(text="")
        self.assertEqual(caught.exception.text, "nothing to say")
        replies = await asyncio.gather(*(echo.Say(text=str(i)) for i in range(100)))
        self.assertEqual([r.text for r in replies], [str(i) for i in range(100)])

        def work():
            with sync.Connection() as bus:
                echo = bus.get(EchoSync, "demo.echo")
                self.assertEqual(echo.Say(text="sync").text, "sync")
                with self.assertRaises(Empty):
                    echo.Say()
                with self.assertRaises(ipcbus.Unimplemented):
                    echo.call(77)

        await asyncio.to_thread(work)
