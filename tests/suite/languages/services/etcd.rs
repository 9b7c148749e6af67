// SPDX-License-Identifier: MIT
//! etcd's KV and Watch in Rust: `rust-etcd server|client NAME`.

include!(concat!(env!("GENERATED"), "/ipc.rs"));
mod service;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

use etcdserverpb::compare::TargetUnion;
use etcdserverpb::request_op::Request;
use etcdserverpb::response_op::Response;
use etcdserverpb::watch_request::RequestUnion;
use etcdserverpb::*;
use ipcbus::typed::StreamOf;
use ipcbus::{Call, Connection, Error, Options, Result};
use mvccpb::{Event, KeyValue};
use service::{failed, LONG};

#[derive(Default)]
struct Store {
    keys: BTreeMap<Vec<u8>, KeyValue>,
    revision: i64,
}

impl Store {
    fn header(&self) -> Option<ResponseHeader> {
        Some(ResponseHeader { revision: self.revision, ..Default::default() })
    }

    fn range(&self, request: &RangeRequest) -> RangeResponse {
        let mut end = request.range_end.clone();
        if end.is_empty() {
            end = request.key.clone();
            end.push(0);
        }
        let kvs: Vec<_> = self.keys.range(request.key.clone()..end).map(|(_, kv)| kv.clone()).collect();
        RangeResponse { header: self.header(), count: kvs.len() as i64, kvs, ..Default::default() }
    }

    fn delete(&mut self, request: &DeleteRangeRequest) -> DeleteRangeResponse {
        let deleted = self.keys.remove(&request.key).is_some() as i64;
        self.revision += deleted;
        DeleteRangeResponse { header: self.header(), deleted }
    }

    fn holds(&self, compare: &Compare) -> bool {
        let value = self.keys.get(&compare.key).map(|kv| TargetUnion::Value(kv.value.clone()));
        value.is_some() && value == compare.target_union
    }
}

#[derive(Clone)]
struct Shared(Arc<(Mutex<Store>, Condvar)>);

impl KV for Shared {
    fn range(&self, request: RangeRequest, _: &Call) -> Result<RangeResponse> {
        if request.key.is_empty() {
            return Err(Error::service("etcdserver.EmptyKey", "no key"));
        }
        Ok(self.0 .0.lock().unwrap().range(&request))
    }

    fn put(&self, request: PutRequest, _: &Call) -> Result<PutResponse> {
        let mut store = self.0 .0.lock().unwrap();
        store.revision += 1;
        let mut kv = store.keys.get(&request.key).cloned().unwrap_or_default();
        let prev_kv = Some(kv.clone()).filter(|kv| request.prev_kv && kv.version > 0);
        kv.key = request.key.clone();
        kv.value = request.value;
        kv.version += 1;
        kv.mod_revision = store.revision;
        store.keys.insert(request.key, kv);
        self.0 .1.notify_all();
        Ok(PutResponse { header: store.header(), prev_kv })
    }

    fn delete_range(&self, request: DeleteRangeRequest, _: &Call) -> Result<DeleteRangeResponse> {
        Ok(self.0 .0.lock().unwrap().delete(&request))
    }

    fn txn(&self, request: TxnRequest, _: &Call) -> Result<TxnResponse> {
        let mut store = self.0 .0.lock().unwrap();
        let succeeded = request.compare.iter().all(|compare| store.holds(compare));
        let mut responses = vec![];
        for op in if succeeded { request.success } else { request.failure } {
            let response = Some(match op.request {
                Some(Request::RequestRange(range)) => Response::ResponseRange(store.range(&range)),
                Some(Request::RequestDeleteRange(d)) => Response::ResponseDeleteRange(store.delete(&d)),
                _ => return Err(Error::service("etcdserver.Txn", "not the client's transaction")),
            });
            responses.push(ResponseOp { response });
        }
        Ok(TxnResponse { header: store.header(), succeeded, responses })
    }
}

