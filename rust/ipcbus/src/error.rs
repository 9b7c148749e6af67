// SPDX-License-Identifier: MIT
use std::ffi::{c_void, CStr, CString};
use std::fmt;
use std::os::raw::{c_char, c_int, c_uint};

use ipcbus_sys as sys;

/// The result of functions of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The reporter of an error. See `enum ipc_origin` of `<ipc/error.h>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// This process, before the call was sent or after its end.
    Here,
    /// The bus, which refused or ended the call.
    Bus,
    /// The server's process.
    Peer,
    /// A server behind the server, according to the server.
    Behind,
}

/// All details of an error, as sent. `name`, `text` and `details` may contain anything.
/// `Display` and `Debug` are safe to print to a terminal or a log: control characters are replaced,
/// and each text is cut after a kilobyte.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The errno, positive. `<ipc/ipc.h>` defines the meaning of each.
    pub code: i32,
    /// The reporter of the error.
    pub origin: Origin,
    /// The name that the server set, such as `echo.Empty`.
    pub name: Option<String>,
    /// A text for people, set by the server.
    pub text: Option<String>,
    /// A number that the server defines; 0 if not set.
    pub number: i32,
    /// Bytes that the server defines.
    pub details: Vec<u8>,
    /// With [`Origin::Behind`]: the errno behind `code`; otherwise 0.
    pub cause: i32,
}

