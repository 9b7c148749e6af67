// SPDX-License-Identifier: MIT
//! The client of examples/clock, in Rust. `clock_client COUNT [PERIOD_MS]` prints COUNT ticks, then
//! sends COUNT times for comparison.

include!(concat!(env!("OUT_DIR"), "/ipc.rs"));

use std::time::Duration;

use clocks::*;
use ipcbus::{Connection, Error, Options, Result};

const LONG: Option<Duration> = Some(Duration::from_secs(10));

fn number(index: usize, otherwise: u32) -> u32 {
    std::env::args().nth(index).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn main() -> Result<()> {
    let (count, period_ms) = (number(1, 5), number(2, 100));
    let bus = Connection::open()?;
    let clock = ClockProxy::wait(&bus, "demo.clock", LONG)?;
    let options = Options::new();

    let mut ticks = clock.watch(&WatchRequest { period_ms }, &options)?;
    for _ in 0..count {
        let tick = ticks.receive(LONG)?.ok_or_else(|| Error::errno(libc::ENOMSG))?;
        println!("tick {}", tick.number);
    }
    // This cancels the stream, and the server stops sending.
    drop(ticks);

    let clocks = clock.compare(&options)?;
    for _ in 0..count {
        clocks.send(&Tick::default(), LONG)?;
    }
    let verdict = clocks.finish(LONG)?;
    let word = if verdict.worst_usec < -1_000_000 { "slow" } else { "right" };
    println!("{} clocks compared, they are {word}", verdict.clocks);
    Ok(())
}
