//! Drivers and libraries that are made up: a few lines of C each.

use std::fs;
use std::process::Command;

use super::*;

const NEEDS: Needs = Needs {
    release: Release(13000),
    capability: Capability(8, 0),
};

/// The functions of a driver that knows CUDA 13.0 and has one card.
const DRIVER_OF_ONE_CARD: &str = "
    int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
    int cuInit(unsigned flags) { return 0; }
    int cuDeviceGetCount(int *count) { *count = 1; return 0; }
    int cuDeviceGet(int *card, int number) { *card = number; return 0; }
    int cuDeviceGetAttribute(int *value, int which, int card) { *value = which == 75 ? 9 : 0; return 0; }
    int cuDeviceGetName(char *name, int size, int card) {
        for (const char *from = \"Made-up 1\"; (*name++ = *from++);) {}
        return 0;
    }
    int cuDeviceGetDefaultMemPool(void **pool, int card) { *pool = 0; return 0; }
    int cuMemPoolSetAttribute(void *pool, int which, unsigned long long *value) { return *value + 1 || which != 4; }
    int cuGetErrorName(int code, const char **name) { *name = \"CUDA_ERROR_MADE_UP\"; return code != 803; }
";

/// What is said of a machine with these libraries, each a name and its source.
fn look_among(libraries: &[(&str, &str)]) -> std::result::Result<Capability, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in libraries {
        let file = folder.path().join("source.c");
        fs::write(&file, source).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]);
        compiler.arg(folder.path().join(name)).arg(file);
        assert!(compiler.status().unwrap().success(), "{name}");
    }
    look(NEEDS, |name| open(&folder.path().join(name))).map_err(|error| {
        let remedy = error.remedy().to_string();
        assert!(!remedy.is_empty(), "{error}");
        format!("{error}: {remedy}")
    })
}

/// What is said of that driver, but for one line, with all libraries beside it.
fn look_at_driver(line: &str, instead: &str) -> std::result::Result<Capability, String> {
    assert!(DRIVER_OF_ONE_CARD.contains(line), "{line}");
    let driver = DRIVER_OF_ONE_CARD.replace(line, instead);
    let [lt, blas, rand] = libraries(NEEDS.release);
    let all = [
        (DRIVER, driver.as_str()),
        (&lt, ""),
        (&blas, ""),
        (&rand, ""),
    ];
    look_among(&all)
}

#[track_caller]
fn assert_says(said: std::result::Result<Capability, String>, parts: &[&str]) {
    let said = said.unwrap_err();
    for part in parts {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_machine_with_all_of_it_is_taken() {
    assert_eq!(look_at_driver("", ""), Ok(Capability(9, 0)));
}

#[test]
fn what_is_missing_is_said_by_name() {
    assert_says(look_among(&[]), &["no NVIDIA driver", DRIVER, "install"]);
    let without = look_among(&[(DRIVER, DRIVER_OF_ONE_CARD)]);
    assert_says(
        without,
        &["libcublasLt.so.13", "pip install", "LD_LIBRARY_PATH"],
    );
    let damaged = look_at_driver("int cuInit(", "int somethingElse(");
    assert_says(damaged, &["damaged", "cuInit"]);
}

#[test]
fn a_driver_that_is_too_old_is_told_from_one_without_a_card() {
    let old = look_at_driver("*version = 13000;", "*version = 12040;");
    assert_says(old, &["too old", "CUDA 12.4", "CUDA 13.0", "newer driver"]);
    for (line, instead) in [
        (
            "cuInit(unsigned flags) { return 0; }",
            "cuInit(unsigned flags) { return 100; }",
        ),
        ("*count = 1;", "*count = 0;"),
    ] {
        assert_says(look_at_driver(line, instead), &["card", "nvidia-smi"]);
    }
}

#[test]
fn a_driver_that_fails_gives_its_reason() {
    let start = "cuInit(unsigned flags) { return 0; }";
    let named = look_at_driver(start, "cuInit(unsigned flags) { return 999; }");
    assert_says(named, &["an error without a name (999)"]);
    let named = look_at_driver(start, "cuInit(unsigned flags) { return 803; }");
    assert_says(named, &["CUDA_ERROR_MADE_UP (803)"]);
}

#[test]
fn a_card_that_is_too_old_is_refused_by_name() {
    let old = look_at_driver("which == 75 ? 9 : 0", "which == 75 ? 7 : 5");
    assert_says(old, &["Made-up 1", "capability 7.5", "capability 8.0"]);
}

#[test]
fn kernels_say_what_they_need() {
    let ptx = "//\n.version 9.0\n.target sm_80\n.address_size 64\n";
    assert_eq!(Capability::of_ptx(ptx), Some(Capability(8, 0)));
    assert_eq!(Capability::of_ptx(".target sm_90a"), Some(Capability(9, 0)));
    assert_eq!(
        Capability::of_ptx(".target sm_120"),
        Some(Capability(12, 0))
    );
    assert_eq!(Capability::of_ptx("no kernels"), None);
}

#[test]
fn libraries_of_the_system_are_found() {
    assert!(installed("libc.so.6").is_ok());
    let missing = installed("libnobody-has-this.so.1").err().unwrap();
    assert!(missing.contains("libnobody-has-this.so.1"), "{missing}");
}
