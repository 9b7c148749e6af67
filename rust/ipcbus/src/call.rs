// SPDX-License-Identifier: MIT
use std::fmt;
use std::os::unix::io::{FromRawFd, OwnedFd};
use std::time::Duration;

use ipcbus_sys as sys;

use crate::error::{check, exact, owned, pass};
use crate::message::Raw;
use crate::{from_micros, guarded, Connection, Error, Message, Object, Proxy, Result, Slot};

/// A call or oneway that this process serves.
///
/// The owner must reply once, on any thread. [`Call::reply`] and [`Call::fail`] consume the call,
/// so a second reply does not compile:
///
/// ```compile_fail,E0382
/// # use ipcbus::{Call, Message, Result};
/// fn serve(call: Call) -> Result<()> {
///     call.reply(&Message::new(0))?;
///     call.reply(&Message::new(0)) // error: use of moved value
/// }
/// ```
///
/// A call cannot be cloned, and borrowed data must not outlive it:
///
/// ```compile_fail,E0599
/// # use ipcbus::Call;
/// fn twice(call: Call) -> (Call, Call) {
///     (call.clone(), call) // error: no method named `clone`
/// }
/// ```
///
/// ```compile_fail,E0505
/// # use ipcbus::{Call, Message, Result};
/// fn serve(call: Call) -> Result<()> {
///     let bytes = call.bytes();
///     call.reply(&Message::new(0))?; // error: it is borrowed
///     println!("{}", bytes.len());
///     Ok(())
/// }
/// ```
///
/// If a call is dropped without a reply, its caller gets `ENOMSG`. A oneway has no reply, so
/// `reply` fails with `EINVAL`, and `fail` only logs the error. Later oneways to the same object
/// wait until the oneway is dropped.
pub struct Call {
    raw: *mut sys::ipc_call,
    message: *const sys::ipc_raw_message,
}

// SAFETY: any thread may use a call that it holds a reference of. Functions that change the call or
// its request need an exclusive reference.
unsafe impl Send for Call {}
unsafe impl Sync for Call {}

impl Call {
    /// # Safety
    /// Both must be valid, the message as long as the call.
    pub(crate) unsafe fn new(
        raw: *mut sys::ipc_call,
        message: *const sys::ipc_raw_message,
    ) -> Call {
        Call { raw: sys::ipc_call_ref(raw), message }
    }

    pub(crate) fn raw(&self) -> *mut sys::ipc_call {
        self.raw
    }