/// Defines `Error` with these variants, each with its errno.
macro_rules! errors {
    ($($(#[$text:meta])* $kind:ident = $code:ident,)*) => {
        /// An error. Each variant has all details as a [`Failure`], which [`Error::failure`]
        /// returns. The variants have the names of `enum ipc_errno` in `<ipc/error.h>`.
        ///
        /// ```
        /// # use ipcbus::Error;
        /// # let error = Error::service("echo.Empty", "nothing to say");
        /// match &error {
        ///     Error::ServiceError(f) if f.name.as_deref() == Some("echo.Empty") => {
        ///         println!("say something")
        ///     }
        ///     Error::DeadlineExceeded(_) => println!("try again"),
        ///     other => println!("{other}"),
        /// }
        /// ```
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Error {
            /// The server reports its own error: an error with a name, whatever its errno, or with
            /// `EREMOTEIO`.
            ServiceError(Box<Failure>),
            $($(#[$text])* $kind(Box<Failure>),)*
            /// Any other errno.
            Other(Box<Failure>),
        }

        impl Error {
            fn of(failure: Failure) -> Error {
                let failure = Box::new(failure);
                match failure.code {
                    _ if failure.name.is_some() => Error::ServiceError(failure),
                    libc::EREMOTEIO => Error::ServiceError(failure),
                    libc::EPERM => Error::PermissionDenied(failure),
                    $(libc::$code => Error::$kind(failure),)*
                    _ => Error::Other(failure),
                }
            }

            /// Returns all details.
            pub fn failure(&self) -> &Failure {
                match self {
                    Error::ServiceError(f) | Error::Other(f) $(| Error::$kind(f))* => f,
                }
            }

            fn failure_mut(&mut self) -> &mut Failure {
                match self {
                    Error::ServiceError(f) | Error::Other(f) $(| Error::$kind(f))* => f,
                }
            }

            /// Returns all details without a copy.
            pub fn into_failure(self) -> Failure {
                match self {
                    Error::ServiceError(f) | Error::Other(f) $(| Error::$kind(f))* => *f,
                }
            }
        }
    };
}

errors! {
    /// `EINVAL`: an argument is malformed, or refers to a closed object.
    InvalidArgument = EINVAL,
    /// `ECANCELED`: the call or stream was canceled, or its connection was closed.
    Canceled = ECANCELED,
    /// `ETIMEDOUT`: the timeout expired.
    DeadlineExceeded = ETIMEDOUT,
    /// `ENOENT`: no process has registered the name, there is no such object, file or device, or,
    /// with [`Origin::Peer`], the server did not find something.
    NotFound = ENOENT,
    /// `EACCES`: the policy or the receiver forbids it; also `EPERM`.
    PermissionDenied = EACCES,
    /// `EEXIST`: a living process has registered the name.
    NameTaken = EEXIST,
    /// `EHOSTUNREACH`: the program could not be started.
    ActivationFailed = EHOSTUNREACH,
    /// `ENOTCONN`: no service manager is running.
    NoManager = ENOTCONN,
    /// `ECONNRESET`: the daemon that ran the bus has ended.
    BusEnded = ECONNRESET,
    /// `EOWNERDEAD`: the object is dead: its process has ended it, or died.
    DeadObject = EOWNERDEAD,
    /// `EHOSTDOWN`: the object's process is frozen.
    PeerFrozen = EHOSTDOWN,
    /// `EOPNOTSUPP`: the object has no such method, or no handler for it.
    Unimplemented = EOPNOTSUPP,
    /// `EPROTOTYPE`: the object has another interface.
    InterfaceMismatch = EPROTOTYPE,
    /// `EPROTO`: the two sides treat the method in different ways.
    ProtocolError = EPROTO,
    /// `EBADMSG`: a message does not match its type.
    BadMessage = EBADMSG,
    /// `EMSGSIZE`: the message can never fit.
    MessageTooLarge = EMSGSIZE,
    /// `EAGAIN`: the receiver has no space now, or no message arrived in time.
    WouldBlock = EAGAIN,
    /// `EDQUOT`: a limit of the user is reached.
    QuotaExceeded = EDQUOT,
    /// `ENOMSG`: the server ended the call without a reply.
    NoReply = ENOMSG,
    /// `ECHILD`: the connection belongs to the parent process.
    Forked = ECHILD,
}

impl Error {
    /// An errno, positive or negative, without a name. 0 becomes `EIO`.
    pub fn errno(code: i32) -> Error {
        Error::of(Failure {
            code: match code.checked_abs() {
                Some(code) if code != 0 => code,
                _ => libc::EIO,
            },
            origin: Origin::Here,
            name: None,
            text: None,
            number: 0,
            details: Vec::new(),
            cause: 0,
        })
    }

    /// An error of a server, to return to its callers. `name` is a name such as `echo.Empty`. The
    /// errno is `EREMOTEIO`.
    pub fn service(name: impl Into<String>, text: impl Into<String>) -> Error {
        Error::errno(libc::EREMOTEIO).with_name(name).with_text(text)
    }

    /// Sets the name. The error becomes an [`Error::ServiceError`] and keeps its errno:
    /// `Error::errno(libc::ENOSPC).with_name("disk.Full")`.
    pub fn with_name(mut self, name: impl Into<String>) -> Error {
        self.failure_mut().name = Some(name.into());
        Error::of(self.into_failure())
    }

    /// Sets the text.
    pub fn with_text(mut self, text: impl Into<String>) -> Error {
        self.failure_mut().text = Some(text.into());
        self
    }

    /// The message has no such object or file, or no longer.
    pub(crate) fn no_entry() -> Error {
        Error::errno(libc::ENOENT)
            .with_text("the field is empty, or its object or file ended or was taken before")
    }

    /// Sets the text to the name and the cause: see `ipc_name_error_text()`.
    pub(crate) fn about_name(self, name: &CStr) -> Error {
        let mut to = [0; 512];
        // SAFETY: the function writes a string into the array.
        let text = unsafe {
            sys::ipc_name_error_text(to.as_mut_ptr(), to.len(), name.as_ptr(), -self.code());
            CStr::from_ptr(to.as_ptr())
        };
        self.with_text(text.to_string_lossy())
    }

    /// Sets the error's number.
    pub fn with_number(mut self, number: i32) -> Error {
        self.failure_mut().number = number;
        self
    }

    /// Sets the bytes that the server defines.
    pub fn with_details(mut self, details: impl Into<Vec<u8>>) -> Error {
        self.failure_mut().details = details.into();
        self
    }

    /// The errno, positive.
    pub fn code(&self) -> i32 {
        self.failure().code
    }

    /// The reporter of the error.
    pub fn origin(&self) -> Origin {
        self.failure().origin
    }

    /// The name that the server set.
    pub fn name(&self) -> Option<&str> {
        self.failure().name.as_deref()
    }

    /// The text for people that the server set.
    pub fn text(&self) -> Option<&str> {
        self.failure().text.as_deref()
    }

    /// Bytes that the server defines; empty if not set.
    pub fn details(&self) -> &[u8] {
        &self.failure().details
    }
}

/// The maximum number of bytes of `details` that `Debug` shows.
const DETAILS_SHOWN: usize = 64;

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.details[..self.details.len().min(DETAILS_SHOWN)];
        // If main() returns an error, Rust prints it in this form.
        f.debug_struct("Failure")
            .field("code", &format_args!("{} ({})", self.code, text_of(self.code)))
            .field("origin", &self.origin)
            .field("name", &self.name.as_deref().map(printable))
            .field("text", &self.text.as_deref().map(printable))
            .field("number", &self.number)
            .field("details", &format_args!("{} bytes {shown:?}", self.details.len()))
            .field("cause", &self.cause)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = self.failure();
        let name = failure.name.as_deref().map(lossy);
        let text = failure.text.as_deref().map(lossy);
        let text_of = |text: &Option<CString>| {
            text.as_ref().map_or(std::ptr::null_mut(), |text| text.as_ptr() as *mut c_char)
        };
        let error = sys::ipc_error {
            size: std::mem::size_of::<sys::ipc_error>(),
            code: -failure.code,
            number: 0,
            name: text_of(&name),
            text: text_of(&text),
            details: std::ptr::null_mut(),
            details_size: 0,
            origin: failure.origin as c_uint,
            cause: -failure.cause,
        };
        let mut to = [0; sys::IPC_ERROR_TEXT_MAX];
        // SAFETY: the buffer has the size, and the function writes a terminated string.
        let shown = unsafe {
            CStr::from_ptr(sys::ipc_error_text(to.as_mut_ptr(), to.len(), failure.code, &error))
        };
        f.write_str(&shown.to_string_lossy())
    }
}

/// Returns the text in the form of `ipc_printable()` of C.
pub(crate) fn printable(text: &str) -> String {
    let text = lossy(text);
    let mut to = [0; sys::IPC_PRINTABLE_MAX];
    // SAFETY: the buffer has the size, and the function writes a terminated string.
    let shown = unsafe { CStr::from_ptr(sys::ipc_printable(to.as_mut_ptr(), to.len(), text.as_ptr())) };
    shown.to_string_lossy().into_owned()
}

fn text_of(code: i32) -> String {
    // SAFETY: it returns a static string for each number.
    unsafe { CStr::from_ptr(sys::ipc_strerror(code)) }.to_string_lossy().into_owned()
}

impl std::error::Error for Error {}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        let kind = std::io::Error::from_raw_os_error(error.code()).kind();
        std::io::Error::new(kind, error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::errno(error.raw_os_error().unwrap_or(libc::EIO)).with_text(error.to_string())
    }
}

/// Makes a string for C. NUL bytes become blanks.
pub(crate) fn lossy(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).expect("no zero is left")
}

