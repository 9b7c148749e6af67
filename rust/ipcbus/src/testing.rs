// SPDX-License-Identifier: MIT
//! A private bus for a test: see `<ipc/test.h>`. Needs the feature `testing`, and libipc-test of
//! the development files of libipc.
//!
//! ```no_run
//! use ipcbus::{testing::Bus, Connection};
//!
//! let bus = Bus::builder().manual_clock().start().unwrap();
//! let client = Connection::builder().bus(bus.path()).open().unwrap();
//! ```

use std::ffi::CString;
use std::os::raw::c_char;
use std::ptr;
use std::time::Duration;

use ipcbus_sys as sys;

use crate::error::{check, exact, owned};
use crate::{Error, Result};

/// A bus: a child process, ipcbusd, with a service manager. It ends when it is dropped, or at any
/// end of the process that started it.
#[derive(Debug)]
pub struct Bus {
    raw: *mut sys::ipc_test_bus,
}

// SAFETY: any thread may call the functions.
unsafe impl Send for Bus {}
unsafe impl Sync for Bus {}

/// Settings of a bus to start.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct BusBuilder {
    flags: u32,
    ipcbusd: Option<String>,
    servicemanager: Option<String>,
    parameters: Vec<String>,
    manager_arguments: Vec<String>,
}

impl BusBuilder {
    /// Only [`Bus::advance`] advances the time of the deadlines of calls.
    pub fn manual_clock(mut self) -> Self {
        self.flags |= sys::IPC_TEST_MANUAL_CLOCK;
        self
    }

    /// The bus has no service manager.
    pub fn no_manager(mut self) -> Self {
        self.flags |= sys::IPC_TEST_NO_MANAGER;
        self
    }

    /// The path of the daemon. Without it: the first ipcbusd in `$PATH`, else the installed one.
    pub fn ipcbusd(mut self, path: impl Into<String>) -> Self {
        self.ipcbusd = Some(path.into());
        self
    }

    /// The same for the service manager.
    pub fn servicemanager(mut self, path: impl Into<String>) -> Self {
        self.servicemanager = Some(path.into());
        self
    }

    /// A parameter of the bus: see ipcbus(4).
    pub fn parameter(mut self, name: &str, value: u32) -> Self {
        self.parameters.push(format!("{name}={value}"));
        self
    }

    /// Another argument for the service manager.
    pub fn manager_argument(mut self, argument: impl Into<String>) -> Self {
        self.manager_arguments.push(argument.into());
        self
    }

    /// Starts the bus. Blocks until programs can connect and the service manager serves. `ENOENT`:
    /// a program was not found. `EPIPE`: a program ended at once.
    pub fn start(self) -> Result<Bus> {
        let ipcbusd = self.ipcbusd.as_deref().map(exact).transpose()?;
        let servicemanager = self.servicemanager.as_deref().map(exact).transpose()?;
        let parameters = Words::new(&self.parameters)?;
        let manager_arguments = Words::new(&self.manager_arguments)?;
        let options = sys::ipc_test_options {
            size: std::mem::size_of::<sys::ipc_test_options>(),
            flags: self.flags,
            ipcbusd: ipcbusd.as_ref().map_or(ptr::null(), |path| path.as_ptr()),
            servicemanager: servicemanager.as_ref().map_or(ptr::null(), |path| path.as_ptr()),
            parameters: parameters.pointers.as_ptr(),
            manager_arguments: manager_arguments.pointers.as_ptr(),
        };
        let mut raw = ptr::null_mut();
        // SAFETY: the options are valid during the call.
        check(unsafe { sys::ipc_test_bus_new(&options, &mut raw) })?;
        Ok(Bus { raw })
    }
}

/// A list of C, which NULL ends.
struct Words {
    _owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Words {
    fn new(words: &[String]) -> Result<Words> {
        let owned = words.iter().map(|word| exact(word)).collect::<Result<Vec<_>>>()?;
        let mut pointers: Vec<_> = owned.iter().map(|word| word.as_ptr()).collect();
        pointers.push(ptr::null());
        Ok(Words { _owned: owned, pointers })
    }
}

impl Bus {
    /// Starts a bus whose time is real time.
    pub fn start() -> Result<Bus> {
        Bus::builder().start()
    }

    /// Starts a bus with settings.
    pub fn builder() -> BusBuilder {
        BusBuilder::default()
    }

    /// The path of the bus, for [`Builder::bus`](crate::Builder::bus) and `IPCBUS_BUS`.
    pub fn path(&self) -> String {
        // SAFETY: self owns the bus; the same below.
        unsafe { owned(sys::ipc_test_bus_path(self.raw)) }.unwrap_or_default()
    }

    /// The process id of the daemon.
    pub fn pid(&self) -> i32 {
        unsafe { sys::ipc_test_bus_pid(self.raw) }
    }

    /// Advances the time of a bus with [`BusBuilder::manual_clock`], else fails with `EOPNOTSUPP`.
    /// Blocks until each call whose deadline has passed has failed; its caller may not have
    /// returned yet. Streams, and oneways that wait for space, use real time.
    pub fn advance(&self, time: Duration) -> Result<()> {
        let usec = u64::try_from(time.as_micros()).map_err(|_| Error::errno(libc::ERANGE))?;
        check(unsafe { sys::ipc_test_bus_advance(self.raw, usec) }).map(drop)
    }

    /// Blocks until `n` calls, at most 64, have arrived at their servers and have no reply yet, on
    /// the whole bus. So a test knows that the call of another thread or program has begun, before
    /// it advances the time. `EOPNOTSUPP` without [`BusBuilder::manual_clock`].
    pub fn wait_calls(&self, n: u32) -> Result<()> {
        check(unsafe { sys::ipc_test_bus_wait_calls(self.raw, n) }).map(drop)
    }

    /// Makes the `nth` allocation of the bus from now fail once, in ioctls of the process `pid` (0:
    /// of any). 0 cancels this. Returns whether the failure that was set before had not happened.
    pub fn fail_memory(&self, nth: u64, pid: i32) -> Result<bool> {
        check(unsafe { sys::ipc_test_bus_fail_memory(self.raw, pid, nth) }).map(|r| r == 1)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // SAFETY: self owns the bus.
        unsafe { sys::ipc_test_bus_free(self.raw) };
    }
}
