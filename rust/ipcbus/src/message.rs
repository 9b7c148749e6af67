// SPDX-License-Identifier: MIT
use std::borrow::Cow;
use std::ffi::{c_void, CString};
use std::fmt;
use std::os::raw::c_char;
use std::os::unix::io::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use ipcbus_sys as sys;

use crate::error::exact;
use crate::stream::Handle;
use crate::{micros, Call, Cancellation, Connection, Error, Object, Proxy, Result, Stream};

/// An entry of a message to send: an object or file beside its bytes. The sender still owns it
/// after sending.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Entry<'a> {
    /// An object of this process.
    Object(&'a Object),
    /// An object of another process.
    Proxy(&'a Proxy),
    /// An open file.
    Fd(BorrowedFd<'a>),
}

/// A message to send: the number of a method, bytes, and up to 64 entries. Each entry has a tag
/// that arrives unchanged. In a reply or a message of a stream, the method number must be 0.
///
/// ```no_run
/// # use ipcbus::Message;
/// # use std::os::unix::io::AsFd;
/// # fn main() -> ipcbus::Result<()> {
/// let file = std::fs::File::open("/etc/hostname")?;
/// let message = Message::new(7).bytes(&b"read this"[..]).fd(1, file.as_fd());
/// # drop(message); Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Message<'a> {
    method: u32,
    accept_fds: bool,
    bytes: Cow<'a, [u8]>,
    entries: Vec<(u64, Entry<'a>)>,
}

impl<'a> Message<'a> {
    /// A message to the method with this number, without bytes.
    pub fn new(method: u32) -> Message<'a> {
        Message { method, ..Message::default() }
    }

    /// Replaces the bytes of the message.
    pub fn bytes(mut self, bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        self.bytes = bytes.into();
        self
    }

    /// Adds an object of this process.
    pub fn object(self, tag: u64, object: &'a Object) -> Self {
        self.entry(tag, Entry::Object(object))
    }

    /// Adds an object of another process.
    pub fn proxy(self, tag: u64, proxy: &'a Proxy) -> Self {
        self.entry(tag, Entry::Proxy(proxy))
    }

    /// Adds an open file.
    pub fn fd(self, tag: u64, fd: BorrowedFd<'a>) -> Self {
        self.entry(tag, Entry::Fd(fd))
    }

    /// Adds an entry.
    pub fn entry(mut self, tag: u64, entry: Entry<'a>) -> Self {
        self.entries.push((tag, entry));
        self
    }

    /// For a request: accepts files in the reply. Without this, a server that sends a file gets
    /// `EPERM`.
    pub fn accept_fds(mut self) -> Self {
        self.accept_fds = true;
        self
    }

    /// Calls `run` with the message in C's form, which is valid until `run` returns.
    pub(crate) fn with_raw<T>(&self, run: impl FnOnce(*const sys::ipc_raw_message) -> T) -> T {
        let mut entries: Vec<sys::ipc_raw_entry> = self
            .entries
            .iter()
            .map(|(tag, entry)| {
                let (type_, value) = match entry {
                    Entry::Object(o) => {
                        (sys::IPC_RAW_OBJECT, sys::ipc_raw_entry_value { object: o.raw() })
                    }
                    Entry::Proxy(p) => {
                        (sys::IPC_RAW_PROXY, sys::ipc_raw_entry_value { proxy: p.raw() })
                    }
                    Entry::Fd(fd) => {
                        (sys::IPC_RAW_FD, sys::ipc_raw_entry_value { fd: fd.as_raw_fd() })
                    }
                };
                sys::ipc_raw_entry { tag: *tag, type_, value }
            })
            .collect();
        run(&sys::ipc_raw_message {
            method: self.method,
            flags: if self.accept_fds { sys::IPC_RAW_ACCEPT_FDS } else { 0 },
            data: self.bytes.as_ptr() as *const c_void,
            size: self.bytes.len(),
            parts: std::ptr::null(),
            n_parts: 0,
            entries: entries.as_mut_ptr(),
            n_entries: entries.len(),
        })
    }
}

/// Options of a call, oneway or opened stream. See `struct ipc_options` of `<ipc/ipc.h>`.
///
/// ```
/// # use ipcbus::Options;
/// # use std::time::Duration;
/// let options = Options::new().timeout(Duration::from_millis(50));
/// # drop(options);
/// ```
///
/// A task may keep options and messages while it awaits a call, also on other threads:
///
/// ```
/// # use ipcbus::{Message, Options, Proxy, Reply, Result};
/// # fn needs_send<T: Send>(_: T) {}
/// # fn example(echo: Proxy) {
/// needs_send(async move { echo.call_async(&Message::new(1), &Options::new())?.await });
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Options<'a> {
    timeout: Option<Duration>,
    cancellation: Option<&'a Cancellation>,
    parent: Option<&'a Call>,
    // Not a &Stream, which is not Send.
    parent_stream: Option<&'a Handle>,
    metadata: Vec<(CString, CString)>,
    flags: u32,
    window: Option<u32>,
}

