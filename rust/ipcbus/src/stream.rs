// SPDX-License-Identifier: MIT
use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::os::unix::io::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ipcbus_sys as sys;

use crate::error::{check, exact, from_c, owned, pass, Filled};
use crate::message::Raw;
use crate::object::unhandled;
use crate::{from_micros, guarded, micros, Connection, Error, Message, Object, Proxy, Result};

/// A handler of a stream that runs on this thread.
struct Serving {
    stream: *mut sys::ipc_stream,
    has_dropped: Cell<bool>,
    outer: *const Serving,
}

thread_local! {
    static INNERMOST: Cell<*const Serving> = const { Cell::new(std::ptr::null()) };
}

impl Serving {
    /// The caller must hold a reference of the stream as long as this exists.
    pub fn new(stream: *mut sys::ipc_stream) -> Box<Serving> {
        INNERMOST.with(|innermost| {
            let serving = Box::new(Serving {
                stream,
                has_dropped: Cell::new(false),
                outer: innermost.get(),
            });
            innermost.set(&*serving);
            serving
        })
    }

    /// Returns whether both halves of the server's side were dropped on the handler's thread.
    pub fn has_dropped(&self) -> bool {
        self.has_dropped.get()
    }

    /// Called when both halves of a server's side are dropped. Returns false if its handler does not
    /// run on this thread.
    fn dropped(stream: *mut sys::ipc_stream) -> bool {
        let mut at = INNERMOST.with(Cell::get);
        // SAFETY: each element stays in the list of its thread until it is dropped.
        while let Some(serving) = unsafe { at.as_ref() } {
            if serving.stream == stream {
                serving.has_dropped.set(true);
                return true;
            }
            at = serving.outer;
        }
        false
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        INNERMOST.with(|innermost| innermost.set(self.outer));
    }
}

/// The state of a stream with callbacks, for the tasks that await it.
struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    sender: Option<Waker>,
    receiver: Option<Waker>,
    /// A task waits for the next message. Otherwise messages stay in the stream.
    is_wanted: bool,
    item: Option<Result<Item>>,
    /// Serves the first message.
    first: Option<Box<dyn FnOnce(Item) + Send>>,
    end: Option<Result<()>>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receives a message that a task waits for. A message may be received only inside on_message,
    /// which frees it.
    ///
    /// # Safety
    /// Must be called by on_message of the stream.
    unsafe fn receive(&self, stream: *mut sys::ipc_stream) {
        let mut state = self.lock();
        if !state.is_wanted {
            return;
        }
        let mut message = std::ptr::null();
        let mut error = Filled::new();
        let result = sys::ipc_raw_stream_receive(stream, 0, &mut message, &mut error.0);
        if result > 0 {
            let connection = Connection::from_raw(sys::ipc_ref(sys::ipc_stream_ipc(stream)));
            let item = Item::copy(&*message, &connection);
            state.is_wanted = false;
            if let Some(first) = state.first.take() {
                drop(state);
                return first(item);
            }
            state.item = Some(Ok(item));
        }
        let waker = if result > 0 { state.receiver.take() } else { None };
        drop(state);
        waker.map(Waker::wake);
    }

    /// Wakes all tasks. The first end counts.
    fn end(&self, end: Result<()>) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        let wakers = [state.sender.take(), state.receiver.take()];
        let first = state.first.take();
        drop(state);
        drop(first);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

unsafe extern "C" fn on_message(stream: *mut sys::ipc_stream, held: *mut c_void) {
    guarded("on_message of a stream", || (*(held as *const Waiting)).receive(stream));
}

unsafe extern "C" fn on_writable(_: *mut sys::ipc_stream, held: *mut c_void) {
    let waker = (*(held as *const Waiting)).lock().sender.take();
    guarded("on_writable of a stream", || waker.map(Waker::wake));
}

unsafe extern "C" fn on_end(
    _: *mut sys::ipc_stream,
    result: i32,
    error: *const sys::ipc_error,
    held: *mut c_void,
) {
    let end = if result < 0 { Err(from_c(result, error)) } else { Ok(()) };
    guarded("on_end of a stream", || (*(held as *const Waiting)).end(end));
}

/// A server that has ended its stream gets no other callback.
unsafe extern "C" fn destroy(held: *mut c_void) {
    let waiting = Arc::from_raw(held as *const Waiting);
    guarded("the end of a stream", || waiting.end(Ok(())));
}

/// How a stream is used. Blocking functions and callbacks must not receive at the same time.
enum Use {
    Threads { is_receiving: bool },
    Tasks(Arc<Waiting>),
}

