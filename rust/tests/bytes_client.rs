// SPDX-License-Identifier: MIT
//! A client of bytes_server: `bytes_client TEXT`.

use std::time::Duration;

use ipcbus::{Connection, Error, Message, Options};

fn main() -> ipcbus::Result<()> {
    let text = std::env::args().nth(1).unwrap_or_default();
    let bus = Connection::open()?;
    let upper = bus.wait("demo.upper", Some(Duration::from_secs(10)))?;
    let request = Message::new(1).bytes(text.as_bytes());
    match upper.call(&request, &Options::new().timeout(Duration::from_secs(10))) {
        Ok(reply) => println!("{}", String::from_utf8_lossy(reply.bytes())),
        Err(Error::ServiceError(f)) if f.name.as_deref() == Some("upper.Empty") => println!("(nothing)"),
        Err(other) => return Err(other),
    }
    Ok(())
}
