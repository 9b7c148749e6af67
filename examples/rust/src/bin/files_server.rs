// SPDX-License-Identifier: MIT
//! The server of examples/files, in Rust: `files_server FOLDER` opens the files of a folder for
//! clients. A name cannot lead out of the folder.

include!(concat!(env!("OUT_DIR"), "/ipc.rs"));

use std::fs::{read_dir, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use files::*;
use ipcbus::typed::With;
use ipcbus::{Call, Connection, Error, Result};

struct Folder(PathBuf);

/// An error with the text of the system, without the number that Rust appends.
fn error_of(name: &str, error: &io::Error) -> Error {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    Error::errno(error.raw_os_error().unwrap_or(libc::EIO)).with_text(format!("{name}: {text}"))
}

impl Files for Folder {
    fn list(&self, _: &Call) -> Result<ListReply> {
        let entries = read_dir(&self.0)?.collect::<io::Result<Vec<_>>>()?;
        let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(ListReply { names: names.collect() })
    }

    fn open(&self, request: OpenRequest, _: &Call) -> Result<With<OpenReply>> {
        let name = &request.name;
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            let text = format!("\"{name}\" is not the name of a file");
            return Err(Error::service("files.BadName", text));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(request.create)
            .create(request.create)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(self.0.join(name))
            .map_err(|error| error_of(name, &error))?;
        let mut reply = With::new(OpenReply::default());
        reply.fd = Some(reply.put_fd(file));
        Ok(reply)
    }
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let bus = Connection::open()?;
    let _files = FilesServer::register(&bus, "demo.files", Folder(folder.into()))?;
    bus.run()
}