/// A function as a future.
struct PollFn<F>(F);

impl<T, F: FnMut(&mut Context<'_>) -> Poll<T> + Unpin> Future for PollFn<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        (self.0)(context)
    }
}

/// A reference of a stream.
pub(crate) struct Handle {
    raw: *mut sys::ipc_stream,
    is_served: bool,
    by: Mutex<Use>,
}

// SAFETY: any thread may use a stream that it holds a reference of. Sender and Receiver make sure
// that at most one thread sends and one thread receives.
unsafe impl Send for Handle {}
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: self owns the reference.
        unsafe {
            if self.is_served && !Serving::dropped(self.raw) {
                // The stream may have ended already.
                let null = std::ptr::null();
                sys::ipc_stream_fail(self.raw, -libc::ENOMSG, null, null);
            }
            // A stream with callbacks goes on without references.
            if !self.is_served && matches!(*self.by(), Use::Tasks(_)) {
                sys::ipc_stream_cancel(self.raw);
            }
            sys::ipc_stream_unref(self.raw);
        }
    }
}

impl Handle {
    pub fn raw(&self) -> *mut sys::ipc_stream {
        self.raw
    }

    pub fn connection(&self) -> Connection {
        // SAFETY: the stream holds a reference of its connection.
        unsafe { Connection::from_raw(sys::ipc_ref(sys::ipc_stream_ipc(self.raw))) }
    }

    pub fn send(&self, message: &Message<'_>, wait: u64) -> Result<()> {
        // SAFETY: self holds a reference.
        check(message.with_raw(|m| unsafe { sys::ipc_raw_stream_send(self.raw, m, wait) }))
            .map(drop)
    }

    fn by(&self) -> MutexGuard<'_, Use> {
        self.by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> Result<Arc<Waiting>> {
        self.waiting_from(State::default())
    }

    /// Sets the callbacks of the stream, unless they are set.
    fn waiting_from(&self, state: State) -> Result<Arc<Waiting>> {
        let mut by = self.by();
        match &*by {
            Use::Tasks(waiting) => return Ok(waiting.clone()),
            Use::Threads { is_receiving: true } => return Err(Error::errno(libc::EBUSY)),
            Use::Threads { is_receiving: false } => (),
        }
        let waiting = Arc::new(Waiting(Mutex::new(state)));
        let held = Arc::into_raw(waiting.clone());
        let ops = sys::ipc_stream_ops {
            size: std::mem::size_of::<sys::ipc_stream_ops>(),
            on_message: Some(on_message),
            on_writable: Some(on_writable),
            on_end: Some(on_end),
            destroy: Some(destroy),
        };
        // SAFETY: if this succeeds, destroy() drops the reference of the callbacks.
        unsafe {
            if let Err(error) = check(sys::ipc_stream_set_ops(self.raw, &ops, held as *mut c_void)) {
                drop(Arc::from_raw(held));
                return Err(error);
            }
        }
        *by = Use::Tasks(waiting.clone());
        Ok(waiting)
    }

    /// Calls `send`, which sends a message without waiting, until there is credit and space.
    async fn send_async(&self, mut send: impl FnMut(&Handle) -> Result<()> + Unpin) -> Result<()> {
        let waiting = self.waiting()?;
        PollFn(|context: &mut Context<'_>| {
            waiting.lock().sender = Some(context.waker().clone());
            match send(self) {
                Err(Error::WouldBlock(_)) => Poll::Pending,
                result => Poll::Ready(result),
            }
        })
        .await
    }

    /// Receives the next message in a task, or `None` at the end. For one task at a time.
    async fn receive_async(&self) -> Result<Option<Item>> {
        let waiting = self.waiting()?;
        PollFn(|context: &mut Context<'_>| {
            let mut state = waiting.lock();
            if let Some(item) = state.item.take() {
                return Poll::Ready(item.map(Some));
            }
            if let Some(end) = &state.end {
                return Poll::Ready(end.clone().map(|()| None));
            }
            state.receiver = Some(context.waker().clone());
            if !std::mem::replace(&mut state.is_wanted, true) {
                // SAFETY: we have a reference. The callback runs on a serving thread.
                check(unsafe { sys::ipc_stream_resume(self.raw) })?;
            }
            Poll::Pending
        })
        .await
    }

    /// Receives a message in a thread, and calls `take` with it. For one thread at a time.
    pub fn receive<T>(
        &self,
        wait: u64,
        take: impl FnOnce(&sys::ipc_raw_message, Connection) -> Result<T>,
    ) -> Result<Option<T>> {
        self.set_receiving(true)?;
        let mut message = std::ptr::null();
        let mut error = Filled::new();
        // SAFETY: as above; the message lives until the next receive.
        let received = unsafe {
            let result = sys::ipc_raw_stream_receive(self.raw, wait, &mut message, &mut error.0);
            match error.check(result) {
                Ok(0) => Ok(None),
                Ok(_) => take(&*message, self.connection()).map(Some),
                Err(error) => Err(error),
            }
        };
        self.set_receiving(false)?;
        received
    }

    /// Notes whether a thread receives. `EBUSY`: tasks await the stream.
    fn set_receiving(&self, now: bool) -> Result<()> {
        match &mut *self.by() {
            Use::Threads { is_receiving } => *is_receiving = now,
            Use::Tasks(_) => return Err(Error::errno(libc::EBUSY)),
        }
        Ok(())
    }
}

