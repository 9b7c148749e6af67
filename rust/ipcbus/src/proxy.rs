// SPDX-License-Identifier: MIT
//! Proxies: `struct ipc_proxy` of `<ipc/ipc.h>`. A proxy holds a reference of the C proxy and of
//! the connection. Functions that take a callback box it; the slot owns the box.

use std::ffi::c_void;
use std::fmt;
use std::time::Duration;

use ipcbus_sys as sys;

use crate::error::{check, Filled};
use crate::future::{CallFuture, DeathFuture, OpenFuture};
use crate::{guarded, micros, Connection, Message, Options, Reply, Result, Slot, Stream};

/// An object of another process. Clones are the same object. All proxies of an object in a
/// connection are equal.
pub struct Proxy {
    raw: *mut sys::ipc_proxy,
    connection: Connection,
}

// SAFETY: any thread may use a proxy that it holds a reference of.
unsafe impl Send for Proxy {}
unsafe impl Sync for Proxy {}

impl Proxy {
    /// # Safety
    /// `raw` must be a reference that the caller owns, of that connection.
    pub(crate) unsafe fn new(raw: *mut sys::ipc_proxy, connection: Connection) -> Proxy {
        Proxy { raw, connection }
    }

    pub(crate) fn raw(&self) -> *mut sys::ipc_proxy {
        self.raw
    }

    /// The connection that the proxy belongs to.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Calls the object and blocks until its reply. In the meantime, this thread serves calls of
    /// the same chain that come back to this process. Fails with the errors of `ipc_raw_call()`.
    pub fn call(&self, request: &Message<'_>, options: &Options<'_>) -> Result<Reply> {
        let mut reply = std::ptr::null_mut();
        let mut error = Filled::new();
        let result = request.with_raw(|m| {
            options.with_raw(|o| {
                // SAFETY: self holds a reference; the arguments are valid until the call returns.
                unsafe { sys::ipc_raw_call(self.raw, m, o, &mut reply, &mut error.0) }
            })
        });
        error.check(result)?;
        // SAFETY: the reply is new.
        Ok(unsafe { Reply::from_raw(reply, self.connection.clone()) })
    }

    /// Starts a call and returns a future of its reply. The future works with any runtime, but a
    /// thread must serve the connection. Dropping the future cancels the call.
    pub fn call_async(&self, request: &Message<'_>, options: &Options<'_>) -> Result<CallFuture> {
        CallFuture::start(self, request, options)
    }

    /// Sends a message without a reply, and returns when it is queued. If the receiver has no
    /// space, blocks for at most [`Options::timeout`]; without a timeout fails at once with
    /// `EAGAIN`. See [`Connection::on_writable`]. A reply is not ordered with oneways that were sent
    /// before it.
    pub fn oneway(&self, message: &Message<'_>, options: &Options<'_>) -> Result<()> {
        // SAFETY: as above.
        check(message.with_raw(|m| {
            options.with_raw(|o| unsafe { sys::ipc_raw_oneway(self.raw, m, o) })
        }))
        .map(drop)
    }

    /// Opens a stream with this method number, and blocks until the server has accepted it.
    pub fn open_stream(&self, method: u32, options: &Options<'_>) -> Result<Stream> {
        let mut stream = std::ptr::null_mut();
        let mut error = Filled::new();
        let result = options.with_raw(|o| {
            // SAFETY: as above.
            unsafe { sys::ipc_raw_stream_open(self.raw, method, o, &mut stream, &mut error.0) }
        });
        error.check(result)?;
        // SAFETY: the reference is new.
        Ok(unsafe { Stream::from_raw(stream, false) })
    }

    /// Starts to open a stream and returns a future of it. A thread must serve the connection.
    pub fn open_stream_async(&self, method: u32, options: &Options<'_>) -> Result<OpenFuture> {
        OpenFuture::start(self, method, options)
    }

    /// Blocks until the object's process has replied to a ping.
    pub fn ping(&self) -> Result<()> {
        let mut error = Filled::new();
        // SAFETY: self holds a reference.
        let result = unsafe { sys::ipc_proxy_ping(self.raw, &mut error.0) };
        error.check(result).map(drop)
    }

    /// Sets the timeout of later calls without their own; `None` is no timeout.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        // SAFETY: self holds a reference.
        check(unsafe { sys::ipc_proxy_set_timeout(self.raw, micros(timeout).max(1)) }).map(drop)
    }

    /// Calls `function` once, on a serving thread, when the object is dead: its process has
    /// ended it, or died. If it is dead already, calls `function` soon. `EDQUOT`: this user has too many watches.
    pub fn on_death(&self, function: impl FnOnce() + Send + 'static) -> Result<Slot> {
        fn enlist<F: FnOnce() + Send + 'static>(proxy: &Proxy, function: F) -> Result<Slot> {
            unsafe extern "C" fn run<F: FnOnce()>(_: *mut sys::ipc_proxy, held: *mut c_void) {
                let held = &mut *(held as *mut Option<F>);
                guarded("on_death", || held.take().map(|function| function()));
            }
            // SAFETY: self holds a reference, and the slot owns the function.
            Slot::register(Some(function), |held, slot| unsafe {
                sys::ipc_proxy_on_death(proxy.raw, run::<F>, held, slot)
            })
        }
        enlist(self, function)
    }

    /// Returns a future that is ready when the object is dead, as [`Proxy::on_death`].
    pub fn wait_dead(&self) -> Result<DeathFuture> {
        DeathFuture::start(self)
    }
}

impl Clone for Proxy {
    fn clone(&self) -> Proxy {
        // SAFETY: self holds a reference.
        unsafe { Proxy::new(sys::ipc_proxy_ref(self.raw), self.connection.clone()) }
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Proxy) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Proxy {}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SAFETY: self owns the reference.
        unsafe { sys::ipc_proxy_unref(self.raw) };
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy")
    }
}
