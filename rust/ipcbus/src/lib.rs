// SPDX-License-Identifier: MIT
//! Calls between processes through ipcbus.
//!
//! ```no_run
//! use ipcbus::{Connection, Message, Object};
//!
//! fn main() -> ipcbus::Result<()> {
//!     // A server: it replies with what it got.
//!     let bus = Connection::open()?;
//!     let echo = Object::new(&bus, |call: ipcbus::Call| {
//!         let text = call.bytes().to_vec();
//!         call.reply(&Message::new(0).bytes(text))
//!     })?;
//!     bus.register_name("demo.echo", &echo)?;
//!     bus.run()
//! }
//! ```
//!
//! ```no_run
//! # use ipcbus::{Connection, Message, Options};
//! # fn main() -> ipcbus::Result<()> {
//! // A client.
//! let bus = Connection::open()?;
//! let echo = bus.get("demo.echo")?;
//! let reply = echo.call(&Message::new(1).bytes(&b"hello"[..]), &Options::new())?;
//! assert_eq!(reply.bytes(), b"hello");
//! # Ok(()) }
//! ```
//!
//! The crate wraps libipc. `<ipc/ipc.h>` and the other headers have the rules: which functions
//! block, what each errno means, when callbacks run. These pages have only what differs.
//!
//! * **Ownership.** [`Connection`], [`Proxy`], [`Object`] and [`Cancellation`] are counted
//!   references: a clone is the same thing. Proxies and objects keep their connection open. So
//!   does a service that has one of them: it lives until the program ends, unless it drops them.
//! * **Calls.** [`Call::reply`] and [`Call::fail`] consume the call, so a second reply does not
//!   compile. A call that is dropped fails at its caller with `ENOMSG`.
//! * **Threads.** What is [`Send`] and [`Sync`] here is so in libipc. Handlers run on the threads
//!   that are in [`Connection::run`] or [`Connection::process`], on several at once if several
//!   serve, so a [`Service`] is both.
//! * **Panics.** A handler that panics ends its call or stream with the error `ipc.Unhandled`. The
//!   panic of another callback goes no further. Both are printed to stderr, with the method and the
//!   caller, or with the name of the callback.
//! * **Fork.** A connection is unusable in a child process: its functions fail with `ECHILD`.
//!
//! With the feature `prost`, [`typed`] has what the files of `protoc --ipc_out=lang=rust` use.
//! With `tokio`, [`Connection::serve`] is `run` for tokio.
#![warn(missing_docs)]

// Generated messages name the crate.
#[cfg(feature = "prost")]
extern crate self as ipcbus;

mod call;
mod connection;
mod error;
mod future;
mod memory;
mod message;
mod object;
mod proxy;
mod slot;
mod stream;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "prost")]
pub mod typed;

pub use call::Call;
pub use connection::{
    Background, Builder, BusEvent, Cancellation, Connection, NameChange, NameInfo, Registration,
};
pub use error::{Error, Failure, Origin, Result};
pub use future::{CallFuture, DeathFuture};
pub use memory::Memory;
pub use message::{Entry, Message, Options, Reply};
pub use object::{Limits, Object, ObjectBuilder, Service, Usage};
pub use proxy::Proxy;
pub use slot::Slot;
pub use stream::{Item, Receiver, Sender, Stream};

use std::ffi::{CStr, CString};
use std::fmt;
use std::os::raw::{c_char, c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Duration;

fn c_str(text: &'static [u8]) -> *const c_char {
    text.as_ptr() as *const c_char
}

/// Passes errors that no caller sees to `function`, with a priority of syslog(3): see
/// `ipc_set_log()`. Call it before the first connection is opened.
pub fn set_log(function: fn(i32, &str)) {
    unsafe extern "C" fn line(priority: c_int, text: *const c_char, function: *mut c_void) {
        let function: fn(i32, &str) = std::mem::transmute(function);
        let text = CStr::from_ptr(text).to_string_lossy();
        // The log has no log.
        let _ = catch_unwind(AssertUnwindSafe(|| function(priority, &text)));
    }
    // SAFETY: a function lives as long as the program.
    unsafe { ipcbus_sys::ipc_set_log(Some(line), function as *mut c_void) }
}

/// Runs what the program gave us below a frame of C, which no panic may cross. A panic is printed
/// with what panicked.
pub(crate) fn guarded<T>(what: impl fmt::Display, run: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(panic) => {
            let text = match panic.downcast_ref::<&str>() {
                Some(text) => text,
                None => panic.downcast_ref::<String>().map_or("", |text| text),
            };
            let line = format!("ipc: {what}: panic: {}", error::printable(text)).replace('\0', "?");
            let line = CString::new(line).unwrap_or_default();
            // SAFETY: both are texts.
            unsafe { ipcbus_sys::ipc_log(libc::LOG_ERR, c_str(b"%s\0"), line.as_ptr()) };
            // What was thrown may panic when it is dropped.
            if let Err(again) = catch_unwind(AssertUnwindSafe(move || drop(panic))) {
                std::mem::forget(again);
            }
            None
        }
    }
}

/// Microseconds of an argument: `None` and what is too long are no limit.
pub(crate) fn micros(time: Option<Duration>) -> u64 {
    match time {
        None => ipcbus_sys::IPC_NEVER,
        Some(time) => match u64::try_from(time.as_micros()) {
            Ok(usec) if usec < ipcbus_sys::IPC_INHERIT => usec,
            _ => ipcbus_sys::IPC_NEVER,
        },
    }
}

pub(crate) fn from_micros(usec: u64) -> Option<Duration> {
    (usec != ipcbus_sys::IPC_NEVER).then(|| Duration::from_micros(usec))
}