/// A received message of a stream, with its files and objects.
#[derive(Debug)]
pub struct Item {
    bytes: Vec<u8>,
    proxies: Vec<(u64, Proxy)>,
    objects: Vec<(u64, Object)>,
    fds: Vec<(u64, OwnedFd)>,
}

impl Item {
    /// Copies a message, and takes its files and objects.
    ///
    /// # Safety The message must be valid, and no other thread may use it in the meantime.
    unsafe fn copy(message: &sys::ipc_raw_message, connection: &Connection) -> Item {
        let mut item = Item::take(message, connection);
        item.bytes = Raw::new(message).bytes().to_vec();
        item
    }

    /// Takes the files and objects of a message, without its bytes.
    ///
    /// # Safety The message must be valid, and no other thread may use it in the meantime.
    pub(crate) unsafe fn take(message: &sys::ipc_raw_message, connection: &Connection) -> Item {
        let raw = Raw::new(message);
        let mut item = Item {
            bytes: Vec::new(),
            proxies: Vec::new(),
            objects: Vec::new(),
            fds: Vec::new(),
        };
        for i in 0..message.n_entries {
            let tag = (*message.entries.add(i)).tag;
            match (*message.entries.add(i)).type_ {
                sys::IPC_RAW_PROXY => {
                    item.proxies.extend(raw.take_proxy(tag, connection).map(|p| (tag, p)))
                }
                // An own object that has ended is skipped.
                sys::IPC_RAW_OBJECT => {
                    item.objects.extend(raw.take_object(tag, connection).map(|o| (tag, o)))
                }
                sys::IPC_RAW_FD => item.fds.extend(raw.take_fd(tag).map(|fd| (tag, fd))),
                _ => (),
            }
        }
        item
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes the object of another process with a tag out of the message. `ENOENT`: there is none,
    /// or it was taken before. `EXDEV`: it is an object of this process.
    pub fn take_proxy(&mut self, tag: u64) -> Result<Proxy> {
        if let Some(place) = self.proxies.iter().position(|(t, _)| *t == tag) {
            return Ok(self.proxies.remove(place).1);
        }
        let other = self.objects.iter().any(|(t, _)| *t == tag);
        Err(if other { Error::errno(libc::EXDEV) } else { Error::no_entry() })
    }

    /// Takes the object of this process with a tag out of the message. `ENOENT`: there is none, it
    /// has ended, or it was taken before. `EXDEV`: it belongs to another process.
    pub fn take_object(&mut self, tag: u64) -> Result<Object> {
        if let Some(place) = self.objects.iter().position(|(t, _)| *t == tag) {
            return Ok(self.objects.remove(place).1);
        }
        let other = self.proxies.iter().any(|(t, _)| *t == tag);
        Err(if other { Error::errno(libc::EXDEV) } else { Error::no_entry() })
    }

    /// Takes the file with a tag out of the message. `ENOENT`: there is none, or it was taken
    /// before.
    pub fn take_fd(&mut self, tag: u64) -> Result<OwnedFd> {
        match self.fds.iter().position(|(t, _)| *t == tag) {
            Some(place) => Ok(self.fds.remove(place).1),
            None => Err(Error::no_entry()),
        }
    }
}

/// One side of a stream. Threads wait in [`Stream::send`] and [`Stream::receive`]. See
/// `<ipc/stream.h>` for credit, limits and errors.
///
/// If both halves of a client's side are dropped, an open stream is canceled. If both halves of a
/// server's side are dropped, the stream ends with `ENOMSG`. If its handler dropped them on the
/// thread that runs the handler, the result of the handler ends the stream instead.
///
/// A thread may send while another thread receives: [`Stream::split`] makes a half for each.
///
/// Tasks await [`Stream::send_async`] and [`Stream::receive_async`], while some thread serves the
/// connection. A handler of a stream must not wait for them: the callbacks that wake a task run after
/// the handler has returned. So it moves the stream to a task. After the first of these functions,
/// [`Stream::receive`] fails with `EBUSY`, and they do while it waits.
///
/// ```compile_fail,E0277
/// # fn needs_sync<T: Sync>() {}
/// needs_sync::<ipcbus::Stream>(); // two threads could send
/// ```
pub struct Stream {
    sender: Sender,
    receiver: Receiver,
}

/// The half of a stream that sends.
pub struct Sender {
    handle: Arc<Handle>,
    _one_thread: PhantomData<Cell<()>>,
}

/// The half of a stream that receives.
pub struct Receiver {
    handle: Arc<Handle>,
    _one_thread: PhantomData<Cell<()>>,
}

impl Sender {
    /// Sends a message; the number of its method must be 0. Waits for credit and space for at most
    /// `wait`; `None` is no timeout. `EAGAIN`: the time has expired. `EPIPE`: this side has ended its
    /// messages, or the server has ended the stream.
    pub fn send(&self, message: &Message<'_>, wait: Option<Duration>) -> Result<()> {
        self.handle.send(message, micros(wait))
    }

