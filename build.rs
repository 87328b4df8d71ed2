//! Writes the C header into `OUT_DIR`. The committed `include/ecewo-cluster.h` is compared with it by a test, so that
//! building never writes into the source tree (which `cargo publish` refuses).

#![allow(clippy::expect_used)] // A build script reports by panicking.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "capi")]
    write_header();
}

#[cfg(feature = "capi")]
fn write_header() {
    use std::path::PathBuf;

    println!("cargo::rerun-if-changed=cbindgen.toml");
    println!("cargo::rerun-if-changed=src/ffi");
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is readable");
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/ffi/types.rs"))
        .with_src(root.join("src/ffi/functions.rs"))
        .generate()
        .expect("the C interface in src/ffi can be written as a header")
        .write_to_file(out.join("ecewo-cluster.h"));
}
