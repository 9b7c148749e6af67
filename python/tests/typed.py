# SPDX-License-Identifier: MIT
"""For mypy --strict: correct lines pass, and each line marked as wrong is reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kinds_pb2
from kinds_ipc import Kinds, KindsService, KindsSync

import ipcbus
from ipcbus import aio, sync


class Right(KindsService):
    async def Plain(
        self, request: kinds_pb2.PlainRequest, context: aio.Context
    ) -> kinds_pb2.PlainReply:
        return kinds_pb2.PlainReply(text=f"{request.text} {context.pid}")

    async def Make(self, context: aio.Context) -> Mapping[str, Any]:
        return {"object": Right()}


class Wrong(KindsService):
    async def Plain(self, request: int, context: aio.Context) -> int:  # WRONG
        return 1


async def right() -> str:
    async with aio.Connection(timeout=5) as bus:
        await bus.register("demo.kinds", Right())
        kinds = await bus.wait(Kinds, "demo.kinds", timeout=1)
        reply = await kinds.Plain(text="x", numbers=[1], inner={"text": "y"}, timeout=1)
        reply = await kinds.Plain({"text": "x"}, timeout=1)
        await kinds.Chat().send({"text": "x"})
        made = await kinds.Make()
        again = made.take(made.message.object, Kinds)
        await again.Callback(to=Right(), more=[{"object": kinds}])
        await kinds.Same({"a": [1, None]})
        await kinds.Same(a=[1, None], b="x")
        await kinds.Any(None)
        await kinds.Any([1, {"x": True}])
        await kinds.List((1, "x"))
        await kinds.Hold(values={"a": 1}, list=[1], any="x", all=[None, 1], named={"k": [1]})
        turned = await kinds.Turn(chunks=[b"x"])
        size: int = len(turned.chunks)
        try:
            await kinds.Nothing()
        except ipcbus.ServiceError as error:
            return f"{error.name} {size}"
        return reply.text


async def wrong(bus: aio.Connection, kinds: Kinds) -> None:
    await kinds.Plain(text=7)  # WRONG
    await kinds.Plain(nonsense="x")  # WRONG
    await kinds.Plain({1: "x"})  # WRONG
    await kinds.Plain("x")  # WRONG
    await kinds.Chat().send("x")  # WRONG
    await kinds.Callback(to=7)  # WRONG
    number: int = (await kinds.Plain()).text  # WRONG
    await bus.get(KindsSync, "demo.kinds")  # WRONG
    await bus.register("demo.kinds", 7)  # WRONG


def of_threads() -> str:
    with sync.Connection() as bus:
        kinds = bus.get(KindsSync, "demo.kinds")
        reply = kinds.Count(until=1).receive(timeout=1.5)
        kinds.Count().receive(timeout="1")  # WRONG
        return kinds.Plain(text="x").text if reply is None else reply.text
