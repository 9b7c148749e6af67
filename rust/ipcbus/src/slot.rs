// SPDX-License-Identifier: MIT
use std::ffi::c_void;
use std::fmt;

use ipcbus_sys as sys;

use crate::error::check;
use crate::{guarded, Result};

/// A callback that the program can end. Dropping the slot ends it without waiting: the callback
/// does not begin any more, but may still be running on another thread. Then the closure is dropped
/// when the callback returns, otherwise at once. If the slot is of a watch of names,
/// [`Slot::end`] blocks until the service manager knows it. A slot keeps its connection open.
#[must_use = "the callback ends with its slot"]
pub struct Slot(*mut sys::ipc_slot);

// SAFETY: a slot is used by one thread at a time, and functions that use it take it by value.
unsafe impl Send for Slot {}
unsafe impl Sync for Slot {}

impl Slot {
    /// Ends the callback, and waits until it has returned on other threads and the closure was
    /// dropped. The caller must not hold a lock that the callback takes. Inside the
    /// callback, does not wait for it.
    pub fn end(mut self) {
        // SAFETY: self owns the slot, and the call consumes it.
        self.0 = unsafe { sys::ipc_slot_end(self.0) };
    }

    /// Gives up the slot. The callback lasts until it ends by itself, at the latest with the
    /// connection.
    pub fn detach(mut self) {
        // SAFETY: as above.
        self.0 = unsafe { sys::ipc_slot_detach(self.0) };
    }

    /// Sets a callback of C with `held`. `enlist` gets a pointer to `held` and a place for the
    /// slot. If `enlist` succeeds, C drops `held` as soon as the callback cannot run any more.
    pub(crate) fn register<T>(
        held: T,
        enlist: impl FnOnce(*mut c_void, *mut *mut sys::ipc_slot) -> i32,
    ) -> Result<Slot> {
        unsafe extern "C" fn destroy<T>(held: *mut c_void) {
            guarded("dropping a callback", || drop(Box::from_raw(held as *mut T)));
        }

        let held = Box::into_raw(Box::new(held));
        let mut slot = std::ptr::null_mut();
        if let Err(error) = check(enlist(held as *mut c_void, &mut slot)) {
            // SAFETY: the library does not have the pointer.
            drop(unsafe { Box::from_raw(held) });
            return Err(error);
        }
        // SAFETY: the slot is new, and destroy gets the pointer that enlist got.
        unsafe { sys::ipc_slot_set_destroy(slot, Some(destroy::<T>)) };
        Ok(Slot(slot))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: self owns the slot, or it is NULL.
        unsafe { sys::ipc_slot_end_async(self.0) };
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}
