//! How long to train, when to look, and how fast to learn at each step.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Remedy, Result};

/// What the user may fix; the rest follows from the size of the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ScheduleSettings {
    /// Passes over the training data.
    pub epochs: u64,
    /// Steps in all, instead of whole passes.
    pub steps: Option<u64>,
    /// Share of the steps over which the learning rate rises, in 0..1.
    pub warmup: f64,
    /// Steps between two validations.
    pub evaluate_every: Option<u64>,
}

/// Linear warm-up, then linear decay to zero, with validations at equal intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    /// Steps in all.
    pub steps: u64,
    /// Steps over which the learning rate rises.
    pub warmup_steps: u64,
    /// Steps between two validations; the last step is always followed by one.
    pub evaluate_every: u64,
    /// The learning rate at its peak.
    pub lr: f64,
}

/// Validations in a run, unless their interval is given.
const EVALUATIONS: u64 = 8;

impl Schedule {
    /// The schedule for `per_epoch` steps an epoch.
    ///
    /// # Errors
    /// There would be no step, or a wish makes no sense.
    pub(crate) fn new(per_epoch: u64, lr: f64, settings: ScheduleSettings) -> Result<Self> {
        check_rate(lr)?;
        if !(0.0..1.0).contains(&settings.warmup) {
            return Err(Error::setting(
                format!("a warm-up of {} is no share of the steps", settings.warmup),
                "give a number from 0 to below 1",
            ));
        }
        let steps = settings
            .steps
            .unwrap_or(per_epoch.saturating_mul(settings.epochs));
        if steps == 0 {
            return Err(Error::setting("there is no step to train", Remedy::None));
        }
        let evaluate_every = settings
            .evaluate_every
            .unwrap_or_else(|| steps.div_ceil(EVALUATIONS));
        Ok(Self {
            steps,
            warmup_steps: (steps as f64 * settings.warmup).round() as u64,
            evaluate_every: evaluate_every.clamp(1, steps),
            lr,
        })
    }

    /// Makes sure that one can train by it: it may come from a file.
    ///
    /// # Errors
    /// A number makes no sense.
    pub(super) fn check(&self) -> Result<()> {
        check_rate(self.lr)?;
        if self.steps == 0 || self.warmup_steps > self.steps || self.evaluate_every == 0 {
            let what = format!(
                "a schedule of {} steps, {} of them to warm up and a validation every {}, cannot be kept",
                self.steps, self.warmup_steps, self.evaluate_every
            );
            return Err(Error::setting(what, Remedy::Restart));
        }
        Ok(())
    }

    /// The learning rate of step `step`, counted from 0: never 0 within the run.
    pub(crate) fn rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.lr * (step + 1) as f64 / (self.warmup_steps + 1) as f64;
        }
        let left = self.steps.saturating_sub(step);
        self.lr * left as f64 / (self.steps - self.warmup_steps) as f64
    }

    /// Whether to validate after `step` steps; before the first one too.
    pub(crate) fn evaluates(&self, step: u64) -> bool {
        step.is_multiple_of(self.evaluate_every) || step == self.steps
    }
}

/// Makes sure that a learning rate is one.
fn check_rate(lr: f64) -> Result<()> {
    if lr > 0.0 && lr.is_finite() {
        return Ok(());
    }
    Err(Error::setting(
        format!("a learning rate of {lr} trains nothing"),
        "give a number above 0",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: ScheduleSettings = ScheduleSettings {
        epochs: 3,
        steps: None,
        warmup: 0.1,
        evaluate_every: None,
    };

    #[test]
    fn everything_follows_from_the_data() {
        let schedule = Schedule::new(40, 1e-4, SETTINGS).unwrap();
        assert_eq!(
            (
                schedule.steps,
                schedule.warmup_steps,
                schedule.evaluate_every
            ),
            (120, 12, 15)
        );
        let given = ScheduleSettings {
            steps: Some(7),
            evaluate_every: Some(100),
            ..SETTINGS
        };
        let schedule = Schedule::new(40, 1e-4, given).unwrap();
        assert_eq!((schedule.steps, schedule.evaluate_every), (7, 7));
    }

    #[test]
    fn the_rate_rises_to_the_peak_and_falls_towards_zero() {
        let schedule = Schedule::new(40, 1e-4, SETTINGS).unwrap();
        let rates: Vec<f64> = (0..schedule.steps)
            .map(|step| schedule.rate(step))
            .collect();
        assert!(rates[..13].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(rates[12..].windows(2).all(|pair| pair[0] > pair[1]));
        assert_eq!(rates[12], 1e-4);
        assert!(rates.iter().all(|rate| *rate > 0.0));
        assert_eq!(schedule.rate(schedule.steps), 0.0);
    }

    #[test]
    fn the_first_and_the_last_step_are_validated() {
        let settings = ScheduleSettings {
            steps: Some(10),
            evaluate_every: Some(4),
            ..SETTINGS
        };
        let schedule = Schedule::new(1, 1e-4, settings).unwrap();
        let seen: Vec<u64> = (0..=10).filter(|step| schedule.evaluates(*step)).collect();
        assert_eq!(seen, [0, 4, 8, 10]);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Schedule::new(0, 1e-4, SETTINGS).is_err());
        assert!(Schedule::new(4, f64::NAN, SETTINGS).is_err());
        let warmup = ScheduleSettings {
            warmup: 1.0,
            ..SETTINGS
        };
        assert!(Schedule::new(4, 1e-4, warmup).is_err());
    }
}
