// SPDX-License-Identifier: MIT
use std::ffi::{c_void, CStr};
use std::fmt;
use std::os::unix::io::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ipcbus_sys as sys;

use crate::error::{check, exact, Error};
use crate::future::Shared;
use crate::names::not_owned;
use crate::{guarded, micros, Object, Proxy, Result, Slot};

/// A connection to a bus. Clones refer to the same connection. It closes, and its objects die, when
/// the last clone is gone and no proxy, object, slot, stream, kept call or reply of it is left.
pub struct Connection(*mut sys::ipc);

// SAFETY: any thread may call any function. Builder calls the functions that are set-up only.
unsafe impl Send for Connection {}
unsafe impl Sync for Connection {}

/// Settings of a connection to open.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Builder {
    bus: Option<PathBuf>,
    region: Option<usize>,
    message_max: Option<usize>,
    threads: Option<u32>,
    clear: bool,
}

impl Builder {
    /// The path of a bus: `/dev/ipcbus`, the file `bus` of a mounted bus, or the socket of an
    /// ipcbusd. Without it, `ipc_find_bus()` finds the bus.
    pub fn bus(mut self, path: impl AsRef<Path>) -> Self {
        self.bus = Some(path.as_ref().to_owned());
        self
    }

    /// The number of bytes of received messages that may wait here: a multiple of the page size, at
    /// most 1 GiB. It limits the largest message that can be received. The default is 16 MiB.
    pub fn region(mut self, bytes: usize) -> Self {
        self.region = Some(bytes);
        self
    }

    /// The maximum number of bytes of an error's details and text, and of other replies that libipc
    /// unpacks: see `ipc_set_message_max()`.
    pub fn message_max(mut self, bytes: usize) -> Self {
        self.message_max = Some(bytes);
        self
    }

    /// The number of threads that may serve: see [`Connection::set_threads`].
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Marks all requests and replies that this connection sends as secret: see `ipc_set_clear()`.
    pub fn clear(mut self) -> Self {
        self.clear = true;
        self
    }

    /// Opens the connection. Fails with the errors of `ipc_open()`.
    pub fn open(self) -> Result<Connection> {
        let bus = match &self.bus {
            None => None,
            Some(path) => {
                Some(exact(path.to_str().ok_or_else(|| Error::errno(libc::EINVAL))?)?)
            }
        };
        let bus = bus.as_ref().map_or(std::ptr::null(), |d| d.as_ptr());
        let mut raw = std::ptr::null_mut();
        // SAFETY: the reference is new, and no other thread has the connection yet.
        unsafe {
            check(match self.region {
                Some(region) => sys::ipc_open_sized(&mut raw, bus, region),
                None => sys::ipc_open(&mut raw, bus),
            })
            .map_err(|error| {
                let mut text = [0; sys::IPC_ERROR_TEXT_MAX];
                let text = sys::ipc_open_error_text(
                    text.as_mut_ptr(),
                    text.len(),
                    bus,
                    -error.code(),
                );
                error.with_text(CStr::from_ptr(text).to_string_lossy())
            })?;
            let connection = Connection(raw);
            if let Some(bytes) = self.message_max {
                check(sys::ipc_set_message_max(raw, bytes))?;
            }
            if self.clear {
                check(sys::ipc_set_clear(raw, 1))?;
            }
            if let Some(threads) = self.threads {
                connection.set_threads(threads)?;
            }
            Ok(connection)
        }
    }
}

impl Connection {
    /// Opens a connection to the bus that `ipc_find_bus()` finds.
    pub fn open() -> Result<Connection> {
        Builder::default().open()
    }

    /// Returns the settings of a connection to open.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// # Safety
    /// `raw` must be a reference that the caller owns.
    pub(crate) unsafe fn from_raw(raw: *mut sys::ipc) -> Connection {
        Connection(raw)
    }

    pub(crate) fn raw(&self) -> *mut sys::ipc {
        self.0
    }

    // --- Serving ---

    /// Sets the number of threads that may serve, including threads that call [`Connection::run`]:
    /// 1 (the default) to 1024. `EINVAL`: another number.
    pub fn set_threads(&self, threads: u32) -> Result<()> {
        // SAFETY: self holds a reference; the same below.
        check(unsafe { sys::ipc_set_threads(self.0, threads) }).map(drop)
    }

    /// Serves on this thread until [`Connection::stop`].
    pub fn run(&self) -> Result<()> {
        check(unsafe { sys::ipc_run(self.0) }).map(drop)
    }

