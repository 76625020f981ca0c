//! homer's own kernels (`cuda/kernels.cu`): what several of candle's operations do, in one. They are what a GPU waits for:
//! a step of a small model is over before the host has queued the next one.
//!
//! All are written for the host as well, where the tests call them through the same functions.

use candle_core::{DType, Shape, Tensor};

use crate::error::{Error, Remedy, Result, Setting};

#[cfg(feature = "cuda")]
mod card;
mod step;
#[cfg(test)]
mod tests;

/// What runs kernels.
trait Launcher: Send + Sync {
    /// A tensor with whatever is in memory.
    fn empty(&self, shape: Shape, dtype: DType) -> Result<Tensor>;

    /// Where a contiguous tensor begins.
    fn address(&self, tensor: &Tensor) -> Result<u64>;

    /// Runs kernel `name` with a thread for each item or a warp for each row; `table` goes before the other arguments.
    fn launch(&self, name: &str, work: Work, table: Option<&Table>, cells: &[u64]) -> Result<()>;
}

/// How much there is to do.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// Items, with a thread each.
    Items(usize),
    /// Rows, with a warp each.
    Rows(usize),
}

/// Entries of a [`Table`].
const ENTRIES: usize = 64;

/// Gradients and where they belong, as `Table` in kernels.cu.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Table {
    from: [u64; ENTRIES],
    start: [i64; ENTRIES],
    length: [i64; ENTRIES],
    is_wide: [i32; ENTRIES],
    count: i32,
}

