// SPDX-License-Identifier: MIT
use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use ipcbus_sys as sys;

use crate::error::{check, from_c};
use crate::{
    guarded, Cancellation, Connection, Message, Options, Proxy, Reply, Result, Slot, Stream,
};

/// The value that a callback sets for a future, and the waker of the future.
pub(crate) struct Shared<T>(Mutex<State<T>>);

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> Shared<T> {
    pub(crate) fn new() -> Arc<Shared<T>> {
        Arc::new(Shared(Mutex::new(State { value: None, waker: None })))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<T>> {
        // The state is consistent at any time, so a panic of another thread does not matter.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn set(&self, value: T) {
        let waker = {
            let mut state = self.lock();
            state.value = Some(value);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.lock();
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The reply of a pending call, from [`Proxy::call_async`]. Dropping it cancels the call, and the
/// server is notified. It must not be polled again after it was ready: it stays pending then.
#[derive(Debug)]
#[must_use = "dropping it cancels the call"]
pub struct CallFuture {
    shared: Arc<Shared<Result<Reply>>>,
    _slot: Slot,
}

struct Pending {
    shared: Arc<Shared<Result<Reply>>>,
    connection: Connection,
}

impl CallFuture {
    pub(crate) fn start(
        proxy: &Proxy,
        request: &Message<'_>,
        options: &Options<'_>,
    ) -> Result<CallFuture> {
        let shared = Shared::new();
        let pending =
            Pending { shared: shared.clone(), connection: proxy.connection().clone() };
        let slot = Slot::register(pending, |held, slot| {
            request.with_raw(|m| {
                options.with_raw(|o| {
                    // SAFETY: the slot owns the value that the callback gets.
                    unsafe {
                        sys::ipc_raw_call_async(proxy.raw(), m, o, completed, held, slot)
                    }
                })
            })
        })?;
        Ok(CallFuture { shared, _slot: slot })
    }
}

unsafe extern "C" fn completed(
    result: i32,
    reply: *mut sys::ipc_raw_message,
    error: *const sys::ipc_error,
    held: *mut c_void,
) {
    let pending = &*(held as *const Pending);
    guarded("call_async", || {
        pending.shared.set(if result < 0 {
            Err(from_c(result, error))
        } else {
            sys::ipc_raw_keep(reply);
            Ok(Reply::from_raw(reply, pending.connection.clone()))
        });
    });
}

impl Future for CallFuture {
    type Output = Result<Reply>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Reply>> {
        self.shared.poll(context)
    }
}

/// A stream that is being opened, of [`Proxy::open_stream_async`]. Dropping it ends the opening, and
/// the stream. After it was ready it must not be polled again.
#[derive(Debug)]
#[must_use = "dropping it ends the opening"]
pub struct OpenFuture {
    shared: Arc<Shared<Result<Stream>>>,
    /// Ends the opening, unless the options have a cancellation.
    cancellation: Option<Cancellation>,
}

impl OpenFuture {
    pub(crate) fn start(proxy: &Proxy, method: u32, options: &Options<'_>) -> Result<OpenFuture> {
        let shared = Shared::new();
        let own = match options.has_cancellation() {
            true => None,
            false => Some(Cancellation::new(proxy.connection())?),
        };
        let options = own.as_ref().map_or(options.clone(), |c| options.clone().cancellation(c));
        let held = Arc::into_raw(shared.clone());
        let result = options.with_raw(|o| {
            // SAFETY: opened() gets the pointer once if this succeeds.
            unsafe {
                sys::ipc_raw_stream_open_async(proxy.raw(), method, o, opened, held as *mut c_void)
            }
        });
        if let Err(error) = check(result) {
            // SAFETY: nobody else got it.
            drop(unsafe { Arc::from_raw(held) });
            return Err(error);
        }
        Ok(OpenFuture { shared, cancellation: own })
    }
}

unsafe extern "C" fn opened(
    result: i32,
    stream: *mut sys::ipc_stream,
    error: *const sys::ipc_error,
    held: *mut c_void,
) {
    let shared = Arc::from_raw(held as *const Shared<Result<Stream>>);
    guarded("open_stream_async", || {
        shared.set(if result < 0 {
            Err(from_c(result, error))
        } else {
            Ok(Stream::from_raw(stream, false))
        });
    });
}

impl Future for OpenFuture {
    type Output = Result<Stream>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Stream>> {
        let opened = self.shared.poll(context);
        if opened.is_ready() {
            self.cancellation = None;
        }
        opened
    }
}

impl Drop for OpenFuture {
    fn drop(&mut self) {
        if let Some(cancellation) = &self.cancellation {
            cancellation.cancel();
        }
    }
}

/// The death of an object, from [`Proxy::wait_dead`].
#[derive(Debug)]
#[must_use = "dropping it ends the watch"]
pub struct DeathFuture {
    shared: Arc<Shared<()>>,
    _slot: Slot,
}

impl DeathFuture {
    pub(crate) fn start(proxy: &Proxy) -> Result<DeathFuture> {
        let shared = Shared::new();
        let dead = shared.clone();
        let slot = proxy.on_death(move || dead.set(()))?;
        Ok(DeathFuture { shared, _slot: slot })
    }
}

impl Future for DeathFuture {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.shared.poll(context)
    }
}

impl<T> std::fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}
