// SPDX-License-Identifier: MIT
//! Shared by the Rust programs of this folder, as service.h for C.

use std::time::Duration;

use ipcbus::{Connection, Error, Result};

pub const LONG: Option<Duration> = Some(Duration::from_secs(60));

/// Returns whether the result is this error of the service.
pub fn failed<T>(name: &str, result: Result<T>) -> bool {
    matches!(result, Err(Error::ServiceError(failure)) if failure.name.as_deref() == Some(name))
}

pub fn service_main(serve: fn(&Connection, &str) -> Result<()>, call: fn(&Connection, &str) -> Result<()>) -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    // Stream handlers wait.
    let bus = Connection::builder().threads(4).open()?;
    if arguments[1] == "client" {
        return call(&bus, &arguments[2]);
    }
    serve(&bus, &arguments[2])
}
