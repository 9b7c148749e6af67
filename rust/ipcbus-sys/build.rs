// SPDX-License-Identifier: MIT
// Links libipc, and with the feature `testing` libipc-test. IPCBUS_LIB_DIR is its folder, if the linker does not search that by default.
fn main() {
    println!("cargo:rerun-if-env-changed=IPCBUS_LIB_DIR");
    if let Some(folder) = std::env::var_os("IPCBUS_LIB_DIR") {
        println!("cargo:rustc-link-search=native={}", folder.to_string_lossy());
    }
    if std::env::var_os("CARGO_FEATURE_TESTING").is_some() {
        println!("cargo:rustc-link-lib=static=ipc-test");
    }
    println!("cargo:rustc-link-lib=dylib=ipc");
}
