// SPDX-License-Identifier: MIT
//! What the files of `protoc --ipc_out=lang=rust` use, and what their users see of it:
//! [`CallFor`], [`StreamOf`], [`With`]. Messages are structures of prost.
//!
//! A message that does not match its type, or nests deeper than 100, fails with `EBADMSG`.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::os::unix::io::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::message::Raw;
use crate::{
    Call, CallFuture, Connection, Entry, Error, Item, Message, Object, Options, Proxy, Reply,
    Result, Stream,
};

/// The messages of `ipc/ipc.proto` that programs see.
pub mod ipc {
    /// A field for an object: see [`With`](super::With).
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Object {
        /// The tag of what travels beside the message; 0: none.
        #[prost(fixed64, required, tag = "1", default = "0")]
        pub id: u64,
    }

    /// A field for a file: see [`With`](super::With).
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Fd {
        /// The tag of what travels beside the message; -1: none.
        #[prost(sint32, required, tag = "1", default = "-1")]
        pub fd: i32,
    }

    /// A field for shared memory.
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Memory {
        /// Its file.
        #[prost(message, required, tag = "1")]
        pub fd: Fd,
    }

    /// No content.
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct None {}

    /// What a service is.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Description {
        #[prost(string, optional, tag = "1")]
        pub interface: Option<String>,
        #[prost(bytes = "vec", optional, tag = "2")]
        pub descriptor_set: Option<Vec<u8>>,
    }
}

/// The messages of `google/protobuf`, as protoc has them.
pub mod google {
    /// The package `google.protobuf`.
    pub mod protobuf {
        include!("google.rs");
        include!("descriptor.rs");
    }
}

/// A service, as tools and the service manager see it. Generated.
#[derive(Debug)]
pub struct Interface {
    /// Its full name.
    pub name: &'static str,
    /// A `FileDescriptorSet` of its file and all imports.
    pub descriptor: &'static [u8],
    /// Whether requests may have files.
    pub accept_fds: bool,
}

/// A method. Generated.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Its number.
    pub code: u32,
    /// Its time limit; 0: none.
    pub timeout_ms: u32,
    /// Whether the reply may have files.
    pub accept_fds: bool,
}

/// A generated message.
pub trait Body: prost::Message + Default {
    /// Whether a string at any depth has a NUL byte.
    fn has_nul(&self) -> bool {
        false
    }
}

/// A message whose fields can have objects and files, with these. It derefs to the message.
///
/// To send them, `put_object()`, `put_proxy()` and `put_fd()` return what goes into the field. The
/// receiver's `take()`, `take_proxy()`, `take_object()` and `take_fd()` take out what is in the field,
/// once. What is not taken is released with the message.
#[derive(Debug, Default)]
pub struct With<T> {
    message: T,
    sent: Vec<Sent>,
    received: Option<Item>,
}

#[derive(Debug)]
enum Sent {
    Object(Object),
    Proxy(Proxy),
    Fd(OwnedFd),
}

impl<T> With<T> {
    /// A message to be sent, without objects so far.
    pub fn new(message: T) -> With<T> {
        With { message, sent: Vec::new(), received: None }
    }

    fn put(&mut self, sent: Sent) -> usize {
        self.sent.push(sent);
        self.sent.len()
    }

    /// Adds an object of this process.
    pub fn put_object(&mut self, object: &Object) -> ipc::Object {
        ipc::Object { id: self.put(Sent::Object(object.clone())) as u64 }
    }

    /// Adds an object of another process.
    pub fn put_proxy(&mut self, proxy: &Proxy) -> ipc::Object {
        ipc::Object { id: self.put(Sent::Proxy(proxy.clone())) as u64 }
    }

    /// Adds an open file, which is closed here with the message.
    pub fn put_fd(&mut self, fd: impl Into<OwnedFd>) -> ipc::Fd {
        ipc::Fd { fd: self.put(Sent::Fd(fd.into())) as i32 }
    }

    fn item(&mut self) -> Result<&mut Item> {
        self.received.as_mut().ok_or_else(|| Error::errno(libc::ENOENT))
    }

    /// Takes the object of another process in a field out, as a generated client:
    /// `let seat: SeatClient = reply.take(reply.seat)?`. Errors as [`With::take_proxy`].
    pub fn take<C: From<Proxy>>(&mut self, field: Option<ipc::Object>) -> Result<C> {
        self.take_proxy(field).map(C::from)
    }

