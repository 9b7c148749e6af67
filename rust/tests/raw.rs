// SPDX-License-Identifier: MIT
//! The crate ipcbus with messages of bytes, on a bus that the caller made.

mod case;

use std::future::Future;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::io::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipcbus::{
    Background, BusEvent, Call, Cancellation, Connection, Error, Limits, Message, NameChange, Object,
    Options, Origin, Proxy, RegistrationEvent, Result, Service, Slot, Stream,
};

const ECHO: u32 = 1;
const FAIL: u32 = 2;
const DROP: u32 = 3;
const PANIC: u32 = 4;
const NOTE: u32 = 5;
const VISIT: u32 = 6;
const FILE: u32 = 7;
const KEEP: u32 = 8;
const METADATA: u32 = 9;
const ERRNO: u32 = 10;
const COUNT: u32 = 11;
const ADD: u32 = 12;
const GIVE_AWAY: u32 = 13;
const CLEAN_UP: u32 = 14;
const IDLE: u32 = 15;

/// Longer than any operation on a slow machine.
const LONG: Option<Duration> = Some(Duration::from_secs(60));

/// The events that handlers report, in order.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Note(Vec<u8>),
    Kept,
    Canceled,
    Dropped,
}

struct Desk {
    events: Mutex<Sender<Event>>,
    kept: Mutex<Vec<(Call, ipcbus::Slot)>>,
}

impl Desk {
    fn tell(&self, event: Event) {
        // The receiver may be gone already.
        let _ = self.events.lock().unwrap().send(event);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.tell(Event::Dropped);
    }
}

impl Service for Desk {
    fn serve(&self, mut call: Call) -> Result<()> {
        match call.method() {
            ECHO => {
                let bytes = call.bytes().to_vec();
                call.reply(&Message::new(0).bytes(bytes))
            }
            FAIL => call.fail(
                &Error::service("desk.Bad", "it is bad").with_number(-7).with_details(&b"\0x"[..]),
            ),
            DROP => Ok(()),
            PANIC => panic!("a handler that panics, which the test wants"),
            NOTE => {
                self.tell(Event::Note(call.bytes().to_vec()));
                Ok(())
            }
            VISIT => {
                let visitor = call.take_proxy(1)?;
                let name = visitor.call(&Message::new(ECHO).bytes(&b"who"[..]), &Options::new())?;
                call.reply(&Message::new(0).bytes(name.bytes()).proxy(2, &visitor))
            }
            FILE => {
                let file = call.take_fd(1)?;
                assert_eq!(call.take_fd(1).unwrap_err().code(), libc::ENOENT);
                let mut file = std::fs::File::from(file);
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                file.write_all(b" read")?;
                call.reply(&Message::new(0).bytes(text.into_bytes()).fd(2, file.as_fd()))
            }
            KEEP => {
                let events = self.events.lock().unwrap().clone();
                let slot = call.on_cancel(move || {
                    let _ = events.send(Event::Canceled);
                })?;
                self.kept.lock().unwrap().push((call, slot));
                self.tell(Event::Kept);
                Ok(())
            }
            METADATA => {
                let value = call.metadata("color").unwrap_or_default();
                assert!(call.uid() == unsafe { libc::getuid() } && !call.is_oneway());
                call.reply(&Message::new(0).bytes(value.into_bytes()))
            }
            CLEAN_UP => {
                let visitor = call.take_proxy(1)?;
                let ask = |options| visitor.call(&Message::new(ECHO), &options).map(drop);
                self.tell(Event::Kept);
                while !call.is_canceled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                assert!(matches!(ask(Options::new()).unwrap_err(), Error::DeadlineExceeded(_)));
                ask(Options::new().detached()).unwrap();
                let error = ask(Options::new().detached().parent(&call)).unwrap_err();
                assert_eq!(error.code(), libc::EINVAL);
                self.tell(Event::Canceled);
                Ok(())
            }
            ERRNO => Err(Error::errno(libc::ENOTEMPTY).with_text("not yet")),
            _ => Err(Error::errno(libc::EOPNOTSUPP)),
        }
    }

    fn has_streams(&self) -> bool {
        true
    }

    fn serve_stream(&self, mut stream: Stream, method: u32) -> Result<()> {
        match method {
            COUNT => {
                for i in 0..40u8 {
                    stream.send(&Message::new(0).bytes(vec![i]), LONG)?;
                }
                Err(Error::service("desk.Enough", "no more"))
            }
            ADD => {
                let mut sum = 0u8;
                while let Some(item) = stream.receive(LONG)? {
                    sum += item.bytes()[0];
                }
                stream.send(&Message::new(0).bytes(vec![sum]), LONG)?;
                stream.end()
            }
            IDLE => {
                let result = stream.receive(LONG).map(drop);
                if result.is_err() {
                    self.tell(Event::Kept);
                    self.tell(Event::Canceled);
                }
                result
            }
            GIVE_AWAY => {
                stream.send(&Message::new(0), LONG)?;
                std::thread::spawn(move || drop(stream)).join().unwrap();
                Ok(())
            }
            ECHO => stream.send(&Message::new(0), LONG),
            PANIC => panic!("a stream's handler that panics, which the test wants"),
            _ => Err(Error::errno(libc::EOPNOTSUPP)),
        }
    }
}

/// A server with a serving thread, and a client.
struct Bus {
    client: Connection,
    desk: Proxy,
    events: Receiver<Event>,
    _serving: Background,
    server: Connection,
}

fn start() -> Bus {
    let server = Connection::builder().threads(4).open().unwrap();
    start_on(server, Connection::open().unwrap())
}

fn start_on(server: Connection, client: Connection) -> Bus {
    let (events, received) = channel();
    let desk = Desk { events: Mutex::new(events), kept: Mutex::default() };
    let object =
        Object::builder(&server).interface("test.Desk").accept_fds().create(desk).unwrap();
    // A call that an earlier case kept may keep its connection open.
    server.replace_name("test.rust", &object).unwrap();
    let desk = client.get("test.rust").unwrap();
    let serving = server.run_in_background().unwrap();
    Bus { client, desk, events: received, _serving: serving, server }
}

