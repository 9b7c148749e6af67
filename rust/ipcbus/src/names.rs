// SPDX-License-Identifier: MIT
//! Functions of names that do not block.

use std::ffi::{c_void, CStr, CString};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ipcbus_sys as sys;

use crate::connection::{NameChange, NameInfo, Watching};
use crate::error::{check, exact, Error};
use crate::future::Shared;
use crate::{guarded, micros, Connection, Object, Proxy, Result, Slot};

/// The result of a function of names that does not block, such as [`Connection::get_async`]. It
/// needs a serving thread. Dropping it cancels the function; a name is not registered then. It must
/// not be polled again after it was ready: it stays pending then.
#[derive(Debug)]
#[must_use = "dropping it cancels the function"]
pub struct NameFuture<T> {
    shared: Arc<Shared<Result<T>>>,
    slot: Option<Slot>,
}

/// The userdata of the callback of C, which sets the result.
struct Pending<T> {
    shared: Arc<Shared<Result<T>>>,
    name: CString,
}

impl<T> Pending<T> {
    fn end(&self, result: i32, value: impl FnOnce() -> T) {
        guarded("a function of names", || {
            let result = check(result).map(|_| value()).map_err(|error| error.about_name(&self.name));
            self.shared.set(result);
        });
    }
}

impl<T> NameFuture<T> {
    /// # Safety
    /// `start` must pass the pointer to a callback that expects a `Pending<T>`.
    unsafe fn start(
        name: &CStr,
        start: impl FnOnce(*mut c_void, *mut *mut sys::ipc_slot) -> i32,
    ) -> Result<NameFuture<T>> {
        let shared = Shared::new();
        let pending = Pending { shared: shared.clone(), name: name.to_owned() };
        let slot = Slot::register(pending, start).map_err(|error| error.about_name(name))?;
        Ok(NameFuture { shared, slot: Some(slot) })
    }
}

impl<T> Future for NameFuture<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let result = self.shared.poll(context);
        if result.is_ready() {
            // The slot of a registration keeps the name.
            if let Some(slot) = self.slot.take() {
                slot.detach();
            }
        }
        result
    }
}

/// A watch of names that is being started, from [`Connection::watch_names_async`]. Its result is the
/// slot of the watch. Dropping it ends the watch.
#[derive(Debug)]
#[must_use = "dropping it ends the watch"]
pub struct WatchFuture {
    shared: Arc<Shared<Result<()>>>,
    slot: Option<Slot>,
}

impl Future for WatchFuture {
    type Output = Result<Slot>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Slot>> {
        match (self.shared.poll(context), self.slot.take()) {
            (Poll::Ready(result), Some(slot)) => Poll::Ready(result.map(|()| slot)),
            (_, slot) => {
                self.slot = slot;
                Poll::Pending
            }
        }
    }
}

unsafe extern "C" fn found(result: i32, proxy: *mut sys::ipc_proxy, held: *mut c_void) {
    let pending = &*(held as *const Pending<Proxy>);
    pending.end(result, || {
        Proxy::new(proxy, Connection::from_raw(sys::ipc_ref(sys::ipc_proxy_ipc(proxy))))
    });
}

unsafe extern "C" fn checked(result: i32, info: *const sys::ipc_name_info, held: *mut c_void) {
    (*(held as *const Pending<NameInfo>)).end(result, || NameInfo::copy(&*info));
}

unsafe extern "C" fn listed(
    result: i32,
    infos: *mut *mut sys::ipc_name_info,
    held: *mut c_void,
) {
    (*(held as *const Pending<Vec<NameInfo>>)).end(result, || NameInfo::take_all(result, infos));
}

unsafe extern "C" fn registered(result: i32, held: *mut c_void) {
    (*(held as *const Pending<bool>)).end(result, || result == 0);
}

unsafe extern "C" fn unregistered(result: i32, held: *mut c_void) {
    (*(held as *const Pending<()>)).end(result, || ());
}

impl Connection {
    /// Starts to find the object under a name: as [`Connection::get`], but does not block.
    /// `interface` is the name of the interface that the object must have, such as `"echo.Echo"`, or
    /// empty. The service manager compares the interface in the same request. `EPROTOTYPE`: the
    /// object has another interface. `Echo::new()` of generated code takes the proxy.
    pub fn get_async(&self, name: &str, interface: &str) -> Result<NameFuture<Proxy>> {
        let (text, interface) = (exact(name)?, exact(interface)?);
        // SAFETY: found() expects it; the same below.
        unsafe {
            NameFuture::start(&text, |held, slot| {
                sys::ipc_proxy_get_async(
                    self.raw(),
                    text.as_ptr(),
                    interface.as_ptr(),
                    std::ptr::null(),
                    found,
                    held,
                    slot,
                )
            })
        }
    }

