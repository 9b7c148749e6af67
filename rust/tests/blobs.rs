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

const BLOB_TAG: u64 = 1 << 63;

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

/// The errno of a request with one blob of 1,000 bytes outside the message, and with that file.
fn lie(bench: &Bench, file: Option<BorrowedFd<'_>>) -> i32 {
    // Blobs { blobs: [Blob { size: 1000 }] }
    let mut message = Message::new(turn()).bytes(&b"\x0a\x03\x08\xe8\x07"[..]).accept_fds();
    if let Some(file) = file {
        message = message.fd(BLOB_TAG, file);
    }
    let reply = bench.peer.proxy().call(&message, &Options::new());
    reply.err().map_or(0, |error| error.code())
}

fn seal(file: &std::fs::File, seals: i32) {
    // SAFETY: it is open.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }, 0);
}

fn sealable() -> std::fs::File {
    use std::os::unix::io::FromRawFd;
    // SAFETY: the descriptor is new, and ours.
    unsafe {
        let fd = libc::memfd_create(b"blob\0".as_ptr() as *const _, libc::MFD_ALLOW_SEALING);
        assert!(fd >= 0);
        std::fs::File::from_raw_fd(fd)
    }
}

const ALL: i32 = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;

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

fn too_many_large_blobs_are_refused() {
    let bench = bench();
    let blobs = vec![Blob::new(vec![7; 70_000]); 65];
    assert_eq!(bench.peer.turn(&Blobs { blobs }).unwrap_err().code(), libc::E2BIG);
    let blobs = vec![Blob::new(vec![7; 70_000]); 64];
    assert_eq!(bench.peer.turn(&Blobs { blobs }).unwrap().blobs.len(), 64);
}

/// SIGXFSZ would end the test.
fn blobs_beyond_limits_are_refused() {
    fn limit(size: libc::rlim_t) {
        let limit = libc::rlimit { rlim_cur: size, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the structure is whole.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
    }

    let bench = bench();
    limit(1 << 20);
    let blobs = vec![Blob::new(vec![7; (1 << 20) + 1])];
    assert_eq!(bench.peer.turn(&Blobs { blobs }).unwrap_err().code(), libc::EFBIG);
    // No file is made for it.
    let blobs = vec![Blob::new(vec![0; (1 << 30) + 1])];
    assert_eq!(bench.peer.turn(&Blobs { blobs }).unwrap_err().code(), libc::EMSGSIZE);
    limit(libc::RLIM_INFINITY);
}

/// What a request says of its blobs is not believed.
fn lies_are_refused() {
    let bench = bench();
    assert_eq!(lie(&bench, None), libc::EBADMSG);

    // The file may change; it is too short; it has holes; it is no memory at all.
    let unsealed = memory_file();
    unsealed.write_all_at(&[1; 1000], 0).unwrap();
    assert_eq!(lie(&bench, Some(unsealed.as_fd())), libc::EBADMSG);
    let growing = sealable();
    growing.write_all_at(&[1; 1000], 0).unwrap();
    seal(&growing, libc::F_SEAL_WRITE);
    assert_eq!(lie(&bench, Some(growing.as_fd())), libc::EBADMSG);
    let short = sealable();
    short.write_all_at(&[1; 999], 0).unwrap();
    seal(&short, ALL);
    assert_eq!(lie(&bench, Some(short.as_fd())), libc::EBADMSG);
    let empty = sealable();
    empty.set_len(1000).unwrap();
    seal(&empty, ALL);
    assert_eq!(lie(&bench, Some(empty.as_fd())), libc::EBADMSG);
    let null = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(lie(&bench, Some(null.as_fd())), libc::EBADMSG);

    let good = sealable();
    good.write_all_at(&[1; 1000], 0).unwrap();
    seal(&good, ALL);
    assert_eq!(lie(&bench, Some(good.as_fd())), 0);
}

/// A gigabyte and more of holes, which would become memory.
fn huge_files_are_refused() {
    let bench = bench();
    let huge = sealable();
    huge.set_len(1 << 40).unwrap();
    seal(&huge, ALL);
    // Blobs { blobs: [Blob { size: 1 << 40 }] }
    let bytes = &b"\x0a\x07\x08\x80\x80\x80\x80\x80\x20"[..];
    let message = Message::new(turn()).bytes(bytes).accept_fds().fd(BLOB_TAG, huge.as_fd());
    let error = bench.peer.proxy().call(&message, &Options::new()).unwrap_err();
    assert_eq!(error.code(), libc::EMSGSIZE);
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
        too_many_large_blobs_are_refused
        blobs_beyond_limits_are_refused
        lies_are_refused
        huge_files_are_refused
        well_known_types_have_the_bytes_of_protobuf
        unknown_fields_are_dropped
    ]));
}
