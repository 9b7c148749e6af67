// SPDX-License-Identifier: MIT
//! The client of examples/echo, in Rust: `echo_client TEXT`.

include!(concat!(env!("OUT_DIR"), "/ipc.rs"));

use std::time::Duration;

use echo::*;
use ipcbus::{Connection, Options};

fn run() -> ipcbus::Result<()> {
    let bus = Connection::open()?;
    let echo = EchoProxy::get(&bus, "demo.echo")?;
    let text = std::env::args().nth(1).unwrap_or_else(|| "hello".into());
    let options = Options::new().timeout(Duration::from_secs(10));
    println!("{}", echo.say_with(&SayRequest { text }, &options)?.text);
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("say: {error}");
        std::process::exit(1);
    }
}