    /// As [`Sender::send`], and waits without blocking the thread. If the future is dropped, the
    /// message is not sent.
    pub async fn send_async(&mut self, message: &Message<'_>) -> Result<()> {
        self.handle.send_async(|handle| handle.send(message, 0)).await
    }

    /// Ends the messages of this side. If the server does this, the whole stream ends; a client may
    /// still receive. `EALREADY`: this side has ended them before.
    pub fn end(&self) -> Result<()> {
        // SAFETY: self holds a reference.
        check(unsafe { sys::ipc_stream_end(self.handle.raw) }).map(drop)
    }

    /// Ends the messages with an error, which the other side receives after all messages.
    pub fn fail(&self, error: &Error) -> Result<()> {
        // SAFETY: self holds a reference.
        check(unsafe { fail(self.handle.raw, error) }).map(drop)
    }
}

impl Receiver {
    /// Returns the next message, or `None` at the end. Waits for at most `wait`; `None` is no
    /// limit. `EAGAIN`: no message arrived in time. Any other error: the other side ended its
    /// messages with it.
    pub fn receive(&mut self, wait: Option<Duration>) -> Result<Option<Item>> {
        // SAFETY: no other thread uses the message, which belongs to the stream.
        self.handle.receive(micros(wait), |m, connection| unsafe {
            Ok(Item::copy(m, &connection))
        })
    }

    /// As [`Receiver::receive`], and waits without blocking the thread. If the future is dropped, no
    /// message is lost.
    pub async fn receive_async(&mut self) -> Result<Option<Item>> {
        self.handle.receive_async().await
    }
}

impl Stream {
    /// # Safety
    /// `raw` must be a reference that the caller owns.
    pub(crate) unsafe fn from_raw(raw: *mut sys::ipc_stream, is_served: bool) -> Stream {
        let handle = Arc::new(Handle { raw, is_served, by: Mutex::new(Use::Threads { is_receiving: false }) });
        Stream {
            sender: Sender { handle: handle.clone(), _one_thread: PhantomData },
            receiver: Receiver { handle, _one_thread: PhantomData },
        }
    }

    pub(crate) fn raw(&self) -> *mut sys::ipc_stream {
        self.handle().raw
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.sender.handle
    }

    /// Returns the two halves.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// See [`Sender::send`].
    pub fn send(&self, message: &Message<'_>, wait: Option<Duration>) -> Result<()> {
        self.sender.send(message, wait)
    }

    /// See [`Receiver::receive`].
    pub fn receive(&mut self, wait: Option<Duration>) -> Result<Option<Item>> {
        self.receiver.receive(wait)
    }

    /// See [`Sender::send_async`].
    pub async fn send_async(&mut self, message: &Message<'_>) -> Result<()> {
        self.sender.send_async(message).await
    }

    /// See [`Receiver::receive_async`].
    pub async fn receive_async(&mut self) -> Result<Option<Item>> {
        self.receiver.receive_async().await
    }

