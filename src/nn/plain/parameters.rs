//! The parameters of an encoder on a device, end to end in one tensor, and so their gradients and moments: what
//! is done to all of them is then done in one operation, where one for each would keep a GPU waiting for the host.
//!
//! Those that decay stand first. Queries', keys' and values' weights are neighbours, and their biases: one product
//! makes all three. `P` is the length of everything.

use candle_core::{D, DType, Device, Tensor};

use super::kernels::Kernels;
use crate::error::{Error, Result};
use crate::nn::config::Config;
use crate::nn::device::scalars;
use crate::nn::host;
use crate::nn::optimizer::{AdamW, Moments};
use crate::nn::weights::{Layout, Part, Values, Weights, encoder_specs};

/// Products are fastest where matrices begin at multiples of so many values.
const ALIGNED: usize = 64;
/// Sums of everything are made row by row first: a GPU adds a single row up with a fraction of itself.
const ROW: usize = 1024;

/// Where one parameter stands.
struct Place {
    from: usize,
    shape: Vec<usize>,
}

impl Place {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The parameters of an encoder, numbered as its [`encoder_specs`].
pub(super) struct Parameters {
    places: Vec<Place>,
    /// `P`.
    length: usize,
    /// The first so many decay.
    decaying: usize,
    /// `[P]`, f32; zeros between the parameters.
    values: Tensor,
    /// The same in the type of the products `[P]`.
    rounded: Tensor,
    compute: DType,
    /// The gradients that were added up since the last step `[P]`, f32.
    gradients: Option<Tensor>,
    /// First and second moments `[P]`, f32.
    moments: Option<(Tensor, Tensor)>,
    steps: u64,
}

impl Parameters {
    /// The parameters of `weights` on a device; `compute` is the type of products.
    ///
    /// # Errors
    /// The tensors cannot be made on the device.
    pub(super) fn new(weights: &Weights, device: &Device, compute: DType) -> Result<Self> {
        let (places, decaying, length) = arrange(&weights.config);
        let values = flat(&places, length, &weights.values, device)?;
        Ok(Self {
            rounded: values.to_dtype(compute)?,
            compute,
            places,
            length,
            decaying,
            values,
            gradients: None,
            moments: None,
            steps: 0,
        })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// Parameter `i`, f32.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn value(&self, i: usize) -> Result<Tensor> {
        self.view(&self.values, i, 1)
    }

    /// `count` parameters from `i` on that are neighbours, along their first dimension, in the type of products.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn rounded(&self, i: usize, count: usize) -> Result<Tensor> {
        self.view(&self.rounded, i, count)
    }

    fn view(&self, all: &Tensor, i: usize, count: usize) -> Result<Tensor> {
        let place = &self.places[i];
        let mut shape = place.shape.clone();
        shape[0] *= count;
        let part = all.narrow(0, place.from, place.len() * count)?;
        Ok(part.reshape(shape)?)
    }

