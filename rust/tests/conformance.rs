// SPDX-License-Identifier: MIT
//! Functions that the client and server of tests/suite/languages/conformance share. Each includes
//! this file with its own version of versions.proto.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::io::{FromRawFd, OwnedFd};

use ipcbus::Call;

pub fn memory_file() -> File {
    // SAFETY: the descriptor is new and not owned elsewhere.
    let fd = unsafe {
        let fd = libc::memfd_create(b"file\0".as_ptr() as *const _, libc::MFD_CLOEXEC);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    };
    File::from(fd)
}

pub fn read_all(file: &File) -> String {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The milliseconds until the caller stops waiting, or 0 if there is no deadline.
pub fn left_ms(call: &Call) -> u64 {
    call.remaining().map_or(0, |left| left.as_millis() as u64)
}
