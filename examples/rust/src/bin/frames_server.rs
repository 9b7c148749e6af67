// SPDX-License-Identifier: MIT
//! The server of examples/frames, in Rust: a stream of pictures of any size.

include!(concat!(env!("OUT_DIR"), "/ipc.rs"));
#[path = "../checksum.rs"]
mod checksum;

use std::time::Duration;

use frames::*;
use ipcbus::typed::StreamOf;
use ipcbus::{Connection, Error, Result};

/// If a viewer receives nothing for this time, its stream ends.
const LONG: Option<Duration> = Some(Duration::from_secs(10));

fn picture(pixels: u32, number: u32) -> Vec<u8> {
    let pixel = |i: u32| i.wrapping_mul(2_654_435_761).wrapping_add(number);
    (0..pixels).flat_map(|i| pixel(i).to_ne_bytes()).collect()
}

struct Film;

impl Camera for Film {
    fn watch(&self, request: WatchRequest, stream: StreamOf<Frame, ()>) -> Result<()> {
        let (width, height) = (request.width, request.height);
        let valid = 1..=8192;
        if !valid.contains(&width) || !valid.contains(&height) {
            let text = format!("{width} x {height} is not a valid size");
            return Err(Error::service("camera.BadSize", text));
        }
        for number in 1..=request.count {
            let pixels = picture(width * height, number);
            let checksum = checksum::checksum(&pixels);
            stream.send(&Frame { number, width, height, checksum, pixels }, LONG)?;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let bus = Connection::builder().threads(16).open()?;
    let _camera = CameraServer::register(&bus, "demo.camera", Film)?;
    bus.run()
}
