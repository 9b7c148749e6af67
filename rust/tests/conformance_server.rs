// SPDX-License-Identifier: MIT
//! conform.proto and versions.proto as a service in Rust: `conformance_server NAME`. See
//! tests/suite/languages/conformance.

#[allow(dead_code)]
mod conform {
    include!(concat!(env!("IPCBUS_GENERATED"), "/conform.ipc.rs"));
}
#[allow(dead_code)]
mod versions {
    include!(concat!(env!("IPCBUS_GENERATED"), "/server/versions.ipc.rs"));
}
#[allow(dead_code)]
#[path = "conformance.rs"]
mod shared;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use conform::*;
use ipcbus::typed::{CallFor, StreamOf, With};
use ipcbus::{Call, Connection, Error, Result, Slot};
use shared::{left_ms, memory_file};
use versions::*;

struct Host;

impl Visitor for Host {
    fn ask(&self, request: Number, call: &Call) -> Result<AskReply> {
        Ok(AskReply { number: request.number + 1, left_ms: left_ms(call) })
    }
}

#[derive(Default)]
struct Hangs {
    waiting: AtomicI64,
    canceled: AtomicI64,
}

#[derive(Default)]
struct Server {
    notes: Mutex<Vec<i64>>,
    hangs: Arc<Hangs>,
}

impl Server {
    fn hang(&self, call: CallFor<()>) -> Result<()> {
        let hangs = self.hangs.clone();
        hangs.waiting.fetch_add(1, Ordering::SeqCst);
        // Keeps the call until its caller has stopped waiting.
        let kept = Arc::new(Mutex::new(None));
        let later = kept.clone();
        let mut place = kept.lock().unwrap();
        let slot = call.on_cancel(move || {
            let call: Option<CallFor<()>> = later.lock().unwrap().take();
            hangs.canceled.fetch_add(1, Ordering::SeqCst);
            hangs.waiting.fetch_sub(1, Ordering::SeqCst);
            drop(call);
        });
        if let Err(error) = slot.map(Slot::detach) {
            self.hangs.canceled.fetch_add(1, Ordering::SeqCst);
            self.hangs.waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(error);
        }
        *place = Some(call);
        Ok(())
    }

    fn run(&self, stream: &mut StreamOf<Number, Number>) -> Result<()> {
        let mut number = 0;
        while let Some(next) = stream.receive(None)? {
            number += next.number;
            stream.send(&Number { number }, None)?;
        }
        Ok(())
    }
}

impl Peer for Server {
    fn echo(&self, request: Kinds, _: &Call) -> Result<Kinds> {
        Ok(request)
    }

    fn fail(&self, request: Failure, _: &Call) -> Result<()> {
        Err(if request.name.is_empty() {
            Error::errno(request.code).with_text(request.text)
        } else {
            let code = if request.code == 0 { libc::EREMOTEIO } else { request.code };
            Error::errno(code)
                .with_name(request.name)
                .with_text(request.text)
                .with_number(request.number)
                .with_details(request.details)
        })
    }

    fn drop_call(&self, call: CallFor<()>) -> Result<()> {
        drop(call);
        Ok(())
    }

    fn note(&self, request: Number, _: &Call) -> Result<()> {
        self.notes.lock().unwrap().push(request.number);
        Ok(())
    }

    fn notes(&self, _: &Call) -> Result<Numbers> {
        Ok(Numbers { numbers: self.notes.lock().unwrap().clone() })
    }

    fn visit(&self, mut request: With<VisitRequest>, call: &Call) -> Result<With<VisitReply>> {
        let proxy = request.take_proxy(request.visitor)?;
        let visitor = VisitorProxy::new(proxy.clone());
        let said = visitor.ask(&Number { number: request.number })?;
        let mut reply = With::new(VisitReply::default());
        reply.number = said.number;
        reply.left_ms = said.left_ms;
        if request.refuse {
            if let Err(Error::ServiceError(f)) = visitor.refuse() {
                reply.refused =
                    format!("{}: {}", f.name.unwrap_or_default(), f.text.unwrap_or_default());
            }
        }
        let host = VisitorServer::object(&call.connection(), Host)?;
        reply.host = Some(reply.put_object(&host));
        reply.back = Some(reply.put_proxy(&proxy));
        Ok(reply)
    }