impl<'a> Options<'a> {
    /// The defaults.
    pub fn new() -> Options<'a> {
        Options::default()
    }

    /// The timeout of a call, or of a stream from opening to end. For a oneway, the maximum wait
    /// for space.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Ends the call or stream early when it is canceled.
    pub fn cancellation(mut self, cancellation: &'a Cancellation) -> Self {
        self.cancellation = Some(cancellation);
        self
    }

    /// Makes the call or stream depend on this served call, which may be served on another thread:
    /// it has no later deadline, and is canceled with it.
    pub fn parent(mut self, parent: &'a Call) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Makes the call or stream depend on this stream. Not together with [`Options::parent`].
    pub fn parent_stream(mut self, parent: &'a Stream) -> Self {
        self.parent_stream = Some(parent.handle());
        self
    }

    /// A string for the server, see [`Call::metadata`]. `EINVAL`: a string contains a NUL byte.
    pub fn metadata(mut self, name: &str, value: &str) -> Result<Self> {
        self.metadata.push((exact(name)?, exact(value)?));
        Ok(self)
    }

    /// Replaces an earlier oneway that is still queued, from this process to the same method of the
    /// same object, and also sent with this option.
    pub fn replace(mut self) -> Self {
        self.flags |= sys::IPC_REPLACE;
        self
    }

    /// Makes the call or stream independent of the served call, also in a handler: only its own
    /// deadline applies. A handler whose call has ended can clean up with it. `EINVAL`: together
    /// with a parent.
    pub fn detached(mut self) -> Self {
        self.flags |= sys::IPC_DETACHED;
        self
    }

    /// How many messages of a stream the server may send ahead of the client, 1 to 16; 16 without
    /// this. With 1, a client that receives slowly gets a message that was sent after it asked for
    /// one. `EINVAL`: the number is out of range, or no stream is opened.
    pub fn window(mut self, messages: u32) -> Self {
        self.window = Some(messages);
        self
    }

    pub(crate) fn has_cancellation(&self) -> bool {
        self.cancellation.is_some()
    }

    /// Sets this timeout if there is none and it is not 0.
    #[cfg(feature = "prost")]
    pub(crate) fn or_timeout(&self, timeout: Duration) -> Self {
        let mut options = self.clone();
        options.timeout = options.timeout.or((!timeout.is_zero()).then_some(timeout));
        options
    }

    /// Calls `run` with the options in C's form, which is valid until `run` returns.
    pub(crate) fn with_raw<T>(&self, run: impl FnOnce(*const sys::ipc_options) -> T) -> T {
        let mut metadata: Vec<*const c_char> = Vec::new();
        for (name, value) in &self.metadata {
            metadata.extend([name.as_ptr(), value.as_ptr()]);
        }
        metadata.push(std::ptr::null());
        run(&sys::ipc_options {
            // In C, 0 is the default, so use the shortest time instead.
            timeout_usec: self.timeout.map_or(0, |t| micros(Some(t)).max(1)),
            cancellation: self.cancellation.map_or(std::ptr::null_mut(), Cancellation::raw),
            parent: self.parent.map_or(std::ptr::null_mut(), Call::raw),
            parent_stream: self.parent_stream.map_or(std::ptr::null_mut(), Handle::raw),
            metadata: if self.metadata.is_empty() {
                std::ptr::null()
            } else {
                metadata.as_ptr()
            },
            flags: self.flags,
            // In C, 0 is the default, so use another wrong number instead.
            window: self.window.map_or(0, |n| if n == 0 { u32::MAX } else { n }),
            reserved: [0; 4],
        })
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Returns whether the entry was taken, or is an own object that has ended.
fn is_taken(entry: &sys::ipc_raw_entry) -> bool {
    // SAFETY: the type determines the member of the union.
    unsafe {
        match entry.type_ {
            sys::IPC_RAW_PROXY => entry.value.proxy.is_null(),
            sys::IPC_RAW_OBJECT => entry.value.object.is_null(),
            _ => entry.value.fd < 0,
        }
    }
}

/// The bytes of a message of generated code, without metadata.
pub(crate) fn payload_of(bytes: &[u8]) -> Result<&[u8]> {
    if bytes.is_empty() {
        return Ok(bytes);
    }
    let mut data = std::ptr::null();
    let mut size = 0;
    // SAFETY: what it finds lies in bytes.
    unsafe {
        crate::error::check(sys::ipc_payload_message(
            bytes.as_ptr() as *const c_void,
            bytes.len(),
            &mut data,
            &mut size,
        ))?;
        Ok(if size == 0 { &[] } else { std::slice::from_raw_parts(data as *const u8, size) })
    }
}

/// A received message, borrowed from its owner.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a>(&'a sys::ipc_raw_message);

impl<'a> Raw<'a> {
    /// # Safety
    /// The message must be valid as long as the result is used.
    pub unsafe fn new(message: *const sys::ipc_raw_message) -> Raw<'a> {
        Raw(&*message)
    }

    pub fn method(self) -> u32 {
        self.0.method
    }

    pub fn bytes(self) -> &'a [u8] {
        let message = self.0;
        if message.size == 0 {
            return &[];
        }
        // SAFETY: received bytes do not change during the life of the message.
        unsafe { std::slice::from_raw_parts(message.data as *const u8, message.size) }
    }

    /// Finds an entry that was not taken. Returns a pointer, because taking changes the entry.
    fn find(self, tag: u64, type_: u32) -> Option<*mut sys::ipc_raw_entry> {
        let message = self.0;
        // SAFETY: the array has n_entries entries.
        (0..message.n_entries).map(|i| unsafe { message.entries.add(i) }).find(|&entry| unsafe {
            (*entry).tag == tag && (*entry).type_ == type_ && !is_taken(&*entry)
        })
    }

    /// # Safety
    /// No other thread may use the message in the meantime.
    pub unsafe fn take_proxy(self, tag: u64, connection: &Connection) -> Result<Proxy> {
        let entry = match self.find(tag, sys::IPC_RAW_PROXY) {
            Some(entry) => entry,
            None if self.find(tag, sys::IPC_RAW_OBJECT).is_some() => {
                return Err(Error::errno(libc::EXDEV))
            }
            None => return Err(Error::no_entry()),
        };
        let proxy = std::mem::replace(&mut (*entry).value.proxy, std::ptr::null_mut());
        Ok(Proxy::new(proxy, connection.clone()))
    }

    /// # Safety
    /// No other thread may use the message in the meantime.
    pub unsafe fn take_object(self, tag: u64, connection: &Connection) -> Result<Object> {
        let entry = match self.find(tag, sys::IPC_RAW_OBJECT) {
            Some(entry) => entry,
            None if self.find(tag, sys::IPC_RAW_PROXY).is_some() => {
                return Err(Error::errno(libc::EXDEV))
            }
            None => return Err(Error::no_entry()),
        };
        let object = std::mem::replace(&mut (*entry).value.object, std::ptr::null_mut());
        Ok(Object::from_raw(object, connection.clone()))
    }

    /// # Safety
    /// No other thread may use the message in the meantime.
    pub unsafe fn take_fd(self, tag: u64) -> Result<OwnedFd> {
        let entry = self.find(tag, sys::IPC_RAW_FD).ok_or_else(Error::no_entry)?;
        let fd = sys::ipc_take_fd(std::ptr::addr_of_mut!((*entry).value.fd));
        crate::error::check(fd)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }

    /// Returns the bytes of a request of generated code, without metadata.
    pub fn payload(self) -> Result<&'a [u8]> {
        payload_of(self.bytes())
    }

    /// Takes the files and objects of the message.
    ///
    /// # Safety No other thread may use the message in the meantime.
    #[cfg(feature = "prost")]
    pub unsafe fn entries(self, connection: &Connection) -> crate::Item {
        crate::Item::take(self.0, connection)
    }
}