    /// Adds gradients, one a parameter, of any shape and type.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn accumulate(
        &mut self,
        gradients: &[Tensor],
        kernels: Option<&Kernels>,
    ) -> Result<()> {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        order.sort_by_key(|&i| self.places[i].from);
        if let Some(kernels) = kernels {
            let placed = order
                .iter()
                .map(|&i| Ok((self.places[i].from, gradients[i].contiguous()?)))
                .collect::<Result<Vec<_>>>()?;
            let sum = self.gradients.take();
            self.gradients = Some(kernels.collect(&placed, sum.as_ref(), self.length)?);
            return Ok(());
        }
        let device = self.values.device();
        // Neighbours of one type are converted together.
        let mut runs: Vec<Vec<Tensor>> = Vec::new();
        let mut end = 0;
        let mut add = |part: Tensor| match runs.last_mut() {
            Some(run) if run[0].dtype() == part.dtype() => run.push(part),
            _ => runs.push(vec![part]),
        };
        for i in order {
            let place = &self.places[i];
            let gradient = gradients[i].flatten_all()?;
            if place.from > end {
                add(Tensor::zeros(place.from - end, gradient.dtype(), device)?);
            }
            add(gradient);
            end = place.from + place.len();
        }
        if self.length > end {
            add(Tensor::zeros(self.length - end, DType::F32, device)?);
        }
        let runs = runs
            .iter()
            .map(|run| Tensor::cat(run, 0)?.to_dtype(DType::F32));
        let new = Tensor::cat(&runs.collect::<candle_core::Result<Vec<_>>>()?, 0)?; // [P]
        self.gradients = Some(match self.gradients.take() {
            Some(sum) => (sum + new)?,
            None => new,
        });
        Ok(())
    }

    /// Sum of the squares of all gradients, a number on the device.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn grad_norm_squared(&self) -> Result<Tensor> {
        let device = self.values.device();
        match &self.gradients {
            Some(gradients) => {
                let rows = gradients.reshape((self.length / ROW, ROW))?;
                let sums = rows.sqr()?.sum(D::Minus1)?.to_dtype(scalars(device))?;
                Ok(sums.sum_all()?)
            }
            None => Ok(Tensor::zeros((), scalars(device), device)?),
        }
    }

    /// One step of AdamW with all gradients times the number `scale`; they are then gone.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn step(
        &mut self,
        adamw: &AdamW,
        lr: f64,
        scale: &Tensor,
        kernels: Option<&Kernels>,
    ) -> Result<()> {
        self.steps += 1;
        let Some(gradients) = self.gradients.take() else {
            return Ok(());
        };
        let (rate, epsilon) = adamw.corrected(lr, self.steps);
        let scale = scale.to_dtype(DType::F32)?;
        let decay = 1.0 - lr * adamw.weight_decay;
        if let Some(kernels) = kernels {
            let moments = self.moments.take();
            let [values, rounded, first, second] = kernels.adamw(
                [&self.values, &gradients, &scale],
                moments.as_ref().map(|(first, second)| (first, second)),
                [adamw.beta1, adamw.beta2, rate, epsilon, decay],
                self.decaying,
            )?;
            (self.values, self.rounded) = (values, rounded);
            self.moments = Some((first, second));
            return Ok(());
        }
        let gradients = gradients.broadcast_mul(&scale)?;
        let mut first = (&gradients * (1.0 - adamw.beta1))?;
        let mut second = (gradients.sqr()? * (1.0 - adamw.beta2))?;
        if let Some((old_first, old_second)) = self.moments.take() {
            first = (first + (old_first * adamw.beta1)?)?;
            second = (second + (old_second * adamw.beta2)?)?;
        }
        let update = (&first * rate)?.div(&(second.sqrt()? + epsilon)?)?;
        let decayed = (self.values.narrow(0, 0, self.decaying)? * decay)?;
        let others = self
            .values
            .narrow(0, self.decaying, self.length - self.decaying)?;
        self.set((Tensor::cat(&[decayed, others], 0)? - update)?)?;
        self.moments = Some((first, second));
        Ok(())
    }

    fn set(&mut self, values: Tensor) -> Result<()> {
        self.rounded = values.to_dtype(self.compute)?;
        self.values = values;
        Ok(())
    }

    /// All values on the host, by parameter.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn on_host(&self) -> Result<Vec<Values>> {
        let apart = self.apart(Some(&self.values))?;
        Ok(apart.into_iter().map(Values::Owned).collect())
    }

    /// Puts other values in place of these.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn replace(&mut self, values: &[Values]) -> Result<()> {
        let values = flat(&self.places, self.length, values, self.values.device())?;
        self.set(values)
    }

    /// The gradients summed so far, by parameter; zeros where there are none.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn gradients(&self) -> Result<Vec<Vec<f32>>> {
        self.apart(self.gradients.as_ref())
    }

    /// The optimizer's state on the host.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn moments(&self) -> Result<Moments> {
        let moments = self.moments.as_ref();
        Ok(Moments {
            steps: self.steps,
            first: self.apart(moments.map(|(first, _)| first))?,
            second: self.apart(moments.map(|(_, second)| second))?,
        })
    }

    /// Puts back what [`Parameters::moments`] gave.
    ///
    /// # Errors
    /// Shapes differ.
    pub(super) fn set_moments(&mut self, moments: &Moments) -> Result<()> {
        let lengths: Vec<usize> = self.places.iter().map(Place::len).collect();
        moments.check(&lengths)?;
        let flat = |moments: &[Vec<f32>]| {
            let values: Vec<Values> = moments.iter().cloned().map(Values::Owned).collect();
            flat(&self.places, self.length, &values, self.values.device())
        };
        self.moments = Some((flat(&moments.first)?, flat(&moments.second)?));
        self.steps = moments.steps;
        Ok(())
    }

    /// One of the flat tensors by parameter, on the host.
    fn apart(&self, all: Option<&Tensor>) -> Result<Vec<Vec<f32>>> {
        let all = match all {
            Some(all) => host::values(all)?,
            None => vec![0.0; self.length],
        };
        let of = |place: &Place| all[place.from..place.from + place.len()].to_vec();
        Ok(self.places.iter().map(of).collect())
    }
}

/// Where the parameters of an encoder stand, how far those reach that decay, and the length of everything.
fn arrange(config: &Config) -> (Vec<Place>, usize, usize) {
    let specs = encoder_specs(config);
    let layout = Layout::of(config);
    // What stands directly behind what came before it.
    let mut follows = vec![false; specs.len()];
    for layer in 0..config.layers {
        for part in [Part::Key, Part::Value] {
            let weight = layout.part(layer, part);
            follows[weight] = true;
            follows[weight + 1] = true;
        }
    }
    let mut places: Vec<Place> = specs
        .into_iter()
        .map(|spec| Place {
            from: 0,
            shape: spec.shape,
        })
        .collect();
    let decays: Vec<bool> = encoder_specs(config)
        .iter()
        .map(|spec| spec.decays)
        .collect();
    let (mut end, mut decaying) = (0usize, 0);
    for wanted in [true, false] {
        for i in 0..places.len() {
            if decays[i] == wanted {
                if !follows[i] {
                    end = end.next_multiple_of(ALIGNED);
                }
                places[i].from = end;
                end += places[i].len();
            }
        }
        end = end.next_multiple_of(ROW);
        if wanted {
            decaying = end;
        }
    }
    (places, decaying, end)
}

/// Values by parameter, end to end on a device `[P]`.
fn flat(places: &[Place], length: usize, values: &[Values], device: &Device) -> Result<Tensor> {
    let mut all = vec![0f32; length];
    if places.len() != values.len() {
        return Err(Error::Misuse(
            "these are the values of another encoder".into(),
        ));
    }
    for (place, values) in places.iter().zip(values) {
        values.read(0, &mut all[place.from..place.from + place.len()]);
    }
    Ok(Tensor::from_vec(all, length, device)?)
}
