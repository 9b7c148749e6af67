// SPDX-License-Identifier: MIT
//! The cases of conform.proto and versions.proto in Rust: `conformance_client NAME CASE...`. See
//! tests/suite/languages/conformance.

#[allow(dead_code)]
mod conform {
    include!(concat!(env!("IPCBUS_GENERATED"), "/conform.ipc.rs"));
}
#[allow(dead_code)]
mod versions {
    include!(concat!(env!("IPCBUS_GENERATED"), "/client/versions.ipc.rs"));
}
#[allow(dead_code)]
#[path = "conformance.rs"]
mod shared;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::io::AsRawFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{mpsc, Arc, Mutex};
use std::time::Duration;

use conform::*;
use ipcbus::typed::{CallFor, StreamOf, With};
use ipcbus::{Call, Cancellation, Connection, Error, Message, Object, Options, Origin, Result};
use shared::{left_ms, memory_file, read_all};
use versions::{NewerProxy, OlderProxy, Question, Said, Tone};

/// Longer than any operation on a busy machine.
const LONG: Duration = Duration::from_secs(60);
const WAIT: Option<Duration> = Some(LONG);

struct Bench {
    bus: Connection,
    name: String,
    peer: PeerProxy,
}

/// Reports when `stay()` begins, and when its caller has stopped waiting.
struct Guest(Mutex<mpsc::Sender<&'static str>>);

impl Visitor for Guest {
    fn ask(&self, request: Number, call: &Call) -> Result<AskReply> {
        Ok(AskReply { number: request.number + 1, left_ms: left_ms(call) })
    }

    fn refuse(&self, _: &Call) -> Result<()> {
        Err(Error::service("visitor.Busy", "not now"))
    }

    fn stay_call(&self, call: CallFor<()>) -> Result<()> {
        let sender = self.0.lock().unwrap().clone();
        let kept = Arc::new(Mutex::new(None));
        let (later, left) = (kept.clone(), sender.clone());
        // If the callback runs before the call is kept, it waits for this lock.
        let mut place = kept.lock().unwrap();
        let slot = call.on_cancel(move || {
            let call: Option<CallFor<()>> = later.lock().unwrap().take();
            drop(call);
            left.send("left").unwrap();
        })?;
        slot.detach();
        *place = Some(call);
        sender.send("entered").unwrap();
        Ok(())
    }
}

impl Bench {
    fn guest(&self) -> (Object, mpsc::Receiver<&'static str>) {
        let (sender, receiver) = mpsc::channel();
        (VisitorServer::object(&self.bus, Guest(Mutex::new(sender))).unwrap(), receiver)
    }

    /// Waits for the condition, at most a minute. Returns the number of canceled calls so far.
    fn wait_for(&self, condition: impl Fn(&HangsReply) -> bool) -> i64 {
        let mut hangs = HangsReply::default();
        for _ in 0..6000 {
            hangs = self.peer.hangs().unwrap();
            if condition(&hangs) {
                return hangs.canceled;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{hangs:?}");
    }

    /// Waits until no handler of the peer waits. Returns the number of canceled calls so far.
    fn calm(&self) -> i64 {
        self.wait_for(|hangs| hangs.waiting == 0)
    }

    fn hangs(&self, waiting: i64, canceled: i64) {
        self.wait_for(|hangs| (hangs.waiting, hangs.canceled) == (waiting, canceled));
    }
}

fn calls(bench: &Bench) {
    let deep = Inner { text: "deep".into(), ..Inner::default() };
    let request = Kinds {
        i32: i32::MIN,
        i64: i64::MIN,
        u32: u32::MAX,
        u64: u64::MAX,
        s64: -5,
        f32: 0xfedc_ba98,
        sf64: i64::MIN + 1,
        single: 0.25,
        both: -1e300,
        flag: true,
        text: "ä€".into(),
        data: b"\0\xff\n\0".to_vec(),
        color: Color::Blue as i32,
        inner: Some(Inner { text: String::new(), more: vec![deep.clone(), deep] }),
        list: vec![0, -1, i32::MIN, i32::MAX],
        names: vec![String::new(), "ä€".into()],
        choice: Some(kinds::Choice::Number(0)),
    };
    assert_eq!(bench.peer.echo(&request).unwrap(), request);
    assert_eq!(bench.peer.echo(&Kinds::default()).unwrap(), Kinds::default());
    bench.peer.proxy().ping().unwrap();
}

fn errors(bench: &Bench) {
    let failure = Failure {
        name: "conform.Odd".into(),
        text: "an odd ä".into(),
        number: -7,
        details: b"\0\xff\n\0".to_vec(),
        ..Failure::default()
    };
    let odd = bench.peer.fail(&failure).unwrap_err();
    assert_eq!((odd.code(), odd.origin()), (libc::EREMOTEIO, Origin::Peer));
    assert_eq!((odd.name(), odd.text()), (Some("conform.Odd"), Some("an odd ä")));
    assert_eq!((odd.failure().number, odd.details()), (-7, &b"\0\xff\n\0"[..]));
    let odd = bench.peer.fail(&Failure { code: libc::ENOENT, ..failure }).unwrap_err();
    assert!(matches!(odd, Error::ServiceError(_)), "{odd}");
    assert_eq!(odd.code(), libc::ENOENT);

    let text = "something is left";
    let failure = Failure { code: libc::ENOTEMPTY, text: text.into(), ..Failure::default() };
    let plain = bench.peer.fail(&failure).unwrap_err();
    assert_eq!((plain.code(), plain.origin()), (libc::ENOTEMPTY, Origin::Peer));
    assert_eq!((plain.name(), plain.text()), (None, Some(text)));

    // A service cannot report that its own process is dead. The code becomes the cause of an error
    // with the origin `Behind`.
    let failure = Failure { code: libc::EOWNERDEAD, ..Failure::default() };
    let behind = bench.peer.fail(&failure).unwrap_err();
    assert_eq!((behind.code(), behind.origin()), (libc::EREMOTEIO, Origin::Behind));
    assert_eq!(behind.failure().cause, libc::EOWNERDEAD);
    assert_eq!(bench.peer.drop().unwrap_err().code(), libc::ENOMSG);

    let call = |message: Message| bench.peer.proxy().call(&message, &Options::new()).unwrap_err();
    assert!(matches!(call(Message::new(9).bytes(&b"\x0a\xff"[..])), Error::BadMessage(_)));
    assert!(matches!(call(Message::new(0x8000_0001)), Error::Unimplemented(_)));
    assert_eq!(call(Message::new(8)).code(), libc::EPROTO);
    let nobody = PeerProxy::get(&bench.bus, "conform.nobody").unwrap_err();
    assert!(matches!(nobody, Error::NotFound(_)));
    let unchecked = bench.bus.check_name("conform.nobody").unwrap_err();
    let unregistered = bench.bus.unregister_name("conform.nobody").unwrap_err();
    for error in [&nobody, &unchecked] {
        assert_eq!(error.to_string(), "conform.nobody: no process has registered the name");
    }
    let not_owned = "this connection has not registered the name, or has lost it";
    assert!(matches!(unregistered, Error::NotFound(_)));
    assert_eq!(unregistered.to_string(), format!("conform.nobody: {not_owned}"));
    assert!(format!("{nobody:?}").contains("code: 2"));
    let other = VisitorProxy::get(&bench.bus, &bench.name).unwrap_err();
    assert_eq!(other.code(), libc::EPROTOTYPE);
    let text = "the object has another interface";
    assert_eq!(other.to_string(), format!("{}: {text}", bench.name));
}

fn oneways(bench: &Bench) {
    let expected: Vec<i64> = (0..50).map(|i| i * 1000).collect();
    for number in &expected {
        bench.peer.note(&Number { number: *number }).unwrap();
    }
    // Another thread of the peer may still be serving the last oneway.
    for _ in 0..6000 {
        let numbers = bench.peer.notes().unwrap().numbers;
        assert_eq!(numbers, expected[..numbers.len()]);
        if numbers.len() == expected.len() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("some oneways did not arrive");
}

fn callbacks(bench: &Bench) {
    let (guest, _events) = bench.guest();
    let mut request = With::new(VisitRequest { number: 41, refuse: true, ..Default::default() });
    request.visitor = Some(request.put_object(&guest));
    let mut reply = bench.peer.visit(&request).unwrap();
    assert_eq!((reply.number, reply.left_ms), (42, 0));
    assert_eq!(reply.refused, "visitor.Busy: not now");
    // `host` is an object of the server. `back` is the guest, which came back.
    assert_eq!(reply.take_object(reply.host).unwrap_err().code(), libc::EXDEV);
    let host: VisitorProxy = reply.take(reply.host).unwrap();
    assert_eq!(host.ask(&Number { number: 7 }).unwrap().number, 8);
    assert!(reply.take_object(reply.back).unwrap() == guest);
    assert_eq!(reply.take_object(reply.back).unwrap_err().code(), libc::ENOENT);
    let twice = reply.take_proxy(reply.host).unwrap_err();
    let text = "the field is empty, or its object or file ended or was taken before";
    assert_eq!((twice.code(), twice.text()), (libc::ENOENT, Some(text)));
    let none = bench.peer.visit(&With::new(VisitRequest::default())).unwrap_err();
    assert_eq!(none.code(), libc::ENOENT);
}

fn fds(bench: &Bench) {
    let text = "by the server";
    let file = memory_file();
    let mut request = With::new(WriteRequest { text: text.into(), ..Default::default() });
    request.file = Some(request.put_fd(file.try_clone().unwrap()));
    let mut reply = bench.peer.write(&request).unwrap();
    assert_eq!(read_all(&file), text);
    let same = File::from(reply.take_fd(reply.same).unwrap());
    let other = File::from(reply.take_fd(reply.other).unwrap());
    assert_eq!((read_all(&same).as_str(), read_all(&other).as_str()), (text, text));
    for file in [&same, &other] {
        // SAFETY: the descriptor is open.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) }, libc::FD_CLOEXEC);
    }
    // `same` is the client's file. `other` is another file with the same text.
    file.write_all_at(b"BY", 0).unwrap();
    assert_eq!((read_all(&same).as_str(), read_all(&other).as_str()), ("BY the server", text));
    assert_eq!(reply.take_fd(reply.same).unwrap_err().code(), libc::ENOENT);
}

fn bytes(bench: &Bench) {
    // The last chunk is larger than a region.
    let chunks: Vec<Vec<u8>> = [0, 5, 100_001, 5_000_000, 3, 17 << 20]
        .iter()
        .enumerate()
        .map(|(i, size)| (0..*size).map(|j| (j * 7 + i) as u8).collect())
        .collect();
    let mut turned = bench.peer.turn(&Chunks { chunks: chunks.clone() }).unwrap().chunks;
    turned.reverse();
    assert!(turned == chunks);
}

fn streams(bench: &Bench) {
    let options = Options::new();
    for last in [100, 0] {
        let mut numbers = bench.peer.count(&Number { number: last }, &options).unwrap();
        for i in 1..=last {
            assert_eq!(numbers.receive(WAIT).unwrap().unwrap().number, i);
        }
        assert!(numbers.receive(WAIT).unwrap().is_none());
    }
    let mut numbers = bench.peer.count(&Number { number: -3 }, &options).unwrap();
    for i in 1..=3 {
        assert_eq!(numbers.receive(WAIT).unwrap().unwrap().number, i);
    }
    let error = numbers.receive(WAIT).unwrap_err();
    assert_eq!((error.code(), error.name()), (libc::EREMOTEIO, Some("conform.Negative")));
    assert_eq!(error.text(), Some("it is negative"));

    let adding = bench.peer.total(&options).unwrap();
    for _ in 0..100 {
        adding.send(&Number { number: 3 }, WAIT).unwrap();
    }
    adding.end().unwrap();
    assert_eq!(adding.end().unwrap_err().code(), libc::EALREADY);
    assert_eq!(adding.finish(WAIT).unwrap().number, 300);

    let mut both = bench.peer.running(&options).unwrap();
    for i in 1..=50 {
        both.send(&Number { number: 3 }, WAIT).unwrap();
        assert_eq!(both.receive(WAIT).unwrap().unwrap().number, 3 * i);
    }
    both.end().unwrap();
    assert!(both.receive(WAIT).unwrap().is_none());
}

fn open_briefly(bench: &Bench) -> StreamOf<Number, Number> {
    let mut brief = Duration::from_millis(200);
    while brief < LONG {
        match bench.peer.running(&Options::new().timeout(brief)) {
            Ok(stream) => return stream,
            Err(Error::DeadlineExceeded(_)) => brief *= 4,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("the stream was not opened");
}

fn deadlines(bench: &Bench) {
    let limit = 1..=LONG.as_millis() as u64;
    let patient = Options::new().timeout(LONG);
    assert_eq!(bench.peer.left().unwrap().number, 0);
    assert!(limit.contains(&(bench.peer.left_with(&patient).unwrap().number as u64)));
    // A call that the handler makes has no later deadline.
    let (guest, _events) = bench.guest();
    let mut request = With::new(VisitRequest::default());
    request.visitor = Some(request.put_object(&guest));
    assert!(limit.contains(&bench.peer.visit_with(&request, &patient).unwrap().left_ms));

    // On a busy machine the time may expire before the handler begins.
    let before = bench.calm();
    let mut brief = Duration::from_millis(100);
    loop {
        let error = bench.peer.hang_with(&Options::new().timeout(brief)).unwrap_err();
        assert!(matches!(error, Error::DeadlineExceeded(_)));
        if bench.calm() != before {
            break;
        }
        brief *= 4;
        assert!(brief < LONG, "no handler has begun");
    }
    assert!(matches!(bench.peer.hang_briefly().unwrap_err(), Error::DeadlineExceeded(_)));
    let mut both = open_briefly(bench);
    assert!(matches!(both.receive(WAIT).unwrap_err(), Error::DeadlineExceeded(_)));
    bench.calm();
}

fn cancellation(bench: &Bench) {
    let canceled = bench.calm();
    std::thread::scope(|scope| {
        let cancellation = Cancellation::new(&bench.bus).unwrap();
        let with = cancellation.clone();
        let call = scope.spawn(move || {
            bench.peer.hang_with(&Options::new().cancellation(&with)).unwrap_err()
        });
        bench.hangs(1, canceled);
        cancellation.cancel();
        assert!(matches!(call.join().unwrap(), Error::Canceled(_)));
    });
    bench.hangs(0, canceled + 1);

    let mut both = bench.peer.running(&Options::new()).unwrap();
    both.send(&Number { number: 1 }, WAIT).unwrap();
    both.receive(WAIT).unwrap();
    both.cancel();
    assert!(matches!(both.receive(WAIT).unwrap_err(), Error::Canceled(_)));
    bench.hangs(0, canceled + 2);

    // Dropping a future cancels its call, and the calls of its handler are canceled too.
    let (guest, events) = bench.guest();
    let mut request = With::new(VisitRequest::default());
    request.visitor = Some(request.put_object(&guest));
    let future = bench.peer.host_async(&request, &Options::new()).unwrap();
    assert_eq!(events.recv_timeout(LONG).unwrap(), "entered");
    drop(future);
    assert_eq!(events.recv_timeout(LONG).unwrap(), "left");
}

fn versions(bench: &Bench) {
    let older = OlderProxy::get(&bench.bus, &format!("{}.older", bench.name)).unwrap();
    let request = Said {
        text: "hello".into(),
        language: "en".into(),
        before: vec![Said { text: "before".into(), ..Said::default() }],
        tone: Tone::Loud as i32,
    };
    let said = Said { text: "heard: hello".into(), tone: Tone::Loud as i32, ..Said::default() };
    assert_eq!(older.say(&request).unwrap(), said);
    assert!(matches!(older.shout(&request).unwrap_err(), Error::Unimplemented(_)));
    let newer = NewerProxy::get(&bench.bus, &format!("{}.newer", bench.name)).unwrap();
    let reply = newer.ask(&Question { text: "why".into() }).unwrap();
    assert_eq!((reply.text.as_str(), reply.tone), ("why, 0 times", Tone::Glad as i32));
}

fn death(bench: &Bench) {
    let (sender, died) = mpsc::channel();
    let sender = Mutex::new(sender);
    let slot = bench.peer.proxy().on_death(move || sender.lock().unwrap().send(()).unwrap());
    slot.unwrap().detach();
    bench.peer.hangs().unwrap();
    assert!(died.try_recv().is_err());
    let error = bench.peer.exit().unwrap_err();
    assert!(matches!(error, Error::DeadObject(_)));
    assert_eq!(error.origin(), Origin::Bus);
    died.recv_timeout(LONG).unwrap();
    assert!(matches!(bench.peer.hangs().unwrap_err(), Error::DeadObject(_)));
    assert!(matches!(bench.peer.note(&Number { number: 1 }).unwrap_err(), Error::DeadObject(_)));
}

fn case(name: &str) -> fn(&Bench) {
    match name {
        "calls" => calls,
        "errors" => errors,
        "oneways" => oneways,
        "callbacks" => callbacks,
        "fds" => fds,
        "bytes" => bytes,
        "streams" => streams,
        "deadlines" => deadlines,
        "cancellation" => cancellation,
        "versions" => versions,
        "death" => death,
        _ => panic!("there is no case {name}"),
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().expect("a name");
    let bus = Connection::builder().threads(2).open()?;
    let peer = PeerProxy::wait(&bus, &name, WAIT)?;
    let _serving = bus.run_in_background()?;
    let bench = Bench { bus, name, peer };
    let mut failed = 0;
    for name in arguments {
        let good = catch_unwind(AssertUnwindSafe(|| case(&name)(&bench))).is_ok();
        println!("{} {name}", if good { "ok" } else { "not ok" });
        failed |= i32::from(!good);
    }
    std::process::exit(failed);
}