    /// Receives a message, and calls `take` with it before the next receive frees it.
    #[cfg(feature = "prost")]
    pub(crate) fn receive_with<T>(
        &mut self,
        wait: Option<Duration>,
        take: impl FnOnce(Raw<'_>, Connection) -> Result<T>,
    ) -> Result<Option<T>> {
        self.receiver.handle.receive(micros(wait), |m, connection| {
            // SAFETY: it is valid until the next receive.
            take(unsafe { Raw::new(m) }, connection)
        })
    }

    /// Calls `handler` with the first message once it has arrived. In the meantime no thread waits.
    /// If no message arrives, the stream is dropped.
    #[cfg(feature = "prost")]
    pub(crate) fn serve_first(
        self,
        name: &'static str,
        handler: impl FnOnce(Item, Stream) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let handle = self.sender.handle.clone();
        let first = move |item| {
            let (stream, uid, pid) = (self.raw(), self.uid(), self.pid());
            let run = || handler(item, self);
            // SAFETY: callbacks run while the library has a reference.
            unsafe { serve(stream, format_args!("{name} (uid {uid}, pid {pid})"), run) };
        };
        let state = State { is_wanted: true, first: Some(Box::new(first)), ..State::default() };
        handle.waiting_from(state).map(drop)
    }

    #[cfg(feature = "prost")]
    pub(crate) async fn send_with_async(
        &mut self,
        send: impl FnMut(&Handle) -> Result<()> + Unpin,
    ) -> Result<()> {
        self.sender.handle.send_async(send).await
    }

    /// See [`Sender::end`].
    pub fn end(&self) -> Result<()> {
        self.sender.end()
    }

    /// See [`Sender::fail`].
    pub fn fail(&self, error: &Error) -> Result<()> {
        self.sender.fail(error)
    }

    /// Ends both directions on both sides at once. Messages that were not received are discarded.
    pub fn cancel(&self) {
        // SAFETY: self holds a reference; the same below.
        unsafe { sys::ipc_stream_cancel(self.raw()) }
    }

    /// Returns whether no message is needed any more: canceled, expired, or the other side died.
    /// See `ipc_stream_is_canceled()`.
    pub fn is_canceled(&self) -> bool {
        unsafe { sys::ipc_stream_is_canceled(self.raw()) != 0 }
    }

    /// The time until the deadline of the stream, or `None` if it has none.
    pub fn remaining(&self) -> Option<Duration> {
        from_micros(unsafe { sys::ipc_stream_remaining(self.raw()) })
    }

    /// For a server's side: the client's effective user id. 0 for a client's side.
    pub fn uid(&self) -> u32 {
        unsafe { sys::ipc_stream_uid(self.raw()) }
    }

    /// For a server's side: the client's effective group id. 0 for a client's side.
    pub fn gid(&self) -> u32 {
        unsafe { sys::ipc_stream_gid(self.raw()) }
    }

    /// For a server's side: the client's process id; 0 if it is not visible.
    pub fn pid(&self) -> i32 {
        unsafe { sys::ipc_stream_pid(self.raw()) }
    }

    /// For the server: the security module's label of the client; see [`ObjectBuilder::label`].
    ///
    /// [`ObjectBuilder::label`]: crate::ObjectBuilder::label
    pub fn label(&self) -> Option<String> {
        unsafe { owned(sys::ipc_stream_label(self.raw())) }
    }

    /// For the server: the string that the client set under this name.
    pub fn metadata(&self, name: &str) -> Option<String> {
        let name = exact(name).ok()?;
        unsafe { owned(sys::ipc_stream_metadata(self.raw(), name.as_ptr())) }
    }

    /// The connection.
    pub fn connection(&self) -> Connection {
        self.sender.handle.connection()
    }
}

/// Runs a handler of a stream on this thread. If the handler fails, or drops the stream, ends the
/// stream. Returns the result for the library.
///
/// # Safety
/// The caller must hold a reference of the stream.
pub(crate) unsafe fn serve(
    stream: *mut sys::ipc_stream,
    name: impl fmt::Display,
    handler: impl FnOnce() -> Result<()>,
) -> i32 {
    let serving = Serving::new(stream);
    match guarded(name, handler).unwrap_or_else(|| Err(unhandled())) {
        Ok(()) => {
            if serving.has_dropped() {
                // The stream may have ended already.
                sys::ipc_stream_end(stream);
            }
            0
        }
        Err(error) => {
            fail(stream, &error);
            -error.code()
        }
    }
}

/// # Safety
/// The stream must be valid.
unsafe fn fail(stream: *mut sys::ipc_stream, error: &Error) -> i32 {
    pass(error, |e| sys::ipc_stream_fail_with(stream, e))
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}