    fn host(&self, mut request: With<VisitRequest>, _: &Call) -> Result<()> {
        request.take::<VisitorProxy>(request.visitor)?.stay()
    }

    fn write(&self, mut request: With<WriteRequest>, _: &Call) -> Result<With<WriteReply>> {
        let same = File::from(request.take_fd(request.file)?);
        let other = memory_file();
        same.write_all_at(request.text.as_bytes(), 0)?;
        other.write_all_at(request.text.as_bytes(), 0)?;
        let mut reply = With::new(WriteReply::default());
        reply.same = Some(reply.put_fd(same));
        reply.other = Some(reply.put_fd(other));
        Ok(reply)
    }

    fn turn(&self, mut request: Chunks, _: &Call) -> Result<Chunks> {
        request.chunks.reverse();
        Ok(request)
    }

    fn hang_call(&self, call: CallFor<()>) -> Result<()> {
        self.hang(call)
    }

    fn hang_briefly_call(&self, call: CallFor<()>) -> Result<()> {
        self.hang(call)
    }

    fn hangs(&self, _: &Call) -> Result<HangsReply> {
        Ok(HangsReply {
            waiting: self.hangs.waiting.load(Ordering::SeqCst),
            canceled: self.hangs.canceled.load(Ordering::SeqCst),
        })
    }

    fn left(&self, call: &Call) -> Result<Number> {
        Ok(Number { number: left_ms(call) as i64 })
    }

    fn count(&self, request: Number, stream: StreamOf<Number, ()>) -> Result<()> {
        for number in 1..=request.number.abs() {
            stream.send(&Number { number }, None)?;
        }
        if request.number < 0 {
            return Err(Error::service("conform.Negative", "it is negative"));
        }
        Ok(())
    }

    fn total(&self, mut stream: StreamOf<Number, Number>) -> Result<()> {
        let mut number = 0;
        while let Some(next) = stream.receive(None)? {
            number += next.number;
        }
        stream.send(&Number { number }, None)
    }

    fn running(&self, mut stream: StreamOf<Number, Number>) -> Result<()> {
        self.hangs.waiting.fetch_add(1, Ordering::SeqCst);
        let result = self.run(&mut stream);
        if result.is_err() {
            self.hangs.canceled.fetch_add(1, Ordering::SeqCst);
        }
        self.hangs.waiting.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn exit(&self, _: &Call) -> Result<()> {
        // SAFETY: it does not return.
        unsafe { libc::_exit(0) }
    }
}

struct Old;

impl Older for Old {
    fn say(&self, request: Said, _: &Call) -> Result<Said> {
        Ok(Said { text: format!("heard: {}", request.text), tone: request.tone })
    }
}

struct New;

impl Newer for New {
    fn ask(&self, request: Question, _: &Call) -> Result<Reply> {
        Ok(Reply {
            text: format!("{}, {} times", request.text, request.times),
            tone: Tone::Glad as i32,
            reason: "a reason".into(),
            others: vec![Question::default(), Question { times: 7, ..Question::default() }],
        })
    }
}

fn main() -> Result<()> {
    let name = std::env::args().nth(1).expect("a name");
    let bus = Connection::builder().threads(8).open()?;
    let _older = OlderServer::register(&bus, &format!("{name}.older"), Old)?;
    let _newer = NewerServer::register(&bus, &format!("{name}.newer"), New)?;
    let _peer = PeerServer::register(&bus, &name, Server::default())?;
    bus.run()
}