    /// Takes the object of another process in a field out. `ENOENT`: there is none, or it was taken.
    /// `EXDEV`: it is an object of this process.
    pub fn take_proxy(&mut self, field: Option<ipc::Object>) -> Result<Proxy> {
        self.item()?.take_proxy(field.map_or(0, |f| f.id))
    }

    /// Takes the object of this process in a field out. `ENOENT`: there is none, it has ended, or it was
    /// taken. `EXDEV`: it belongs to another process.
    pub fn take_object(&mut self, field: Option<ipc::Object>) -> Result<Object> {
        self.item()?.take_object(field.map_or(0, |f| f.id))
    }

    /// Takes the file in a field out. `ENOENT`: there is none, or it was taken.
    pub fn take_fd(&mut self, field: Option<ipc::Fd>) -> Result<OwnedFd> {
        self.item()?.take_fd(field.map_or(-1, |f| f.fd) as i64 as u64)
    }
}

impl<T> From<T> for With<T> {
    fn from(message: T) -> With<T> {
        With::new(message)
    }
}

impl<T> Deref for With<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.message
    }
}

impl<T> DerefMut for With<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.message
    }
}

/// What can be sent: a generated message, [`With`] one, or nothing.
pub trait Outgoing {
    /// Calls `run` with the message as bytes and entries. `EINVAL`: a string has a NUL byte.
    fn outgoing<R>(&self, code: u32, run: impl FnOnce(Message<'_>) -> Result<R>) -> Result<R>;
}

impl Outgoing for () {
    fn outgoing<R>(&self, code: u32, run: impl FnOnce(Message<'_>) -> Result<R>) -> Result<R> {
        run(Message::new(code))
    }
}

impl<T: Body> Outgoing for T {
    fn outgoing<R>(&self, code: u32, run: impl FnOnce(Message<'_>) -> Result<R>) -> Result<R> {
        send_with(code, self, &[], run)
    }
}

impl<T: Body> Outgoing for With<T> {
    fn outgoing<R>(&self, code: u32, run: impl FnOnce(Message<'_>) -> Result<R>) -> Result<R> {
        send_with(code, &self.message, &self.sent, run)
    }
}

fn send_with<R>(
    code: u32,
    body: &impl Body,
    sent: &[Sent],
    run: impl FnOnce(Message<'_>) -> Result<R>,
) -> Result<R> {
    let bytes = body.encode_to_vec();
    // C, which could not receive it, has no such strings.
    if bytes.contains(&0) && body.has_nul() {
        return Err(Error::errno(libc::EINVAL).with_message("a string has a NUL byte"));
    }
    let mut message = Message::new(code).bytes(bytes);
    for (i, sent) in sent.iter().enumerate() {
        let entry = match sent {
            Sent::Object(object) => Entry::Object(object),
            Sent::Proxy(proxy) => Entry::Proxy(proxy),
            Sent::Fd(fd) => Entry::Fd(fd.as_fd()),
        };
        message = message.entry(i as u64 + 1, entry);
    }
    run(message)
}

/// A received message, on its way to its type. For generated code.
pub struct Arrived<'a> {
    raw: Raw<'a>,
    connection: Connection,
}

/// What can be received: a generated message, [`With`] one, or nothing.
pub trait Incoming: Sized {
    /// `EBADMSG`: it does not match the type.
    fn incoming(from: &Arrived<'_>) -> Result<Self>;
}

impl Incoming for () {
    fn incoming(_: &Arrived<'_>) -> Result<()> {
        Ok(())
    }
}

impl<T: Body> Incoming for T {
    fn incoming(from: &Arrived<'_>) -> Result<T> {
        // SAFETY: what came is ours until it ends, and nobody else uses it.
        drop(unsafe { from.raw.entries(&from.connection) });
        parse(from)
    }
}

impl<T: Body> Incoming for With<T> {
    fn incoming(from: &Arrived<'_>) -> Result<With<T>> {
        // SAFETY: as above.
        let item = unsafe { from.raw.entries(&from.connection) };
        let message = parse(from)?;
        Ok(With { message, sent: Vec::new(), received: Some(item) })
    }
}

fn malformed<E>(_: E) -> Error {
    Error::errno(libc::EBADMSG)
}

fn parse<T: Body>(from: &Arrived<'_>) -> Result<T> {
    T::decode(from.raw.payload()?).map_err(malformed)
}

fn from_reply<T: Incoming>(reply: &Reply) -> Result<T> {
    T::incoming(&Arrived { raw: reply.message(), connection: reply.connection().clone() })
}

// --- Clients ---

/// For generated code: the object under a name. `EPROTOTYPE`: the object has another interface.
pub fn get(connection: &Connection, name: &str, interface: &Interface) -> Result<Proxy> {
    connection.get_as(name, interface.name)
}

/// For generated code: the same, when somebody has registered the name.
pub fn wait(
    connection: &Connection,
    name: &str,
    timeout: Option<Duration>,
    interface: &Interface,
) -> Result<Proxy> {
    connection.wait_as(name, interface.name, timeout)
}

fn limited<'a>(method: &Method, options: &Options<'a>) -> Options<'a> {
    options.or_timeout(Duration::from_millis(method.timeout_ms.into()))
}

fn addressed<'a>(method: &Method, message: Message<'a>) -> Message<'a> {
    if method.accept_fds {
        message.accept_fds()
    } else {
        message
    }
}

/// For generated code: a call.
pub fn call<Q: Outgoing, R: Incoming>(
    proxy: &Proxy,
    method: &Method,
    request: &Q,
    options: &Options<'_>,
) -> Result<R> {
    let reply = request.outgoing(method.code, |message| {
        proxy.call(&addressed(method, message), &limited(method, options))
    })?;
    from_reply(&reply)
}

/// For generated code: a call that is under way.
pub fn call_async<Q: Outgoing, R: Incoming>(
    proxy: &Proxy,
    method: &Method,
    request: &Q,
    options: &Options<'_>,
) -> Result<ReplyFuture<R>> {
    let future = request.outgoing(method.code, |message| {
        proxy.call_async(&addressed(method, message), &limited(method, options))
    })?;
    Ok(ReplyFuture { future, _reply: PhantomData })
}

/// For generated code: a oneway.
pub fn send<Q: Outgoing>(
    proxy: &Proxy,
    method: &Method,
    request: &Q,
    options: &Options<'_>,
) -> Result<()> {
    request.outgoing(method.code, |message| proxy.oneway(&message, options))
}

/// For generated code: a stream of requests.
pub fn open<Q: Outgoing, R: Incoming>(
    proxy: &Proxy,
    method: &Method,
    options: &Options<'_>,
) -> Result<StreamOf<Q, R>> {
    Ok(StreamOf::new(proxy.open_stream(method.code, &limited(method, options))?))
}

/// The server may have ended the stream already. What it sent can be received; if it died, the
/// first receive says so.
fn end_requests(stream: &Stream) -> Result<()> {
    match stream.end() {
        Err(Error::PeerDied(_)) => Ok(()),
        other => other,
    }
}

/// For generated code: a stream of replies to one request.
pub fn open_with<Q: Outgoing, R: Incoming>(
    proxy: &Proxy,
    method: &Method,
    request: &Q,
    options: &Options<'_>,
) -> Result<StreamOf<(), R>> {
    let stream = proxy.open_stream(method.code, &limited(method, options))?;
    request.outgoing(0, |message| stream.send(&message, None))?;
    end_requests(&stream)?;
    Ok(StreamOf::new(stream))
}

/// The reply of a call that is under way. Dropping it cancels the call. It needs no certain
/// runtime: some thread has to serve the connection.
#[derive(Debug)]
#[must_use = "dropping it cancels the call"]
pub struct ReplyFuture<R> {
    future: CallFuture,
    _reply: PhantomData<fn() -> R>,
}

impl<R: Incoming> Future for ReplyFuture<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R>> {
        Pin::new(&mut self.future).poll(context).map(|reply| from_reply(&reply?))
    }
}

// --- Streams ---

/// One end of a stream of a method: this end sends `Q` and receives `R`. It derefs to what every
/// stream has, such as `cancel()`.
pub struct StreamOf<Q, R> {
    stream: Stream,
    _types: PhantomData<(fn(Q), fn() -> R)>,
}

impl<Q: Outgoing, R: Incoming> StreamOf<Q, R> {
    fn new(stream: Stream) -> StreamOf<Q, R> {
        StreamOf { stream, _types: PhantomData }
    }