    /// Makes [`Connection::run`] return on all threads as soon as their handlers have returned. If
    /// no thread is in it, the next call returns at once.
    pub fn stop(&self) {
        unsafe { sys::ipc_stop(self.0) }
    }

    /// Serves on a new thread, until the guard is dropped or [`Connection::stop`] is called.
    pub fn run_in_background(&self) -> Result<Background> {
        let connection = self.clone();
        let thread = std::thread::Builder::new()
            .name("ipcbus".into())
            .spawn(move || connection.run())?;
        Ok(Background { connection: self.clone(), thread: Some(thread) })
    }

    /// Handles one event without sleeping. Returns false if no event is pending, and after 64
    /// events in a row: the program's loop then serves its other sources.
    pub fn process(&self) -> Result<bool> {
        Ok(check(unsafe { sys::ipc_process(self.0) })? > 0)
    }

    /// Blocks until an event is pending, for at most `timeout`; `None` is no timeout. Returns false
    /// if the time has expired. `EINTR`: a signal arrived.
    pub fn wait_event(&self, timeout: Option<Duration>) -> Result<bool> {
        Ok(check(unsafe { sys::ipc_wait_event(self.0, micros(timeout)) })? > 0)
    }

    /// Returns a file descriptor that is readable when events are pending, for event loops. Then
    /// call [`Connection::process`] until it returns false.
    pub fn fd(&self) -> Result<BorrowedFd<'_>> {
        // SAFETY: the fd is valid as long as the connection.
        unsafe { Ok(BorrowedFd::borrow_raw(check(sys::ipc_get_fd(self.0))?)) }
    }

    /// Opens the bus again after its end, and calls `function` on a serving thread each time the
    /// bus has ended or is back: see `ipc_set_reconnect()`. The end of the slot ends only the calls
    /// of `function`. Must be called before other threads use the connection.
    pub fn set_reconnect(&self, function: impl FnMut(BusEvent) + Send + 'static) -> Result<Slot> {
        fn enlist<F: FnMut(BusEvent) + Send + 'static>(c: &Connection, function: F) -> Result<Slot> {
            unsafe extern "C" fn changed<F: FnMut(BusEvent)>(
                _: *mut sys::ipc,
                event: u32,
                held: *mut c_void,
            ) {
                let function = &mut *(held as *mut F);
                guarded("set_reconnect", || {
                    function(if event == sys::IPC_BUS_UP {
                        BusEvent::Up
                    } else {
                        BusEvent::Down
                    })
                });
            }
            // SAFETY: the slot owns the function.
            Slot::register(function, |held, slot| unsafe {
                sys::ipc_set_reconnect(c.0, Some(changed::<F>), held, slot)
            })
        }
        enlist(self, function)
    }

    /// Calls `function` once, on a serving thread, when a oneway that failed with `EAGAIN` may be
    /// tried again.
    pub fn on_writable(&self, function: impl FnOnce() + Send + 'static) -> Result<Slot> {
        fn enlist<F: FnOnce() + Send + 'static>(c: &Connection, function: F) -> Result<Slot> {
            unsafe extern "C" fn run<F: FnOnce()>(_: *mut sys::ipc, held: *mut c_void) {
                let held = &mut *(held as *mut Option<F>);
                guarded("on_writable", || held.take().map(|function| function()));
            }
            // SAFETY: the slot owns the function.
            Slot::register(Some(function), |held, slot| unsafe {
                sys::ipc_on_writable(c.0, run::<F>, held, slot)
            })
        }
        enlist(self, function)
    }

    /// Sets the timeout of later calls without their own; `None` is no timeout.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        check(unsafe { sys::ipc_set_timeout(self.0, micros(timeout).max(1)) }).map(drop)
    }

    // --- Names ---

    /// Finds the object that is registered under a name. Blocks until the service manager has
    /// replied. `ENOENT`: no process has registered the name. `EXDEV`: the object belongs to this
    /// connection.
    pub fn get(&self, name: &str) -> Result<Proxy> {
        self.get_as(name, "")
    }

    /// Waits until a process registers the name (`None`: no timeout; 0: waits like `get()`).
    /// `ETIMEDOUT`: no process did in time. `ENOTCONN`: the time is over, and no service manager is
    /// running.
    pub fn wait(&self, name: &str, timeout: Option<Duration>) -> Result<Proxy> {
        self.wait_as(name, "", timeout)
    }

    /// Finds an object with an interface. The service manager compares the interface in the same
    /// request. `EPROTOTYPE`: the object has another interface.
    pub(crate) fn get_as(&self, name: &str, interface: &str) -> Result<Proxy> {
        let (text, interface) = (exact(name)?, exact(interface)?);
        let mut proxy = std::ptr::null_mut();
        // SAFETY: the reference is new.
        unsafe {
            check(sys::ipc_proxy_get(self.0, text.as_ptr(), interface.as_ptr(), &mut proxy))
                .map_err(|error| error.about_name(&text))?;
            Ok(Proxy::new(proxy, self.clone()))
        }
    }

    pub(crate) fn wait_as(
        &self,
        name: &str,
        interface: &str,
        timeout: Option<Duration>,
    ) -> Result<Proxy> {
        let (text, interface) = (exact(name)?, exact(interface)?);
        let mut proxy = std::ptr::null_mut();
        // SAFETY: the reference is new.
        unsafe {
            check(sys::ipc_proxy_wait(
                self.0,
                text.as_ptr(),
                interface.as_ptr(),
                micros(timeout),
                &mut proxy,
            ))
            .map_err(|error| error.about_name(&text))?;
            Ok(Proxy::new(proxy, self.clone()))
        }
    }

    /// Registers an object under a name, until [`Connection::unregister_name`] or the end of the
    /// connection. `EEXIST`: a living process has registered the name.
    pub fn register_name(&self, name: &str, object: &Object) -> Result<()> {
        self.register_with_flags(name, object, 0).map(drop)
    }

    /// As [`Connection::register_name`]. If a living object of this user has the name, that object
    /// loses the name, and its process is notified of [`RegistrationEvent::Lost`].
    pub fn replace_name(&self, name: &str, object: &Object) -> Result<()> {
        self.register_with_flags(name, object, sys::IPC_NAME_REPLACE).map(drop)
    }

    /// As [`Connection::register_name`]. If a living object of this user has the name, returns
    /// `false`, and this object waits in the queue of the name for [`RegistrationEvent::Acquired`].
    pub fn queue_name(&self, name: &str, object: &Object) -> Result<bool> {
        Ok(self.register_with_flags(name, object, sys::IPC_NAME_QUEUE)? == 0)
    }

    fn register_with_flags(&self, name: &str, object: &Object, flags: u32) -> Result<i32> {
        let text = exact(name)?;
        // SAFETY: both pointers are references.
        check(unsafe {
            sys::ipc_register_name_with(
                self.0,
                text.as_ptr(),
                object.raw(),
                flags,
                std::ptr::null_mut(),
            )
        })
        .map_err(|error| error.about_name(&text))
    }

    /// Calls `function` on a serving thread, with the name or the pattern of the watch, when this
    /// connection has acquired or lost a name, or when a registration or a watch could not be
    /// renewed at a new service manager: see `ipc_on_registration()`.
    pub fn on_registration(
        &self,
        function: impl FnMut(&str, RegistrationEvent) + Send + 'static,
    ) -> Result<Slot> {
        fn enlist<F: FnMut(&str, RegistrationEvent) + Send + 'static>(
            connection: &Connection,
            function: Mutex<F>,
        ) -> Result<Slot> {
            // SAFETY: the slot owns the function.
            Slot::register(function, |held, slot| unsafe {
                sys::ipc_on_registration(connection.0, changed::<F>, held, slot)
            })
        }

        unsafe extern "C" fn changed<F: FnMut(&str, RegistrationEvent)>(
            _: *mut sys::ipc,
            name: *const libc::c_char,
            event: u32,
            error: i32,
            held: *mut c_void,
        ) {
            let function = &*(held as *const Mutex<F>);
            guarded("on_registration", || {
                let name = CStr::from_ptr(name).to_string_lossy();
                let event = match event {
                    sys::IPC_REGISTRATION_ACQUIRED => RegistrationEvent::Acquired,
                    sys::IPC_REGISTRATION_LOST => RegistrationEvent::Lost,
                    _ => RegistrationEvent::Failed(Error::errno(-error)),
                };
                // A panic of an earlier call leaves the function usable.
                function.lock().unwrap_or_else(PoisonError::into_inner)(&name, event)
            });
        }
        // Two threads may report at the same time.
        enlist(self, Mutex::new(function))
    }

    /// Ends this connection's own newest registration of a name, never one of another connection.
    /// Fails with `ENOENT` if there is none, or if it was lost ([`RegistrationEvent::Lost`]).
    pub fn unregister_name(&self, name: &str) -> Result<()> {
        let text = exact(name)?;
        check(unsafe { sys::ipc_unregister_name(self.0, text.as_ptr()) })
            .map(drop)
            .map_err(|error| not_owned(error, &text))
    }

    /// Returns the interface and owner of a name. `ENOENT`: no process has registered the name.
    pub fn check_name(&self, name: &str) -> Result<NameInfo> {
        let text = exact(name)?;
        // SAFETY: zeroes are valid, and the size is set.
        unsafe {
            let mut info: sys::ipc_name_info = std::mem::zeroed();
            info.size = std::mem::size_of::<sys::ipc_name_info>();
            check(sys::ipc_check_name(self.0, text.as_ptr(), &mut info))
                .map_err(|error| error.about_name(&text))?;
            Ok(NameInfo::copy(&info))
        }
    }

    /// Returns the names that match `pattern`, sorted: a name, or a prefix followed by `*`.
    pub fn list_names(&self, pattern: &str) -> Result<Vec<NameInfo>> {
        let pattern = exact(pattern)?;
        let mut infos = std::ptr::null_mut();
        // SAFETY: infos is an array of that many pointers.
        unsafe {
            let count = check(sys::ipc_list_names(self.0, pattern.as_ptr(), &mut infos))?;
            Ok(NameInfo::take_all(count, infos))
        }
    }

    /// Calls `function` on a serving thread for each name that matches `pattern`, which is a name
    /// or a prefix followed by `*`: see `ipc_watch_names()`. Calls do not overlap.
    pub fn watch_names(
        &self,
        pattern: &str,
        function: impl FnMut(NameChange) + Send + 'static,
    ) -> Result<Slot> {
        fn enlist<F: FnMut(NameChange) + Send + 'static>(
            connection: &Connection,
            pattern: &CStr,
            function: F,
        ) -> Result<Slot> {
            // SAFETY: the slot owns the function.
            Slot::register(Watching { function, started: None }, |held, slot| unsafe {
                let changed = Watching::<F>::changed;
                sys::ipc_watch_names(connection.0, pattern.as_ptr(), changed, held, slot)
            })
        }
        enlist(self, &exact(pattern)?, function)
    }
}

