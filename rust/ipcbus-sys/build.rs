// SPDX-License-Identifier: MIT
// Links libipc. IPCBUS_LIB_DIR is the folder that has it, if the linker does not look there by
// itself.
fn main() {
    println!("cargo:rerun-if-env-changed=IPCBUS_LIB_DIR");
    if let Some(folder) = std::env::var_os("IPCBUS_LIB_DIR") {
        println!("cargo:rustc-link-search=native={}", folder.to_string_lossy());
    }
    println!("cargo:rustc-link-lib=dylib=ipc");
}