impl Bus {
    fn call(&self, method: u32, bytes: &[u8]) -> Result<Vec<u8>> {
        let reply = self.desk.call(&Message::new(method).bytes(bytes), &Options::new())?;
        Ok(reply.bytes().to_vec())
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(LONG.unwrap()).unwrap()
    }
}

fn calls_return_replies() {
    let bus = start();
    assert_eq!(bus.call(ECHO, b"hello").unwrap(), b"hello");
    assert_eq!(bus.call(ECHO, b"").unwrap(), b"");
    let large = vec![7u8; 1 << 20];
    assert_eq!(bus.call(ECHO, &large).unwrap(), large);
    bus.desk.ping().unwrap();
}

fn errors_have_all_fields() {
    let bus = start();
    let error = bus.call(FAIL, b"").unwrap_err();
    assert!(matches!(error, Error::ServiceError(_)));
    assert_eq!(error.name(), Some("desk.Bad"));
    assert_eq!(error.text(), Some("it is bad"));
    assert_eq!(error.failure().number, -7);
    assert_eq!(error.details(), b"\0x");
    assert_eq!(error.code(), libc::EREMOTEIO);
    assert_eq!(error.origin(), Origin::Peer);
    assert_eq!(error.to_string(), "desk.Bad: it is bad");

    let error = bus.call(ERRNO, b"").unwrap_err();
    assert_eq!((error.code(), error.name()), (libc::ENOTEMPTY, None));
    assert_eq!(error.text(), Some("not yet"));
    assert!(matches!(bus.call(99, b"").unwrap_err(), Error::Unimplemented(_)));
    assert_eq!(bus.client.get("no.such.name").unwrap_err().code(), libc::ENOENT);
    assert_eq!(bus.client.get("no\0name").unwrap_err().code(), libc::EINVAL);
}

/// The server of tests/suite/languages/foreign, while it lives.
struct Foreign(std::process::Child);