/// The function of a watch of names, and the future of its start.
pub(crate) struct Watching<F> {
    pub(crate) function: F,
    pub(crate) started: Option<Arc<Shared<Result<()>>>>,
}

impl<F: FnMut(NameChange)> Watching<F> {
    /// # Safety
    /// For C, with a `Watching<F>`.
    pub(crate) unsafe extern "C" fn changed(
        ipc: *mut sys::ipc,
        change: u32,
        info: *const sys::ipc_name_info,
        proxy: *mut sys::ipc_proxy,
        held: *mut c_void,
    ) {
        let function = std::ptr::addr_of_mut!((*(held as *mut Watching<F>)).function);
        guarded("watch_names", || {
            let proxy = (!proxy.is_null()).then(|| {
                let connection = Connection(sys::ipc_ref(ipc));
                Proxy::new(sys::ipc_proxy_ref(proxy), connection)
            });
            match (change, info.as_ref()) {
                (sys::IPC_NAME_PRESENT, Some(info)) => {
                    (*function)(NameChange::Present(NameInfo::copy(info), proxy))
                }
                (sys::IPC_NAME_GONE, Some(info)) => {
                    (*function)(NameChange::Gone(NameInfo::copy(info)))
                }
                (sys::IPC_NAME_SETTLED, _) => (*function)(NameChange::Settled),
                _ => (),
            }
        });
    }
}