/// Makes a string for C. `EINVAL`: it contains a NUL byte.
pub(crate) fn exact(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::errno(libc::EINVAL))
}

/// Returns the error of a function of C without details. Some errnos come only from the bus.
fn from_errno(result: c_int) -> Error {
    let mut error = Error::errno(result);
    if matches!(
        error,
        Error::DeadObject(_) | Error::PeerFrozen(_) | Error::BusEnded(_) | Error::DeadlineExceeded(_)
    ) {
        error.failure_mut().origin = Origin::Bus;
    }
    error
}

/// Converts the result of a function of C: 0 or a count, or a negative errno.
pub(crate) fn check(result: c_int) -> Result<c_int> {
    if result < 0 {
        Err(from_errno(result))
    } else {
        Ok(result)
    }
}

/// Copies a string of C.
///
/// # Safety
/// `text` must be NULL or a string.
pub(crate) unsafe fn owned(text: *const c_char) -> Option<String> {
    (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
}

/// An error structure that a function of C may fill.
pub(crate) struct Filled(pub sys::ipc_error);

impl Filled {
    pub fn new() -> Filled {
        Filled(sys::ipc_error {
            size: std::mem::size_of::<sys::ipc_error>(),
            code: 0,
            number: 0,
            name: std::ptr::null_mut(),
            text: std::ptr::null_mut(),
            details: std::ptr::null_mut(),
            details_size: 0,
            origin: sys::IPC_ORIGIN_HERE,
            cause: 0,
        })
    }

    /// Returns the result of the function, with the details that it filled in.
    pub fn check(&self, result: c_int) -> Result<c_int> {
        if result >= 0 {
            return Ok(result);
        }
        // SAFETY: the function has filled it, or it is as initialized.
        Err(unsafe { from_c(result, &self.0) })
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        // SAFETY: C allocated its members, or they are NULL.
        unsafe { sys::ipc_error_done(&mut self.0) }
    }
}

/// Returns the error of a function of C, with its details if `error` is filled in.
///
/// # Safety
/// `error` must be NULL, or its members must be valid.
pub(crate) unsafe fn from_c(result: c_int, error: *const sys::ipc_error) -> Error {
    let plain = from_errno(result);
    let error = match error.as_ref() {
        Some(error) if error.code != 0 => error,
        _ => return plain,
    };
    Error::of(Failure {
        code: plain.code(),
        origin: match error.origin {
            sys::IPC_ORIGIN_BUS => Origin::Bus,
            sys::IPC_ORIGIN_PEER => Origin::Peer,
            sys::IPC_ORIGIN_BEHIND => Origin::Behind,
            _ => Origin::Here,
        },
        name: owned(error.name),
        text: owned(error.text),
        number: error.number,
        details: if error.details.is_null() {
            Vec::new()
        } else {
            std::slice::from_raw_parts(error.details as *const u8, error.details_size).to_vec()
        },
        cause: error.cause.saturating_abs(),
    })
}

/// Passes an error without `origin` and `cause` to a function of C that ends a call or stream.
pub(crate) fn pass(
    error: &Error,
    fail: impl FnOnce(*const sys::ipc_error) -> c_int,
) -> c_int {
    let failure = error.failure();
    let (name, text) = (failure.name.as_deref().map(lossy), failure.text.as_deref().map(lossy));
    let pointer = |text: &Option<CString>| {
        text.as_ref().map_or(std::ptr::null_mut(), |t| t.as_ptr() as *mut c_char)
    };

    fail(&sys::ipc_error {
        size: std::mem::size_of::<sys::ipc_error>(),
        code: -failure.code,
        number: failure.number,
        name: pointer(&name),
        text: pointer(&text),
        details: failure.details.as_ptr() as *mut c_void,
        details_size: failure.details.len(),
        origin: sys::IPC_ORIGIN_HERE,
        cause: 0,
    })
}
