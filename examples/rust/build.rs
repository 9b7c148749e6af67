// SPDX-License-Identifier: MIT
//! Generates OUT_DIR/ipc.rs from the interfaces of all examples. Environment: EXAMPLES is the
//! folder of all examples (default: `..`). IPC_PROTO_DIR is the folder of ipc/ipc.proto (default:
//! from pkg-config). PROTOC_GEN_IPC is the plugin (default: from PATH).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

const NAMES: [&str; 5] = ["echo", "chat", "clock", "frames", "files"];

fn variable(name: &str) -> Option<OsString> {
    println!("cargo:rerun-if-env-changed={name}");
    std::env::var_os(name)
}

fn installed_protos() -> OsString {
    let output = Command::new("pkg-config").args(["--variable=protodir", "libipc"]).output();
    let output = output.expect("pkg-config is installed");
    assert!(output.status.success(), "libipc-dev is not installed");
    String::from_utf8(output.stdout).expect("it is a path").trim().into()
}

fn with(option: &str, value: impl Into<OsString>) -> OsString {
    let mut whole = OsString::from(option);
    whole.push(value.into());
    whole
}

fn main() {
    let examples = PathBuf::from(variable("EXAMPLES").unwrap_or_else(|| "..".into()));
    let shared = variable("IPC_PROTO_DIR").unwrap_or_else(installed_protos);
    let plugin = variable("PROTOC_GEN_IPC");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets it");

    let mut protoc = Command::new("protoc");
    if let Some(plugin) = &plugin {
        println!("cargo:rerun-if-changed={}", plugin.to_string_lossy());
        protoc.arg(with("--plugin=protoc-gen-ipc=", plugin));
    }
    for name in NAMES {
        let folder = examples.join(name);
        println!("cargo:rerun-if-changed={}", folder.join(format!("{name}.proto")).display());
        protoc.arg("-I").arg(folder).arg(format!("{name}.proto"));
    }
    protoc.arg("-I").arg(&shared);
    protoc.arg(with("--ipc_out=lang=rust,imports:", &out));
    assert!(protoc.status().expect("protoc is installed").success(), "protoc failed");
}
