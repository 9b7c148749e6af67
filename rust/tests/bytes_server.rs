// SPDX-License-Identifier: MIT
//! A service of bytes: replies with the text in upper case.

use ipcbus::{Call, Connection, Error, Message, Object};

fn main() -> ipcbus::Result<()> {
    let bus = Connection::open()?;
    let upper = Object::builder(&bus).interface("demo.Upper").create(|call: Call| {
        let text = String::from_utf8_lossy(call.bytes()).to_uppercase();
        if text.is_empty() {
            return call.fail(&Error::service("upper.Empty", "nothing to do"));
        }
        call.reply(&Message::new(0).bytes(text.into_bytes()))
    })?;
    bus.register_name("demo.upper", &upper)?;
    bus.run()
}
