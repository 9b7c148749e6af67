// SPDX-License-Identifier: MIT
//! The functions of libipc for programs that do not use protobuf-c: those of `<ipc/ipc.h>`,
//! `<ipc/call.h>`, `<ipc/name.h>`, `<ipc/limits.h>`, `<ipc/stream.h>`, `<ipc/memory.h>` and
//! `<ipc/raw.h>`, and with the feature `testing` those of `<ipc/test.h>`. The headers have the rules.
//! Programs should use the safe crate `ipcbus`.
//!
//! A test compares each size, offset and constant, and the names of the functions, with the
//! headers.
#![no_std]
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

use libc::{c_char, c_int, c_uint, c_void, gid_t, iovec, pid_t, size_t, uid_t};

macro_rules! opaque {
    ($($name:ident)*) => { $(
        #[repr(C)]
        pub struct $name {
            _private: [u8; 0],
            _not_send: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
        }
    )* };
}

#[cfg(feature = "testing")]
mod testing;
#[cfg(feature = "testing")]
pub use testing::*;

opaque!(ipc ipc_object ipc_proxy ipc_call ipc_stream ipc_slot ipc_cancellation ipc_memory);

pub const IPC_NEVER: u64 = u64::MAX;
pub const IPC_INHERIT: u64 = u64::MAX - 1;
pub const IPC_REGION_DEFAULT: size_t = 16 << 20;
pub const IPC_PRINTABLE_MAX: size_t = 1024;
pub const IPC_ERROR_TEXT_MAX: size_t = 2 * IPC_PRINTABLE_MAX + 2;
pub const IPC_REPLACE: u32 = 1 << 0;
pub const IPC_DETACHED: u32 = 1 << 1;
pub const IPC_OBJECT_LABEL: c_uint = 1 << 0;
pub const IPC_MESSAGE_MAX: size_t = 1 << 30;
pub const IPC_MEMORY_WRITE: c_uint = 1 << 0;

pub const IPC_ORIGIN_HERE: c_uint = 0;
pub const IPC_ORIGIN_BUS: c_uint = 1;
pub const IPC_ORIGIN_PEER: c_uint = 2;
pub const IPC_ORIGIN_BEHIND: c_uint = 3;

pub const IPC_NAME_PRESENT: c_uint = 1;
pub const IPC_NAME_GONE: c_uint = 2;
pub const IPC_NAME_SETTLED: c_uint = 3;
pub const IPC_BUS_DOWN: c_uint = 1;
pub const IPC_BUS_UP: c_uint = 2;

pub const IPC_NAME_REPLACE: c_uint = 1;
pub const IPC_NAME_QUEUE: c_uint = 2;

pub const IPC_REGISTRATION_ACQUIRED: c_uint = 1;
pub const IPC_REGISTRATION_LOST: c_uint = 2;
pub const IPC_REGISTRATION_FAILED: c_uint = 3;

pub const IPC_RAW_ENTRIES_MAX: usize = 64;
pub const IPC_RAW_PARTS_MAX: usize = 64;
pub const IPC_RAW_OBJECT: c_uint = 1;
pub const IPC_RAW_PROXY: c_uint = 2;
pub const IPC_RAW_FD: c_uint = 3;
pub const IPC_RAW_ACCEPT_FDS: u32 = 1 << 0;
pub const IPC_NUMBER_BUILTIN: u32 = 0x10000;
pub const IPC_NUMBER_DERIVED: u32 = 0x8000_0000;
pub const IPC_NUMBER_PING: u32 = IPC_NUMBER_BUILTIN;
pub const IPC_NUMBER_DESCRIBE: u32 = IPC_NUMBER_BUILTIN + 1;
pub const IPC_NUMBER_DUMP: u32 = IPC_NUMBER_BUILTIN + 2;
pub const IPC_NUMBER_STREAM: u32 = IPC_NUMBER_BUILTIN + 3;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ipc_options {
    pub timeout_usec: u64,
    pub cancellation: *mut ipc_cancellation,
    pub parent: *mut ipc_call,
    pub parent_stream: *mut ipc_stream,
    pub metadata: *const *const c_char,
    pub flags: u32,
    pub window: u32,
    pub reserved: [u32; 4],
}

