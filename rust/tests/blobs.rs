// SPDX-License-Identifier: MIT
//! Messages of generated Rust, on a bus that the caller made: large blobs, false ones from a
//! stranger, and the types of google/protobuf.

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
use ipcbus::typed::ipc::Blob;
use ipcbus::{Background, Call, Connection, Message, Options, Result};
use prost::Message as _;
use shared::memory_file;

/// `conform.Peer/Turn`, as <ipc/raw.h> says.
fn turn() -> u32 {
    let hash = |h: u32, b: u8| (h ^ u32::from(b)).wrapping_mul(16_777_619);
    b"conform.Peer/Turn".iter().copied().fold(2_166_136_261, hash) | 0x8000_0000
}


struct Turner;

impl Peer for Turner {
    fn turn(&self, mut request: Blobs, _: &Call) -> Result<Blobs> {
        request.blobs.reverse();
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
    let server = PeerServer::register(&bus, "test.blobs", Turner).unwrap();
    let serving = bus.run_in_background().unwrap();
    let peer = PeerClient::get(&Connection::open().unwrap(), "test.blobs").unwrap();
    Bench { peer, _serving: serving, _server: server }
}

fn sizes_around_the_limit_arrive() {
    let bench = bench();
    for size in [0, 1, 65_536, 65_537, 4 << 20, 20 << 20] {
        let data: Vec<u8> = (0..size).map(|i: usize| (i * 31) as u8).collect();
        let blobs = vec![Blob::new(data.clone()), Blob::new(&b"last"[..])];
        let turned = bench.peer.turn(&Blobs { blobs }).unwrap().blobs;
        assert_eq!(turned[0].bytes(), b"last");
        assert!(turned[1].clone().into_bytes() == data, "{size} bytes");
    }
    // One that was never set has no bytes.
    let turned = bench.peer.turn(&Blobs { blobs: vec![Blob::default()] }).unwrap();
    assert!(turned.blobs[0].bytes().is_empty());
}

/// What a request says of its blobs is not believed.
fn lies_are_refused() {
    let bench = bench();
    // Blobs { blobs: [Blob { size: 1000 }] }, and nothing behind the message.
    let message = Message::new(turn()).bytes(&b"\x0a\x03\x08\xe8\x07"[..]);
    let error = bench.peer.proxy().call(&message, &Options::new()).unwrap_err();
    assert_eq!(error.code(), libc::EBADMSG);
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
        sizes_around_the_limit_arrive
        lies_are_refused
        well_known_types_have_the_bytes_of_protobuf
        unknown_fields_are_dropped
    ]));
}
