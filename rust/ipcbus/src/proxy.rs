// SPDX-License-Identifier: MIT
use std::ffi::c_void;
use std::fmt;
use std::time::Duration;

use ipcbus_sys as sys;

use crate::error::{check, Filled};
use crate::future::{CallFuture, DeathFuture};
use crate::{guarded, micros, Connection, Message, Options, Reply, Result, Slot, Stream};

/// An object of another process. Clones are the same object, and so are all proxies of one object
/// in a connection: they compare equal.
pub struct Proxy {
    raw: *mut sys::ipc_proxy,
    connection: Connection,
}

// SAFETY: any thread may use what it has a reference of.
unsafe impl Send for Proxy {}
unsafe impl Sync for Proxy {}

impl Proxy {
    /// # Safety
    /// `raw` is a reference that we own, of that connection.
    pub(crate) unsafe fn new(raw: *mut sys::ipc_proxy, connection: Connection) -> Proxy {
        Proxy { raw, connection }
    }

    pub(crate) fn raw(&self) -> *mut sys::ipc_proxy {
        self.raw
    }

    /// The connection that it belongs to.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Calls the object and blocks until its reply. Calls of the same chain that come back meanwhile
    /// are served on this thread. Errors as `ipc_raw_call()`.
    pub fn call(&self, request: &Message<'_>, options: &Options<'_>) -> Result<Reply> {
        let mut reply = std::ptr::null_mut();
        let mut error = Filled::new();
        let result = request.with_raw(|m| {
            options.with_raw(|o| {
                // SAFETY: we have a reference; the rest lives until it returns.
                unsafe { sys::ipc_raw_call(self.raw, m, o, &mut reply, &mut error.0) }
            })
        });
        error.check(result)?;
        // SAFETY: the reply is new.
        Ok(unsafe { Reply::from_raw(reply, self.connection.clone()) })
    }

    /// Starts a call and returns a future of its reply. The future does not need a certain runtime:
    /// some thread has to serve the connection. Dropping it cancels the call.
    pub fn call_async(&self, request: &Message<'_>, options: &Options<'_>) -> Result<CallFuture> {
        CallFuture::start(self, request, options)
    }

    /// Sends a message without a reply, and returns when it is queued. It blocks only for space at
    /// the receiver, and only with [`Options::timeout`]. `EAGAIN`: the receiver has no space; see
    /// [`Connection::on_writable`].
    pub fn oneway(&self, message: &Message<'_>, options: &Options<'_>) -> Result<()> {
        // SAFETY: as above.
        check(message.with_raw(|m| {
            options.with_raw(|o| unsafe { sys::ipc_raw_oneway(self.raw, m, o) })
        }))
        .map(drop)
    }

    /// Opens a stream with the method `code`, and blocks until the server has accepted it.
    pub fn open_stream(&self, code: u32, options: &Options<'_>) -> Result<Stream> {
        let mut stream = std::ptr::null_mut();
        let mut error = Filled::new();
        let result = options.with_raw(|o| {
            // SAFETY: as above.
            unsafe { sys::ipc_raw_stream_open(self.raw, code, o, &mut stream, &mut error.0) }
        });
        error.check(result)?;
        // SAFETY: the reference is new.
        Ok(unsafe { Stream::from_raw(stream, false) })
    }

    /// Returns when a thread of the object's process has served it.
    pub fn ping(&self) -> Result<()> {
        let mut error = Filled::new();
        // SAFETY: we have a reference.
        let result = unsafe { sys::ipc_proxy_ping(self.raw, &mut error.0) };
        error.check(result).map(drop)
    }

    /// The time limit of calls that start afterwards and have none of their own; `None`: no limit.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        // SAFETY: we have a reference.
        check(unsafe { sys::ipc_proxy_set_timeout(self.raw, micros(timeout).max(1)) }).map(drop)
    }

    /// Calls `function` once, on a serving thread, when the object's process died or destroyed the
    /// object, or soon if that has already happened. `EDQUOT`: this user has too many watches.
    pub fn on_death(&self, function: impl FnOnce() + Send + 'static) -> Result<Slot> {
        fn enlist<F: FnOnce() + Send + 'static>(proxy: &Proxy, function: F) -> Result<Slot> {
            unsafe extern "C" fn run<F: FnOnce()>(_: *mut sys::ipc_proxy, held: *mut c_void) {
                let held = &mut *(held as *mut Option<F>);
                guarded("on_death", || held.take().map(|function| function()));
            }
            // SAFETY: we have a reference, and the slot keeps the function.
            Slot::register(Some(function), |held, slot| unsafe {
                sys::ipc_proxy_on_death(proxy.raw, run::<F>, held, slot)
            })
        }
        enlist(self, function)
    }

    /// A future that is ready when the object is dead, as [`Proxy::on_death`].
    pub fn wait_dead(&self) -> Result<DeathFuture> {
        DeathFuture::start(self)
    }

    /// Calls `function` on a serving thread with true when the object's process is frozen, and with
    /// false when it is thawed. If it is frozen now, that is at once.
    pub fn on_freeze(&self, function: impl Fn(bool) + Send + Sync + 'static) -> Result<Slot> {
        fn enlist<F: Fn(bool) + Send + Sync + 'static>(
            proxy: &Proxy,
            function: F,
        ) -> Result<Slot> {
            unsafe extern "C" fn run<F: Fn(bool)>(
                _: *mut sys::ipc_proxy,
                frozen: i32,
                held: *mut c_void,
            ) {
                let function = &*(held as *const F);
                guarded("on_freeze", || function(frozen != 0));
            }
            // SAFETY: as above.
            Slot::register(function, |held, slot| unsafe {
                sys::ipc_proxy_on_freeze(proxy.raw, run::<F>, held, slot)
            })
        }
        enlist(self, function)
    }
}

impl Clone for Proxy {
    fn clone(&self) -> Proxy {
        // SAFETY: we have a reference.
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
        // SAFETY: the reference is ours.
        unsafe { sys::ipc_proxy_unref(self.raw) };
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy")
    }
}
