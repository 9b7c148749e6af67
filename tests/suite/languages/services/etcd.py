# SPDX-License-Identifier: MIT
"""etcd's KV and Watch in Python: `etcd.py server|client NAME`."""

import asyncio

import ipcbus
from etcd_ipc import KV, KVService, Watch, WatchService
from etcd_pb2 import Compare, RangeRequest, RangeResponse, TxnRequest, TxnResponse, WatchCreateRequest
from mvccpb.kv_pb2 import Event, KeyValue
from service import LONG, check, fails, service_main


class Store(KVService):
    def __init__(self):
        self.keys = {}
        self.revision = 1
        self.changed = asyncio.Condition()

    def range(self, request):
        end = request.range_end or request.key + b"\0"
        found = [kv for key, kv in sorted(self.keys.items()) if request.key <= key < end]
        return RangeResponse(header={"revision": self.revision}, kvs=found, count=len(found))

    def delete(self, key):
        deleted = self.keys.pop(key, None) is not None
        self.revision += deleted
        return {"deleted": deleted}

    async def Range(self, request, context):
        if not request.key:
            raise ipcbus.ServiceError("no key", name="etcdserver.EmptyKey")
        return self.range(request)

    async def Put(self, request, context):
        old = self.keys.get(request.key)
        self.revision += 1
        self.keys[request.key] = KeyValue(key=request.key, value=request.value, mod_revision=self.revision,
                                          version=old.version + 1 if old else 1)
        async with self.changed:
            self.changed.notify_all()
        return {"header": {"revision": self.revision}, "prev_kv": old if request.prev_kv else None}

    async def DeleteRange(self, request, context):
        return self.delete(request.key)

    async def Txn(self, request, context):
        reply = TxnResponse(succeeded=all(
            c.key in self.keys and self.keys[c.key].value == c.value for c in request.compare))
        for op in request.success if reply.succeeded else request.failure:
            if op.HasField("request_range"):
                reply.responses.add().response_range.CopyFrom(self.range(op.request_range))
            else:
                reply.responses.add(response_delete_range=self.delete(op.request_delete_range.key))
        return reply


class Watcher(WatchService):
    def __init__(self, store):
        self.store = store

    async def Watch(self, requests, context):
        store = self.store
        create = (await anext(requests)).create_request
        revision = store.revision
        yield {"watch_id": create.watch_id, "created": True}
        async with store.changed:
            await store.changed.wait_for(
                lambda: create.key in store.keys and store.keys[create.key].mod_revision > revision)
        yield {"watch_id": create.watch_id, "events": [Event(kv=store.keys[create.key])]}
        check((await anext(requests)).HasField("cancel_request"))
        yield {"canceled": True}


async def serve(bus, name):
    store = Store()
    await bus.register(name + ".watch", Watcher(store))
    await bus.register(name, store)


async def watch_and_put(watch, kv):
    async with watch.Watch() as both:
        await both.send(create_request={"key": b"a", "watch_id": 7, "filters": [WatchCreateRequest.NODELETE]})
        created = await anext(both)
        check(created.created and created.watch_id == 7 and not created.events)
        put = await kv.Put(key=b"a", value=b"1", prev_kv=True)
        check(not put.HasField("prev_kv"))
        event = (await anext(both)).events[0]
        check(event.type == Event.PUT and event.kv.value == b"1" and event.kv.mod_revision == put.header.revision)
        await both.send(cancel_request={})
        check((await anext(both)).canceled)
        check([m async for m in both] == [])
    again = await kv.Put(key=b"a", value=b"2", prev_kv=True)
    check(again.prev_kv.value == b"1" and again.header.revision == put.header.revision + 1)


async def call(bus, name):
    kv = await bus.wait(KV, name, timeout=LONG)
    await watch_and_put(await bus.get(Watch, name + ".watch"), kv)
    await kv.Put(key=b"b", value=b"\0\xff")
    await fails("etcdserver.EmptyKey", kv.Range())
    wanted = RangeRequest(key=b"a", range_end=b"c")
    found = await kv.Range(wanted)
    check(found.count == 2 and found.kvs[0].version == 2 and found.kvs[1].value == b"\0\xff")
    txn = TxnRequest(compare=[{"target": Compare.VALUE, "key": b"a", "value": b"2"}],
                     success=[{"request_delete_range": {"key": b"b"}}, {"request_range": wanted}])
    done = await kv.Txn(txn)
    check(done.succeeded and done.responses[0].response_delete_range.deleted == 1)
    check(done.responses[1].response_range.count == 1)
    txn.compare[0].value = b"3"
    check(not (await kv.Txn(txn)).succeeded)
    check((await kv.DeleteRange(key=b"a")).deleted == 1)


service_main(serve, call)
