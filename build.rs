//! Writes the C headers into `OUT_DIR`, one for each generation of the interface. The committed ones in `include` are compared
//! with them by a test, so that building never writes into the source tree (which `cargo publish` refuses).

#![allow(clippy::expect_used)] // A build script reports by panicking.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "capi")]
    headers::write();
}

#[cfg(feature = "capi")]
mod headers {
    use std::path::{Path, PathBuf};

    /// A function of v0.1 that has the name, but not the behaviour, of the documentation's: what its symbol begins with, ...
    const V0_1_SYMBOLS: &str = "ecewo_cluster_v0_1_";
    /// ... and what its name does.
    const V0_1_PREFIX: &str = "cluster_";

    pub(super) fn write() {
        println!("cargo::rerun-if-changed=cbindgen.toml");
        println!("cargo::rerun-if-changed=src/ffi");
        let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
        let save = |folder: &str, text: String| {
            std::fs::create_dir_all(out.join(folder)).expect("OUT_DIR can be written to");
            std::fs::write(out.join(folder).join("ecewo-cluster.h"), text).expect("OUT_DIR can be written to");
        };
        let documented = ["types.rs", "init.rs", "functions.rs", "statistics.rs"];
        save("", generate("cbindgen.toml", &documented));
        let v0_1 = ["v0_1/types.rs", "v0_1/init.rs", "functions.rs", "v0_1/statistics.rs"];
        save("v0.1", with_labels(&generate("src/ffi/v0_1/cbindgen.toml", &v0_1)));
        let v0_2 = [
            "v0_2/types.rs",
            "v0_2/config.rs",
            "v0_2/init.rs",
            "v0_2/functions.rs",
            "v0_2/cluster_stats.rs",
            "v0_2/worker_stats.rs",
        ];
        save("v0.2", with_tags(&generate("src/ffi/v0_2/cbindgen.toml", &v0_2)));
    }

    fn generate(config: &str, sources: &[&str]) -> String {
        let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
        let config = cbindgen::Config::from_file(root.join(config)).expect("the configuration is readable");
        let ffi = root.join("src/ffi");
        let builder = cbindgen::Builder::new().with_config(config);
        let builder = sources.iter().fold(builder, |builder, source| builder.with_src(ffi.join(Path::new(source))));
        let mut text = Vec::new();
        builder.generate().expect("the C interface in src/ffi can be written as a header").write(&mut text);
        String::from_utf8(text).expect("a header is text")
    }

    /// Gives the functions of v0.1 their old names, and binds these to the symbols with assembler labels.
    fn with_labels(header: &str) -> String {
        let mut parts = header.split(V0_1_SYMBOLS);
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('(').expect("a function has parameters");
            let (parameters, rest) = rest.split_once(");").expect("a declaration ends");
            // The name is shorter now: what stands below it moves to the left.
            let moved = " ".repeat(V0_1_SYMBOLS.len() - V0_1_PREFIX.len());
            let parameters = parameters.replace(&format!("\n{moved}"), "\n");
            text += &format!("{V0_1_PREFIX}{name}({parameters}) __asm__(\"{V0_1_SYMBOLS}{name}\");{rest}");
        }
        text
    }

    /// Gives the opaque structures the tags that they have in programs which declare them by themselves.
    fn with_tags(header: &str) -> String {
        let with_tag = |line: &str| match line.strip_prefix("typedef struct ").and_then(|rest| rest.split_once("_t ")) {
            Some((name, rest)) if rest == format!("{name}_t;") => format!("typedef struct {name}_s {rest}\n"),
            _ => format!("{line}\n"),
        };
        header.lines().map(with_tag).collect()
    }
}
