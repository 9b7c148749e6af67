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
/// Whoever has it replies once, on any thread. [`Call::reply`] and [`Call::fail`] consume it, so a
/// second reply does not compile:
///
/// ```compile_fail,E0382
/// # use ipcbus::{Call, Message, Result};
/// fn serve(call: Call) -> Result<()> {
///     call.reply(&Message::new(0))?;
///     call.reply(&Message::new(0)) // error: use of moved value
/// }
/// ```
///
/// It cannot be cloned, and what it lends does not outlive it:
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
/// A call that is dropped without a reply fails at its caller with `ENOMSG`. A oneway has no reply:
/// both functions fail with `EINVAL`. It holds up later oneways to the same object until it is
/// dropped.
pub struct Call {
    raw: *mut sys::ipc_call,
    message: *const sys::ipc_raw_message,
}

// SAFETY: any thread may use what it has a reference of. Shared references only read; what
// changes the call or its request needs it alone.
unsafe impl Send for Call {}
unsafe impl Sync for Call {}

impl Call {
    /// # Safety
    /// Both are valid, and the message as long as the call.
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
        // SAFETY: the request lives until our reference goes.
        unsafe { Raw::new(self.message) }
    }

    /// The number of the method.
    pub fn method(&self) -> u32 {
        self.request().code()
    }

    /// The bytes of the request, without the caller's metadata. What only looks like metadata is
    /// part of the bytes.
    pub fn bytes(&self) -> &[u8] {
        self.request().payload().unwrap_or_else(|_| self.request().bytes())
    }

    /// Takes the object of another process under a tag out. `ENOENT`: there is none, or it was taken.
    /// `EXDEV`: it is an object of this process.
    pub fn take_proxy(&mut self, tag: u64) -> Result<Proxy> {
        // SAFETY: self is borrowed by us alone.
        unsafe { self.request().take_proxy(tag, &self.connection()) }
    }

    /// Takes the object of this process under a tag out. `ENOENT`: there is none, it has ended, or it
    /// was taken. `EXDEV`: it belongs to another process.
    pub fn take_object(&mut self, tag: u64) -> Result<Object> {
        // SAFETY: self is borrowed by us alone.
        unsafe { self.request().take_object(tag, &self.connection()) }
    }

    /// Takes the file under a tag out. `ENOENT`: there is none, or it was taken.
    pub fn take_fd(&mut self, tag: u64) -> Result<OwnedFd> {
        // SAFETY: self is borrowed by us alone.
        unsafe { self.request().take_fd(tag) }
    }

    /// Ends the call with a reply. If it cannot be sent, the caller gets that error, and so does
    /// this function: for example `EMSGSIZE`, `ENOSPC` or `EMFILE`. A reply without entries
    /// that is made in the handler is sent when the handler returns; what fails then, the caller
    /// alone gets. If nobody waits any more, the reply is dropped.
    pub fn reply(self, message: &Message<'_>) -> Result<()> {
        // SAFETY: we have a reference.
        let result = message.with_raw(|m| unsafe { sys::ipc_raw_reply(self.raw, m) });
        if result < 0 {
            // SAFETY: as above. What fails here, the caller cannot be informed of.
            unsafe { sys::ipc_call_fail(self.raw, result, std::ptr::null(), std::ptr::null()) };
        }
        check(result).map(drop)
    }

    /// Ends the call with an error.
    pub fn fail(self, error: &Error) -> Result<()> {
        // SAFETY: we have a reference.
        check(unsafe { fail(self.raw, error) }).map(drop)
    }

    /// The caller's effective user, from the kernel, as seen in the namespaces of this process.
    pub fn uid(&self) -> u32 {
        // SAFETY: we have a reference; so below.
        unsafe { sys::ipc_call_uid(self.raw) }
    }

    /// The caller's effective group.
    pub fn gid(&self) -> u32 {
        unsafe { sys::ipc_call_gid(self.raw) }
    }

    /// The caller's process; 0 where it is not visible.
    pub fn pid(&self) -> i32 {
        unsafe { sys::ipc_call_pid(self.raw) }
    }

    /// The caller's thread; 0 where it is not visible.
    pub fn tid(&self) -> i32 {
        unsafe { sys::ipc_call_tid(self.raw) }
    }

    /// A new pidfd of the caller's process: see `ipc_call_pidfd()`.
    pub fn pidfd(&self) -> Result<OwnedFd> {
        // SAFETY: the descriptor is new, and ours.
        unsafe {
            let fd = check(sys::ipc_call_pidfd(self.raw))?;
            Ok(OwnedFd::from_raw_fd(fd))
        }
    }

    /// Whether it is a oneway, which has no reply.
    pub fn is_oneway(&self) -> bool {
        unsafe { sys::ipc_call_is_oneway(self.raw) == 1 }
    }

    /// The security module's label of the caller; see [`ObjectBuilder::label`].
    ///
    /// [`ObjectBuilder::label`]: crate::ObjectBuilder::label
    pub fn label(&self) -> Option<String> {
        unsafe { owned(sys::ipc_call_label(self.raw)) }
    }

    /// The string that the caller set under this name. The caller chooses it freely.
    pub fn metadata(&self, name: &str) -> Option<String> {
        let name = exact(name).ok()?;
        unsafe { owned(sys::ipc_call_metadata(self.raw, name.as_ptr())) }
    }

    /// The time until the caller stops waiting; `None`: it has no limit.
    pub fn remaining(&self) -> Option<Duration> {
        from_micros(unsafe { sys::ipc_call_remaining(self.raw) })
    }

    /// Whether the caller has stopped waiting for the reply. See `ipc_call_is_canceled()`.
    pub fn is_canceled(&self) -> bool {
        unsafe { sys::ipc_call_is_canceled(self.raw) != 0 }
    }

    /// Calls `function` once, on a serving thread, when nobody waits for the reply any more. The
    /// registration ends with the call. `ECANCELED`: nobody waits already.
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

    /// The connection that serves it.
    pub fn connection(&self) -> Connection {
        // SAFETY: the call holds a reference of its connection.
        unsafe { Connection::from_raw(sys::ipc_ref(sys::ipc_call_ipc(self.raw))) }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // SAFETY: the reference is ours.
        unsafe { sys::ipc_call_unref(self.raw) };
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method()).finish_non_exhaustive()
    }
}

/// # Safety
/// The call is valid.
pub(crate) unsafe fn fail(call: *mut sys::ipc_call, error: &Error) -> i32 {
    pass(error, |e| sys::ipc_call_fail_with(call, e))
}
