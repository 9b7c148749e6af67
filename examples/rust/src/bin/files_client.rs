// SPDX-License-Identifier: MIT
//! The client of examples/files, in Rust. `files_client [NAME [TEXT]]` lists the files, prints a
//! file, or writes TEXT to it.

include!(concat!(env!("OUT_DIR"), "/ipc.rs"));

use std::fs::File;
use std::io::{copy, stdout, Write};
use std::time::Duration;

use files::*;
use ipcbus::{Connection, Result};

fn run() -> Result<()> {
    let bus = Connection::open()?;
    let files = FilesProxy::wait(&bus, "demo.files", Some(Duration::from_secs(10)))?;
    let mut arguments = std::env::args().skip(1);
    let name = match arguments.next() {
        Some(name) => name,
        None => {
            for name in files.list()?.names {
                println!("{name}");
            }
            return Ok(());
        }
    };
    let text = arguments.next();
    let mut reply = files.open(&OpenRequest { name, create: text.is_some() })?;
    let mut file = File::from(reply.take_fd(reply.fd)?);
    match text {
        Some(text) => file.write_all(text.as_bytes())?,
        None => drop(copy(&mut file, &mut stdout())?),
    }
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("open: {error}");
        std::process::exit(1);
    }
}
