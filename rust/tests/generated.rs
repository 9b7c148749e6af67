// SPDX-License-Identifier: MIT
//! Messages of generated Rust: large bytes on a bus that the caller made, and the types of
//! google/protobuf.

mod case;

#[allow(dead_code)]
mod conform {
    include!(concat!(env!("IPCBUS_GENERATED"), "/conform.ipc.rs"));
}
#[allow(dead_code)]
#[path = "conformance.rs"]
mod shared;

use std::os::unix::fs::FileExt;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd};

use conform::*;
use ipcbus::{Background, Call, Connection, Message, Options, Result};
use prost::Message as _;
use shared::memory_file;

struct Turner;

impl Peer for Turner {
    fn turn(&self, mut request: Chunks, _: &Call) -> Result<Chunks> {
        request.chunks.reverse();
        Ok(request)
    }
}

struct Bench {
    peer: PeerClient,
    _serving: Background,
    _server: ipcbus::Object,
}

fn bench() -> Bench {
    let bus = Connection::open().unwrap();
    let server = PeerServer::register(&bus, "test.generated", Turner).unwrap();
    let serving = bus.run_in_background().unwrap();
    let peer = PeerClient::get(&Connection::open().unwrap(), "test.generated").unwrap();
    Bench { peer, _serving: serving, _server: server }
}

fn bytes_of_every_size_arrive() {
    let bench = bench();
    for size in [0, 1, 65_536, 65_537, 4 << 20, 20 << 20] {
        let data: Vec<u8> = (0..size).map(|i: usize| (i * 31) as u8).collect();
        let chunks = vec![data.clone(), b"last".to_vec()];
        let turned = bench.peer.turn(&Chunks { chunks }).unwrap().chunks;
        assert_eq!(turned[0], b"last");
        assert!(turned[1] == data, "{size} bytes");
    }
}

fn well_known_types_have_the_bytes_of_protobuf() {
    use ipcbus::typed::google::protobuf::{self, value::Kind};

    let time = protobuf::Timestamp { seconds: 1, nanos: 2 };
    assert_eq!(time.encode_to_vec(), b"\x08\x01\x10\x02");
    assert_eq!(protobuf::StringValue { value: "a".into() }.encode_to_vec(), b"\x0a\x01a");
    assert_eq!(protobuf::Empty {}.encode_to_vec(), b"");
    let value = protobuf::Value { kind: Some(Kind::BoolValue(true)) };
    let object = protobuf::Struct { fields: [("k".into(), value)].into() };
    assert_eq!(object.encode_to_vec(), b"\x0a\x07\x0a\x01k\x12\x02\x20\x01");
    assert_eq!(protobuf::Struct::decode(&object.encode_to_vec()[..]), Ok(object));
}

fn unknown_fields_are_dropped() {
    use ipcbus::typed::google::protobuf::StringValue;

    let known = StringValue::decode(&b"\x10\x07\x0a\x01a"[..]).unwrap();
    assert_eq!(known.encode_to_vec(), b"\x0a\x01a");
}

fn main() {
    std::process::exit(case::run(&cases![
        bytes_of_every_size_arrive
        well_known_types_have_the_bytes_of_protobuf
        unknown_fields_are_dropped
    ]));
}
