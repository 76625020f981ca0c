//! What computing on an NVIDIA GPU takes: a driver, a card, NVIDIA's libraries. Looked for here, before
//! candle looks, which has no words for what is missing.
//!
//! Libraries are loaded for the whole program to see: a homer that is linked with none of them, as
//! `benches/gpu/build.sh` makes it, finds their functions there.
#![allow(
    unsafe_code,
    reason = "the functions of a library that is loaded are called as its header declares them"
)]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use crate::error::{Error, Remedy, Result};

/// A release of CUDA, 1000 × its number + 10 × the one behind the dot, as the driver counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Release(pub c_int);

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CUDA {}.{}", self.0 / 1000, self.0 % 1000 / 10)
    }
}

/// What a card can do, in NVIDIA's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Capability(pub c_int, pub c_int);

impl Capability {
    /// What kernels need that were compiled to PTX: it names its `.target sm_80`.
    pub(super) fn of_ptx(ptx: &str) -> Option<Self> {
        let (_, rest) = ptx.split_once(".target sm_")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let number: c_int = digits.parse().ok()?;
        Some(Self(number / 10, number % 10))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compute capability {}.{}", self.0, self.1)
    }
}

/// What this homer was built for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// The CUDA that compiled its kernels: older drivers cannot read them.
    pub release: Release,
    /// What the card must be capable of.
    pub capability: Capability,
}

/// The driver's library; its name has been the same since there is one.
const DRIVER: &str = "libcuda.so.1";

const SUCCESS: c_int = 0;
const NO_DEVICE: c_int = 100;
const CAPABILITY_MAJOR: c_int = 75;
const CAPABILITY_MINOR: c_int = 76;
const RELEASE_THRESHOLD: c_int = 4;

/// A library that stays loaded: what it is called by outlives all of homer.
type Loaded = ManuallyDrop<Library>;

/// Loads what computing on a GPU takes, each library by its name with `load` (usually [`installed`]), and says what the first
/// card is capable of.
///
/// # Errors
/// [`Error::Gpu`] says which it is: no driver, a driver too old, no card, a card too old, or a library that
/// is not there.
pub(super) fn look(
    needs: Needs,
    load: impl Fn(&str) -> std::result::Result<Loaded, String>,
) -> Result<Capability> {
    let driver = Driver(load(DRIVER).map_err(|why| {
        no_gpu(
            format!("there is no NVIDIA driver: {why}"),
            "install NVIDIA's driver, give a container its GPU (`docker run --gpus all`), or compute without \
             a GPU",
        )
    })?);
    let release = driver.release()?;
    if release < needs.release {
        return Err(no_gpu(
            format!(
                "the NVIDIA driver is too old: it knows {release}, and this homer was built with {}",
                needs.release
            ),
            format!(
                "install a newer driver (`nvidia-smi` says which one is there), or build homer with {release}"
            ),
        ));
    }
    driver.start()?;
    let (name, capability) = driver.first_card()?;
    driver.keep_memory()?;
    if capability < needs.capability {
        let (card, needed) = (capability, needs.capability);
        return Err(no_gpu(
            format!("the {name} is too old: it has {card}, and this homer needs {needed}"),
            "use a newer card (CUDA_VISIBLE_DEVICES chooses), or compute without a GPU",
        ));
    }
    for library in libraries(needs.release) {
        load(&library).map_err(|why| {
            no_gpu(
                format!("one of NVIDIA's libraries is missing: {why}"),
                packages(needs.release),
            )
        })?;
    }
    Ok(capability)
}

/// The libraries that candle calls, those that others need first. cuRAND counts for itself.
fn libraries(release: Release) -> [String; 3] {
    let major = release.0 / 1000;
    [
        format!("libcublasLt.so.{major}"),
        format!("libcublas.so.{major}"),
        "libcurand.so.10".into(),
    ]
}

/// How to come by them.
fn packages(release: Release) -> String {
    let major = release.0 / 1000;
    let packages = match major {
        ..13 => format!("nvidia-cublas-cu{major} nvidia-curand-cu{major}"),
        _ => format!("\"nvidia-cublas=={major}.*\" nvidia-curand nvidia-cuda-runtime"),
    };
    format!(
        "install CUDA {major}, or `pip install {packages}` (PyTorch for CUDA {major} brings them too), and name the \
         folders that hold them in LD_LIBRARY_PATH"
    )
}

/// A library that the system's loader finds, or that lies where CUDA is installed.
///
/// # Errors
/// What the loader says.
pub(super) fn installed(name: &str) -> std::result::Result<Loaded, String> {
    let asked = std::env::var_os("CUDA_HOME").map(PathBuf::from);
    let usual = ["/usr/local/cuda", "/opt/cuda"].map(PathBuf::from);
    let folders = asked.into_iter().chain(usual);
    let mut places = folders.map(|folder| folder.join("lib64").join(name));
    open(Path::new(name)).or_else(|why| match places.find(|place| place.exists()) {
        Some(place) => open(&place),
        None => Err(why),
    })
}

/// Has candle make no events: they tell streams of one another, and there is one stream. Each tensor would have
/// two, made and thrown away with it.
#[cfg(feature = "cuda")]
pub(super) fn without_events(device: &candle_core::CudaDevice) {
    // SAFETY: nothing of homer's is on a second stream.
    unsafe { device.disable_event_tracking() };
}

/// Loads a library for the whole program to see.
fn open(path: &Path) -> std::result::Result<Loaded, String> {
    // SAFETY: NVIDIA's libraries may be loaded at any time; what runs when they are changes nothing here.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    library.map(ManuallyDrop::new).map_err(|why| said(&why))
}