impl Foreign {
    fn start() -> Foreign {
        let build = std::env::var("B").unwrap_or_else(|_| "build".into());
        let program = format!("{build}/tests/suite/languages/foreign/server");
        Foreign(std::process::Command::new(program).spawn().unwrap())
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn errors_of_opening_name_the_bus() {
    let error = Connection::builder().bus("/nowhere").open().unwrap_err();
    let text = "cannot open the bus /nowhere: there is no bus; start it: ipcbusd --bus /nowhere";
    assert_eq!((error.code(), error.to_string().as_str()), (libc::ENOENT, text));
}

fn hostile_texts_are_printable() {
    let _server = Foreign::start();
    let bus = start();
    let foreign = bus.client.wait("test.foreign", LONG).unwrap();
    let fail = |method| foreign.call(&Message::new(method), &Options::new()).unwrap_err();
    let long = "x".repeat(64 << 10);
    let kilobyte = "x".repeat(1020) + "...";
    let title = "\u{1b}]2;owned\u{7}\u{1b}[31mred\u{7f}\r\nroot# ";
    // A string cannot contain invalid UTF-8. Each invalid byte becomes U+FFFD.
    let texts = [
        (title, "?]2;owned??[31mred???root# "),
        ("\u{9b}31mred", "??31mred"),
        ("\u{fffd}\u{fffd}31m\u{fffd}|\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}31m\u{fffd}|\u{fffd}\u{fffd}\u{fffd}"),
        ("a\u{202e}b\u{200b}c\u{61c}", "a???b???c??"),
        (long.as_str(), kilobyte.as_str()),
    ];
    for (method, (raw, shown)) in (1u32..).zip(texts) {
        let error = fail(method);
        assert_eq!(error.to_string(), format!("{shown}: {shown}"));
        assert_eq!((error.name(), error.text()), (Some(raw), Some(raw)));
        assert_eq!(error.details(), long.as_bytes());
        for debug in [format!("{error:?}"), format!("{error:#?}")] {
            assert_eq!(debug.matches(&format!("{shown:?}")).count(), 2, "{debug}");
            assert!(debug.contains("65536 bytes") && debug.len() < 4096, "{}", debug.len());
            assert!(!debug.contains(|c: char| c.is_control() && c != '\n'));
            assert!(!debug.contains(['\u{202e}', '\u{200b}', '\u{61c}']));
        }
        let io = std::io::Error::from(error);
        assert_eq!(io.to_string(), format!("{shown}: {shown}"));
    }
    let plain = fail(100);
    assert_eq!((plain.code(), plain.text()), (libc::EISDIR, Some(title)));
    assert_eq!(plain.to_string(), texts[0].1);
}

fn a_dropped_call_fails() {
    let bus = start();
    assert_eq!(bus.call(DROP, b"").unwrap_err().code(), libc::ENOMSG);
}

/// Returns the output to stderr while `run` runs.
fn stderr_of(run: impl FnOnce()) -> String {
    let mut file = memory_file(b"");
    // SAFETY: descriptor 2 stays open, and the copy is not owned elsewhere.
    let saved = unsafe {
        let saved = OwnedFd::from_raw_fd(libc::dup(2));
        libc::dup2(file.as_raw_fd(), 2);
        saved
    };
    run();
    unsafe { libc::dup2(saved.as_raw_fd(), 2) };
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

fn panics_become_errors() {
    let bus = start();
    let log = stderr_of(|| {
        let error = bus.call(PANIC, b"").unwrap_err();
        assert_eq!(error.name(), Some("ipc.Unhandled"));
        assert_eq!(bus.call(ECHO, b"still there").unwrap(), b"still there");
        let mut stream = bus.desk.open_stream(PANIC, &Options::new()).unwrap();
        assert_eq!(stream.receive(LONG).unwrap_err().name(), Some("ipc.Unhandled"));
    });
    let caller = format!("method {PANIC:#x} (uid {}, pid {})", unsafe { libc::getuid() }, std::process::id());
    for text in ["a handler that panics", "a stream's handler that panics"] {
        assert!(log.contains(&format!("ipc: test.Desk {caller}: panic: {text}")), "{log}");
    }
}

fn panics_of_callbacks_are_logged_and_serving_goes_on() {
    let bus = start();
    let serving = bus.client.run_in_background().unwrap();
    let (ran, runs) = channel();
    let panicking = |name: &'static str| {
        let ran = ran.clone();
        move || {
            ran.send(name).unwrap();
            panic!("of {name}")
        }
    };
    let log = stderr_of(|| {
        let mortal = Connection::open().unwrap();
        let object = Object::new(&mortal, |_: Call| Ok(())).unwrap();
        mortal.register_name("test.mortal", &object).unwrap();
        let proxy = bus.client.get("test.mortal").unwrap();
        let on_writable = bus.client.on_writable(panicking("on_writable")).unwrap();
        // The server does not serve, so its region fills up.
        let bytes = vec![0; 100_000];
        let full = Message::new(NOTE).bytes(&bytes[..]);
        while proxy.oneway(&full, &Options::new()).is_ok() {}
        let on_death = proxy.on_death(panicking("on_death")).unwrap();
        let watch = panicking("watch_names");
        let watch = bus.client.watch_names("test.mortal", move |_| watch()).unwrap();
        drop((object, mortal));

        // Each callback arrives, and the slots wait until it has returned.
        let mut missing = vec!["on_writable", "on_death", "watch_names"];
        while !missing.is_empty() {
            let name = runs.recv_timeout(LONG.unwrap()).unwrap();
            missing.retain(|other| *other != name);
        }
        on_writable.end();
        on_death.end();
        watch.end();
    });
    for name in ["on_writable", "on_death", "watch_names"] {
        assert!(log.contains(&format!("ipc: {name}: panic: of {name}\n")), "{log}");
    }
    let request = Message::new(ECHO).bytes(&b"still there"[..]);
    let reply = bus.desk.call_async(&request, &Options::new()).unwrap();
    assert_eq!(block_on(reply).unwrap().bytes(), b"still there");
    serving.stop().unwrap();
}

fn oneways_arrive_in_order() {
    let bus = start();
    for i in 0..5u8 {
        bus.desk.oneway(&Message::new(NOTE).bytes(vec![i]), &Options::new()).unwrap();
    }
    for i in 0..5u8 {
        assert_eq!(bus.event(), Event::Note(vec![i]));
    }
}

fn objects_can_be_called() {
    let bus = start();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let visitor = Object::new(&bus.client, move |call: Call| {
        counter.fetch_add(1, Ordering::SeqCst);
        call.reply(&Message::new(0).bytes(&b"me"[..]))
    })
    .unwrap();
    let mut reply =
        bus.desk.call(&Message::new(VISIT).object(1, &visitor), &Options::new()).unwrap();
    assert_eq!(reply.bytes(), b"me");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    // The visitor is an own object again.
    assert_eq!(reply.take_proxy(2).unwrap_err().code(), libc::EXDEV);
    assert_eq!(reply.take_object(2).unwrap(), visitor);
    assert_eq!(reply.take_object(2).unwrap_err().code(), libc::ENOENT);
    let error = reply.take_proxy(3).unwrap_err();
    let text = "the field is empty, or its object or file ended or was taken before";
    assert_eq!((error.code(), error.to_string().as_str()), (libc::ENOENT, text));
    let error = bus.call(VISIT, b"").unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (libc::ENOENT, text));
}

fn memory_file(text: &[u8]) -> std::fs::File {
    let fd = unsafe { libc::memfd_create(b"test\0".as_ptr() as *const _, libc::MFD_CLOEXEC) };
    assert!(fd >= 0);
    let mut file = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(text).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

fn files_travel() {
    let bus = start();
    let mut file = memory_file(b"a note");
    let request = Message::new(FILE).fd(1, file.as_fd());
    let error = bus.desk.call(&request, &Options::new()).unwrap_err();
    assert!(matches!(error, Error::PermissionDenied(_)), "the reply has a file: {error}");

    file.seek(SeekFrom::Start(0)).unwrap();
    let request = Message::new(FILE).fd(1, file.as_fd()).accept_fds();
    let mut reply = bus.desk.call(&request, &Options::new()).unwrap();
    assert!(reply.bytes().starts_with(b"a note"));
    let mut back = std::fs::File::from(reply.take_fd(2).unwrap());
    assert!(reply.take_fd(2).is_err());
    back.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    back.read_to_string(&mut text).unwrap();
    assert!(text.ends_with(" read"));
}

fn deadlines_and_cancellation_reach_the_server() {
    let bus = start();
    // On a slow machine the time may expire before the handler runs.
    let mut limit = Duration::from_millis(30);
    loop {
        let soon = Options::new().timeout(limit);
        let error = bus.desk.call(&Message::new(KEEP), &soon).unwrap_err();
        assert!(matches!(error, Error::DeadlineExceeded(_)));
        match bus.events.recv_timeout(limit) {
            Ok(event) => break assert_eq!(event, Event::Kept),
            Err(_) => limit *= 2,
        }
    }
    assert_eq!(bus.event(), Event::Canceled);

    let cancellation = Cancellation::new(&bus.client).unwrap();
    let desk = bus.desk.clone();
    let with = cancellation.clone();
    let waiting = std::thread::spawn(move || {
        desk.call(&Message::new(KEEP), &Options::new().cancellation(&with)).map(drop)
    });
    assert_eq!(bus.event(), Event::Kept);
    cancellation.cancel();
    assert_eq!(bus.event(), Event::Canceled);
    assert!(matches!(waiting.join().unwrap().unwrap_err(), Error::Canceled(_)));
    assert!(cancellation.is_canceled());
}

/// The number of threads of this process.
fn count_threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// While the service manager is stopped, tasks of one thread use names. No function blocks or starts a
/// thread.
fn names_do_not_block() {
    let manager: i32 = std::env::var("MANAGER").unwrap().parse().unwrap();
    let bus = start();
    let client = bus.client.clone();
    let object = Object::new(&client, |call: Call| call.reply(&Message::new(0))).unwrap();
    client.register_name("test.loop.old", &object).unwrap();
    let (changes, changed) = channel();
    block_on(async {
        let local = ::tokio::task::LocalSet::new();
        let serving = client.clone();
        local
            .run_until(async {
                let serving = ::tokio::task::spawn_local(async move { serving.serve().await });
                ::tokio::task::yield_now().await;
                let threads = count_threads();
                // SAFETY: the process is the one that with-manager started.
                assert_eq!(unsafe { libc::kill(manager, libc::SIGSTOP) }, 0);
                let found = client.get_async("test.rust", "test.Desk").unwrap();
                let wrong = client.get_async("test.rust", "other.Interface").unwrap();
                let waited = client.wait_async("test.rust", "", None).unwrap();
                let never = client.wait_async("test.nobody", "", None).unwrap();
                let checked = client.check_name_async("test.rust").unwrap();
                let listed = client.list_names_async("test.rust*").unwrap();
                let registered = client.register_name_async("test.loop", &object).unwrap();
                let dropped = client.register_name_async("test.dropped", &object).unwrap();
                let taken = client.register_name_async("test.rust", &object).unwrap();
                let watched = client
                    .watch_names_async("test.loop", move |change| changes.send(change).unwrap())
                    .unwrap();
                let ended = client.unregister_name_async("test.loop.old").unwrap();
                let error = client.unregister_name_async("test.nobody").unwrap_err();
                assert_eq!(error.code(), libc::ENOENT);
                drop(dropped);
                drop(never);
                ::tokio::task::yield_now().await;
                assert_eq!(count_threads(), threads);
                assert_eq!(unsafe { libc::kill(manager, libc::SIGCONT) }, 0);

                assert_eq!(found.await.unwrap(), waited.await.unwrap());
                assert_eq!(wrong.await.unwrap_err().code(), libc::EPROTOTYPE);
                assert_eq!(checked.await.unwrap().name, "test.rust");
                assert_eq!(listed.await.unwrap()[0].name, "test.rust");
                assert!(registered.await.unwrap());
                assert_eq!(taken.await.unwrap_err().code(), libc::EEXIST);
                let watch = watched.await.unwrap();
                ended.await.unwrap();
                for name in ["test.loop.old", "test.dropped"] {
                    let error = client.check_name_async(name).unwrap().await.unwrap_err();
                    assert_eq!(error.code(), libc::ENOENT);
                }
                // The future is gone, and the name is not.
                client.check_name_async("test.loop").unwrap().await.unwrap();
                while !matches!(changed.try_recv(), Ok(NameChange::Settled)) {
                    ::tokio::task::yield_now().await;
                }
                drop(watch);
                client.unregister_name_async("test.loop").unwrap().await.unwrap();
                assert_eq!(count_threads(), threads);
                serving.abort();
            })
            .await;
    });
}

/// The only serving thread may use names in a handler. It cannot wait for a stream.
fn the_only_thread_does_not_wait_for_streams() {
    let bus = start();
    let lonely = Connection::open().unwrap();
    let desk = lonely.get("test.rust").unwrap();
    let object = Object::new(&lonely, move |call: Call| {
        desk.connection().wait("test.rust", LONG).unwrap();
        let mut stream = desk.open_stream(IDLE, &Options::new())?;
        let error = stream.receive(LONG).map(drop).unwrap_err();
        call.fail(&Error::errno(error.code()))
    })
    .unwrap();
    lonely.replace_name("test.lonely", &object).unwrap();
    let _serving = lonely.run_in_background().unwrap();
    let proxy = bus.client.get("test.lonely").unwrap();
    let error = proxy.call(&Message::new(1), &Options::new()).unwrap_err();
    assert_eq!(error.code(), libc::EDEADLK);
    lonely.unregister_name("test.lonely").unwrap();
}

fn detached_calls_outlive_the_limit_of_their_handler() {
    let bus = start();
    let serving = bus.client.run_in_background().unwrap();
    let visitor = Object::new(&bus.client, |call: Call| call.reply(&Message::new(0))).unwrap();
    let request = Message::new(CLEAN_UP).object(1, &visitor);
    // On a slow machine the time may expire before the handler runs.
    let mut limit = Duration::from_millis(50);
    loop {
        let error = bus.desk.call(&request, &Options::new().timeout(limit)).unwrap_err();
        assert!(matches!(error, Error::DeadlineExceeded(_)));
        match bus.events.recv_timeout(limit) {
            Ok(event) => break assert_eq!(event, Event::Kept),
            Err(_) => limit *= 2,
        }
    }
    assert_eq!(bus.event(), Event::Canceled);
    serving.stop().unwrap();
}

fn a_limit_that_is_too_long_is_none() {
    let bus = start();
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX / 1_000_000)] {
        bus.desk.call(&Message::new(ECHO), &Options::new().timeout(limit)).unwrap();
        assert!(bus.client.wait("test.rust", Some(limit)).unwrap() == bus.desk);
        let mut stream = bus.desk.open_stream(ECHO, &Options::new().timeout(limit)).unwrap();
        assert!(stream.receive(Some(limit)).unwrap().is_some());
        bus.desk.set_timeout(Some(limit)).unwrap();
        bus.desk.ping().unwrap();
    }
    let none = Options::new().timeout(Duration::ZERO);
    let error = bus.desk.call(&Message::new(ECHO), &none).unwrap_err();
    assert!(matches!(error, Error::DeadlineExceeded(_)));
}

