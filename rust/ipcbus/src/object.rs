// SPDX-License-Identifier: MIT
//! Objects of this process: `struct ipc_object` of `<ipc/ipc.h>`. The library owns a `Holder` with
//! the service from `ObjectBuilder::create()` until `destroy()`. Handlers run on serving threads. A
//! panic of a handler is logged and ends its call with an error; it never unwinds into C.

use std::ffi::{c_void, CString};
use std::fmt;
use std::os::raw::c_int;

use ipcbus_sys as sys;

use crate::call::fail;
use crate::error::{check, exact};
use crate::{guarded, log, Call, Connection, Error, Result, Stream};

/// The implementation of an object of bytes. A function `Fn(Call) -> Result<()>` is a service too.
pub trait Service: Send + Sync + 'static {
    /// Serves a call or oneway, on a serving thread. If several threads serve, it is called
    /// concurrently.
    ///
    /// It ends the call with [`Call::reply`] or [`Call::fail`], or moves it elsewhere, and returns
    /// `Ok`. If it returns an error and the call has no reply, the caller gets that error.
    fn serve(&self, call: Call) -> Result<()>;

    /// Serves a stream that a client opens with the number of a method. The stream lasts until this
    /// function returns, unless it moves the stream elsewhere. If it returns `Ok` and has not moved
    /// the stream, the stream ends without an error. If it returns an error, the stream ends with
    /// that error. Only called if [`Service::has_streams`] returns true.
    fn serve_stream(&self, stream: Stream, method: u32) -> Result<()> {
        let _ = (stream, method);
        Err(Error::errno(libc::EOPNOTSUPP))
    }

    /// Returns whether the service has methods with streams.
    fn has_streams(&self) -> bool {
        false
    }

    /// Returns the name of a method for the log. Generated services implement it.
    fn method_name(&self, method: u32) -> Option<&'static str> {
        let _ = method;
        None
    }
}

impl<F: Fn(Call) -> Result<()> + Send + Sync + 'static> Service for F {
    fn serve(&self, call: Call) -> Result<()> {
        self(call)
    }
}

/// Limits on the resources of an object that the processes of one user may hold: `struct
/// ipc_object_limits` of `<ipc/limits.h>`. If a member is 0, its limit does not change.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Bytes of a request, or of a message of a stream.
    pub message_size: usize,
    /// Open streams.
    pub streams: u32,
    /// Calls and oneways that handlers are serving or have kept.
    pub calls: u32,
    /// Bytes of messages of streams that wait to be received.
    pub waiting_bytes: u32,
    /// Messages that a client may send ahead in a stream, 1 to 16.
    pub window: u32,
}

/// The current use of an object by other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Proxies in other processes, and messages in flight that contain the object.
    pub refs: u32,
    /// Unfinished messages to the object.
    pub pending: u32,
    /// The number of `pending` messages that are oneways waiting for an earlier oneway.
    pub oneways: u32,
    /// Death watches.
    pub watches: u32,
}

/// An object that other processes may call. Clones are the same object. It lives as long as it has
/// clones here or proxies in other processes. Then its service is dropped, on the thread that
/// dropped the last reference.
pub struct Object {
    raw: *mut sys::ipc_object,
    connection: Connection,
}

// SAFETY: any thread may use an object that it holds a reference of.
unsafe impl Send for Object {}
unsafe impl Sync for Object {}

/// The userdata of the library's object.
struct Holder {
    ops: sys::ipc_raw_ops,
    /// ops points to it.
    interface: Option<CString>,
    service: Box<dyn Service>,
}

impl Object {
    /// Creates an object.
    pub fn new(connection: &Connection, service: impl Service) -> Result<Object> {
        Object::builder(connection).create(service)
    }

    /// Creates an object with settings.
    pub fn builder(connection: &Connection) -> ObjectBuilder<'_> {
        ObjectBuilder {
            connection,
            interface: None,
            accept_fds: false,
            flags: 0,
            priority: None,
            limits: None,
        }
    }

    /// # Safety
    /// `raw` must be a reference that the caller owns, of that connection.
    pub(crate) unsafe fn from_raw(raw: *mut sys::ipc_object, connection: Connection) -> Object {
        Object { raw, connection }
    }

    pub(crate) fn raw(&self) -> *mut sys::ipc_object {
        self.raw
    }

    /// The connection that the object belongs to.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns the current use by other processes.
    pub fn usage(&self) -> Result<Usage> {
        let mut info = sys::ipc_object_info {
            size: std::mem::size_of::<sys::ipc_object_info>(),
            refs: 0,
            pending: 0,
            oneways: 0,
            watches: 0,
        };
        // SAFETY: self holds a reference.
        check(unsafe { sys::ipc_object_info(self.raw, &mut info) })?;
        Ok(Usage {
            refs: info.refs,
            pending: info.pending,
            oneways: info.oneways,
            watches: info.watches,
        })
    }
}

impl Clone for Object {
    fn clone(&self) -> Object {
        // SAFETY: self holds a reference.
        unsafe {
            Object::from_raw(sys::ipc_object_ref(self.raw), self.connection.clone())
        }
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Object {}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: self owns the reference.
        unsafe { sys::ipc_object_unref(self.raw) };
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Object")
    }
}

/// Settings of an object to create.
#[derive(Debug, Clone)]
#[must_use]
pub struct ObjectBuilder<'a> {
    connection: &'a Connection,
    interface: Option<String>,
    accept_fds: bool,
    flags: u32,
    priority: Option<(i32, i32)>,
    limits: Option<Limits>,
}