    /// Sends a message: see [`Stream::send`].
    pub fn send(&self, message: &Q, wait: Option<Duration>) -> Result<()> {
        message.outgoing(0, |message| self.stream.send(&message, wait))
    }

    /// The next message; `None` at the end. `EBADMSG`: it does not match its type. See
    /// [`Stream::receive`].
    pub fn receive(&mut self, wait: Option<Duration>) -> Result<Option<R>> {
        self.stream.receive_with(wait, |raw, connection| {
            R::incoming(&Arrived { raw, connection })
        })
    }

    /// For a client of a method with one reply: ends the requests and waits for the reply.
    /// `ENOMSG`: the server ended the stream without one.
    pub fn finish(mut self, wait: Option<Duration>) -> Result<R> {
        end_requests(&self.stream)?;
        self.receive(wait)?.ok_or_else(|| Error::errno(libc::ENOMSG))
    }
}

impl<Q, R> Deref for StreamOf<Q, R> {
    type Target = Stream;
    fn deref(&self) -> &Stream {
        &self.stream
    }
}

impl<Q, R> fmt::Debug for StreamOf<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamOf")
    }
}

// --- Servers ---

/// A call of a method, of which the reply is still to come. As [`Call`], to which it derefs:
/// `reply()` and `fail()` consume it, and without either the caller gets `ENOMSG`.
pub struct CallFor<R> {
    call: Call,
    _reply: PhantomData<fn(R)>,
}