    pub(crate) fn request(&self) -> Raw<'_> {
        // SAFETY: the request is valid as long as self holds its reference.
        unsafe { Raw::new(self.message) }
    }

    /// The number of the method.
    pub fn method(&self) -> u32 {
        self.request().method()
    }

    /// The bytes of the request, without the caller's metadata. If the metadata is malformed,
    /// returns all bytes.
    pub fn bytes(&self) -> &[u8] {
        self.request().payload().unwrap_or_else(|_| self.request().bytes())
    }

    /// Takes the object of another process with a tag out of the request. `ENOENT`: there is none,
    /// or it was taken before. `EXDEV`: it is an object of this process.
    pub fn take_proxy(&mut self, tag: u64) -> Result<Proxy> {
        // SAFETY: self is borrowed exclusively.
        unsafe { self.request().take_proxy(tag, &self.connection()) }
    }

    /// Takes the object of this process with a tag out of the request. `ENOENT`: there is none, it
    /// has ended, or it was taken before. `EXDEV`: it belongs to another process.
    pub fn take_object(&mut self, tag: u64) -> Result<Object> {
        // SAFETY: self is borrowed exclusively.
        unsafe { self.request().take_object(tag, &self.connection()) }
    }

    /// Takes the file with a tag out of the request. `ENOENT`: there is none, or it was taken
    /// before.
    pub fn take_fd(&mut self, tag: u64) -> Result<OwnedFd> {
        // SAFETY: self is borrowed exclusively.
        unsafe { self.request().take_fd(tag) }
    }

    /// Ends the call with a reply. If the reply cannot be sent, both the caller and this function
    /// get the error, for example `EMSGSIZE`, `ENOSPC` or `EMFILE`. A reply without entries that
    /// the handler makes is sent when the handler returns; if that fails, only the caller gets the
    /// error. If the caller no longer waits, the reply is discarded.
    pub fn reply(self, message: &Message<'_>) -> Result<()> {
        // SAFETY: self holds a reference.
        let result = message.with_raw(|m| unsafe { sys::ipc_raw_reply(self.raw, m) });
        if result < 0 {
            // SAFETY: as above. If this fails too, the caller cannot be informed.
            unsafe { sys::ipc_call_fail(self.raw, result, std::ptr::null(), std::ptr::null()) };
        }
        check(result).map(drop)
    }

    /// Ends the call with an error.
    pub fn fail(self, error: &Error) -> Result<()> {
        // SAFETY: self holds a reference.
        check(unsafe { fail(self.raw, error) }).map(drop)
    }

    /// The caller's effective user id, from the bus, as seen in this process's user namespace.
    pub fn uid(&self) -> u32 {
        // SAFETY: self holds a reference; the same below.
        unsafe { sys::ipc_call_uid(self.raw) }
    }

    /// The caller's effective group id.
    pub fn gid(&self) -> u32 {
        unsafe { sys::ipc_call_gid(self.raw) }
    }

    /// The caller's process id; 0 if it is not visible here.
    pub fn pid(&self) -> i32 {
        unsafe { sys::ipc_call_pid(self.raw) }
    }

    /// The caller's thread id; 0 if it is not visible here, or if the call came through a channel.
    pub fn tid(&self) -> i32 {
        unsafe { sys::ipc_call_tid(self.raw) }
    }

    /// Returns a new pidfd of the caller's process: see `ipc_call_pidfd()`.
    pub fn pidfd(&self) -> Result<OwnedFd> {
        // SAFETY: the fd is new and not owned elsewhere.
        unsafe {
            let fd = check(sys::ipc_call_pidfd(self.raw))?;
            Ok(OwnedFd::from_raw_fd(fd))
        }
    }

    /// Returns whether this is a oneway, which has no reply.
    pub fn is_oneway(&self) -> bool {
        unsafe { sys::ipc_call_is_oneway(self.raw) == 1 }
    }

    /// The caller's label in the security module. Needs [`ObjectBuilder::label`].
    ///
    /// [`ObjectBuilder::label`]: crate::ObjectBuilder::label
    pub fn label(&self) -> Option<String> {
        unsafe { owned(sys::ipc_call_label(self.raw)) }
    }

    /// The string that the caller set under this name. The bus does not check it.
    pub fn metadata(&self, name: &str) -> Option<String> {
        let name = exact(name).ok()?;
        unsafe { owned(sys::ipc_call_metadata(self.raw, name.as_ptr())) }
    }

    /// The time until the deadline of the call, or `None` if it has none.
    pub fn remaining(&self) -> Option<Duration> {
        from_micros(unsafe { sys::ipc_call_remaining(self.raw) })
    }

    /// Returns whether no reply is needed any more: canceled, expired, or the caller died. See
    /// `ipc_call_is_canceled()`.
    pub fn is_canceled(&self) -> bool {
        unsafe { sys::ipc_call_is_canceled(self.raw) != 0 }
    }

    /// Calls `function` once, on a serving thread, when no reply is needed any more. The
    /// watch ends with the call. `ECANCELED`: no reply is needed any more already.
    pub fn on_cancel(&self, function: impl FnOnce() + Send + 'static) -> Result<Slot> {
        unsafe extern "C" fn run<F: FnOnce()>(
            raw: *mut sys::ipc_call,
            held: *mut std::ffi::c_void,
        ) {
            let held = &mut *(held as *mut Option<F>);
            let (uid, pid) = (sys::ipc_call_uid(raw), sys::ipc_call_pid(raw));
            guarded(format_args!("on_cancel (uid {uid}, pid {pid})"), || {
                held.take().map(|function| function())
            });
        }

        fn enlist<F: FnOnce() + Send + 'static>(call: &Call, function: F) -> Result<Slot> {
            Slot::register(Some(function), |held, slot| unsafe {
                sys::ipc_call_on_cancel(call.raw, run::<F>, held, slot)
            })
        }
        enlist(self, function)
    }

    /// The connection that serves the call.
    pub fn connection(&self) -> Connection {
        // SAFETY: the call holds a reference of its connection.
        unsafe { Connection::from_raw(sys::ipc_ref(sys::ipc_call_ipc(self.raw))) }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // SAFETY: self owns the reference.
        unsafe { sys::ipc_call_unref(self.raw) };
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method()).finish_non_exhaustive()
    }
}

/// # Safety
/// The call must be valid.
pub(crate) unsafe fn fail(call: *mut sys::ipc_call, error: &Error) -> i32 {
    pass(error, |e| sys::ipc_call_fail_with(call, e))
}
