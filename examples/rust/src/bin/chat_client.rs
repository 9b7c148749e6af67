// SPDX-License-Identifier: MIT
//! The client of examples/chat, in Rust. `chat_client NAME` sends the lines of its standard input,
//! and prints the lines of other members, until the input ends.

include!(concat!(env!("OUT_DIR"), "/ipc.rs"));

use std::time::Duration;

use chat::*;
use ipcbus::typed::With;
use ipcbus::{Call, Connection, Result};

struct Ear;

impl Listener for Ear {
    fn hear(&self, line: Line, _: &Call) -> Result<()> {
        println!("{}: {}", line.from, line.text);
        Ok(())
    }
}

fn run() -> Result<()> {
    let bus = Connection::open()?;
    let chat = ChatProxy::wait(&bus, "demo.chat", Some(Duration::from_secs(10)))?;
    // Serves on its own thread, which receives the lines of other members.
    let _hearing = bus.run_in_background()?;
    let ear = ListenerServer::object(&bus, Ear)?;

    let mut request = With::new(JoinRequest::default());
    request.name = std::env::args().nth(1).unwrap_or_else(|| "somebody".into());
    request.listener = Some(request.put_object(&ear));
    let mut reply = chat.join(&request)?;
    for other in &reply.others {
        println!("{other} is here");
    }
    let seat: SeatProxy = reply.take(reply.seat)?;
    for line in std::io::stdin().lines() {
        seat.say(&Line { text: line?, ..Line::default() })?;
    }
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("join: {error}");
        std::process::exit(1);
    }
}