#[repr(C)]
pub struct ipc_error {
    pub size: size_t,
    pub code: c_int,
    pub number: c_int,
    pub name: *mut c_char,
    pub text: *mut c_char,
    pub details: *mut c_void,
    pub details_size: size_t,
    pub origin: c_uint,
    pub cause: c_int,
}

#[repr(C)]
pub struct ipc_object_info {
    pub size: size_t,
    pub refs: c_uint,
    pub pending: c_uint,
    pub oneways: c_uint,
    pub watches: c_uint,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ipc_object_limits {
    pub size: size_t,
    pub message_size: size_t,
    pub streams: u32,
    pub calls: u32,
    pub waiting_bytes: u32,
    pub window: u32,
}

#[repr(C)]
pub struct ipc_name_info {
    pub size: size_t,
    pub name: [c_char; 128],
    pub interface: [c_char; 256],
    pub pid: pid_t,
    pub uid: uid_t,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union ipc_raw_entry_value {
    pub object: *mut ipc_object,
    pub proxy: *mut ipc_proxy,
    pub fd: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ipc_raw_entry {
    pub tag: u64,
    pub type_: c_uint,
    pub value: ipc_raw_entry_value,
}

#[repr(C)]
pub struct ipc_raw_message {
    pub method: u32,
    pub flags: u32,
    pub data: *const c_void,
    pub size: size_t,
    pub parts: *const iovec,
    pub n_parts: size_t,
    pub entries: *mut ipc_raw_entry,
    pub n_entries: size_t,
}

#[repr(C)]
pub struct ipc_raw_ops {
    pub interface: *const c_char,
    pub flags: u32,
    pub reserved: u32,
    pub serve: Option<
        unsafe extern "C" fn(*mut ipc_call, *const ipc_raw_message, *mut c_void) -> c_int,
    >,
    pub stream: Option<unsafe extern "C" fn(*mut ipc_stream, u32, *mut c_void) -> c_int>,
    pub destroy: Option<unsafe extern "C" fn(*mut c_void)>,
    pub has_request: Option<unsafe extern "C" fn(u32, *mut c_void) -> c_int>,
    pub stream_request: Option<
        unsafe extern "C" fn(*mut ipc_stream, u32, *const ipc_raw_message, *mut c_void) -> c_int,
    >,
}

#[repr(C)]
pub struct ipc_stream_ops {
    pub size: size_t,
    pub on_message: Option<unsafe extern "C" fn(*mut ipc_stream, *mut c_void)>,
    pub on_writable: Option<unsafe extern "C" fn(*mut ipc_stream, *mut c_void)>,
    pub on_end:
        Option<unsafe extern "C" fn(*mut ipc_stream, c_int, *const ipc_error, *mut c_void)>,
    pub destroy: Option<unsafe extern "C" fn(*mut c_void)>,
}

pub type ipc_raw_cb =
    unsafe extern "C" fn(c_int, *mut ipc_raw_message, *const ipc_error, *mut c_void);
pub type ipc_stream_cb =
    unsafe extern "C" fn(c_int, *mut ipc_stream, *const ipc_error, *mut c_void);
pub type ipc_cancel_cb = unsafe extern "C" fn(*mut ipc_call, *mut c_void);
pub type ipc_death_cb = unsafe extern "C" fn(*mut ipc_proxy, *mut c_void);
pub type ipc_writable_cb = unsafe extern "C" fn(*mut ipc, *mut c_void);
pub type ipc_reconnect_cb = unsafe extern "C" fn(*mut ipc, c_uint, *mut c_void);
pub type ipc_log_cb = unsafe extern "C" fn(c_int, *const c_char, *mut c_void);
pub type ipc_registration_cb =
    unsafe extern "C" fn(*mut ipc, *const c_char, c_uint, c_int, *mut c_void);
pub type ipc_name_cb = unsafe extern "C" fn(
    *mut ipc,
    c_uint,
    *const ipc_name_info,
    *mut ipc_proxy,
    *mut c_void,
);
pub type ipc_name_done_cb = unsafe extern "C" fn(c_int, *mut c_void);
pub type ipc_proxy_cb = unsafe extern "C" fn(c_int, *mut ipc_proxy, *mut c_void);
pub type ipc_name_info_cb = unsafe extern "C" fn(c_int, *const ipc_name_info, *mut c_void);
pub type ipc_names_cb = unsafe extern "C" fn(c_int, *mut *mut ipc_name_info, *mut c_void);

extern "C" {
    // <ipc/ipc.h>
    pub fn ipc_open(ret_ipc: *mut *mut ipc, device: *const c_char) -> c_int;
    pub fn ipc_open_sized(
        ret_ipc: *mut *mut ipc,
        device: *const c_char,
        region_size: size_t,
    ) -> c_int;
    pub fn ipc_ref(ipc: *mut ipc) -> *mut ipc;
    pub fn ipc_unref(ipc: *mut ipc) -> *mut ipc;
    pub fn ipc_set_clear(ipc: *mut ipc, clear: c_int) -> c_int;
    pub fn ipc_slot_end(slot: *mut ipc_slot) -> *mut ipc_slot;
    pub fn ipc_slot_end_async(slot: *mut ipc_slot) -> *mut ipc_slot;
    pub fn ipc_slot_detach(slot: *mut ipc_slot) -> *mut ipc_slot;
    pub fn ipc_slot_set_destroy(
        slot: *mut ipc_slot,
        destroy: Option<unsafe extern "C" fn(*mut c_void)>,
    );
    pub fn ipc_set_threads(ipc: *mut ipc, threads: c_uint) -> c_int;
    pub fn ipc_run(ipc: *mut ipc) -> c_int;
    pub fn ipc_stop(ipc: *mut ipc);
    pub fn ipc_get_fd(ipc: *mut ipc) -> c_int;
    pub fn ipc_process(ipc: *mut ipc) -> c_int;
    pub fn ipc_wait_event(ipc: *mut ipc, timeout_usec: u64) -> c_int;
    pub fn ipc_on_writable(
        ipc: *mut ipc,
        cb: ipc_writable_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_object_ref(object: *mut ipc_object) -> *mut ipc_object;
    pub fn ipc_object_unref(object: *mut ipc_object) -> *mut ipc_object;
    pub fn ipc_object_set_flags(object: *mut ipc_object, flags: c_uint) -> c_int;
    pub fn ipc_object_set_priority(
        object: *mut ipc_object,
        sched_policy: c_int,
        priority: c_int,
    ) -> c_int;
    pub fn ipc_object_id(object: *mut ipc_object, ret_id: *mut u64) -> c_int;
    pub fn ipc_object_userdata(object: *const ipc_object) -> *mut c_void;
    pub fn ipc_object_info(object: *const ipc_object, ret_info: *mut ipc_object_info) -> c_int;
    pub fn ipc_proxy_ref(proxy: *mut ipc_proxy) -> *mut ipc_proxy;
    pub fn ipc_proxy_unref(proxy: *mut ipc_proxy) -> *mut ipc_proxy;
    pub fn ipc_proxy_id(proxy: *const ipc_proxy) -> u64;
    pub fn ipc_proxy_ipc(proxy: *const ipc_proxy) -> *mut ipc;
    pub fn ipc_proxy_ping(proxy: *mut ipc_proxy, error: *mut ipc_error) -> c_int;
    pub fn ipc_proxy_dump(
        proxy: *mut ipc_proxy,
        fd: c_int,
        args: *const *const c_char,
        n_args: size_t,
        error: *mut ipc_error,
    ) -> c_int;
    pub fn ipc_proxy_on_death(
        proxy: *mut ipc_proxy,
        cb: ipc_death_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_take_fd(fd: *mut i32) -> c_int;
    pub fn ipc_set_timeout(ipc: *mut ipc, timeout_usec: u64) -> c_int;
    pub fn ipc_proxy_set_timeout(proxy: *mut ipc_proxy, timeout_usec: u64) -> c_int;
    pub fn ipc_cancellation_new(
        ipc: *mut ipc,
        ret_cancellation: *mut *mut ipc_cancellation,
    ) -> c_int;
    pub fn ipc_cancellation_ref(cancellation: *mut ipc_cancellation) -> *mut ipc_cancellation;
    pub fn ipc_cancellation_unref(cancellation: *mut ipc_cancellation) -> *mut ipc_cancellation;
    pub fn ipc_cancel(cancellation: *mut ipc_cancellation) -> c_int;
    pub fn ipc_cancellation_is_canceled(cancellation: *const ipc_cancellation) -> c_int;
    pub fn ipc_call_ref(call: *mut ipc_call) -> *mut ipc_call;
    pub fn ipc_call_unref(call: *mut ipc_call) -> *mut ipc_call;
    pub fn ipc_call_fail(
        call: *mut ipc_call,
        code: c_int,
        name: *const c_char,
        format: *const c_char,
        ...
    ) -> c_int;
    pub fn ipc_call_fail_with(call: *mut ipc_call, error: *const ipc_error) -> c_int;
    pub fn ipc_call_uid(call: *const ipc_call) -> uid_t;
    pub fn ipc_call_gid(call: *const ipc_call) -> gid_t;
    pub fn ipc_call_pid(call: *const ipc_call) -> pid_t;
    pub fn ipc_call_tid(call: *const ipc_call) -> pid_t;
    pub fn ipc_call_pidfd(call: *const ipc_call) -> c_int;
    pub fn ipc_call_is_oneway(call: *const ipc_call) -> c_int;
    pub fn ipc_call_label(call: *const ipc_call) -> *const c_char;
    pub fn ipc_call_metadata(call: *const ipc_call, name: *const c_char) -> *const c_char;
    pub fn ipc_call_remaining(call: *const ipc_call) -> u64;
    pub fn ipc_call_is_canceled(call: *const ipc_call) -> c_int;
    pub fn ipc_call_on_cancel(
        call: *mut ipc_call,
        cb: ipc_cancel_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_call_ipc(call: *const ipc_call) -> *mut ipc;
    pub fn ipc_error_done(error: *mut ipc_error);
    pub fn ipc_strerror(code: c_int) -> *const c_char;
    pub fn ipc_error_text(
        to: *mut c_char,
        size: size_t,
        code: c_int,
        error: *const ipc_error,
    ) -> *mut c_char;
    pub fn ipc_open_error_text(
        to: *mut c_char,
        size: size_t,
        device: *const c_char,
        code: c_int,
    ) -> *mut c_char;
    pub fn ipc_name_error_text(
        to: *mut c_char,
        size: size_t,
        name: *const c_char,
        code: c_int,
    ) -> *mut c_char;
    pub fn ipc_printable(to: *mut c_char, size: size_t, text: *const c_char) -> *mut c_char;

    // <ipc/limits.h>
    pub fn ipc_object_set_limits(
        object: *mut ipc_object,
        limits: *const ipc_object_limits,
    ) -> c_int;
    pub fn ipc_set_message_max(ipc: *mut ipc, size: size_t) -> c_int;
    pub fn ipc_set_reconnect(
        ipc: *mut ipc,
        cb: Option<ipc_reconnect_cb>,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;

    pub fn ipc_set_log(cb: Option<ipc_log_cb>, userdata: *mut c_void);
    pub fn ipc_log(priority: c_int, format: *const c_char, ...);

    // <ipc/name.h>
    pub fn ipc_register_name(
        ipc: *mut ipc,
        name: *const c_char,
        object: *mut ipc_object,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_register_name_with(
        ipc: *mut ipc,
        name: *const c_char,
        object: *mut ipc_object,
        flags: c_uint,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_unregister_name(ipc: *mut ipc, name: *const c_char) -> c_int;
    pub fn ipc_on_registration(
        ipc: *mut ipc,
        cb: ipc_registration_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_idle_exit(ipc: *mut ipc, name: *const c_char) -> c_int;
    pub fn ipc_proxy_get(
        ipc: *mut ipc,
        name: *const c_char,
        interface: *const c_char,
        ret_proxy: *mut *mut ipc_proxy,
    ) -> c_int;
    pub fn ipc_proxy_wait(
        ipc: *mut ipc,
        name: *const c_char,
        interface: *const c_char,
        timeout_usec: u64,
        ret_proxy: *mut *mut ipc_proxy,
    ) -> c_int;
    pub fn ipc_check_name(
        ipc: *mut ipc,
        name: *const c_char,
        ret_info: *mut ipc_name_info,
    ) -> c_int;
    pub fn ipc_list_names(
        ipc: *mut ipc,
        pattern: *const c_char,
        ret_infos: *mut *mut *mut ipc_name_info,
    ) -> c_int;
    pub fn ipc_proxy_get_async(
        ipc: *mut ipc,
        name: *const c_char,
        interface: *const c_char,
        options: *const ipc_options,
        cb: ipc_proxy_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_proxy_wait_async(
        ipc: *mut ipc,
        name: *const c_char,
        interface: *const c_char,
        timeout_usec: u64,
        options: *const ipc_options,
        cb: ipc_proxy_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_register_name_async(
        ipc: *mut ipc,
        name: *const c_char,
        object: *mut ipc_object,
        flags: c_uint,
        options: *const ipc_options,
        cb: ipc_name_done_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_unregister_name_async(
        ipc: *mut ipc,
        name: *const c_char,
        options: *const ipc_options,
        cb: ipc_name_done_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_check_name_async(
        ipc: *mut ipc,
        name: *const c_char,
        options: *const ipc_options,
        cb: ipc_name_info_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_list_names_async(
        ipc: *mut ipc,
        pattern: *const c_char,
        options: *const ipc_options,
        cb: ipc_names_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_watch_names_async(
        ipc: *mut ipc,
        pattern: *const c_char,
        cb: ipc_name_cb,
        options: *const ipc_options,
        done: ipc_name_done_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_watch_names(
        ipc: *mut ipc,
        pattern: *const c_char,
        cb: ipc_name_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;

    // <ipc/stream.h>
    pub fn ipc_stream_ref(stream: *mut ipc_stream) -> *mut ipc_stream;
    pub fn ipc_stream_unref(stream: *mut ipc_stream) -> *mut ipc_stream;
    pub fn ipc_stream_ipc(stream: *const ipc_stream) -> *mut ipc;
    pub fn ipc_stream_end(stream: *mut ipc_stream) -> c_int;
    pub fn ipc_stream_fail(
        stream: *mut ipc_stream,
        code: c_int,
        name: *const c_char,
        format: *const c_char,
        ...
    ) -> c_int;
    pub fn ipc_stream_fail_with(stream: *mut ipc_stream, error: *const ipc_error) -> c_int;
    pub fn ipc_stream_cancel(stream: *mut ipc_stream);
    pub fn ipc_stream_set_ops(
        stream: *mut ipc_stream,
        ops: *const ipc_stream_ops,
        userdata: *mut c_void,
    ) -> c_int;
    pub fn ipc_stream_resume(stream: *mut ipc_stream) -> c_int;
    pub fn ipc_stream_remaining(stream: *const ipc_stream) -> u64;
    pub fn ipc_stream_is_canceled(stream: *mut ipc_stream) -> c_int;
    pub fn ipc_stream_metadata(stream: *const ipc_stream, name: *const c_char) -> *const c_char;
    pub fn ipc_stream_label(stream: *const ipc_stream) -> *const c_char;
    pub fn ipc_stream_uid(stream: *const ipc_stream) -> uid_t;
    pub fn ipc_stream_gid(stream: *const ipc_stream) -> gid_t;
    pub fn ipc_stream_pid(stream: *const ipc_stream) -> pid_t;

    // <ipc/memory.h>
    pub fn ipc_memory_new(
        size: size_t,
        flags: c_uint,
        ret_memory: *mut *mut ipc_memory,
    ) -> c_int;
    pub fn ipc_memory_unref(memory: *mut ipc_memory) -> *mut ipc_memory;
    pub fn ipc_memory_data(memory: *const ipc_memory) -> *mut c_void;
    pub fn ipc_memory_size(memory: *const ipc_memory) -> size_t;
    pub fn ipc_memory_seal(memory: *mut ipc_memory) -> c_int;
    pub fn ipc_memory_is_sealed(memory: *const ipc_memory) -> c_int;
    pub fn ipc_memory_get_fd(memory: *const ipc_memory) -> c_int;
    pub fn ipc_memory_map(fd: c_int, flags: c_uint, ret_memory: *mut *mut ipc_memory) -> c_int;

    // <ipc/raw.h>
    pub fn ipc_payload_message(
        payload: *const c_void,
        size: size_t,
        ret_message: *mut *const c_void,
        ret_size: *mut size_t,
    ) -> c_int;
    pub fn ipc_raw_free(reply: *mut ipc_raw_message);
    pub fn ipc_raw_call(
        proxy: *mut ipc_proxy,
        request: *const ipc_raw_message,
        options: *const ipc_options,
        ret_reply: *mut *mut ipc_raw_message,
        error: *mut ipc_error,
    ) -> c_int;
    pub fn ipc_raw_call_async(
        proxy: *mut ipc_proxy,
        request: *const ipc_raw_message,
        options: *const ipc_options,
        cb: ipc_raw_cb,
        userdata: *mut c_void,
        ret_slot: *mut *mut ipc_slot,
    ) -> c_int;
    pub fn ipc_raw_keep(reply: *mut ipc_raw_message);
    pub fn ipc_raw_oneway(
        proxy: *mut ipc_proxy,
        message: *const ipc_raw_message,
        options: *const ipc_options,
    ) -> c_int;
    pub fn ipc_raw_set_interrupt(
        ipc: *mut ipc,
        cb: Option<unsafe extern "C" fn(userdata: *mut c_void) -> c_int>,
        userdata: *mut c_void,
    ) -> c_int;
    pub fn ipc_raw_object_new(
        ipc: *mut ipc,
        ops: *const ipc_raw_ops,
        userdata: *mut c_void,
        ret_object: *mut *mut ipc_object,
    ) -> c_int;
    pub fn ipc_raw_reply(call: *mut ipc_call, reply: *const ipc_raw_message) -> c_int;
    pub fn ipc_raw_fail(
        call: *mut ipc_call,
        code: c_int,
        data: *const c_void,
        size: size_t,
    ) -> c_int;
    pub fn ipc_raw_stream_open(
        proxy: *mut ipc_proxy,
        method: u32,
        options: *const ipc_options,
        ret_stream: *mut *mut ipc_stream,
        error: *mut ipc_error,
    ) -> c_int;
    pub fn ipc_raw_stream_open_async(
        proxy: *mut ipc_proxy,
        method: u32,
        options: *const ipc_options,
        cb: ipc_stream_cb,
        userdata: *mut c_void,
    ) -> c_int;
    pub fn ipc_raw_stream_send(
        stream: *mut ipc_stream,
        message: *const ipc_raw_message,
        timeout_usec: u64,
    ) -> c_int;
    pub fn ipc_raw_stream_receive(
        stream: *mut ipc_stream,
        timeout_usec: u64,
        ret_message: *mut *const ipc_raw_message,
        error: *mut ipc_error,
    ) -> c_int;
}
