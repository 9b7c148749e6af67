// SPDX-License-Identifier: MIT
//! Prints the same lines as layout.c, for the declarations in ipcbus-sys. test-rust compares the
//! output. A new member or constant must be added to both files.

use ipcbus_sys as sys;
use std::mem::{align_of, size_of, MaybeUninit};
use std::ptr::addr_of;

macro_rules! structure {
    ($name:ident: $($field:ident)*) => {
        println!("{} {} {}", stringify!($name), size_of::<sys::$name>(), align_of::<sys::$name>());
        $({
            let place = MaybeUninit::<sys::$name>::uninit();
            let base = place.as_ptr();
            // SAFETY: only addresses are computed, and they are within the place.
            let (offset, size) = unsafe {
                let field = addr_of!((*base).$field);
                (field as usize - base as usize, size_of_pointed(field))
            };
            let name = stringify!($field).trim_end_matches('_');
            println!("{}.{name} {offset} {size}", stringify!($name));
        })*
    };
}

fn size_of_pointed<T>(_: *const T) -> usize {
    size_of::<T>()
}

macro_rules! constants {
    ($($name:ident)*) => { $(println!("{} {}", stringify!($name), sys::$name as u64);)* };
}

fn main() {
    structure!(ipc_options: timeout_usec cancellation parent parent_stream metadata flags window reserved);
    structure!(ipc_error: size code number name text details details_size origin cause);
    structure!(ipc_object_info: size refs pending oneways watches);
    structure!(ipc_test_options: size flags ipcbusd servicemanager parameters manager_arguments);
    structure!(ipc_object_limits: size message_size streams calls waiting_bytes window);
    structure!(ipc_name_info: size name interface pid uid);
    // In C, the anonymous union follows the tag and type.
    structure!(ipc_raw_entry: tag type_);
    println!("ipc_raw_entry.object {}", {
        let place = MaybeUninit::<sys::ipc_raw_entry>::uninit();
        // SAFETY: as above.
        unsafe { addr_of!((*place.as_ptr()).value) as usize - place.as_ptr() as usize }
    });
    structure!(ipc_raw_message: method flags data size parts n_parts entries n_entries);
    structure!(ipc_raw_ops: interface flags reserved serve stream destroy has_request stream_request);
    structure!(ipc_stream_ops: size on_message on_writable on_end destroy);
    constants!(IPC_NEVER IPC_INHERIT IPC_REGION_DEFAULT IPC_PRINTABLE_MAX IPC_ERROR_TEXT_MAX IPC_REPLACE IPC_DETACHED
        IPC_OBJECT_LABEL IPC_MESSAGE_MAX IPC_MEMORY_WRITE IPC_ORIGIN_HERE IPC_ORIGIN_BUS IPC_ORIGIN_PEER
        IPC_ORIGIN_BEHIND IPC_NAME_PRESENT IPC_NAME_GONE IPC_NAME_SETTLED IPC_BUS_DOWN IPC_BUS_UP IPC_RAW_ENTRIES_MAX
        IPC_RAW_PARTS_MAX IPC_RAW_OBJECT IPC_RAW_PROXY IPC_RAW_FD IPC_RAW_ACCEPT_FDS
        IPC_NUMBER_BUILTIN IPC_NUMBER_DERIVED IPC_NUMBER_PING IPC_NUMBER_DESCRIBE
        IPC_NUMBER_DUMP IPC_NUMBER_STREAM IPC_TEST_NO_MANAGER IPC_TEST_MANUAL_CLOCK);
}