impl Clone for Connection {
    fn clone(&self) -> Connection {
        // SAFETY: self holds a reference.
        Connection(unsafe { sys::ipc_ref(self.0) })
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Connection) -> bool {
        self.0 == other.0
    }
}

impl Eq for Connection {}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the reference is ours. It is not the last reference in a callback, because the
        // serving function borrows the connection, or a proxy or stream, which holds a reference
        // too.
        unsafe { sys::ipc_unref(self.0) };
    }
}

impl AsFd for Connection {
    /// [`Connection::fd`].
    ///
    /// # Panics
    /// If the first call cannot create the file descriptor.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd().expect("the connection has a file descriptor")
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

/// A thread that serves a connection, from [`Connection::run_in_background`]. Dropping it stops all
/// threads that serve the connection, and waits for its own thread unless called on that thread.
#[derive(Debug)]
#[must_use = "the thread ends with it"]
pub struct Background {
    connection: Connection,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Background {
    /// Stops the thread, and returns the result of [`Connection::run`] on it.
    pub fn stop(mut self) -> Result<()> {
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => return Ok(()),
        };
        // If the thread has ended already, stop() would stop the next thread that serves.
        if !thread.is_finished() {
            self.connection.stop();
        }
        if thread.thread().id() == std::thread::current().id() {
            return Ok(());
        }
        thread.join().unwrap_or_else(|_| Err(Error::errno(libc::EIO)))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.join();
    }
}

/// A registered name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameInfo {
    /// The name.
    pub name: String,
    /// The interface of the object; empty if unknown.
    pub interface: String,
    /// The process that registered the name; 0 if it is not visible.
    pub pid: i32,
    /// The user id of that process.
    pub uid: u32,
}

