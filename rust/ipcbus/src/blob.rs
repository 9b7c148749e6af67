// SPDX-License-Identifier: MIT
//! Fields of the type `ipc.Blob`: large bytes.

use std::fmt;

use prost::bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType};
use prost::DecodeError;

use crate::{Error, Result};

/// Large bytes.
#[derive(Clone, Default, PartialEq)]
pub struct Blob {
    /// Of a received blob: the number of bytes that are behind the message.
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

// As derived, but the size is not written.
impl prost::Message for Blob {
    fn encode_raw<B: BufMut>(&self, buf: &mut B) {
        if let Some(data) = &self.data {
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
        self.data.as_ref().map_or(0, |data| encoding::bytes::encoded_len(2, data))
    }

    fn clear(&mut self) {
        *self = Blob::default();
    }
}

// --- Receiving ---

fn malformed() -> Error {
    Error::errno(libc::EBADMSG)
}

/// Gives the blobs of a received message their bytes, one after the other.
pub(crate) struct Arrived<'a> {
    /// The bytes that follow the message.
    rest: &'a [u8],
}

impl<'a> Arrived<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Arrived<'a> {
        Arrived { rest }
    }

    /// The next blob.
    pub(crate) fn bind(&mut self, blob: &mut Blob) -> Result<()> {
        let size = blob.size.take().unwrap_or(0);
        if blob.data.is_some() || size == 0 {
            return Ok(());
        }
        blob.data = Some(self.take(size)?);
        Ok(())
    }

    fn take(&mut self, size: u64) -> Result<Vec<u8>> {
        let size = usize::try_from(size).map_err(|_| malformed())?;
        let data = self.rest.get(..size).ok_or_else(malformed)?.to_vec();
        let next = size.saturating_add(7) / 8 * 8;
        self.rest = self.rest.get(next..).unwrap_or(&[]);
        Ok(data)
    }
}
