//! The short form: what is in the corpus keeps every promise. It needs no fuzzer and no other toolchain.

use std::path::Path;

fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        let result = std::panic::catch_unwind(|| target(&data));
        assert!(result.is_ok(), "{} breaks a promise: see the panic above", path.display());
        count += 1;
    }
    assert!(count > 0, "there is no corpus");
}

#[test]
fn wire_contract_7_3() {
    replay("wire", targets::wire);
}

#[test]
fn identity_contract_2_2() {
    replay("identity", targets::identity);
}

#[test]
fn core_contract_7_1() {
    replay("core", targets::core);
}

#[test]
fn http1_contract_6_3() {
    replay("http1", targets::http1);
}
