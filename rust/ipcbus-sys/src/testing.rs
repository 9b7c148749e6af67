// SPDX-License-Identifier: MIT
//! `<ipc/test.h>`.

use libc::{c_char, c_int, c_uint, pid_t, size_t};

pub const IPC_TEST_NO_MANAGER: c_uint = 1;
pub const IPC_TEST_MANUAL_CLOCK: c_uint = 2;

opaque!(ipc_test_bus);

#[repr(C)]
pub struct ipc_test_options {
    pub size: size_t,
    pub flags: c_uint,
    pub ipcbusd: *const c_char,
    pub servicemanager: *const c_char,
    pub parameters: *const *const c_char,
    pub manager_arguments: *const *const c_char,
}

extern "C" {
    pub fn ipc_test_bus_new(
        options: *const ipc_test_options,
        ret_bus: *mut *mut ipc_test_bus,
    ) -> c_int;
    pub fn ipc_test_bus_free(bus: *mut ipc_test_bus) -> *mut ipc_test_bus;
    pub fn ipc_test_bus_path(bus: *const ipc_test_bus) -> *const c_char;
    pub fn ipc_test_bus_pid(bus: *const ipc_test_bus) -> pid_t;
    pub fn ipc_test_bus_advance(bus: *mut ipc_test_bus, usec: u64) -> c_int;
    pub fn ipc_test_bus_wait_calls(bus: *mut ipc_test_bus, n: c_uint) -> c_int;
    pub fn ipc_test_bus_fail_memory(bus: *mut ipc_test_bus, pid: pid_t, nth: u64) -> c_int;
}
