//! AdamW (Loshchilov & Hutter, 2019) with its state in the open, so that a run resumes exactly.

/// The optimizer's settings; the learning rate comes with each step.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the division finite.
    pub epsilon: f64,
    /// Decoupled weight decay; not applied to biases and norms.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }
}

impl AdamW {
    /// The learning rate and epsilon with the bias corrections of step `t` (counted from 1) folded in:
    /// `p -= rate * m / (sqrt(v) + epsilon)` is then Adam's step.
    pub fn corrected(&self, lr: f64, t: u64) -> (f64, f64) {
        let t = t as i32;
        let first = 1.0 - self.beta1.powi(t);
        let second = (1.0 - self.beta2.powi(t)).sqrt();
        (lr * second / first, self.epsilon * second)
    }
}

/// First and second moments of every parameter, in the parameters' order, each flat.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moments {
    /// Steps taken.
    pub steps: u64,
    /// Running means of the gradients.
    pub first: Vec<Vec<f32>>,
    /// Running means of their squares.
    pub second: Vec<Vec<f32>>,
}
