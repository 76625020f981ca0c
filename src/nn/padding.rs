//! Between packed and padded batches, for the plain encoder.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, Device, Layout, MetalStorage, Shape, Tensor,
};

use super::packed::Packed;
use crate::error::Result;

/// How packed rows are laid out in a padded batch, and back. `T` is the number of packed rows,
/// `n` of sequences, `L` the length of the longest one.
pub(super) struct Padding {
    /// Number of sequences.
    pub n: usize,
    /// Length of the longest one.
    pub longest: usize,
    /// Length of each.
    pub lengths: Vec<usize>,
    /// 0 where a key is there, -inf where it is padding `[n, 1, 1, L]`.
    pub hide: Tensor,
    /// Packed row of every padded place `[n * L]`; row 0 where there is none.
    gather: Tensor,
    /// Padded place of every packed row `[T]`.
    scatter: Tensor,
    /// 1 where a padded place holds a row, else 0 `[n * L, 1]`.
    present: Tensor,
}

impl Padding {
    /// The layout of a batch.
    ///
    /// # Errors
    /// The tensors cannot be made on the device.
    pub(super) fn new(batch: &Packed, device: &Device) -> Result<Self> {
        let (n, longest) = (batch.len(), batch.longest());
        let mut gather = vec![0u32; n * longest];
        let mut scatter = Vec::with_capacity(batch.tokens());
        let mut hide = vec![f32::NEG_INFINITY; n * longest];
        let mut present = vec![0f32; n * longest];
        for sequence in 0..n {
            for (place, row) in batch.range(sequence).enumerate() {
                let padded = sequence * longest + place;
                gather[padded] = row as u32;
                hide[padded] = 0.0;
                present[padded] = 1.0;
                scatter.push(padded as u32);
            }
        }
        Ok(Self {
            n,
            longest,
            lengths: (0..n).map(|sequence| batch.range(sequence).len()).collect(),
            hide: Tensor::from_vec(hide, (n, 1, 1, longest), device)?,
            gather: Tensor::new(gather, device)?,
            scatter: Tensor::new(scatter, device)?,
            present: Tensor::from_vec(present, (n * longest, 1), device)?,
        })
    }

    /// Packed rows in their padded places `[T, h] -> [n * L, h]`. What stands in the other places
    /// is of no account, and no gradient comes back from there.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn pad(&self, rows: &Tensor) -> Result<Tensor> {
        let back = Back {
            rows: self.scatter.clone(),
            present: None,
        };
        Ok(rows.apply_op2(&self.gather, back)?)
    }

    /// The padded places that hold a row `[n * L, h] -> [T, h]`.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn pack(&self, places: &Tensor) -> Result<Tensor> {
        let back = Back {
            rows: self.gather.clone(),
            present: Some(self.present.clone()),
        };
        Ok(places.apply_op2(&self.scatter, back)?)
    }
}

/// `index_select` of rows of which each is taken once at most, so that its gradient is one too.
/// candle's is an `index_add`, which on a GPU goes through all rows one after the other.
struct Back {
    /// Of every row that went in, where it came out.
    rows: Tensor,
    /// 0 for rows that did not come out.
    present: Option<Tensor>,
}

impl Back {
    fn select<S: BackendStorage>(
        (rows, rows_layout): (&S, &Layout),
        (ids, ids_layout): (&S, &Layout),
    ) -> candle_core::Result<(S, Shape)> {
        let (_, width) = rows_layout.shape().dims2()?;
        let selected = rows.index_select(ids, rows_layout, ids_layout, 0)?;
        Ok((selected, (ids_layout.shape().dims1()?, width).into()))
    }
}

impl CustomOp2 for Back {
    fn name(&self) -> &'static str {
        "rows"
    }

    fn cpu_fwd(
        &self,
        rows: &CpuStorage,
        rows_layout: &Layout,
        ids: &CpuStorage,
        ids_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Self::select((rows, rows_layout), (ids, ids_layout))
    }

    fn cuda_fwd(
        &self,
        rows: &CudaStorage,
        rows_layout: &Layout,
        ids: &CudaStorage,
        ids_layout: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        Self::select((rows, rows_layout), (ids, ids_layout))
    }

    fn metal_fwd(
        &self,
        rows: &MetalStorage,
        rows_layout: &Layout,
        ids: &MetalStorage,
        ids_layout: &Layout,
    ) -> candle_core::Result<(MetalStorage, Shape)> {
        Self::select((rows, rows_layout), (ids, ids_layout))
    }

    fn bwd(
        &self,
        _rows: &Tensor,
        _ids: &Tensor,
        _selected: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?.index_select(&self.rows, 0)?;
        let grad = match &self.present {
            Some(present) => grad.broadcast_mul(&present.to_dtype(grad.dtype())?)?,
            None => grad,
        };
        Ok((Some(grad), None))
    }
}