impl ObjectBuilder<'_> {
    /// The name of the interface, for the service manager and for tools: `notes.Notes`.
    pub fn interface(mut self, interface: impl Into<String>) -> Self {
        self.interface = Some(interface.into());
        self
    }

    /// Accepts files in requests. Without this, a sender gets `EPERM`.
    pub fn accept_fds(mut self) -> Self {
        self.accept_fds = true;
        self
    }

    /// Makes [`Call::label`] available to handlers.
    pub fn label(mut self) -> Self {
        self.flags |= sys::IPC_OBJECT_LABEL;
        self
    }

    /// The minimum priority of threads that serve calls of the object: see
    /// `ipc_object_set_priority()`.
    pub fn priority(mut self, sched_policy: i32, priority: i32) -> Self {
        self.priority = Some((sched_policy, priority));
        self
    }

    /// Limits on the resources that each user may hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Creates the object. `EINVAL`: a setting is out of range.
    pub fn create(self, service: impl Service) -> Result<Object> {
        let interface = self.interface.as_deref().map(exact).transpose()?;
        let holder = Box::into_raw(Box::new(Holder {
            ops: sys::ipc_raw_ops {
                interface: interface.as_ref().map_or(std::ptr::null(), |i| i.as_ptr()),
                flags: if self.accept_fds { sys::IPC_RAW_ACCEPT_FDS } else { 0 },
                reserved: 0,
                serve: Some(serve),
                stream: if service.has_streams() { Some(open) } else { None },
                destroy: Some(destroy),
                has_request: None,
                stream_request: None,
            },
            interface,
            service: Box::new(service),
        }));
        let mut raw = std::ptr::null_mut();
        // SAFETY: the holder lives until destroy() runs.
        let result = check(unsafe {
            sys::ipc_raw_object_new(
                self.connection.raw(),
                std::ptr::addr_of!((*holder).ops),
                holder as *mut c_void,
                &mut raw,
            )
        });
        if let Err(error) = result {
            // SAFETY: the library does not have the pointer.
            drop(unsafe { Box::from_raw(holder) });
            return Err(error);
        }
        // SAFETY: the reference is new.
        let object = unsafe { Object::from_raw(raw, self.connection.clone()) };
        self.set_up(&object)?;
        Ok(object)
    }

    fn set_up(&self, object: &Object) -> Result<()> {
        // SAFETY: no other thread has the object yet.
        unsafe {
            if self.flags != 0 {
                check(sys::ipc_object_set_flags(object.raw, self.flags))?;
            }
            if let Some((sched_policy, priority)) = self.priority {
                check(sys::ipc_object_set_priority(object.raw, sched_policy, priority))?;
            }
            if let Some(limits) = self.limits {
                check(sys::ipc_object_set_limits(
                    object.raw,
                    &sys::ipc_object_limits {
                        size: std::mem::size_of::<sys::ipc_object_limits>(),
                        message_size: limits.message_size,
                        streams: limits.streams,
                        calls: limits.calls,
                        waiting_bytes: limits.waiting_bytes,
                        window: limits.window,
                    },
                ))?;
            }
        }
        Ok(())
    }
}

/// Describes a handler in the log.
struct Handler<'a> {
    holder: &'a Holder,
    method: u32,
    /// Returns the user and process id of the caller.
    caller: &'a dyn Fn() -> (u32, i32),
}

impl fmt::Display for Handler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.holder.service.method_name(self.method) {
            Some(name) => f.write_str(name)?,
            None => {
                let interface = self.holder.interface.as_deref().unwrap_or_default();
                write!(f, "{} method {:#x}", interface.to_string_lossy(), self.method)?
            }
        }
        let (uid, pid) = (self.caller)();
        write!(f, " (uid {uid}, pid {pid})")
    }
}

/// The error of a handler that panicked. The text of the panic must not reach the caller.
pub(crate) fn unhandled() -> Error {
    Error::service("ipc.Unhandled", "the handler failed")
}

unsafe extern "C" fn serve(
    raw: *mut sys::ipc_call,
    message: *const sys::ipc_raw_message,
    held: *mut c_void,
) -> c_int {
    let holder = &*(held as *const Holder);
    let handler = Handler {
        holder,
        method: (*message).method,
        caller: &|| (sys::ipc_call_uid(raw), sys::ipc_call_pid(raw)),
    };
    let is_oneway = sys::ipc_call_is_oneway(raw) == 1;
    let ended = guarded(&handler, || holder.service.serve(Call::new(raw, message)));
    match ended.unwrap_or_else(|| if is_oneway { Ok(()) } else { Err(unhandled()) }) {
        Ok(()) => 0,
        Err(error) if is_oneway => {
            // As the library logs it, but with the name of the method.
            log(libc::LOG_WARNING, &format!("ipc: {handler}: a oneway failed: {error}"));
            0
        }
        Err(error) => {
            // If the call has a reply already, this has no effect.
            fail(raw, &error);
            -error.code()
        }
    }
}

unsafe extern "C" fn open(raw: *mut sys::ipc_stream, method: u32, held: *mut c_void) -> c_int {
    let holder = &*(held as *const Holder);
    let handler = Handler {
        holder,
        method,
        caller: &|| (sys::ipc_stream_uid(raw), sys::ipc_stream_pid(raw)),
    };
    crate::stream::serve(raw, handler, || {
        let stream = Stream::from_raw(sys::ipc_stream_ref(raw), true);
        holder.service.serve_stream(stream, method)
    })
}

unsafe extern "C" fn destroy(held: *mut c_void) {
    guarded("dropping a service", || drop(Box::from_raw(held as *mut Holder)));
}
