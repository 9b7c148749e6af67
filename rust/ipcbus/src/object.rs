// SPDX-License-Identifier: MIT
use std::ffi::{c_void, CString};
use std::fmt;
use std::os::raw::c_int;

use ipcbus_sys as sys;

use crate::call::fail;
use crate::error::{check, exact};
use crate::stream::Serving;
use crate::{guarded, Call, Connection, Error, Result, Stream};

/// What serves an object of bytes. A function `Fn(Call) -> Result<()>` is one too.
pub trait Service: Send + Sync + 'static {
    /// Serves a call or oneway, on a serving thread, on several at once if several threads serve.
    ///
    /// It ends the call with [`Call::reply`] or [`Call::fail`], or moves it elsewhere, and returns
    /// `Ok`. If it returns an error and the call has no reply, the caller gets that error.
    fn serve(&self, call: Call) -> Result<()>;

    /// Serves a stream that a client opens with the number of a method: it uses the stream until it
    /// returns, or moves it elsewhere. If it returns `Ok` and has not moved the stream elsewhere, the
    /// stream ends well. An error ends the stream with that error. Only a service whose
    /// [`Service::has_streams`] returns true gets any.
    fn serve_stream(&self, stream: Stream, method: u32) -> Result<()> {
        let _ = (stream, method);
        Err(Error::errno(libc::EOPNOTSUPP))
    }

    /// Whether it serves streams.
    fn has_streams(&self) -> bool {
        false
    }

    /// The name of a method, for the log. Generated services have it.
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

/// Limits on what the processes of one user may hold of an object: `struct ipc_object_limits` of
/// `<ipc/limits.h>`. 0 leaves a limit as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Bytes of a request, or of a message of a stream.
    pub message_size: usize,
    /// Streams that are open.
    pub streams: u32,
    /// Calls and oneways that handlers have or keep.
    pub calls: u32,
    /// Objects that replies of this object contained and that other processes still hold.
    pub objects: u32,
    /// Bytes of messages of streams that wait to be received.
    pub waiting_bytes: u32,
    /// Files and objects of these messages.
    pub waiting_entries: u32,
}

/// Who uses an object now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Proxies of others, and messages on their way that contain it.
    pub refs: u32,
    /// Messages to it that are not finished.
    pub pending: u32,
    /// Of those, oneways that wait for an earlier one.
    pub oneways: u32,
    /// Death watches.
    pub watches: u32,
}

/// An object that others may call. Clones are the same object. It lives as long as there are clones
/// here, or proxies in other processes; then its service is dropped, on the thread that dropped the
/// last one.
pub struct Object {
    raw: *mut sys::ipc_object,
    connection: Connection,
}

// SAFETY: any thread may use what it has a reference of.
unsafe impl Send for Object {}
unsafe impl Sync for Object {}

struct Holder {
    ops: sys::ipc_raw_ops,
    /// What ops points to.
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
    /// `raw` is a reference that we own, of that connection.
    pub(crate) unsafe fn from_raw(raw: *mut sys::ipc_object, connection: Connection) -> Object {
        Object { raw, connection }
    }

    pub(crate) fn raw(&self) -> *mut sys::ipc_object {
        self.raw
    }

    /// The connection that it belongs to.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Who uses it now.
    pub fn usage(&self) -> Result<Usage> {
        let mut info = sys::ipc_object_info {
            size: std::mem::size_of::<sys::ipc_object_info>(),
            refs: 0,
            pending: 0,
            oneways: 0,
            watches: 0,
        };
        // SAFETY: we have a reference.
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
        // SAFETY: we have a reference.
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
        // SAFETY: the reference is ours.
        unsafe { sys::ipc_object_unref(self.raw) };
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Object")
    }
}

