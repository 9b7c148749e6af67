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

use std::sync::mpsc::{channel, Receiver};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use conform::*;
use ipcbus::typed::StreamOf;
use ipcbus::{Background, Call, Connection, Error, Memory, Message, Options, Result};
use prost::Message as _;
use shared::memory_file;

const LONG: Option<Duration> = Some(Duration::from_secs(60));

#[derive(Default)]
struct Turner {
    /// Note() waits for its end.
    gate: Option<Mutex<Receiver<()>>>,
}

impl Peer for Turner {
    fn note(&self, _: Number, _: &Call) -> Result<()> {
        let _ = self.gate.as_ref().map(|gate| gate.lock().unwrap().recv());
        Ok(())
    }

    /// Runs in a task if there is a runtime.
    fn count(&self, request: Number, mut stream: StreamOf<Number, ()>) -> Result<()> {
        let last = request.number;
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                for number in 1..=last {
                    stream.send_async(&Number { number }).await.unwrap();
                }
                stream.end().unwrap();
            });
            return Ok(());
        }
        assert!(last > 0, "a panic that the test wants");
        (1..=last).try_for_each(|number| stream.send(&Number { number }, LONG))
    }

    fn turn(&self, mut request: Chunks, _: &Call) -> Result<Chunks> {
        request.chunks.reverse();
        Ok(request)
    }
}

struct Bench {
    peer: PeerProxy,
    _serving: Background,
    _server: ipcbus::Object,
}

fn bench() -> Bench {
    bench_of(Connection::open().unwrap(), Turner::default())
}

fn bench_of(bus: Connection, turner: Turner) -> Bench {
    let server = PeerServer::register(&bus, "test.generated", turner).unwrap();
    let serving = bus.run_in_background().unwrap();
    let peer = PeerProxy::get(&Connection::open().unwrap(), "test.generated").unwrap();
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

/// The number of Count().
fn count_code() -> u32 {
    let hash = |h: u32, b: u8| (h ^ u32::from(b)).wrapping_mul(16_777_619);
    b"conform.Peer/Count".iter().copied().fold(2_166_136_261, hash) | 0x8000_0000
}

fn counts(peer: &PeerProxy, last: i64) {
    let mut counting = peer.count(&Number { number: last }, &Options::new()).unwrap();
    for number in 1..=last {
        assert_eq!(counting.receive(LONG).unwrap().unwrap().number, number);
    }
    assert!(counting.receive(LONG).unwrap().is_none());
}

fn a_stream_of_replies_blocks_no_thread_before_its_request() {
    let bench = bench();
    let open = || bench.peer.proxy().open_stream(count_code(), &Options::new()).unwrap();
    let (mut empty, mut wrong, canceled, mut late) = (open(), open(), open(), open());
    counts(&bench.peer, 3);

    empty.end().unwrap();
    assert_eq!(empty.receive(LONG).unwrap_err().code(), libc::ENOMSG);
    wrong.send(&Message::new(0).bytes(&b"\xff"[..]), LONG).unwrap();
    assert_eq!(wrong.receive(LONG).unwrap_err().code(), libc::EBADMSG);
    canceled.cancel();
    drop(canceled);
    let request = Number { number: 1 }.encode_to_vec();
    late.send(&Message::new(0).bytes(request), LONG).unwrap();
    assert!(late.receive(LONG).unwrap().is_some());
    assert!(late.receive(LONG).unwrap().is_none());

    let mut panicking = bench.peer.count(&Number { number: 0 }, &Options::new()).unwrap();
    assert_eq!(panicking.receive(LONG).unwrap_err().name(), Some("ipc.Unhandled"));
    counts(&bench.peer, 3);
}

fn a_stream_of_replies_blocks_no_loop_before_its_request() {
    let server = Connection::open().unwrap();
    let _object = PeerServer::register(&server, "test.generated", Turner::default()).unwrap();
    let served = server.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.spawn(async move { served.serve().await });
        runtime.block_on(stopped).unwrap();
    });
    let peer = PeerProxy::get(&Connection::open().unwrap(), "test.generated").unwrap();
    let _idle = peer.proxy().open_stream(count_code(), &Options::new()).unwrap();
    counts(&peer, 100);
    stop.send(()).unwrap();
    serving.join().unwrap();
    server.unregister_name("test.generated").unwrap();
}

fn a_request_waits_five_seconds_for_space() {
    let (open_gate, gate) = channel();
    let server = Connection::builder().threads(2).open().unwrap();
    let bench = bench_of(server, Turner { gate: Some(Mutex::new(gate)) });
    let proxy = bench.peer.proxy();
    // Its handler waits, and all later oneways wait for it.
    bench.peer.note(&Number { number: 1 }).unwrap();
    for size in (0..=16).rev().map(|bits| 1usize << bits) {
        while proxy.oneway(&Message::new(8).bytes(vec![0; size]), &Options::new()).is_ok() {}
    }
    let begin = Instant::now();
    let error = bench.peer.count(&Number { number: 1 }, &Options::new()).unwrap_err();
    assert!(matches!(error, Error::WouldBlock(_)), "{error:?}");
    assert!(begin.elapsed() >= Duration::from_secs(5));
    drop(open_gate);
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
        a_stream_of_replies_blocks_no_thread_before_its_request
        a_stream_of_replies_blocks_no_loop_before_its_request
        a_request_waits_five_seconds_for_space
        memory_is_shared
        memory_of_a_stranger_is_checked
        well_known_types_have_the_bytes_of_protobuf
        unknown_fields_are_dropped
    ]));
}
