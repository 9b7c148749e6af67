// SPDX-License-Identifier: MIT
//! The server of examples/echo, in Rust.

include!(concat!(env!("OUT_DIR"), "/ipc.rs"));

use echo::*;
use ipcbus::{Call, Connection, Error};

struct Parrot;

impl Echo for Parrot {
    fn say(&self, request: SayRequest, _: &Call) -> ipcbus::Result<SayReply> {
        if request.text.is_empty() {
            return Err(Error::service("echo.Empty", "nothing to say"));
        }
        Ok(SayReply { text: request.text })
    }
}

fn main() -> ipcbus::Result<()> {
    let bus = Connection::open()?;
    let _echo = EchoServer::register(&bus, "demo.echo", Parrot)?;
    bus.run()
}
