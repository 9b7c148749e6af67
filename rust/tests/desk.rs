// SPDX-License-Identifier: MIT
//! The service of tests/suite/languages/cpp/desk.proto in Rust, and its client: `desk --serve`, or
//! `desk --call`.

#[allow(dead_code)]
mod generated {
    include!(concat!(env!("IPCBUS_GENERATED"), "/desk.ipc.rs"));
}

// Generated code with all kinds of fields must compile.
#[allow(dead_code)]
mod kinds {
    include!(concat!(env!("IPCBUS_GENERATED"), "/kinds.ipc.rs"));
}

use std::io::{Read, Seek, Write};
use std::os::unix::io::{FromRawFd, OwnedFd};
use std::sync::Mutex;
use std::time::Duration;

use generated::*;
use ipcbus::typed::{CallFor, StreamOf, With};
use ipcbus::{Call, Connection, Error, Message, Object, Options, Result};

const LONG: Option<Duration> = Some(Duration::from_secs(60));

fn memory_file(text: &[u8]) -> std::fs::File {
    // SAFETY: the descriptor is new and not owned elsewhere.
    let mut file = unsafe {
        let fd = libc::memfd_create(b"note\0".as_ptr() as *const _, libc::MFD_CLOEXEC);
        assert!(fd >= 0);
        std::fs::File::from(OwnedFd::from_raw_fd(fd))
    };
    file.write_all(text).unwrap();
    file.rewind().unwrap();
    file
}

fn read_all(fd: OwnedFd) -> String {
    let mut text = String::new();
    let mut file = std::fs::File::from(fd);
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

struct Host(&'static str);

impl Visitor for Host {
    fn name(&self, _: &Call) -> Result<VisitorName> {
        Ok(VisitorName { name: self.0.into() })
    }
}

#[derive(Default)]
struct Room {
    poked: Mutex<i64>,
}

impl Desk for Room {
    fn add(&self, request: Numbers, _: &Call) -> Result<Sum> {
        if request.numbers.len() > 100 {
            let error = Error::service("desk.TooMany", "more than 100 numbers");
            return Err(error.with_number(request.numbers.len() as i32));
        }
        Ok(Sum { sum: request.numbers.iter().sum() })
    }

    fn fail(&self, request: Failure, _: &Call) -> Result<()> {
        Err(if request.code != 0 {
            Error::errno(request.code).with_text(request.text)
        } else {
            Error::service(request.name, request.text)
        })
    }

    fn nap_call(&self, call: CallFor<()>) -> Result<()> {
        // Replies later, on another thread.
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            call.reply(&())
        });
        Ok(())
    }

    fn poke(&self, request: Numbers, _: &Call) -> Result<()> {
        *self.poked.lock().unwrap() += request.numbers.iter().sum::<i64>();
        Ok(())
    }

    fn poked(&self, _: &Call) -> Result<Sum> {
        Ok(Sum { sum: *self.poked.lock().unwrap() })
    }

    fn visit(&self, mut request: With<VisitRequest>, call: &Call) -> Result<With<VisitReply>> {
        let visitor: VisitorProxy = request.take(request.visitor)?;
        let name = visitor.name()?.name;
        let host = VisitorServer::object(&call.connection(), Host("the host"))?;
        let mut reply = With::new(VisitReply::default());
        reply.greeting = format!("Hello, {name}");
        reply.host = Some(reply.put_object(&host));
        if let Ok(note) = request.take_fd(request.note) {
            reply.note = Some(reply.put_fd(note));
        }
        Ok(reply)
    }

    fn count(&self, request: Numbers, stream: StreamOf<Sum, ()>) -> Result<()> {
        for sum in request.numbers {
            if sum < 0 {
                return Err(Error::service("desk.Negative", "a number is negative"));
            }
            stream.send(&Sum { sum }, LONG)?;
        }
        Ok(())
    }

    fn total(&self, mut stream: StreamOf<Sum, Numbers>) -> Result<()> {
        let mut sum = 0;
        while let Some(numbers) = stream.receive(LONG)? {
            sum += numbers.numbers.iter().sum::<i64>();
        }
        stream.send(&Sum { sum }, LONG)
    }

    fn running(&self, mut stream: StreamOf<Sum, Numbers>) -> Result<()> {
        let mut sum = 0;
        while let Some(numbers) = stream.receive(LONG)? {
            sum += numbers.numbers.iter().sum::<i64>();
            stream.send(&Sum { sum }, LONG)?;
        }
        Ok(())
    }
}

fn numbers(numbers: impl Into<Vec<i64>>) -> Numbers {
    Numbers { numbers: numbers.into() }
}

