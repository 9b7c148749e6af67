# SPDX-License-Identifier: MIT
"""The cases of conform.proto and versions.proto in Python: `client.py NAME CASE...`."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import traceback

import conform_pb2
import ipcbus
import versions_pb2
from conform_ipc import Peer, Visitor, VisitorService
from ipcbus.aio import Connection
from versions_ipc import Newer, Older

# Longer than any operation on a busy machine.
LONG = 60


def check(condition, what=""):
    if not condition:
        raise AssertionError(what)


async def fails(awaitable, kind, code=None):
    """Returns the error, which must be of that class."""
    try:
        await awaitable
    except kind as error:
        check(code is None or error.code == code, f"{error!r}: not {code}")
        return error
    raise AssertionError(f"no {kind.__name__}")


class Guest(VisitorService):
    def __init__(self):
        self.entered = asyncio.Event()
        self.left = asyncio.Event()

    async def Ask(self, request, context):
        left = context.remaining()
        return {"number": request.number + 1, "left_ms": 0 if left is None else int(left * 1000)}

    async def Refuse(self, context):
        raise ipcbus.ServiceError("not now", name="visitor.Busy")

    async def Stay(self, context):
        self.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


class Cases:
    def __init__(self, bus, name, peer):
        self.bus = bus
        self.name = name
        self.peer = peer

    async def wait_for(self, what, condition):
        for _ in range(LONG * 100):
            hangs = await self.peer.Hangs()
            if condition(hangs):
                return hangs.canceled
            await asyncio.sleep(0.01)
        raise AssertionError(f"not {what}: {hangs}")

    async def calm(self):
        return await self.wait_for("calm", lambda hangs: hangs.waiting == 0)

    async def hangs(self, waiting, canceled):
        await self.wait_for(
            f"{waiting} waiting, {canceled} canceled",
            lambda hangs: (hangs.waiting, hangs.canceled) == (waiting, canceled),
        )

    async def calls(self):
        request = conform_pb2.Kinds(
            i32=-(2**31),
            i64=-(2**63),
            u32=2**32 - 1,
            u64=2**64 - 1,
            s64=-5,
            f32=0xFEDCBA98,
            sf64=-(2**63) + 1,
            single=0.25,
            both=-1e300,
            flag=True,
            text="ä€",
            data=b"\0\xff\n\0",
            color="BLUE",
            inner={"more": [{"text": "deep"}, {"text": "deep"}]},
            list=[0, -1, -(2**31), 2**31 - 1],
            names=["", "ä€"],
            number=0,
        )
        reply = await self.peer.Echo(request)
        check(reply == request, reply)
        check(reply.WhichOneof("choice") == "number")
        check(await self.peer.Echo() == conform_pb2.Kinds())
        await self.peer.ping()

    async def errors(self):
        peer = self.peer
        odd = await fails(
            peer.Fail(name="conform.Odd", text="an odd ä", number=-7, details=b"\0\xff\n\0"),
            ipcbus.ServiceError,
            errno.EREMOTEIO,
        )
        check((odd.name, odd.text, odd.number) == ("conform.Odd", "an odd ä", -7))
        check(odd.details == b"\0\xff\n\0" and odd.origin == ipcbus.Origin.PEER)
        # An error with a name is a service error, whatever its errno.
        odd = await fails(
            peer.Fail(name="conform.Odd", code=errno.ENOENT), ipcbus.ServiceError, errno.ENOENT
        )
        check(odd.name == "conform.Odd")
        plain = await fails(
            peer.Fail(code=errno.ENOTEMPTY, text="something is left"), ipcbus.Error, errno.ENOTEMPTY
        )
        check(plain.name is None and plain.text == "something is left")
        check(plain.origin == ipcbus.Origin.PEER)
        # A service cannot report that its own process is dead.
        behind = await fails(peer.Fail(code=errno.EOWNERDEAD), ipcbus.Error, errno.EREMOTEIO)
        check(behind.origin == ipcbus.Origin.BEHIND and behind.cause == errno.EOWNERDEAD)
        await fails(peer.Drop(), ipcbus.NoReply)
        await fails(peer.call(9, b"\x0a\xff"), ipcbus.BadMessage)
        await fails(peer.call(0x8000_0001), ipcbus.Unimplemented)
        await fails(peer.call(8), ipcbus.ProtocolError)
        nobody = await fails(self.bus.get(Peer, "conform.nobody"), ipcbus.NotFound)
        check(str(nobody) == "conform.nobody: no process has registered the name", nobody)
        nobody = await fails(self.bus.check_name("conform.nobody"), ipcbus.NotFound)
        check(str(nobody) == "conform.nobody: no process has registered the name", nobody)
        nobody = await fails(self.bus.unregister_name("conform.nobody"), ipcbus.NotFound)
        text = "this connection has not registered the name, or has lost it"
        check(str(nobody) == f"conform.nobody: {text}", nobody)
        for find in self.bus.get, self.bus.wait:
            other = await fails(find(Visitor, self.name), ipcbus.InterfaceMismatch)
            text = "the object has another interface"
            check(str(other) == f"{self.name}: {text}", other)

    async def oneways(self):
        expected = [i * 1000 for i in range(50)]
        for number in expected:
            await self.peer.Note(number=number)
        # Another thread may serve the last oneway.
        for _ in range(LONG * 100):
            numbers = list((await self.peer.Notes()).numbers)
            check(numbers == expected[: len(numbers)], numbers)
            if len(numbers) == len(expected):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(numbers)

    async def callbacks(self):
        guest = Guest()
        reply = await self.peer.Visit(visitor=guest, number=41, refuse=True)
        check((reply.number, reply.left_ms) == (42, 0), reply)
        check(reply.refused == "visitor.Busy: not now", reply.refused)
        # The server's object, and the own one, which came back.
        for take, field, code in (
            (reply.take_object, reply.host, errno.EXDEV),
            (reply.take_object, reply.back, 0),
            (reply.take_object, reply.back, errno.ENOENT),
            (lambda field: reply.take(field, Visitor), reply.host, 0),
            (lambda field: reply.take(field, Visitor), reply.host, errno.ENOENT),
        ):
            try:
                taken = take(field)
                check(code == 0, code)
            except ipcbus.Error as error:
                check(error.code == code, error)
                continue
            check(taken is guest or (await taken.Ask(number=7)).number == 8)
        await fails(self.peer.Visit(), ipcbus.NotFound)

    async def fds(self):
        def text(fd):
            return os.pread(fd, 100, 0)

        fd = os.memfd_create("file", os.MFD_CLOEXEC)
        reply = await self.peer.Write(file=fd, text="by the server")
        check(text(fd) == b"by the server")
        same, other = reply.take_fd(reply.same), reply.take_fd(reply.other)
        check(text(same) == text(other) == b"by the server")
        check(not os.get_inheritable(same) and not os.get_inheritable(other))
        # It is the same file, and the other is another one.
        os.pwrite(fd, b"BY", 0)
        check(text(same) == b"BY the server" and text(other) == b"by the server")
        try:
            reply.take_fd(reply.same)
            check(False, "taken twice")
        except ipcbus.NotFound:
            pass
        for number in (fd, same, other):
            os.close(number)

    async def bytes(self):
        # The last chunk is larger than a region.
        sizes = [0, 5, 100001, 5000000, 3, 17 << 20]
        chunks = [bytes(range(i, 251)) * (size // (251 - i) + 1) for i, size in enumerate(sizes)]
        chunks = [chunk[:size] for chunk, size in zip(chunks, sizes)]
        reply = await self.peer.Turn(chunks=chunks)
        check(list(reply.chunks) == chunks[::-1], [len(chunk) for chunk in reply.chunks])

    async def streams(self):
        async with self.peer.Count(number=100) as numbers:
            check([n.number async for n in numbers] == list(range(1, 101)))
        async with self.peer.Count(number=0) as numbers:
            check(await numbers.receive() is None)
        async with self.peer.Count(number=-3) as numbers:
            check([(await anext(numbers)).number for _ in range(3)] == [1, 2, 3])
            error = await fails(numbers.receive(), ipcbus.ServiceError, errno.EREMOTEIO)
            check((error.name, error.text) == ("conform.Negative", "it is negative"))
        async with self.peer.Total() as adding:
            for _ in range(100):
                await adding.send(number=3)
            await adding.end()
            await fails(adding.end(), ipcbus.Error, errno.EALREADY)
            check((await adding.finish()).number == 300)
        async with self.peer.Running() as both:
            for i in range(1, 51):
                await both.send(number=3)
                check((await both.receive()).number == 3 * i)
            await both.end()
            check(await both.receive() is None)

    async def deadlines(self):
        peer = self.peer
        check((await peer.Left()).number == 0)
        check(0 < (await peer.Left(timeout=LONG)).number <= LONG * 1000)
        # Calls by a handler inherit its deadline.
        reply = await peer.Visit(visitor=Guest(), timeout=LONG)
        check(0 < reply.left_ms <= LONG * 1000, reply.left_ms)
        # On a busy machine the timeout may pass before the handler begins.
        before, timeout = await self.calm(), 0.1
        while True:
            await fails(peer.Hang(timeout=timeout), ipcbus.DeadlineExceeded)
            if await self.calm() != before:
                break
            timeout *= 4
            check(timeout < LONG, "no handler has begun")
        await fails(peer.HangBriefly(), ipcbus.DeadlineExceeded)
        both = await self.open_briefly()
        await fails(both.receive(), ipcbus.DeadlineExceeded)
        await self.calm()

    async def open_briefly(self):
        timeout = 0.2
        while True:
            both = self.peer.Running(timeout=timeout)
            try:
                return await both.__aenter__()
            except ipcbus.DeadlineExceeded:
                timeout *= 4
                check(timeout < LONG, "the stream was not opened")

    async def cancellation(self):
        canceled = await self.calm()
        task = asyncio.create_task(self.peer.Hang())
        await self.hangs(1, canceled)
        task.cancel()
        await fails(task, asyncio.CancelledError)
        await self.hangs(0, canceled + 1)
        both = self.peer.Running()
        await both.send(number=1)
        await both.receive()
        both.cancel()
        await fails(both.receive(), ipcbus.Canceled)
        await self.hangs(0, canceled + 2)
        # If a handler is canceled, its calls are canceled too.
        guest = Guest()
        task = asyncio.create_task(self.peer.Host(visitor=guest))
        await asyncio.wait_for(guest.entered.wait(), LONG)
        task.cancel()
        await fails(task, asyncio.CancelledError)
        await asyncio.wait_for(guest.left.wait(), LONG)

    async def versions(self):
        older = await self.bus.get(Older, f"{self.name}.older")
        request = versions_pb2.Said(text="hello", language="en", before=[{"text": "b"}], tone="LOUD")
        said = await older.Say(request)
        check(said == versions_pb2.Said(text="heard: hello", tone="LOUD"), said)
        await fails(older.Shout(request), ipcbus.Unimplemented)
        newer = await self.bus.get(Newer, f"{self.name}.newer")
        reply = await newer.Ask(text="why")
        check((reply.text, reply.tone) == ("why, 0 times", versions_pb2.GLAD), reply)

    async def death(self):
        died = asyncio.Event()
        self.peer.on_death(died.set)
        await self.peer.Hangs()
        check(not died.is_set())
        error = await fails(self.peer.Exit(), ipcbus.DeadObject)
        check(error.origin == ipcbus.Origin.BUS, error.origin)
        await asyncio.wait_for(died.wait(), LONG)
        await fails(self.peer.Hangs(), ipcbus.DeadObject)
        await fails(self.peer.Note(number=1), ipcbus.DeadObject)


async def main(name, cases):
    failed = 0
    async with Connection() as bus:
        all_cases = Cases(bus, name, await bus.wait(Peer, name, timeout=LONG))
        for case in cases:
            try:
                await getattr(all_cases, case)()
                print(f"ok {case}", flush=True)
            except Exception:
                failed = 1
                for line in traceback.format_exc().splitlines():
                    print(f"# {line}")
                print(f"not ok {case}", flush=True)
    return failed


sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2:])))