fn metadata_and_callers_are_known() {
    let bus = start();
    let options = Options::new().metadata("color", "blue").unwrap();
    let reply = bus.desk.call(&Message::new(METADATA).bytes(&b"x"[..]), &options).unwrap();
    assert_eq!(reply.bytes(), b"blue");
    assert!(Options::new().metadata("a\0", "b").is_err());
    let large = Options::new().metadata("large", &"x".repeat(65536)).unwrap();
    let error = bus.desk.call(&Message::new(METADATA), &large).unwrap_err();
    assert_eq!(error.code(), libc::EMSGSIZE);
    assert_eq!(bus.desk.open_stream(ADD, &large).unwrap_err().code(), libc::EMSGSIZE);
}

/// Replies with label and process of its clients.
struct Witness;

fn identity(label: Option<String>, pid: i32) -> Message<'static> {
    Message::new(0).bytes(format!("{} {pid}", label.unwrap_or_default()).into_bytes())
}

impl Service for Witness {
    fn serve(&self, call: Call) -> Result<()> {
        let pidfd = call.pidfd()?;
        let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
        let info = std::fs::read_to_string(path).unwrap();
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap().trim();
        let identity = identity(call.label(), pid.parse().unwrap());
        call.reply(&identity)
    }

    fn has_streams(&self) -> bool {
        true
    }

    fn serve_stream(&self, stream: Stream, _: u32) -> Result<()> {
        stream.send(&identity(stream.label(), stream.pid()), LONG)
    }
}