fn calls(desk: &DeskProxy) {
    assert_eq!(desk.add(&numbers([20, 22])).unwrap().sum, 42);
    assert_eq!(desk.add(&numbers([])).unwrap().sum, 0);
    let error = desk.add(&numbers(vec![1; 101])).unwrap_err();
    assert_eq!(error.name(), Some("desk.TooMany"));
    assert_eq!((error.failure().number, error.text()), (101, Some("more than 100 numbers")));
    let error = desk
        .fail(&Failure { code: 0, name: "desk.Odd".into(), text: "very".into() })
        .unwrap_err();
    assert_eq!((error.name(), error.text()), (Some("desk.Odd"), Some("very")));
    let error = desk
        .fail(&Failure { code: libc::ENOTEMPTY, ..Failure::default() })
        .unwrap_err();
    assert_eq!((error.code(), error.name()), (libc::ENOTEMPTY, None));

    // A string with a NUL byte is not sent.
    let error = desk.fail(&Failure { text: "a\0b".into(), ..Failure::default() }).unwrap_err();
    let text = "the field desk.app.Failure.text has a NUL byte";
    assert_eq!((error.code(), error.text()), (libc::EINVAL, Some(text)));

    // The method's own timeout applies.
    assert!(matches!(desk.nap().unwrap_err(), Error::DeadlineExceeded(_)));

    desk.nap_with(&Options::new().timeout(Duration::from_secs(60))).unwrap();

    let before = desk.poked().unwrap().sum;
    desk.poke(&numbers([3, 4])).unwrap();
    // Another thread may serve the oneway.
    let begin = std::time::Instant::now();
    while desk.poked().unwrap().sum == before && begin.elapsed() < LONG.unwrap() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(desk.poked().unwrap().sum, before + 7);

    // Bytes that are not a valid message, and a number without a method.
    let add = number_of("desk.app.Desk/Add");
    let bad = Message::new(add).bytes(&b"\x0a\xff"[..]);
    let error = desk.proxy().call(&bad, &Options::new()).unwrap_err();
    assert!(matches!(error, Error::BadMessage(_)), "{error:?}");
    let error = desk.proxy().call(&Message::new(0x8000_0001), &Options::new()).unwrap_err();
    assert!(matches!(error, Error::Unimplemented(_)), "{error:?}");
    assert_eq!(error.text(), Some("desk.app.Desk has no method with the number 0x80000001"));
}

/// The number of a method without the option (ipc.id).
fn number_of(path: &str) -> u32 {
    let hash = |h: u32, b: u8| (h ^ u32::from(b)).wrapping_mul(16_777_619);
    path.bytes().fold(2_166_136_261, hash) | 0x8000_0000
}

fn visits(bus: &Connection, desk: &DeskProxy) {
    let visitor: Object = VisitorServer::object(bus, Host("Rust")).unwrap();
    let mut request = With::new(VisitRequest::default());
    request.visitor = Some(request.put_object(&visitor));
    request.note = Some(request.put_fd(memory_file(b"a note")));
    let mut reply = desk.visit(&request).unwrap();
    assert!(reply.greeting.contains("Rust"), "{}", reply.greeting);
    assert_eq!(read_all(reply.take_fd(reply.note).unwrap()), "a note");
    assert_eq!(reply.take_fd(reply.note).unwrap_err().code(), libc::ENOENT);
    let host: VisitorProxy = reply.take(reply.host).unwrap();
    assert!(!host.name().unwrap().name.is_empty());

    // The message has no descriptor for the field, whose number is an open file of the server.
    request = With::new(VisitRequest::default());
    request.visitor = Some(request.put_object(&visitor));
    request.note = Some(ipcbus::typed::ipc::Fd { fd: 0 });
    match desk.visit(&request) {
        Ok(reply) => assert!(reply.note.is_none()),
        Err(error) => assert!([libc::ENOENT, libc::EBADMSG].contains(&error.code()), "{error}"),
    }
}

fn streams(desk: &DeskProxy) {
    let options = Options::new();
    let mut counting = desk.count(&numbers([1, 2, 3, -1]), &options).unwrap();
    for i in 1..=3 {
        assert_eq!(counting.receive(LONG).unwrap().unwrap().sum, i);
    }
    assert_eq!(counting.receive(LONG).unwrap_err().name(), Some("desk.Negative"));

    let adding = desk.total(&options).unwrap();
    for _ in 0..100 {
        adding.send(&numbers([1, 2]), LONG).unwrap();
    }
    assert_eq!(adding.finish(LONG).unwrap().sum, 300);

    let mut both = desk.running(&options).unwrap();
    for i in 1..=20 {
        both.send(&numbers([1, 2]), LONG).unwrap();
        assert_eq!(both.receive(LONG).unwrap().unwrap().sum, 3 * i);
    }
    both.end().unwrap();
    assert!(both.receive(LONG).unwrap().is_none());
}

fn awaited_streams(bus: &Connection, desk: &DeskProxy) {
    let options = Options::new();
    let serving = bus.run_in_background().unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let mut counting =
            desk.count_async(&numbers([1, 2, -1]), &options).unwrap().await.unwrap();
        for i in 1..=2 {
            assert_eq!(counting.receive_async().await.unwrap().unwrap().sum, i);
        }
        assert_eq!(counting.receive_async().await.unwrap_err().name(), Some("desk.Negative"));

        let mut adding = desk.total_async(&options).unwrap().await.unwrap();
        for _ in 0..100 {
            adding.send_async(&numbers([1, 2])).await.unwrap();
        }
        assert_eq!(adding.finish_async().await.unwrap().sum, 300);
    });
    serving.stop().unwrap();
}

fn main() -> Result<()> {
    let bus = Connection::builder().threads(4).open()?;
    match std::env::args().nth(1).as_deref() {
        Some("--serve") => {
            let _desk = DeskServer::register(&bus, "test.peer", Room::default())?;
            bus.run()
        }
        Some("--call") => {
            let desk = DeskProxy::wait(&bus, "test.peer", Some(Duration::from_secs(10)))?;
            calls(&desk);
            visits(&bus, &desk);
            streams(&desk);
            awaited_streams(&bus, &desk);
            Ok(())
        }
        _ => Err(Error::errno(libc::EINVAL).with_text("usage: desk --serve|--call")),
    }
}
