// SPDX-License-Identifier: MIT
//! Makes OUT_DIR/echo.ipc.rs of echo.proto. PROTO_DIR is the folder of echo.proto, if it is not
//! ../echo; PROTOC_GEN_IPC is the plugin, if it is not in PATH.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=PROTO_DIR");
    println!("cargo:rerun-if-env-changed=PROTOC_GEN_IPC");
    let folder = PathBuf::from(std::env::var_os("PROTO_DIR").unwrap_or("../echo".into()));
    let proto = folder.join("echo.proto");
    println!("cargo:rerun-if-changed={}", proto.display());

    let mut protoc = Command::new("protoc");
    if let Some(plugin) = std::env::var_os("PROTOC_GEN_IPC") {
        println!("cargo:rerun-if-changed={}", plugin.to_string_lossy());
        let mut option = std::ffi::OsString::from("--plugin=protoc-gen-ipc=");
        option.push(plugin);
        protoc.arg(option);
    }
    let mut out = std::ffi::OsString::from("--ipc_out=lang=rust:");
    out.push(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let status = protoc.arg("-I").arg(folder).arg(out).arg("echo.proto").status();
    assert!(status.expect("protoc is installed").success(), "protoc failed");
}