fn labels_and_pids_of_callers_are_known() {
    let bus = start();
    let witness = Object::builder(&bus.server).label().create(Witness).unwrap();
    bus.server.register_name("test.witness", &witness).unwrap();
    // Without a security module, reading fails.
    let label = std::fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
    let expected = format!("{} {}", label.trim_end_matches(['\n', '\0']), std::process::id());
    let proxy = bus.client.get("test.witness").unwrap();
    let reply = proxy.call(&Message::new(1), &Options::new()).unwrap();
    assert_eq!(String::from_utf8_lossy(reply.bytes()), expected);
    let mut stream = proxy.open_stream(1, &Options::new()).unwrap();
    let item = stream.receive(LONG).unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(item.bytes()), expected);
    bus.server.unregister_name("test.witness").unwrap();
}

fn death_is_reported() {
    let bus = start();
    let (dead, died) = channel();
    let serving = bus.client.run_in_background().unwrap();
    let slot = bus.desk.on_death(move || dead.send(()).unwrap()).unwrap();
    let future = bus.desk.wait_dead().unwrap();
    let Bus { client, desk, events, _serving, server } = bus;
    drop(_serving);
    drop(server);
    died.recv_timeout(LONG.unwrap()).unwrap();
    block_on(future);
    assert_eq!(events.recv_timeout(LONG.unwrap()).unwrap(), Event::Dropped);
    let error = desk.call(&Message::new(ECHO), &Options::new()).unwrap_err();
    assert!(matches!(error, Error::DeadObject(_)));
    slot.end();
    serving.stop().unwrap();
    drop(client);
}

