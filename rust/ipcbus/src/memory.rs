// SPDX-License-Identifier: MIT
use std::os::unix::io::{BorrowedFd, IntoRawFd, OwnedFd};

use ipcbus_sys as sys;

use crate::error::check;
use crate::{Error, Result};

/// Memory that several processes map: each sees the writes of the others. The size never changes.
/// The processes must synchronize access to the bytes themselves.
///
/// To send memory in a field of type `ipc.Memory`, set the field to `Memory { fd:
/// message.put_fd(memory.file()?) }`. The receiver passes the result of
/// [`With::take_fd`](crate::typed::With::take_fd) to [`Memory::map`].
#[derive(Debug)]
pub struct Memory(*mut sys::ipc_memory);

// SAFETY: any thread may use it.
unsafe impl Send for Memory {}
unsafe impl Sync for Memory {}

fn flags(writable: bool) -> u32 {
    if writable {
        sys::IPC_MEMORY_WRITE
    } else {
        0
    }
}

impl Memory {
    /// Creates zeroed memory. This process may read and write it. Receivers may read it and, if
    /// `writable`, write it. `EINVAL`: the size is 0.
    pub fn create(size: usize, writable: bool) -> Result<Memory> {
        let mut memory = std::ptr::null_mut();
        // SAFETY: the memory is new.
        check(unsafe { sys::ipc_memory_new(size, flags(writable), &mut memory) })?;
        Ok(Memory(memory))
    }

    /// Maps a received memory file, for reading and, if `writable`, for writing. The size has no
    /// limit: check [`Memory::size`]. `EBADMSG`: the file is no memory of fixed size. `EPERM`: the
    /// sender permits reading only.
    pub fn map(file: OwnedFd, writable: bool) -> Result<Memory> {
        let mut memory = std::ptr::null_mut();
        // SAFETY: C takes ownership of the file, even if it fails.
        check(unsafe { sys::ipc_memory_map(file.into_raw_fd(), flags(writable), &mut memory) })?;
        Ok(Memory(memory))
    }

    /// The address. Other processes may change the bytes at any time. Writing to memory that is
    /// sealed, or mapped only for reading, ends the program with SIGSEGV.
    pub fn as_ptr(&self) -> *mut u8 {
        // SAFETY: the memory is mapped as long as self exists.
        unsafe { sys::ipc_memory_data(self.0) as *mut u8 }
    }

    /// The number of bytes.
    pub fn size(&self) -> usize {
        // SAFETY: as above.
        unsafe { sys::ipc_memory_size(self.0) }
    }

    /// Seals the memory: no process, including this one, can write to it afterwards. Waits up to a
    /// second while the kernel holds pages of it. `EBUSY`: the kernel still does, or another
    /// process has it mapped for writing; the memory is then read-only in this process only.
    pub fn seal(&mut self) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::ipc_memory_seal(self.0) }).map(drop)
    }

    /// The bytes of sealed memory, which no process can change. `EPERM`: the memory is not sealed.
    pub fn bytes(&self) -> Result<&[u8]> {
        // SAFETY: as above; sealed bytes are constant.
        unsafe {
            if sys::ipc_memory_is_sealed(self.0) == 0 {
                return Err(Error::errno(libc::EPERM));
            }
            Ok(std::slice::from_raw_parts(self.as_ptr(), self.size()))
        }
    }

    /// Returns a new file descriptor of the memory, to be sent.
    pub fn file(&self) -> Result<OwnedFd> {
        // SAFETY: the memory owns its file as long as it exists.
        let file = unsafe { BorrowedFd::borrow_raw(sys::ipc_memory_get_fd(self.0)) };
        file.try_clone_to_owned().map_err(|error| {
            Error::errno(error.raw_os_error().unwrap_or(libc::EMFILE))
        })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: self owns the reference.
        unsafe { sys::ipc_memory_unref(self.0) };
    }
}