impl NameInfo {
    /// # Safety
    /// `infos` must be an array of `count` pointers, which a single free() frees.
    pub(crate) unsafe fn take_all(
        count: i32,
        infos: *mut *mut sys::ipc_name_info,
    ) -> Vec<NameInfo> {
        let names = (0..count as usize).map(|i| NameInfo::copy(&**infos.add(i))).collect();
        libc::free(infos as *mut c_void);
        names
    }

    pub(crate) fn copy(info: &sys::ipc_name_info) -> NameInfo {
        // SAFETY: both arrays contain strings.
        unsafe {
            NameInfo {
                name: CStr::from_ptr(info.name.as_ptr()).to_string_lossy().into_owned(),
                interface: CStr::from_ptr(info.interface.as_ptr()).to_string_lossy().into_owned(),
                pid: info.pid,
                uid: info.uid,
            }
        }
    }
}

/// An event of a registration or a watch of names: see [`Connection::on_registration`].
#[derive(Debug)]
pub enum RegistrationEvent {
    /// The object was in the queue of the name, and has the name now.
    Acquired,
    /// The registration has ended: another object of this user replaced it, or another process
    /// unregistered it.
    Lost,
    /// The registration or watch could not be renewed at a new service manager, or a change of a
    /// watched name was lost.
    Failed(Error),
}

/// An event of the bus of a connection with [`Connection::set_reconnect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusEvent {
    /// The bus has ended.
    Down,
    /// The connection is open again.
    Up,
}

/// A change that [`Connection::watch_names`] reports.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum NameChange {
    /// The name is registered, or has another object. The proxy is `None` if the policy forbids
    /// calling the object, or if the object belongs to this connection.
    Present(NameInfo, Option<Proxy>),
    /// The name is unregistered, or its process died.
    Gone(NameInfo),
    /// All names that exist were reported.
    Settled,
}

/// Ends calls and streams of this process early. Clones are the same cancellation. See
/// `ipc_cancellation_new()`.
pub struct Cancellation(*mut sys::ipc_cancellation);

// SAFETY: any thread may use a cancellation that it holds a reference of.
unsafe impl Send for Cancellation {}
unsafe impl Sync for Cancellation {}

impl Cancellation {
    /// Creates a cancellation for calls and streams of this connection.
    pub fn new(connection: &Connection) -> Result<Cancellation> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: the reference is new.
        check(unsafe { sys::ipc_cancellation_new(connection.raw(), &mut raw) })?;
        Ok(Cancellation(raw))
    }

    pub(crate) fn raw(&self) -> *mut sys::ipc_cancellation {
        self.0
    }

    /// Cancels all calls and streams that have this cancellation in their options, now and later.
    /// Any thread may call it. It does not block.
    pub fn cancel(&self) {
        // SAFETY: self holds a reference.
        unsafe { sys::ipc_cancel(self.0) };
    }

    /// Returns whether it was canceled.
    pub fn is_canceled(&self) -> bool {
        // SAFETY: self holds a reference.
        unsafe { sys::ipc_cancellation_is_canceled(self.0) != 0 }
    }
}

impl Clone for Cancellation {
    fn clone(&self) -> Cancellation {
        // SAFETY: self holds a reference.
        Cancellation(unsafe { sys::ipc_cancellation_ref(self.0) })
    }
}

impl Drop for Cancellation {
    fn drop(&mut self) {
        // SAFETY: the reference is ours.
        unsafe { sys::ipc_cancellation_unref(self.0) };
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancellation").field(&self.is_canceled()).finish()
    }
}
