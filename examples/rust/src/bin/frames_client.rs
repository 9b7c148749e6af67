// SPDX-License-Identifier: MIT
//! The client of examples/frames, in Rust: `frames_client COUNT WIDTH HEIGHT` receives COUNT
//! pictures and checks each pixel.

include!(concat!(env!("OUT_DIR"), "/ipc.rs"));
#[path = "../checksum.rs"]
mod checksum;

use std::time::Duration;

use frames::*;
use ipcbus::{Connection, Options, Result};

const LONG: Option<Duration> = Some(Duration::from_secs(10));

fn number(index: usize, otherwise: u32) -> u32 {
    std::env::args().nth(index).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn main() -> Result<()> {
    let (count, width, height) = (number(1, 10), number(2, 640), number(3, 480));
    let bus = Connection::open()?;
    let camera = CameraProxy::wait(&bus, "demo.camera", LONG)?;
    let request = WatchRequest { width, height, count };
    let mut frames = camera.watch(&request, &Options::new())?;
    let (mut seen, mut damaged) = (0, 0);

    while let Some(frame) = frames.receive(LONG)? {
        seen += 1;
        if frame.pixels.len() as u64 != u64::from(width) * u64::from(height) * 4
            || frame.number != seen
            || frame.checksum != checksum::checksum(&frame.pixels)
        {
            damaged += 1;
        }
    }
    println!("{seen} frames of {width} x {height}, {damaged} damaged");
    Ok(())
}