/// Settings of an object that is to be created.
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
    /// The name of its interface, for names and tools: `notes.Notes`.
    pub fn interface(mut self, interface: impl Into<String>) -> Self {
        self.interface = Some(interface.into());
        self
    }

    /// Its requests may contain files. Without this, their senders get `EPERM`.
    pub fn accept_fds(mut self) -> Self {
        self.accept_fds = true;
        self
    }

    /// [`Call::label`] works in its handlers.
    pub fn label(mut self) -> Self {
        self.flags |= sys::IPC_OBJECT_LABEL;
        self
    }

    /// [`Stream::pidfd`] works in its handlers. Each stream holds a file descriptor then.
    pub fn pidfd(mut self) -> Self {
        self.flags |= sys::IPC_OBJECT_PIDFD;
        self
    }

    /// The minimum priority with which its calls are served: see `ipc_object_set_priority()`.
    pub fn priority(mut self, policy: i32, priority: i32) -> Self {
        self.priority = Some((policy, priority));
        self
    }

    /// Limits on what peers send and hold.
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
            // SAFETY: nobody else got it.
            drop(unsafe { Box::from_raw(holder) });
            return Err(error);
        }
        // SAFETY: the reference is new.
        let object = unsafe { Object::from_raw(raw, self.connection.clone()) };
        self.set_up(&object)?;
        Ok(object)
    }

    fn set_up(&self, object: &Object) -> Result<()> {
        // SAFETY: nobody else has the object yet.
        unsafe {
            if self.flags != 0 {
                check(sys::ipc_object_set_flags(object.raw, self.flags))?;
            }
            if let Some((policy, priority)) = self.priority {
                check(sys::ipc_object_set_priority(object.raw, policy, priority))?;
            }
            if let Some(limits) = self.limits {
                check(sys::ipc_object_set_limits(
                    object.raw,
                    &sys::ipc_object_limits {
                        size: std::mem::size_of::<sys::ipc_object_limits>(),
                        message_size: limits.message_size,
                        streams: limits.streams,
                        calls: limits.calls,
                        objects: limits.objects,
                        waiting_bytes: limits.waiting_bytes,
                        waiting_entries: limits.waiting_entries,
                    },
                ))?;
            }
        }
        Ok(())
    }
}

/// A handler, in the log.
struct Handler<'a> {
    holder: &'a Holder,
    method: u32,
    /// The user and process.
    caller: &'a dyn Fn() -> (u32, i32),
}

impl fmt::Display for Handler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.holder.service.method_name(self.method) {
            Some(name) => f.write_str(name)?,
            None => {
                let interface = self.holder.interface.as_deref().unwrap_or_default();
                write!(f, "{} method {}", interface.to_string_lossy(), self.method)?
            }
        }
        let (uid, pid) = (self.caller)();
        write!(f, " (uid {uid}, pid {pid})")
    }
}

/// The error of a handler that panicked. Its text is nobody else's business.
fn unhandled() -> Error {
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
        method: (*message).code,
        caller: &|| (sys::ipc_call_uid(raw), sys::ipc_call_pid(raw)),
    };
    let ended = guarded(handler, || holder.service.serve(Call::new(raw, message)));
    match ended.unwrap_or_else(|| Err(unhandled())) {
        Ok(()) => 0,
        Err(error) => {
            // If it has a reply, that stays.
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
    let serving = Serving::new(raw);
    let ended = guarded(handler, || {
        let stream = Stream::from_raw(sys::ipc_stream_ref(raw), true);
        holder.service.serve_stream(stream, method)
    });
    match ended.unwrap_or_else(|| Err(unhandled())) {
        Ok(()) => {
            if serving.has_dropped() {
                // It may be over.
                sys::ipc_stream_end(raw);
            }
            0
        }
        Err(error) => {
            crate::stream::fail(raw, &error);
            -error.code()
        }
    }
}

unsafe extern "C" fn destroy(held: *mut c_void) {
    guarded("dropping a service", || drop(Box::from_raw(held as *mut Holder)));
}
