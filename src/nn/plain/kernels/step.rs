//! What moves the parameters: their gradients in one tensor, and AdamW over it.

use candle_core::{DType, Tensor};

use super::{Arg, ENTRIES, Kernels, Table, Work};
use crate::error::Result;

impl Kernels {
    /// A step of AdamW: values, what they are rounded to, and the moments, all `[P]`; `decay` is what the first `decaying`
    /// values keep of themselves.
    pub(in crate::nn::plain) fn adamw(
        &self,
        [values, gradients, scale]: [&Tensor; 3],
        moments: Option<(&Tensor, &Tensor)>,
        [beta1, beta2, rate, epsilon, decay]: [f64; 5],
        decaying: usize,
    ) -> Result<[Tensor; 4]> {
        let count = values.elem_count();
        let wide = || self.empty(count, DType::F32);
        let (moved, first, second) = (wide()?, wide()?, wide()?);
        let rounded = match self.rounds() {
            true => Some(self.empty(count, self.compute)?),
            false => None,
        };
        let args = [
            Arg::Tensor(values),
            Arg::Tensor(gradients),
            Arg::Tensor(scale),
            Arg::Maybe(moments.map(|both| both.0)),
            Arg::Maybe(moments.map(|both| both.1)),
            Arg::Tensor(&moved),
            Arg::Maybe(rounded.as_ref()),
            Arg::Tensor(&first),
            Arg::Tensor(&second),
            Arg::Float(beta1 as f32),
            Arg::Float(beta2 as f32),
            Arg::Float(rate as f32),
            Arg::Float(epsilon as f32),
            Arg::Float(decay as f32),
            Arg::Int(decaying),
            Arg::Int(count),
        ];
        self.run("adamw", Work::Items(count), &args)?;
        let rounded = rounded.unwrap_or_else(|| moved.clone());
        Ok([moved, rounded, first, second])
    }

    /// Gradients end to end `[length]`, each at its place, in the order of their places; zeros in between; `sum` added.
    pub(in crate::nn::plain) fn collect(
        &self,
        gradients: &[(usize, Tensor)],
        sum: Option<&Tensor>,
        length: usize,
    ) -> Result<Tensor> {
        let all = self.empty(length, DType::F32)?;
        let mut begin = 0;
        let mut parts = gradients.chunks(ENTRIES).peekable();
        while let Some(part) = parts.next() {
            let mut table = Table {
                from: [0; ENTRIES],
                start: [0; ENTRIES],
                length: [0; ENTRIES],
                is_wide: [0; ENTRIES],
                count: part.len() as i32,
            };
            for (i, (start, gradient)) in part.iter().enumerate() {
                table.from[i] = self.launcher.address(gradient)?;
                table.start[i] = *start as i64;
                table.length[i] = gradient.elem_count() as i64;
                table.is_wide[i] = i32::from(gradient.dtype() == DType::F32);
            }
            let end = match parts.peek() {
                Some(next) => next[0].0,
                None => length,
            };
            let args = [
                Arg::Maybe(sum),
                Arg::Tensor(&all),
                Arg::Int(begin),
                Arg::Int(end),
            ];
            let work = Work::Items(end - begin);
            self.run_in(self.compute, "collect", work, Some(&table), &args)?;
            begin = end;
        }
        Ok(all)
    }
}