/// An argument of a kernel.
enum Arg<'a> {
    Tensor(&'a Tensor),
    Maybe(Option<&'a Tensor>),
    Float(f32),
    Int(usize),
}

/// The kernels, where there is something to run them.
pub(super) struct Kernels {
    launcher: Box<dyn Launcher>,
    /// The type of products.
    compute: DType,
}

/// Rows that one thread adds up in a sum of columns.
const CHUNK: usize = 32;

impl Kernels {
    /// The kernels of a device, if it has any; `compute` is the type of products.
    #[cfg(feature = "cuda")]
    pub(super) fn of(device: &candle_core::Device, compute: DType) -> Option<Self> {
        let card = device.as_cuda_device().ok()?;
        Some(Self {
            launcher: Box::new(card::Card(card.clone())),
            compute,
        })
    }

    /// None: this homer was built without.
    #[cfg(not(feature = "cuda"))]
    pub(super) fn of(_: &candle_core::Device, _: DType) -> Option<Self> {
        None
    }

    fn empty(&self, shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        self.launcher.empty(shape.into(), dtype)
    }

    fn run(&self, name: &str, work: Work, args: &[Arg<'_>]) -> Result<()> {
        self.run_in(self.compute, name, work, None, args)
    }

    /// Runs a kernel, of those for that type.
    fn run_in(
        &self,
        dtype: DType,
        name: &str,
        work: Work,
        table: Option<&Table>,
        args: &[Arg<'_>],
    ) -> Result<()> {
        let count = match work {
            Work::Items(count) | Work::Rows(count) => count,
        };
        // Kernels count in 32 bits where they divide.
        if count > i32::MAX as usize {
            return Err(Error::Gpu {
                what: "the batch is too large for its kernels".into(),
                remedy: Remedy::Change(Setting::ChunkSize, "a smaller"),
            });
        }
        let cells = args
            .iter()
            .map(|arg| {
                Ok(match arg {
                    Arg::Tensor(tensor) | Arg::Maybe(Some(tensor)) => {
                        self.launcher.address(tensor)?
                    }
                    Arg::Maybe(None) => 0,
                    Arg::Float(number) => u64::from(number.to_bits()),
                    Arg::Int(number) => *number as u64,
                })
            })
            .collect::<Result<Vec<u64>>>()?;
        let kind = match dtype {
            DType::BF16 => "bf16",
            _ => "f32",
        };
        self.launcher
            .launch(&format!("{name}_{kind}"), work, table, &cells)
    }

    /// Whether rounded values are others than those of f32.
    fn rounds(&self) -> bool {
        self.compute != DType::F32
    }

    /// Softmax of scores `[m, heads, L, L]` times `scale` within each sequence, `owners` `[m * L]` says which, and what a
    /// mask of zeros and ones leaves of it.
    ///
    /// # Errors
    /// The kernel cannot be run, as for all others.
    pub(super) fn softmax(
        &self,
        scores: &Tensor,
        owners: &Tensor,
        mask: Option<&Tensor>,
        scale: f64,
    ) -> Result<(Tensor, Tensor)> {
        let (m, heads, length, _) = scores.dims4()?;
        let rows = m * heads * length;
        let probabilities = self.empty(scores.shape(), self.compute)?;
        let kept = match mask {
            Some(_) => self.empty(scores.shape(), self.compute)?,
            None => probabilities.clone(),
        };
        let args = [
            Arg::Tensor(scores),
            Arg::Tensor(owners),
            Arg::Maybe(mask),
            Arg::Tensor(&probabilities),
            Arg::Tensor(&kept),
            Arg::Float(scale as f32),
            Arg::Int(heads),
            Arg::Int(length),
            Arg::Int(rows),
        ];
        self.run("softmax", Work::Rows(rows), &args)?;
        Ok((probabilities, kept))
    }

    /// The gradient of the scores, given that of what was kept.
    pub(super) fn softmax_backward(
        &self,
        gradient: &Tensor,
        probabilities: &Tensor,
        mask: Option<&Tensor>,
        scale: f64,
    ) -> Result<Tensor> {
        let (m, heads, length, _) = probabilities.dims4()?;
        let rows = m * heads * length;
        let scores = self.empty(probabilities.shape(), self.compute)?;
        let args = [
            Arg::Tensor(gradient),
            Arg::Tensor(probabilities),
            Arg::Maybe(mask),
            Arg::Tensor(&scores),
            Arg::Float(scale as f32),
            Arg::Int(length),
            Arg::Int(rows),
        ];
        self.run("softmax_backward", Work::Rows(rows), &args)?;
        Ok(scores)
    }

    /// `states + (product + bias) · mask` `[T, h]`, its layer norm, and that in the type of products.
    #[expect(clippy::too_many_arguments, reason = "that is what is fused")]
    pub(super) fn residual_norm(
        &self,
        product: &Tensor,
        bias: &Tensor,
        mask: Option<&Tensor>,
        states: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        epsilon: f64,
    ) -> Result<[Tensor; 3]> {
        let (rows, width) = states.dims2()?;
        let summed = self.empty((rows, width), DType::F32)?;
        let normed = self.empty((rows, width), DType::F32)?;
        let rounded = match self.rounds() {
            true => Some(self.empty((rows, width), self.compute)?),
            false => None,
        };
        let args = [
            Arg::Tensor(product),
            Arg::Tensor(bias),
            Arg::Maybe(mask),
            Arg::Tensor(states),
            Arg::Tensor(scale),
            Arg::Tensor(shift),
            Arg::Tensor(&summed),
            Arg::Tensor(&normed),
            Arg::Maybe(rounded.as_ref()),
            Arg::Float(epsilon as f32),
            Arg::Int(width),
            Arg::Int(rows),
        ];
        self.run("residual_norm", Work::Rows(rows), &args)?;
        let rounded = rounded.unwrap_or_else(|| normed.clone());
        Ok([summed, normed, rounded])
    }

    /// A layer norm's gradients, given what came in `[T, h]` and the gradient of what it puts out, `states` and `more`
    /// added: that of what came in; the same times `mask`, in the type of products; and `[3, h]`, those of scale and
    /// shift, and the sum of all rows of the second.
    pub(super) fn norm_backward(
        &self,
        input: &Tensor,
        (states, more): (&Tensor, Option<&Tensor>),
        scale: &Tensor,
        mask: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<[Tensor; 3]> {
        let (rows, width) = input.dims2()?;
        let gradient = self.empty((rows, width), DType::F32)?;
        let masked = self.empty((rows, width), self.compute)?;
        let about = self.empty((rows, 2), DType::F32)?;
        let args = [
            Arg::Tensor(input),
            Arg::Tensor(states),
            Arg::Maybe(more),
            Arg::Tensor(scale),
            Arg::Maybe(mask),
            Arg::Tensor(&gradient),
            Arg::Tensor(&masked),
            Arg::Tensor(&about),
            Arg::Float(epsilon as f32),
            Arg::Int(width),
            Arg::Int(rows),
        ];
        self.run("norm_backward", Work::Rows(rows), &args)?;
        let chunks = rows.div_ceil(CHUNK);
        let parts = self.empty((chunks, 3, width), DType::F32)?;
        let args = [
            Arg::Tensor(input),
            Arg::Tensor(states),
            Arg::Maybe(more),
            Arg::Tensor(&masked),
            Arg::Tensor(&about),
            Arg::Tensor(&parts),
            Arg::Int(width),
            Arg::Int(CHUNK),
            Arg::Int(rows),
        ];
        self.run("norm_columns", Work::Items(chunks * width), &args)?;
        let sums = self.empty((3, width), DType::F32)?;
        let args = [
            Arg::Tensor(&parts),
            Arg::Tensor(&sums),
            Arg::Int(chunks),
            Arg::Int(3 * width),
        ];
        self.run_in(DType::F32, "sum_rows", Work::Items(3 * width), None, &args)?;
        Ok([gradient, masked, sums])
    }

    /// A product with its bias `[T, f]`, and GELU of that.
    pub(super) fn gelu(&self, product: &Tensor, bias: &Tensor) -> Result<(Tensor, Tensor)> {
        let expanded = self.empty(product.shape(), self.compute)?;
        let wide = self.empty(product.shape(), self.compute)?;
        let count = product.elem_count();
        let args = [
            Arg::Tensor(product),
            Arg::Tensor(bias),
            Arg::Tensor(&expanded),
            Arg::Tensor(&wide),
            Arg::Int(bias.elem_count()),
            Arg::Int(count),
        ];
        self.run("gelu", Work::Items(count), &args)?;
        Ok((expanded, wide))
    }

    /// The gradient of what GELU took in, given that of what it puts out.
    pub(super) fn gelu_backward(&self, gradient: &Tensor, expanded: &Tensor) -> Result<Tensor> {
        let out = self.empty(expanded.shape(), self.compute)?;
        let count = expanded.elem_count();
        let args = [
            Arg::Tensor(gradient),
            Arg::Tensor(expanded),
            Arg::Tensor(&out),
            Arg::Int(count),
        ];
        self.run("gelu_backward", Work::Items(count), &args)?;
        Ok(out)
    }

    /// Of tokens `[T, parts · h]`, plus a bias, the heads' rows `[parts, m, heads, L, h / heads]` times `factor`, with
    /// zeros where no token stands.
    pub(super) fn to_rows(
        &self,
        tokens: &Tensor,
        bias: Option<&Tensor>,
        places: &super::places::Places,
        [parts, heads, width]: [usize; 3],
        factor: f64,
    ) -> Result<Tensor> {
        let (m, length) = (places.m, places.longest);
        let rows = self.empty((parts, m, heads, length, width), self.compute)?;
        let args = [
            Arg::Tensor(tokens),
            Arg::Maybe(bias),
            Arg::Tensor(&places.gather),
            Arg::Tensor(&places.owners),
            Arg::Tensor(&rows),
            Arg::Float(factor as f32),
            Arg::Int(places.n),
            Arg::Int(parts),
            Arg::Int(heads),
            Arg::Int(width),
            Arg::Int(length),
            Arg::Int(m),
        ];
        self.run("to_rows", Work::Items(rows.elem_count()), &args)?;
        Ok(rows)
    }

    /// The way back: of one or three `[m, heads, L, h / heads]` the tokens `[T, parts · h]`, times `factor`.
    pub(super) fn to_tokens<const PARTS: usize>(
        &self,
        rows: [&Tensor; PARTS],
        places: &super::places::Places,
        factor: f64,
    ) -> Result<Tensor> {
        let (_, heads, length, width) = rows[0].dims4()?;
        let tokens = self.empty((places.tokens, PARTS * heads * width), self.compute)?;
        let args = [
            Arg::Tensor(rows[0]),
            Arg::Maybe(rows.get(1).copied()),
            Arg::Maybe(rows.get(2).copied()),
            Arg::Tensor(&places.scatter),
            Arg::Tensor(&tokens),
            Arg::Float(factor as f32),
            Arg::Int(PARTS),
            Arg::Int(heads),
            Arg::Int(width),
            Arg::Int(length),
            Arg::Int(places.tokens),
        ];
        self.run("to_tokens", Work::Items(tokens.elem_count()), &args)?;
        Ok(tokens)
    }
}
