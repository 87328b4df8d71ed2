//! The drivers: a program for each interface. This test is the Rust one itself; the C one is built here.

use std::fs;
use std::path::{Path, PathBuf};

/// A program that plays any scenario, over its interface.
pub(crate) struct Driver {
    pub(crate) name: &'static str,
    /// Two copies of the same program: what runs, and what is deployed.
    pub(crate) program: PathBuf,
    pub(crate) next_release: PathBuf,
}

/// All of them, and the folder that they are in.
pub(crate) struct Drivers {
    pub(crate) list: Vec<Driver>,
    folder: PathBuf,
}

const RUST: &str = if cfg!(feature = "assist") { "Rust" } else { "Rust without the assisted calls" };
/// Without the feature `capi` there is no C interface.
const EXPECTED: &[&str] = if cfg!(feature = "capi") { &["C", RUST] } else { &[RUST] };

pub(crate) fn make() -> Drivers {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scenarios-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder of this test");
    let mut list = Vec::new();
    #[cfg(feature = "capi")]
    list.push(Driver::new("C", &folder, c::make));
    list.push(Driver::new(RUST, &folder, |program| {
        let own = std::env::current_exe().expect("a path");
        fs::hard_link(&own, program).or_else(|_| fs::copy(&own, program).map(drop)).expect("a second name");
    }));
    let drivers = Drivers { list, folder };
    assert!(drivers.list.iter().map(|driver| driver.name).eq(EXPECTED.iter().copied()), "over {}", drivers.names());
    drivers
}

impl Driver {
    fn new(name: &'static str, folder: &Path, build: impl FnOnce(&Path)) -> Self {
        let program = folder.join(name.replace(' ', "-"));
        let next_release = program.with_extension("next");
        build(&program);
        fs::copy(&program, &next_release).expect("a copy");
        Self { name, program, next_release }
    }
}

impl Drivers {
    pub(crate) fn names(&self) -> String {
        self.list.iter().map(|driver| driver.name).collect::<Vec<_>>().join(" and ")
    }
}

impl Drop for Drivers {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(feature = "capi")]
mod c {
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    const FLAGS: &str = "-std=c11 -O1 -Wall -Wextra -Wpedantic -Werror";

    pub(super) fn make(program: &Path) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let object = program.with_extension("o");
        let mut command = compiler();
        command.args(FLAGS.split(' ')).arg("-I").arg(root.join("include")).arg("-c").arg("-o").arg(&object);
        succeed(command.arg(root.join("tests/scenarios/subject.c"))).unwrap_or_else(|error| panic!("{error}"));
        // The library that cargo has just made beside this test, as it makes every crate type. A build with other features
        // may have put its own in the same place since, one without the C functions; then another one is made.
        let test = std::env::current_exe().expect("a path");
        let linked = link(&object, &test.with_file_name("libecewo_cluster.a"), program);
        linked.or_else(|_| link(&object, &build(), program)).unwrap_or_else(|error| panic!("{error}"));
    }

    fn compiler() -> Command {
        Command::new(std::env::var_os("CC").unwrap_or_else(|| OsString::from("cc")))
    }

    fn link(object: &Path, library: &Path, program: &Path) -> Result<String, String> {
        // The libraries are those that README.md names; and without symbols it is done in half the time.
        succeed(compiler().arg("-o").arg(program).arg(object).arg(library).args(["-lpthread", "-ldl", "-lm", "-s"]))
    }

    /// In a directory of its own, whose lock nobody holds.
    fn build() -> PathBuf {
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["rustc", "--lib", "--crate-type", "staticlib", "--locked", "--message-format"])
            .arg("json-render-diagnostics")
            .arg("--manifest-path")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .arg("--target-dir")
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("scenarios"));
        let messages = succeed(&mut command).unwrap_or_else(|error| panic!("{error}"));
        let path = messages.split('"').find(|text| text.ends_with("/libecewo_cluster.a"));
        PathBuf::from(path.expect("cargo names the file"))
    }

    fn succeed(command: &mut Command) -> Result<String, String> {
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{command:?} cannot be started: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            return Err(format!("{command:?} failed:\n{}", text(&output.stderr)));
        }
        Ok(text(&output.stdout))
    }
}
