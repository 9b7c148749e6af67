// SPDX-License-Identifier: MIT
//! Fields of the type `ipc.Blob`: large bytes that travel beside their message.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::io::{AsRawFd, FromRawFd, OwnedFd};

use prost::bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType};
use prost::DecodeError;

use crate::error::check;
use crate::{Error, Item, Result};

/// A larger blob travels as a sealed file. A smaller one is part of its message.
const INSIDE: usize = 64 * 1024;
/// All blobs of a message that travel as files have at most so many bytes: `IPC_MESSAGE_MAX`.
const MAX: u64 = 1 << 30;

/// Large bytes, up to 1 GiB in a message. They do not count as part of their message where a
/// receiver limits messages, if they have more than 64 KiB.
#[derive(Clone, Default, PartialEq)]
pub struct Blob {
    /// Of a received blob: the number of bytes that are outside the message.
    size: Option<u64>,
    data: Option<Vec<u8>>,
}

impl Blob {
    /// A blob with these bytes.
    pub fn new(data: impl Into<Vec<u8>>) -> Blob {
        Blob { size: None, data: Some(data.into()) }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.data.as_deref().unwrap_or(&[])
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.data.unwrap_or_default()
    }

    /// Whether it is sent as a file. Without a collector nothing is: then the message is all.
    fn is_outside(&self) -> bool {
        self.bytes().len() > INSIDE && COLLECTED.with(|c| c.borrow().is_some())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.bytes().len())
    }
}

impl From<Vec<u8>> for Blob {
    fn from(data: Vec<u8>) -> Blob {
        Blob::new(data)
    }
}

// As derived, but that of a blob outside its message only the size is written. `memory`, the
// number 3, is of C alone, and is skipped as unknown.
impl prost::Message for Blob {
    fn encode_raw<B: BufMut>(&self, buf: &mut B) {
        if self.is_outside() {
            encoding::uint64::encode(1, &(self.bytes().len() as u64), buf);
            collect(self.bytes());
        } else if let Some(data) = &self.data {
            encoding::bytes::encode(2, data, buf);
        }
    }

    fn merge_field<B: Buf>(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut B,
        context: DecodeContext,
    ) -> std::result::Result<(), DecodeError> {
        match tag {
            1 => encoding::uint64::merge(wire_type, self.size.get_or_insert(0), buf, context),
            2 => encoding::bytes::merge(
                wire_type,
                self.data.get_or_insert_with(Vec::new),
                buf,
                context,
            ),
            _ => encoding::skip_field(wire_type, tag, buf, context),
        }
    }

    fn encoded_len(&self) -> usize {
        if self.is_outside() {
            return encoding::uint64::encoded_len(1, &(self.bytes().len() as u64));
        }
        self.data.as_ref().map_or(0, |data| encoding::bytes::encoded_len(2, data))
    }

    fn clear(&mut self) {
        *self = Blob::default();
    }
}

// --- Sending ---

thread_local! {
    /// The files of the message that this thread encodes.
    static COLLECTED: RefCell<Option<Result<Vec<OwnedFd>>>> = RefCell::new(None);
}

fn collect(data: &[u8]) {
    COLLECTED.with(|collected| {
        if let Some(result @ Ok(_)) = collected.borrow_mut().as_mut() {
            match (sealed_file(data), result.as_mut()) {
                (Ok(file), Ok(files)) => files.push(file),
                (Err(error), _) => *result = Err(error),
                _ => {}
            }
        }
    });
}

fn sealed_file(data: &[u8]) -> Result<OwnedFd> {
    let data_ptr = data.as_ptr().cast();
    // SAFETY: the bytes stay there.
    let r = unsafe { ipcbus_sys::ipc_payload_make_blob(data_ptr, data.len(), ipcbus_sys::IPC_NEVER) };
    check(r)?;
    // SAFETY: the descriptor is new, and ours.
    Ok(unsafe { OwnedFd::from_raw_fd(r) })
}

/// The bytes of a message, and the files of its large blobs in their order.
pub(crate) fn encode(message: &impl prost::Message) -> Result<(Vec<u8>, Vec<OwnedFd>)> {
    /// Also if encoding panics.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            COLLECTED.with(|collected| *collected.borrow_mut() = None);
        }
    }

    let _reset = Reset;
    COLLECTED.with(|collected| *collected.borrow_mut() = Some(Ok(Vec::new())));
    let bytes = message.encode_to_vec();
    let files = COLLECTED.with(|collected| collected.borrow_mut().take());
    Ok((bytes, files.unwrap_or_else(|| Ok(Vec::new()))?))
}

// --- Receiving ---

fn malformed() -> Error {
    Error::errno(libc::EBADMSG)
}

/// Gives the blobs of a received message their bytes, one after the other.
pub(crate) struct Arrived<'a> {
    /// The bytes that follow the message.
    rest: &'a [u8],
    item: &'a mut Item,
    number: u64,
    left: u64,
}

impl<'a> Arrived<'a> {
    pub(crate) fn new(rest: &'a [u8], item: &'a mut Item) -> Arrived<'a> {
        Arrived { rest, item, number: 0, left: MAX }
    }

    /// The next blob. One without bytes has no number.
    pub(crate) fn bind(&mut self, blob: &mut Blob) -> Result<()> {
        let size = blob.size.take().unwrap_or(0);
        if blob.data.is_some() || size == 0 {
            return Ok(());
        }
        let tag = ipcbus_sys::IPC_RAW_BLOB_TAG + self.number;
        self.number += 1;
        blob.data = Some(match self.item.take_fd(tag) {
            Ok(fd) => self.file(File::from(fd), size)?,
            Err(_) => self.bytes(size)?,
        });
        Ok(())
    }

    fn bytes(&mut self, size: u64) -> Result<Vec<u8>> {
        let size = usize::try_from(size).map_err(|_| malformed())?;
        let data = self.rest.get(..size).ok_or_else(malformed)?.to_vec();
        let next = size.saturating_add(7) / 8 * 8;
        self.rest = self.rest.get(next..).unwrap_or(&[]);
        Ok(data)
    }

    /// `EBADMSG`: it is no memory, may change, or has holes, which reading would fill at the cost of
    /// this process. `EMSGSIZE`: the message has more than 1 GiB in files.
    fn file(&mut self, file: File, size: u64) -> Result<Vec<u8>> {
        self.left =
            self.left.checked_sub(size).ok_or_else(|| Error::errno(libc::EMSGSIZE))?;
        // SAFETY: it is open.
        check(unsafe { ipcbus_sys::ipc_payload_check_blob(file.as_raw_fd(), size) })?;
        let size = usize::try_from(size).map_err(|_| malformed())?;
        let mut data = Vec::new();
        data.try_reserve_exact(size).map_err(|_| Error::errno(libc::ENOMEM))?;
        data.resize(size, 0);
        file.read_exact_at(&mut data, 0)?;
        Ok(data)
    }
}