fn block_on<F: Future>(future: F) -> F::Output {
    ::tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn futures_complete_and_cancel() {
    let bus = start();
    block_on(async {
        let client = bus.client.clone();
        let tasks = ::tokio::task::LocalSet::new();
        tasks
            .run_until(async {
                let serving = ::tokio::task::spawn_local(async move { client.serve().await });
                let message = Message::new(ECHO).bytes(&b"later"[..]);
                let first = bus.desk.call_async(&message, &Options::new()).unwrap();
                let second = bus.desk.call_async(&Message::new(FAIL), &Options::new()).unwrap();
                assert_eq!(first.await.unwrap().bytes(), b"later");
                assert_eq!(second.await.unwrap_err().name(), Some("desk.Bad"));

                let never = bus.desk.call_async(&Message::new(KEEP), &Options::new()).unwrap();
                assert_eq!(bus.event(), Event::Kept);
                drop(never);
                assert_eq!(bus.event(), Event::Canceled);
                // The shortest timeout expires before the request is sent. On a slow machine the
                // other may, too.
                for usec in [1, 30000] {
                    let soon = Options::new().timeout(Duration::from_micros(usec));
                    let late = match bus.desk.call_async(&Message::new(KEEP), &soon) {
                        Ok(future) => future.await.map(drop),
                        Err(error) => Err(error),
                    };
                    let late = late.unwrap_err();
                    assert!(matches!(late, Error::DeadlineExceeded(_)));
                    assert_eq!(late.origin(), Origin::Bus);
                }
                serving.abort();
            })
            .await;
    });
}

fn tasks_on_any_thread_await_calls() {
    fn needs_send<T: Send>(value: T) -> T {
        value
    }

    let bus = start();
    let runtime = ::tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (client, desk) = (bus.client.clone(), bus.desk.clone());
    let serving = runtime.spawn(async move { client.serve().await });
    let task = needs_send(async move {
        let stream = desk.open_stream_async(IDLE, &Options::new())?.await?;
        let message = Message::new(ECHO).bytes(&b"from a task"[..]);
        let limits = needs_send(Options::new().parent_stream(&stream));
        let parented = desk.call_async(&message, &limits)?;
        drop(limits);
        parented.await?;
        desk.call_async(&Message::new(ECHO).bytes(&b"x"[..]), &Options::new().metadata("a", "b")?)?.await
    });
    let reply = runtime.block_on(runtime.spawn(task)).unwrap().unwrap();
    assert_eq!(reply.bytes(), b"x");
    serving.abort();
}

fn a_connection_is_served_by_two_tasks() {
    let bus = start();
    let runtime =
        ::tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serve = || {
        let client = bus.client.clone();
        runtime.spawn(async move { client.serve().await })
    };
    let (first, second) = (serve(), serve());
    for i in 0..100 {
        if i == 50 {
            first.abort();
        }
        let message = Message::new(ECHO).bytes(vec![i]);
        let future = bus.desk.call_async(&message, &Options::new()).unwrap();
        assert_eq!(runtime.block_on(future).unwrap().bytes(), [i]);
    }
    assert!(runtime.block_on(first).unwrap_err().is_cancelled());
    second.abort();
    assert!(runtime.block_on(second).unwrap_err().is_cancelled());
}

fn streams_that_are_dropped_elsewhere_fail() {
    let bus = start();
    let mut stream = bus.desk.open_stream(ECHO, &Options::new()).unwrap();
    assert!(stream.receive(LONG).unwrap().is_some());
    assert!(stream.receive(LONG).unwrap().is_none());
    let mut stream = bus.desk.open_stream(GIVE_AWAY, &Options::new()).unwrap();
    assert!(stream.receive(LONG).unwrap().is_some());
    assert_eq!(stream.receive(LONG).unwrap_err().code(), libc::ENOMSG);
}

fn streams_carry_messages() {
    let bus = start();
    let mut counting = bus.desk.open_stream(COUNT, &Options::new()).unwrap();
    for i in 0..40u8 {
        assert_eq!(counting.receive(LONG).unwrap().unwrap().bytes(), [i]);
    }
    assert_eq!(counting.receive(LONG).unwrap_err().name(), Some("desk.Enough"));

    let adding = bus.desk.open_stream(ADD, &Options::new()).unwrap();
    let (sender, mut receiver) = adding.split();
    let sending = std::thread::spawn(move || {
        for i in 1..=20u8 {
            sender.send(&Message::new(0).bytes(vec![i]), LONG).unwrap();
        }
        sender.end().unwrap();
    });
    assert_eq!(receiver.receive(LONG).unwrap().unwrap().bytes(), [210]);
    assert!(receiver.receive(LONG).unwrap().is_none());
    sending.join().unwrap();

    let short = Options::new().timeout(Duration::from_millis(30));
    let mut idle = bus.desk.open_stream(ADD, &short).unwrap();
    assert!(matches!(idle.receive(LONG).unwrap_err(), Error::DeadlineExceeded(_)));
    assert!(idle.is_canceled());
    let error = bus.desk.open_stream(77, &Options::new()).unwrap().receive(LONG).unwrap_err();
    assert!(matches!(error, Error::Unimplemented(_)));
}

fn tasks_await_streams() {
    let bus = start();
    let runtime = ::tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let client = bus.client.clone();
    let serving = runtime.spawn(async move { client.serve().await });
    let desk = bus.desk.clone();
    let limited = |future| async { ::tokio::time::timeout(LONG.unwrap(), future).await.unwrap() };
    let open = |method| desk.open_stream_async(method, &Options::new()).unwrap();

    let (counting, adding, unknown) = (open(COUNT), open(ADD), open(77));
    runtime.block_on(limited(runtime.spawn(async move {
        let mut counting = counting.await.unwrap();
        for i in 0..40u8 {
            assert_eq!(counting.receive_async().await.unwrap().unwrap().bytes(), [i]);
        }
        let error = counting.receive_async().await.unwrap_err();
        assert_eq!(error.name(), Some("desk.Enough"));

        // More than the receiver grants at once.
        let (mut sender, mut receiver) = adding.await.unwrap().split();
        let sending = ::tokio::spawn(async move {
            for _ in 0..200 {
                sender.send_async(&Message::new(0).bytes(vec![1u8])).await.unwrap();
            }
            sender.end().unwrap();
        });
        assert_eq!(receiver.receive_async().await.unwrap().unwrap().bytes(), [200]);
        assert!(receiver.receive_async().await.unwrap().is_none());
        sending.await.unwrap();

        let error = unknown.await.unwrap().receive_async().await.unwrap_err();
        assert!(matches!(error, Error::Unimplemented(_)));
    })))
    .unwrap();

    // A dropped future loses no message; a dropped stream is canceled.
    let mut adding = runtime.block_on(open(ADD)).unwrap();
    runtime.block_on(async {
        let short = Duration::from_millis(20);
        assert!(::tokio::time::timeout(short, adding.receive_async()).await.is_err());
        adding.send_async(&Message::new(0).bytes(vec![7u8])).await.unwrap();
        adding.end().unwrap();
        assert_eq!(adding.receive_async().await.unwrap().unwrap().bytes(), [7]);
    });
    assert_eq!(adding.receive(LONG).unwrap_err().code(), libc::EBUSY);
    runtime.block_on(open(IDLE)).unwrap().end().unwrap();
    let mut idle = runtime.block_on(open(IDLE)).unwrap();
    assert!(runtime
        .block_on(async {
            ::tokio::time::timeout(Duration::from_millis(20), idle.receive_async()).await
        })
        .is_err());
    drop(idle);
    assert_eq!(bus.event(), Event::Kept);
    assert_eq!(bus.event(), Event::Canceled);

    // What is opened is canceled with its future, or with the cancellation in the options.
    drop(open(IDLE));
    let stop = Cancellation::new(&bus.client).unwrap();
    stop.cancel();
    let opening = desk.open_stream_async(IDLE, &Options::new().cancellation(&stop));
    let error = opening.map(|future| runtime.block_on(future).map(drop)).and_then(|r| r);
    assert!(matches!(error.unwrap_err(), Error::Canceled(_)));
    serving.abort();
}

fn tasks_serve_streams() {
    struct Tasks(::tokio::runtime::Handle);
    impl Service for Tasks {
        fn serve(&self, _: Call) -> Result<()> {
            Err(Error::errno(libc::EOPNOTSUPP))
        }
        fn has_streams(&self) -> bool {
            true
        }
        fn serve_stream(&self, mut stream: Stream, _: u32) -> Result<()> {
            self.0.spawn(async move {
                while let Some(item) = stream.receive_async().await.unwrap() {
                    stream.send_async(&Message::new(0).bytes(item.bytes())).await.unwrap();
                }
                stream.end().unwrap();
            });
            Ok(())
        }
    }

    let bus = start();
    let runtime = ::tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let tasks = Object::new(&bus.server, Tasks(runtime.handle().clone())).unwrap();
    bus.server.register_name("test.tasks", &tasks).unwrap();
    let proxy = bus.client.get("test.tasks").unwrap();
    let mut streams: Vec<Stream> =
        (0..3).map(|_| proxy.open_stream(1, &Options::new()).unwrap()).collect();
    for i in 0..100u8 {
        for stream in &mut streams {
            stream.send(&Message::new(0).bytes(vec![i]), LONG).unwrap();
            assert_eq!(stream.receive(LONG).unwrap().unwrap().bytes(), [i]);
        }
    }
    for stream in &mut streams {
        stream.end().unwrap();
        assert!(stream.receive(LONG).unwrap().is_none());
    }
    bus.server.unregister_name("test.tasks").unwrap();
}

/// A private bus with a service manager, which the test kills.
struct Mortal {
    daemon: std::process::Child,
    path: std::path::PathBuf,
}

impl Mortal {
    fn start() -> Mortal {
        let path = std::env::temp_dir().join(format!("ipc-rs-bus.{}", std::process::id()));
        Mortal { daemon: Mortal::start_at(&path), path }
    }

    fn start_at(path: &std::path::Path) -> std::process::Child {
        let build = std::env::var("B").unwrap_or_else(|_| "build".into());
        std::process::Command::new(format!("{build}/daemon/ipcbusd"))
            .arg("--bus")
            .arg(path)
            .args(["--", "tests/env/with-manager", "cat"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn open(&self) -> Connection {
        loop {
            let opened = Connection::builder().bus(&self.path).threads(4).open();
            match opened.and_then(|bus| bus.list_names("*").map(|_| bus)) {
                Ok(bus) => break bus,
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn kill(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}

fn everything_that_waits_ends_with_the_bus() {
    let mut mortal = Mortal::start();
    let bus = start_on(mortal.open(), mortal.open());
    let (client, desk) = (&bus.client, &bus.desk);
    let options = Options::new();
    let keep = Message::new(KEEP);
    let is_reset = |error: Error| assert_eq!(error.code(), libc::ECONNRESET, "{error}");
    let serving = client.run_in_background().unwrap();
    let future = desk.call_async(&keep, &options).unwrap();
    let died = desk.wait_dead().unwrap();
    let mut stream = desk.open_stream(ADD, &options).unwrap();
    std::thread::scope(|threads| {
        threads.spawn(|| is_reset(desk.call(&keep, &Options::new()).unwrap_err()));
        threads.spawn(move || is_reset(stream.receive(None).unwrap_err()));
        threads.spawn(|| is_reset(client.wait("test.nobody", None).unwrap_err()));
        assert_eq!((bus.event(), bus.event()), (Event::Kept, Event::Kept));

        mortal.kill();
        is_reset(block_on(future).unwrap_err());
        block_on(died);
        assert_eq!((bus.event(), bus.event()), (Event::Canceled, Event::Canceled));
    });
    is_reset(serving.stop().unwrap_err());
    is_reset(block_on(client.serve()).unwrap_err());
    is_reset(bus._serving.stop().unwrap_err());
    is_reset(desk.open_stream(ADD, &options).unwrap_err());
}

fn names_are_watched() {
    let bus = start();
    let (changes, changed) = channel();
    let serving = bus.client.run_in_background().unwrap();
    let changes = Mutex::new(changes);
    let slot = bus
        .client
        .watch_names("test.*", move |change| changes.lock().unwrap().send(change).unwrap())
        .unwrap();
    let mut seen = false;
    loop {
        match changed.recv_timeout(LONG.unwrap()).unwrap() {
            NameChange::Present(info, proxy) if info.name == "test.rust" => {
                assert_eq!(info.interface, "test.Desk");
                assert_eq!(proxy.unwrap(), bus.desk);
                seen = true;
            }
            NameChange::Settled => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(seen);
    bus.server.unregister_name("test.rust").unwrap();
    match changed.recv_timeout(LONG.unwrap()).unwrap() {
        NameChange::Gone(info) => assert_eq!(info.name, "test.rust"),
        other => panic!("{other:?}"),
    }
    slot.end();
    assert!(bus.client.list_names("test.*").unwrap().is_empty());
    serving.stop().unwrap();
}

fn names_are_replaced_and_queued() {
    let bus = start();
    let serving = bus.client.run_in_background().unwrap();
    let (events, reported) = channel();
    let slots: Vec<_> = [("server", &bus.server), ("client", &bus.client)]
        .into_iter()
        .map(|(who, connection)| {
            let events = events.clone();
            let report = move |name: &str, event: RegistrationEvent| {
                assert_eq!(name, "test.one");
                events.send((who, event)).unwrap()
            };
            connection.on_registration(report).unwrap()
        })
        .collect();
    let object = |connection, interface| {
        let serve = |call: Call| call.reply(&Message::new(0));
        Object::builder(connection).interface(interface).create(serve).unwrap()
    };
    let first = object(&bus.server, "test.First");
    let second = object(&bus.client, "test.Second");
    let owner = || bus.client.check_name("test.one").unwrap().interface;

    bus.server.register_name("test.one", &first).unwrap();
    let error = bus.client.register_name("test.one", &second).unwrap_err();
    assert_eq!(error.code(), libc::EEXIST);
    bus.client.replace_name("test.one", &second).unwrap();
    let event = reported.recv_timeout(LONG.unwrap()).unwrap();
    assert!(matches!(event, ("server", RegistrationEvent::Lost)));
    let error = bus.server.unregister_name("test.one").unwrap_err();
    assert!(error.to_string().ends_with("or has lost it"), "{error}");
    assert_eq!(owner(), "test.Second");
    assert!(!bus.server.queue_name("test.one", &first).unwrap());
    bus.client.unregister_name("test.one").unwrap();
    let event = reported.recv_timeout(LONG.unwrap()).unwrap();
    assert!(matches!(event, ("server", RegistrationEvent::Acquired)));
    assert_eq!(owner(), "test.First");
    bus.server.unregister_name("test.one").unwrap();
    slots.into_iter().for_each(Slot::end);
    serving.stop().unwrap();
}

fn limits_hold() {
    let bus = start();
    let limits = Limits { message_size: 10, ..Limits::default() };
    let small = Object::builder(&bus.server)
        .limits(limits)
        .create(|call: Call| call.reply(&Message::new(0)))
        .unwrap();
    bus.server.register_name("test.small", &small).unwrap();
    let proxy = bus.client.get("test.small").unwrap();
    proxy.call(&Message::new(1).bytes(vec![0; 10]), &Options::new()).unwrap();
    let error = proxy.call(&Message::new(1).bytes(vec![0; 11]), &Options::new()).unwrap_err();
    assert_eq!(error.code(), libc::EMSGSIZE);
    assert!(small.usage().unwrap().refs >= 1);
    bus.server.unregister_name("test.small").unwrap();
}

/// Sends as much as it may, reports that, and sends the number of these messages. Receives nothing.
struct Ahead(Mutex<Sender<()>>);

impl Service for Ahead {
    fn serve(&self, _: Call) -> Result<()> {
        Err(Error::errno(libc::EOPNOTSUPP))
    }

    fn has_streams(&self) -> bool {
        true
    }

    fn serve_stream(&self, stream: Stream, _: u32) -> Result<()> {
        let n = send_ahead(&stream);
        self.0.lock().unwrap().send(()).unwrap();
        stream.send(&Message::new(0).bytes(vec![n]), LONG)
    }
}

/// Sends until it would have to wait, and returns the number of sent messages.
fn send_ahead(stream: &Stream) -> u8 {
    let mut n = 0;
    loop {
        match stream.send(&Message::new(0), Some(Duration::ZERO)) {
            Ok(()) => n += 1,
            Err(Error::WouldBlock(_)) => return n,
            Err(error) => panic!("{error}"),
        }
    }
}

fn windows_limit_both_sides() {
    let bus = start();
    for window in [0, 1, 3, 16] {
        let limits = Limits { window, ..Limits::default() };
        let (report, counted) = channel();
        let ahead = Object::builder(&bus.server).limits(limits);
        let ahead = ahead.create(Ahead(Mutex::new(report))).unwrap();
        bus.server.register_name("test.ahead", &ahead).unwrap();
        let proxy = bus.client.get("test.ahead").unwrap();
        let options = match window {
            0 => Options::new(),
            window => Options::new().window(window),
        };
        let expected = if window == 0 { 16 } else { window as u8 };
        let mut stream = proxy.open_stream(1, &options).unwrap();
        assert_eq!(send_ahead(&stream), expected);
        counted.recv_timeout(LONG.unwrap()).unwrap();
        for _ in 0..expected {
            assert!(stream.receive(LONG).unwrap().unwrap().bytes().is_empty());
        }
        assert_eq!(stream.receive(LONG).unwrap().unwrap().bytes(), [expected]);
        bus.server.unregister_name("test.ahead").unwrap();
    }
    for wrong in [0, 17, u32::MAX] {
        let error = bus.desk.open_stream(COUNT, &Options::new().window(wrong)).unwrap_err();
        assert_eq!(error.code(), libc::EINVAL);
    }
    let error = bus.desk.call(&Message::new(ECHO), &Options::new().window(1)).unwrap_err();
    assert_eq!(error.code(), libc::EINVAL);
    let limits = Limits { window: 17, ..Limits::default() };
    let refused = Object::builder(&bus.server).limits(limits);
    let refused = refused.create(Ahead(Mutex::new(channel().0)));
    assert_eq!(refused.unwrap_err().code(), libc::EINVAL);
}

fn services_end_with_their_objects() {
    let bus = start();
    struct Last(Arc<AtomicUsize>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let last = Last(dropped.clone());
    let object = Object::new(&bus.client, move |call: Call| {
        let _ = &last;
        call.reply(&Message::new(0))
    })
    .unwrap();
    let same = object.clone();
    drop(object);
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    drop(same);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    // The service is dropped also if creating the object fails.
    let last = Last(dropped.clone());
    let failed = Object::builder(&bus.client).interface("a\0b").create(move |_: Call| {
        let _ = &last;
        Ok(())
    });
    assert_eq!(failed.unwrap_err().code(), libc::EINVAL);
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
}

/// Repeats `function` until the bus, the service manager or the service is back.
fn comes_back<T>(mut function: impl FnMut() -> Result<T>) -> T {
    for _ in 0..1000 {
        match function() {
            Ok(value) => return value,
            Err(error) => {
                let away = [libc::ECONNRESET, libc::ENOTCONN, libc::ENOENT];
                assert!(away.contains(&error.code()))
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it does not come back");
}

fn a_connection_survives_its_bus() {
    const RESTARTS: usize = 20;
    let mut mortal = Mortal::start();
    let (server, client) = (mortal.open(), mortal.open());
    let (sender, events) = channel();
    let _slot = server.set_reconnect(move |event| sender.send(event).unwrap()).unwrap();
    let _other = client.set_reconnect(|_| ()).unwrap();
    let object = Object::new(&server, |call: Call| call.reply(&Message::new(0))).unwrap();
    server.register_name("test.mortal", &object).unwrap();
    let _serving = server.run_in_background().unwrap();
    let _watching = client.run_in_background().unwrap();
    let proxy = client.get("test.mortal").unwrap();
    for _ in 0..RESTARTS {
        comes_back(|| proxy.call(&Message::new(ECHO), &Options::new()));
        let died = proxy.wait_dead().unwrap();
        mortal.kill();
        block_on(died);
        assert_eq!(events.recv_timeout(LONG.unwrap()), Ok(BusEvent::Down));
        mortal.daemon = Mortal::start_at(&mortal.path);
        assert_eq!(events.recv_timeout(LONG.unwrap()), Ok(BusEvent::Up));
    }
    comes_back(|| proxy.call(&Message::new(ECHO), &Options::new()));
}

/// The setting lasts until the program ends, so this must be the last case.
fn a_program_gets_the_log() {
    static LINES: Mutex<Vec<(i32, String)>> = Mutex::new(Vec::new());
    ipcbus::set_log(|priority, text| LINES.lock().unwrap().push((priority, text.into())));
    let log = stderr_of(|| {
        let bus = start();
        assert_eq!(bus.call(PANIC, b"").unwrap_err().name(), Some("ipc.Unhandled"));
        bus.desk.oneway(&Message::new(VISIT), &Options::new()).unwrap();
        while LINES.lock().unwrap().len() < 2 {
            std::thread::yield_now();
        }
    });
    assert!(!log.contains("ipc: "), "{log}");
    let lines = LINES.lock().unwrap();
    let start = format!("ipc: test.Desk method {VISIT:#x} (uid ");
    let is_oneway = |(priority, text): &(i32, String)| {
        *priority == libc::LOG_WARNING && text.starts_with(&start) && text.contains("a oneway failed: ")
    };
    assert!(lines.len() == 2 && lines.iter().any(is_oneway), "{lines:?}");
    let is_panic = |(priority, text): &(i32, String)| {
        *priority == libc::LOG_ERR && text.contains("test.Desk") && text.contains("a handler that panics")
    };
    assert!(lines.iter().any(is_panic), "{lines:?}");
}

fn main() {
    std::process::exit(case::run(&cases![
        calls_return_replies
        errors_have_all_fields
        errors_of_opening_name_the_bus
        hostile_texts_are_printable
        a_dropped_call_fails
        panics_become_errors
        panics_of_callbacks_are_logged_and_serving_goes_on
        oneways_arrive_in_order
        objects_can_be_called
        files_travel
        deadlines_and_cancellation_reach_the_server
        names_do_not_block
        the_only_thread_does_not_wait_for_streams
        detached_calls_outlive_the_limit_of_their_handler
        a_limit_that_is_too_long_is_none
        metadata_and_callers_are_known
        labels_and_pids_of_callers_are_known
        death_is_reported
        futures_complete_and_cancel
        tasks_on_any_thread_await_calls
        a_connection_is_served_by_two_tasks
        streams_that_are_dropped_elsewhere_fail
        streams_carry_messages
        tasks_await_streams
        tasks_serve_streams
        everything_that_waits_ends_with_the_bus
        a_connection_survives_its_bus
        names_are_watched
        names_are_replaced_and_queued
        limits_hold
        windows_limit_both_sides
        services_end_with_their_objects
        a_program_gets_the_log
    ]));
}