/// The reply of a call. Its bytes are in the region of this process. Objects and files that were
/// not taken are freed with it.
pub struct Reply {
    raw: *mut sys::ipc_raw_message,
    connection: Connection,
}

// SAFETY: functions that change a message need an exclusive reference. Shared references only read,
// or count references, which any thread may do.
unsafe impl Send for Reply {}
unsafe impl Sync for Reply {}

impl Reply {
    /// # Safety
    /// `raw` must be a reply that the caller owns, of that connection.
    pub(crate) unsafe fn from_raw(raw: *mut sys::ipc_raw_message, connection: Connection) -> Reply {
        Reply { raw, connection }
    }

    pub(crate) fn message(&self) -> Raw<'_> {
        // SAFETY: the message lives as long as self.
        unsafe { Raw::new(self.raw) }
    }

    #[cfg(feature = "prost")]
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The bytes, aligned to 8.
    pub fn bytes(&self) -> &[u8] {
        self.message().bytes()
    }

    /// Takes the object of another process with a tag out of the reply. `ENOENT`: there is none, or
    /// it was taken before. `EXDEV`: it is an object of this process.
    pub fn take_proxy(&mut self, tag: u64) -> Result<Proxy> {
        // SAFETY: self is borrowed exclusively.
        unsafe { self.message().take_proxy(tag, &self.connection) }
    }

    /// Takes the object of this process with a tag out of the reply. `ENOENT`: there is none, it
    /// has ended, or it was taken before. `EXDEV`: it belongs to another process.
    pub fn take_object(&mut self, tag: u64) -> Result<Object> {
        // SAFETY: self is borrowed exclusively.
        unsafe { self.message().take_object(tag, &self.connection) }
    }

    /// Takes the file with a tag out of the reply. `ENOENT`: there is none, or it was taken before.
    pub fn take_fd(&mut self, tag: u64) -> Result<OwnedFd> {
        // SAFETY: self is borrowed exclusively.
        unsafe { self.message().take_fd(tag) }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // SAFETY: self owns the message.
        unsafe { sys::ipc_raw_free(self.raw) }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("bytes", &self.bytes().len()).finish_non_exhaustive()
    }
}
