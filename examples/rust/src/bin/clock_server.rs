// SPDX-License-Identifier: MIT
//! The server of examples/clock, in Rust: it sends ticks to its clients.

include!(concat!(env!("OUT_DIR"), "/ipc.rs"));

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clocks::*;
use ipcbus::typed::StreamOf;
use ipcbus::{Connection, Error, Result};

fn now_usec() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}

struct Tower;

impl Clock for Tower {
    fn watch(&self, request: WatchRequest, stream: StreamOf<Tick, ()>) -> Result<()> {
        if request.period_ms == 0 {
            return Err(Error::service("clock.BadPeriod", "a period of 0 ms"));
        }
        for number in 1.. {
            std::thread::sleep(Duration::from_millis(request.period_ms.into()));
            // If the client is slow, waits for it. If the client has gone, returns an error.
            stream.send(&Tick { number, usec: now_usec(), missed: 0 }, None)?;
        }
        Ok(())
    }

    fn compare(&self, mut stream: StreamOf<Verdict, Tick>) -> Result<()> {
        let mut verdict = Verdict::default();
        while let Some(tick) = stream.receive(None)? {
            let off = tick.usec as i64 - now_usec() as i64;
            verdict.clocks += 1;
            if off.unsigned_abs() > verdict.worst_usec.unsigned_abs() {
                verdict.worst_usec = off;
            }
        }
        stream.send(&verdict, None)
    }
}

fn main() -> Result<()> {
    // The handler of a stream occupies a thread.
    let bus = Connection::builder().threads(64).open()?;
    let _clock = ClockServer::register(&bus, "demo.clock", Tower)?;
    bus.run()
}
