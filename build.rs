//! Compiles homer's own kernels where it is built for NVIDIA cards, with the nvcc that candle's are compiled with.

use std::env;
use std::process::{Command, exit};

const KERNELS: &str = "src/nn/plain/cuda/kernels.cu";

fn main() {
    println!("cargo::rerun-if-changed=src/nn/plain/cuda");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    let of = |name, otherwise: &str| env::var(name).unwrap_or_else(|_| otherwise.into());
    let mut nvcc = Command::new(of("NVCC", "nvcc"));
    nvcc.arg("--ptx")
        .arg(format!("-arch=compute_{}", of("CUDA_COMPUTE_CAP", "80")));
    nvcc.args([
        "-std=c++17",
        "-O3",
        "--output-directory",
        &of("OUT_DIR", "."),
        KERNELS,
    ]);
    match nvcc.status() {
        Ok(status) if status.success() => {}
        Ok(status) => {
            eprintln!("nvcc ended with {status}: {nvcc:?}");
            exit(1);
        }
        Err(error) => {
            eprintln!("nvcc cannot be started, see benches/gpu/README.md: {error}");
            exit(1);
        }
    }
}
