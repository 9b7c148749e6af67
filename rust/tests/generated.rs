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

use conform::*;
use ipcbus::{Background, Call, Connection, Memory, Result};
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

fn memory_is_shared() {
    let mut memory = Memory::create(8192, true).unwrap();
    let mut theirs = Memory::map(memory.file().unwrap(), true).unwrap();
    assert_eq!(theirs.size(), 8192);
    // SAFETY: no other thread uses the bytes.
    unsafe { theirs.as_ptr().write(7) };
    assert_eq!(unsafe { memory.as_ptr().read() }, 7);
    assert_eq!(memory.bytes().unwrap_err().code(), libc::EPERM);
    assert_eq!(theirs.seal().unwrap_err().code(), libc::EBUSY);
    drop(theirs);
    memory.seal().unwrap();
    assert_eq!(memory.bytes().unwrap()[..2], [7, 0]);
}

fn memory_of_a_stranger_is_checked() {
    let readable = Memory::create(4096, false).unwrap();
    let error = Memory::map(readable.file().unwrap(), true).unwrap_err();
    assert_eq!(error.code(), libc::EPERM);
    assert!(Memory::map(readable.file().unwrap(), false).is_ok());
    let growing = memory_file().into();
    assert_eq!(Memory::map(growing, false).unwrap_err().code(), libc::EBADMSG);
    assert_eq!(Memory::create(0, false).unwrap_err().code(), libc::EINVAL);
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
        memory_is_shared
        memory_of_a_stranger_is_checked
        well_known_types_have_the_bytes_of_protobuf
        unknown_fields_are_dropped
    ]));
}