/// What the system's loader says, which is an error's cause.
fn said(why: &libloading::Error) -> String {
    let loader = std::error::Error::source(why);
    loader.map_or_else(|| why.to_string(), ToString::to_string)
}

/// The NVIDIA driver.
struct Driver(Loaded);

impl Driver {
    /// The newest CUDA that it knows.
    fn release(&self) -> Result<Release> {
        type Function = unsafe extern "C" fn(*mut c_int) -> c_int;
        let mut release = 0;
        let function = self.function::<Function>(c"cuDriverGetVersion")?;
        // SAFETY: declared so in cuda.h; it writes one number.
        self.check(unsafe { function(&raw mut release) })?;
        Ok(Release(release))
    }

    fn start(&self) -> Result<()> {
        type Function = unsafe extern "C" fn(c_uint) -> c_int;
        let function = self.function::<Function>(c"cuInit")?;
        // SAFETY: declared so in cuda.h; the flags must be 0.
        self.check(unsafe { function(0) })
    }

    /// The card that computes, by name.
    fn first_card(&self) -> Result<(String, Capability)> {
        type Count = unsafe extern "C" fn(*mut c_int) -> c_int;
        type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
        type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
        type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;

        let mut count = 0;
        let function = self.function::<Count>(c"cuDeviceGetCount")?;
        // SAFETY: declared so in cuda.h; it writes one number.
        self.check(unsafe { function(&raw mut count) })?;
        if count == 0 {
            return Err(no_card());
        }
        let mut card = 0;
        let function = self.function::<Get>(c"cuDeviceGet")?;
        // SAFETY: declared so in cuda.h; it writes one number.
        self.check(unsafe { function(&raw mut card, 0) })?;

        let attribute = |which| -> Result<c_int> {
            let mut value = 0;
            let function = self.function::<Attribute>(c"cuDeviceGetAttribute")?;
            // SAFETY: declared so in cuda.h; it writes one number.
            self.check(unsafe { function(&raw mut value, which, card) })?;
            Ok(value)
        };
        let capability = Capability(attribute(CAPABILITY_MAJOR)?, attribute(CAPABILITY_MINOR)?);

        let mut name: [c_char; 100] = [0; 100];
        let function = self.function::<Name>(c"cuDeviceGetName")?;
        // SAFETY: declared so in cuda.h; it writes at most as many bytes as it is told, and a zero behind them.
        self.check(unsafe { function(name.as_mut_ptr(), name.len() as c_int, card) })?;
        let bytes = name.map(|c| c.to_ne_bytes()[0]);
        let name = CStr::from_bytes_until_nul(&bytes).unwrap_or(c"card");
        Ok((name.to_string_lossy().into_owned(), capability))
    }

    /// Has the driver keep what homer frees on the first card for what homer takes next. It would give it back
    /// whenever the host waits, once a step, and take it anew.
    fn keep_memory(&self) -> Result<()> {
        type Pool = unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int;
        type Set = unsafe extern "C" fn(*mut c_void, c_int, *mut c_void) -> c_int;

        let mut pool = std::ptr::null_mut();
        let function = self.function::<Pool>(c"cuDeviceGetDefaultMemPool")?;
        // SAFETY: declared so in cuda.h; it writes one pointer.
        if unsafe { function(&raw mut pool, 0) } != SUCCESS {
            return Ok(()); // A card without pools keeps nothing back.
        }
        let mut kept = u64::MAX;
        let function = self.function::<Set>(c"cuMemPoolSetAttribute")?;
        // SAFETY: declared so in cuda.h; this attribute is a 64-bit number, which is read.
        self.check(unsafe { function(pool, RELEASE_THRESHOLD, (&raw mut kept).cast()) })
    }

    /// A function of the driver; `F` is its type.
    fn function<F: Copy>(&self, name: &CStr) -> Result<F> {
        // SAFETY: every caller gives the type that cuda.h declares; the library is never unloaded.
        let function = unsafe { self.0.get::<F>(name) };
        function.map(|function| *function).map_err(|why| {
            no_gpu(
                format!("the NVIDIA driver is damaged: {}", said(&why)),
                "install it again",
            )
        })
    }

    /// What the driver answered.
    fn check(&self, code: c_int) -> Result<()> {
        type Function = unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int;
        match code {
            SUCCESS => return Ok(()),
            NO_DEVICE => return Err(no_card()),
            _ => {}
        }
        let mut name = std::ptr::null();
        let function = self.function::<Function>(c"cuGetErrorName")?;
        // SAFETY: declared so in cuda.h; it writes a pointer, to a text of its own or null.
        let known = unsafe { function(code, &raw mut name) } == SUCCESS && !name.is_null();
        let name = match known {
            // SAFETY: it ends in a zero and stays where it is.
            true => unsafe { CStr::from_ptr(name) }.to_string_lossy(),
            false => "an error without a name".into(),
        };
        Err(no_gpu(
            format!("the NVIDIA driver does not start: {name} ({code})"),
            "see whether `nvidia-smi` works; after an update of the driver the machine must be started anew",
        ))
    }
}

fn no_card() -> Error {
    match std::env::var("CUDA_VISIBLE_DEVICES") {
        Ok(visible) => no_gpu(
            format!("the NVIDIA driver shows no card, and CUDA_VISIBLE_DEVICES is {visible:?}"),
            "name a card in it that `nvidia-smi` lists, or unset it",
        ),
        Err(_) => no_gpu(
            "there is an NVIDIA driver, but no card".into(),
            "see whether `nvidia-smi` lists one; a container must be given its GPU",
        ),
    }
}

fn no_gpu(what: String, remedy: impl Into<Remedy>) -> Error {
    Error::Gpu {
        what,
        remedy: remedy.into(),
    }
}

#[cfg(test)]
mod tests;