impl Watch for Shared {
    fn watch(&self, mut stream: StreamOf<WatchResponse, WatchRequest>) -> Result<()> {
        let wrong = || Error::service("etcdserver.Watch", "not created, or not canceled");
        let create = match stream.receive(LONG)?.and_then(|request| request.request_union) {
            Some(RequestUnion::CreateRequest(create)) => create,
            _ => return Err(wrong()),
        };
        let mut response = WatchResponse { watch_id: create.watch_id, created: true, ..Default::default() };
        let mut store = self.0 .0.lock().unwrap();
        let revision = store.revision;
        stream.send(&response, LONG)?;
        let kv = loop {
            match store.keys.get(&create.key) {
                Some(kv) if kv.mod_revision > revision => break kv.clone(),
                _ => store = self.0 .1.wait(store).unwrap(),
            }
        };
        drop(store);
        response.created = false;
        response.events = vec![Event { kv: Some(kv), ..Default::default() }];
        stream.send(&response, LONG)?;
        match stream.receive(LONG)?.and_then(|request| request.request_union) {
            Some(RequestUnion::CancelRequest(_)) => {}
            _ => return Err(wrong()),
        }
        stream.send(&WatchResponse { canceled: true, ..Default::default() }, LONG)
    }
}

fn serve(bus: &Connection, name: &str) -> Result<()> {
    let store = Store { revision: 1, ..Default::default() };
    let shared = Shared(Arc::new((Mutex::new(store), Condvar::new())));
    let _watch = WatchServer::register(bus, &format!("{name}.watch"), shared.clone())?;
    let _kv = KVServer::register(bus, name, shared)?;
    bus.run()
}

fn put(kv: &KVProxy, key: &[u8], value: &[u8], previous: Option<&[u8]>) -> Result<i64> {
    let reply = kv.put(&PutRequest { key: key.into(), value: value.into(), prev_kv: true })?;
    assert_eq!(reply.prev_kv.map(|kv| kv.value).as_deref(), previous);
    Ok(reply.header.unwrap().revision)
}

fn watch_and_put(watch: &WatchProxy, kv: &KVProxy) -> Result<()> {
    let mut both = watch.watch(&Options::new())?;
    let filters = vec![watch_create_request::FilterType::Nodelete as i32];
    let create = WatchCreateRequest { key: b"a".to_vec(), watch_id: 7, filters };
    both.send(&WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }, LONG)?;
    let created = both.receive(LONG)?.unwrap();
    assert!(created.created && created.watch_id == 7 && created.events.is_empty());
    let revision = put(kv, b"a", b"1", None)?;
    let changed = both.receive(LONG)?.unwrap().events.remove(0);
    assert_eq!(changed.r#type, mvccpb::event::EventType::Put as i32);
    let changed = changed.kv.unwrap();
    assert!(changed.value == b"1" && changed.mod_revision == revision);
    let cancel = Some(RequestUnion::CancelRequest(WatchCancelRequest::default()));
    both.send(&WatchRequest { request_union: cancel }, LONG)?;
    assert!(both.receive(LONG)?.unwrap().canceled);
    assert_eq!(both.receive(LONG)?, None);
    assert_eq!(put(kv, b"a", b"2", Some(b"1"))?, revision + 1);
    Ok(())
}

fn call(bus: &Connection, name: &str) -> Result<()> {
    let kv = KVProxy::wait(bus, name, LONG)?;
    watch_and_put(&WatchProxy::get(bus, &format!("{name}.watch"))?, &kv)?;
    put(&kv, b"b", b"\0\xff", None)?;
    assert!(failed("etcdserver.EmptyKey", kv.range(&RangeRequest::default())));
    let range = RangeRequest { key: b"a".to_vec(), range_end: b"c".to_vec(), ..Default::default() };
    let found = kv.range(&range)?;
    assert!(found.count == 2 && found.kvs[0].version == 2 && found.kvs[1].value == b"\0\xff");

    let deletion = |key: &[u8]| DeleteRangeRequest { key: key.into(), ..Default::default() };
    let compare = |value: &[u8]| Compare {
        target: compare::CompareTarget::Value as i32,
        key: b"a".to_vec(),
        target_union: Some(TargetUnion::Value(value.into())),
        ..Default::default()
    };
    let op = |request| RequestOp { request: Some(request) };
    let success = vec![op(Request::RequestDeleteRange(deletion(b"b"))), op(Request::RequestRange(range))];
    let mut txn = TxnRequest { compare: vec![compare(b"2")], success, ..Default::default() };
    let done = kv.txn(&txn)?;
    assert!(done.succeeded);
    assert!(matches!(&done.responses[0].response, Some(Response::ResponseDeleteRange(d)) if d.deleted == 1));
    assert!(matches!(&done.responses[1].response, Some(Response::ResponseRange(r)) if r.count == 1));
    txn.compare = vec![compare(b"3")];
    assert!(!kv.txn(&txn)?.succeeded);
    assert_eq!(kv.delete_range(&deletion(b"a"))?.deleted, 1);
    Ok(())
}

fn main() -> Result<()> {
    service::service_main(serve, call)
}