    /// Starts to wait for a name: as [`Connection::wait`], but does not block. `interface` as in
    /// [`Connection::get_async`].
    pub fn wait_async(
        &self,
        name: &str,
        interface: &str,
        timeout: Option<Duration>,
    ) -> Result<NameFuture<Proxy>> {
        let (text, interface) = (exact(name)?, exact(interface)?);
        unsafe {
            NameFuture::start(&text, |held, slot| {
                sys::ipc_proxy_wait_async(
                    self.raw(),
                    text.as_ptr(),
                    interface.as_ptr(),
                    micros(timeout),
                    std::ptr::null(),
                    found,
                    held,
                    slot,
                )
            })
        }
    }

    /// Starts to register an object: as [`Connection::register_name`], but does not block. The
    /// result is true.
    pub fn register_name_async(&self, name: &str, object: &Object) -> Result<NameFuture<bool>> {
        self.register_async(name, object, 0)
    }

    /// As [`Connection::replace_name`], but does not block. The result is true.
    pub fn replace_name_async(&self, name: &str, object: &Object) -> Result<NameFuture<bool>> {
        self.register_async(name, object, sys::IPC_NAME_REPLACE)
    }

    /// As [`Connection::queue_name`], but does not block.
    pub fn queue_name_async(&self, name: &str, object: &Object) -> Result<NameFuture<bool>> {
        self.register_async(name, object, sys::IPC_NAME_QUEUE)
    }

    fn register_async(&self, name: &str, object: &Object, flags: u32) -> Result<NameFuture<bool>> {
        let text = exact(name)?;
        unsafe {
            NameFuture::start(&text, |held, slot| {
                sys::ipc_register_name_async(
                    self.raw(),
                    text.as_ptr(),
                    object.raw(),
                    flags,
                    std::ptr::null(),
                    registered,
                    held,
                    slot,
                )
            })
        }
    }

    /// Starts to end this connection's own newest registration of a name: as
    /// [`Connection::unregister_name`], but does not block. Dropping the future does not cancel it.
    pub fn unregister_name_async(&self, name: &str) -> Result<NameFuture<()>> {
        let text = exact(name)?;
        let started = unsafe {
            NameFuture::start(&text, |held, slot| {
                sys::ipc_unregister_name_async(
                    self.raw(),
                    text.as_ptr(),
                    std::ptr::null(),
                    unregistered,
                    held,
                    slot,
                )
            })
        };
        started.map_err(|error| not_owned(error, &text))
    }

    /// As [`Connection::check_name`], but does not block.
    pub fn check_name_async(&self, name: &str) -> Result<NameFuture<NameInfo>> {
        let text = exact(name)?;
        unsafe {
            NameFuture::start(&text, |held, slot| {
                sys::ipc_check_name_async(
                    self.raw(),
                    text.as_ptr(),
                    std::ptr::null(),
                    checked,
                    held,
                    slot,
                )
            })
        }
    }

    /// As [`Connection::list_names`], but does not block.
    pub fn list_names_async(&self, pattern: &str) -> Result<NameFuture<Vec<NameInfo>>> {
        let text = exact(pattern)?;
        unsafe {
            NameFuture::start(&text, |held, slot| {
                sys::ipc_list_names_async(
                    self.raw(),
                    text.as_ptr(),
                    std::ptr::null(),
                    listed,
                    held,
                    slot,
                )
            })
        }
    }

    /// As [`Connection::watch_names`], but does not block. `function` may be called before the
    /// future is ready.
    pub fn watch_names_async(
        &self,
        pattern: &str,
        function: impl FnMut(NameChange) + Send + 'static,
    ) -> Result<WatchFuture> {
        fn enlist<F: FnMut(NameChange) + Send + 'static>(
            connection: &Connection,
            pattern: &CStr,
            held: Watching<F>,
        ) -> Result<Slot> {
            unsafe extern "C" fn started<F>(result: i32, held: *mut c_void) {
                let watching = &*(held as *const Watching<F>);
                guarded("watch_names_async", || {
                    if let Some(shared) = &watching.started {
                        shared.set(check(result).map(drop));
                    }
                });
            }
            // SAFETY: the slot owns the function.
            Slot::register(held, |held, slot| unsafe {
                sys::ipc_watch_names_async(
                    connection.raw(),
                    pattern.as_ptr(),
                    Watching::<F>::changed,
                    std::ptr::null(),
                    started::<F>,
                    held,
                    slot,
                )
            })
        }
        let shared = Shared::new();
        let held = Watching { function, started: Some(shared.clone()) };
        let slot = enlist(self, &exact(pattern)?, held)?;
        Ok(WatchFuture { shared, slot: Some(slot) })
    }
}

/// The error of a function that unregisters a name. `ENOENT` means that this connection does not have
/// the name; another connection may have it.
pub(crate) fn not_owned(error: Error, name: &CStr) -> Error {
    let text = "this connection has not registered the name, or has lost it";
    match error.code() {
        libc::ENOENT => error.with_text(format!("{}: {text}", name.to_string_lossy())),
        _ => error.about_name(name),
    }
}