impl<R: Outgoing> CallFor<R> {
    /// Ends the call with a reply: see [`Call::reply`].
    pub fn reply(self, reply: &R) -> Result<()> {
        let mut call = Some(self.call);
        let result = reply.outgoing(0, |message| match call.take() {
            Some(call) => call.reply(&message),
            None => Ok(()),
        });
        // Without a message, the caller gets the reason.
        if let (Err(error), Some(call)) = (&result, call) {
            call.fail(error)?;
        }
        result
    }

    /// Ends the call with an error.
    pub fn fail(self, error: &Error) -> Result<()> {
        self.call.fail(error)
    }

    /// Ends the call with what `handler` returns.
    pub fn reply_with(self, handler: impl FnOnce(&Call) -> Result<R>) -> Result<()> {
        match handler(&self.call) {
            Ok(reply) => self.reply(&reply),
            Err(error) => self.fail(&error),
        }
    }
}

impl<R> Deref for CallFor<R> {
    type Target = Call;
    fn deref(&self) -> &Call {
        &self.call
    }
}

impl<R> fmt::Debug for CallFor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}

fn request_of<Q: Incoming>(call: &Call) -> Result<Q> {
    Q::incoming(&Arrived { raw: call.request(), connection: call.connection() })
}

/// For generated code: serves a call.
pub fn serve<Q: Incoming, R: Outgoing>(
    call: Call,
    handler: impl FnOnce(Q, CallFor<R>) -> Result<()>,
) -> Result<()> {
    if call.is_oneway() {
        return Err(Error::errno(libc::EPROTO));
    }
    let request = request_of(&call)?;
    handler(request, CallFor { call, _reply: PhantomData })
}

/// For generated code: serves a oneway.
pub fn serve_oneway<Q: Incoming>(
    call: Call,
    handler: impl FnOnce(Q, &Call) -> Result<()>,
) -> Result<()> {
    if !call.is_oneway() {
        return Err(Error::errno(libc::EPROTO));
    }
    handler(request_of(&call)?, &call)
}

/// For generated code: serves a stream of requests.
pub fn serve_stream<Q: Outgoing, R: Incoming>(stream: Stream) -> StreamOf<Q, R> {
    StreamOf::new(stream)
}

/// For generated code: the one request of a stream of replies, which it waits for.
pub fn serve_replies<Q: Incoming, R: Outgoing>(
    stream: Stream,
    handler: impl FnOnce(Q, StreamOf<R, ()>) -> Result<()>,
) -> Result<()> {
    let mut stream: StreamOf<R, Q> = StreamOf::new(stream);
    let request = stream.receive(None)?.ok_or_else(|| Error::errno(libc::EPROTO))?;
    handler(request, StreamOf::new(stream.stream))
}

/// For generated code: a method that the service does not have, or that every object has.
pub fn unknown(call: Call, interface: &Interface) -> Result<()> {
    if call.method() != ipcbus_sys::IPC_CODE_DESCRIBE || call.is_oneway() {
        return Err(unserved());
    }
    let description = ipc::Description {
        interface: Some(interface.name.into()),
        descriptor_set: Some(interface.descriptor.to_vec()),
    };
    call.reply(&Message::new(0).bytes(prost::Message::encode_to_vec(&description)))
}

/// For generated code: the error of a method that nobody overrode.
pub fn unserved() -> Error {
    Error::errno(libc::EOPNOTSUPP)
}

/// For generated code: creates the object of a service.
pub fn object(
    connection: &Connection,
    interface: &Interface,
    service: impl crate::Service,
) -> Result<Object> {
    let mut builder = Object::builder(connection).interface(interface.name);
    if interface.accept_fds {
        builder = builder.accept_fds();
    }
    builder.create(service)
}
