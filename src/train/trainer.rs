//! The training loop, the same for both models.

use std::time::Instant;

use candle_core::Tensor;

use super::batches::Batches;
use super::checkpoint::State;
use super::run::{MetricsRow, Outcome, Run};
use super::schedule::Schedule;
use super::task::{Task, Validation};
use crate::error::{Error, Remedy, Result};
use crate::hf::tensors::Precision;
use crate::nn::host;
use crate::nn::optimizer::{AdamW, clip};
use crate::seed::{Stream, derive};
use crate::watch::{Unit, Watch};

/// How to train.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How long, and how fast.
    pub schedule: Schedule,
    /// Examples a step, at most.
    pub batch_size: usize,
    /// Stop after so many validations without a better one.
    pub patience: u64,
    /// Decides everything random.
    pub seed: u64,
    /// How the kept model is stored.
    pub precision: Precision,
}

/// Gradients whose norm, over encoder and head, is larger are scaled down to it.
const MAX_NORM: f64 = 1.0;

/// Trains, from where the run's checkpoint stands. The best model is kept in the run.
///
/// # Errors
/// [`Error::Interrupted`] once `watch` says so: the step is finished and a checkpoint written.
/// [`Error::Diverged`] when the loss or its gradient is no number any more. Anything that the
/// task or the run fails with.
pub(crate) fn train(
    task: &mut dyn Task,
    plan: &Plan,
    run: &mut Run,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    let Plan { schedule, .. } = *plan;
    let mut batches = Batches::new(task.examples(), plan.batch_size, plan.seed);
    let (mut state, lost) = run.restore(task.model_mut())?;
    if state.step > schedule.steps {
        let (step, steps) = (state.step, schedule.steps);
        let what =
            format!("its checkpoint stands after step {step} of {steps}: it is of another run");
        return Err(Error::model(run.folder(), what, Remedy::Restart));
    }
    if lost > 0 {
        watch.note(&format!(
            "metrics.jsonl was damaged: {lost} of its rows are lost, and missing in the loss curve"
        ));
    }
    let (clock, before) = (Instant::now(), state.seconds);
    watch.stage("training", schedule.steps, Unit::Parts);
    watch.advance(state.step);
    if state.step > 0 {
        let (step, steps) = (state.step, schedule.steps);
        watch.note(&format!("going on after step {step} of {steps}"));
    }
    loop {
        let outcome = advance(task, plan, &mut batches, &mut state, run, watch);
        state.seconds = before + clock.elapsed().as_secs_f64();
        match outcome {
            Ok(Next::Step) => {}
            Ok(Next::Validated) => {
                run.save(&mut state, task.model())?;
                run.draw(task.measure())?;
            }
            Ok(Next::Finished) => break,
            Err(Error::Interrupted { .. }) => {
                run.save(&mut state, task.model())?;
                return Err(Error::Interrupted { saved: true });
            }
            Err(error) => return Err(error),
        }
    }
    let (Some(baseline), Some((best_step, best))) = (state.baseline, state.best) else {
        return Err(Error::Misuse("nothing was trained".into()));
    };
    Ok(Outcome {
        steps: state.step,
        planned: schedule.steps,
        baseline,
        best,
        best_step,
        seconds: state.seconds,
    })
}

/// What was done.
enum Next {
    Step,
    Validated,
    Finished,
}

/// Validates if that is due, else takes a step if there is one to take.
fn advance(
    task: &mut dyn Task,
    plan: &Plan,
    batches: &mut Batches,
    state: &mut State,
    run: &mut Run,
    watch: &mut dyn Watch,
) -> Result<Next> {
    watch.go_on()?;
    let epoch = |step: u64, batches: &Batches| step as f64 / batches.per_epoch() as f64;
    if plan.schedule.evaluates(state.step) && state.validated != Some(state.step) {
        let validation = task.validate(watch)?;
        if !validation.loss.is_finite() {
            return Err(diverged(plan, state.step));
        }
        run.log(MetricsRow {
            step: state.step,
            epoch: epoch(state.step, batches),
            valid_loss: Some(validation.loss),
            valid_score: Some(validation.score),
            ..MetricsRow::default()
        })?;
        let standing = judge(state, validation);
        if standing == Standing::Best {
            task.model()
                .save(&Run::model_of(run.folder()), plan.precision)?;
        }
        watch.note(&format!(
            "step {:>5}/{}  validation loss {:.4}  {} {:.4}{}",
            state.step,
            plan.schedule.steps,
            validation.loss,
            task.measure(),
            validation.score,
            match standing {
                Standing::Baseline => "  (before training)",
                Standing::Best => "  (best so far, kept)",
                Standing::Worse => "",
            }
        ));
        return Ok(Next::Validated);
    }
    if state.step == plan.schedule.steps || state.since_best >= plan.patience {
        return Ok(Next::Finished);
    }

    let clock = Instant::now();
    let batch = batches.at(state.step);
    let examples = batch.len();
    let lr = plan.schedule.rate(state.step);
    let [loss, norm] = take_step(task, batch, derive(plan.seed, Stream::Step, state.step), lr)?;
    let queued = clock.elapsed();
    // Only now, with the whole step queued, does the host wait for a GPU. A model that diverged
    // has taken its step, but nobody saves it.
    let [loss, norm] = host::numbers([&loss, &norm])?;
    let waited = clock.elapsed() - queued;
    tracing::debug!(
        queued_ms = queued.as_secs_f64() * 1e3,
        waited_ms = waited.as_secs_f64() * 1e3,
        "step"
    );
    if !loss.is_finite() || !norm.is_finite() {
        return Err(diverged(plan, state.step));
    }
    state.step += 1;
    let speed = examples as f64 / clock.elapsed().as_secs_f64();
    let row = MetricsRow {
        step: state.step,
        epoch: epoch(state.step, batches),
        loss: Some(loss),
        lr: Some(lr),
        grad_norm: Some(norm),
        examples_per_second: Some(speed),
        ..MetricsRow::default()
    };
    run.log(row)?;
    watch.advance(state.step);
    watch.figures(format_args!("loss {loss:.3}  {speed:.0} examples/s"));
    Ok(Next::Step)
}

/// Queues a step at the learning rate `lr`: the batch's mean loss, and the norm of its gradient. Both are on
/// the device still, and nothing was read from there.
fn take_step(task: &mut dyn Task, batch: &[usize], seed: u64, lr: f64) -> Result<[Tensor; 2]> {
    let loss = task.accumulate(batch, seed)?;
    let model = task.model_mut();
    let mut squares = model.encoder().grad_norm_squared()?;
    if let Some(head) = model.head() {
        squares = (squares + head.grad_norm_squared()?)?;
    }
    let norm = squares.sqrt()?;
    let scale = clip(&norm, MAX_NORM)?;
    let adamw = AdamW::default();
    model.encoder_mut().step(&adamw, lr, &scale)?;
    if let Some(head) = model.head_mut() {
        head.step(&adamw, lr, &scale)?;
    }
    Ok([loss, norm])
}

/// What a validation says of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It has not been trained yet.
    Baseline,
    /// It is the best so far, and kept.
    Best,
    /// An earlier one was better.
    Worse,
}

/// Enters a validation into the state. The untrained model is what training is measured by, and
/// is never kept itself.
fn judge(state: &mut State, validation: Validation) -> Standing {
    state.validated = Some(state.step);
    if state.step == 0 {
        state.baseline = Some(validation);
        return Standing::Baseline;
    }
    match state.best {
        Some((_, best)) if !validation.beats(&best) => {
            state.since_best += 1;
            Standing::Worse
        }
        _ => {
            state.best = Some((state.step, validation));
            state.since_best = 0;
            Standing::Best
        }
    }
}

fn diverged(plan: &Plan, step: u64) -> Error {
    Error::Diverged {
        step,
        lr: plan.schedule.lr,
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::dialogue::{Exchange, Turn};
    use crate::hf::testing::tiny_encoder_folder;
    use crate::model::bi_encoder::BiEncoder;
    use crate::model::cross_encoder::CrossEncoder;
    use crate::nn::config::Family;
    use crate::nn::device::Compute;
    use crate::nn::head::Head;
    use crate::train::bi_task::{BiTask, BiTaskSettings};
    use crate::train::cross_task::{CrossTask, CrossTaskSettings, Material};
    use crate::train::losses::Ranking;

    fn exchanges() -> Vec<Exchange> {
        let turn = |text: String| Turn {
            speaker: String::new(),
            text,
        };
        let exchange = |id: usize| Exchange {
            id,
            scene: id,
            context: vec![turn("listen".into())],
            query: turn(format!("what about {id}")),
            reply: format!("{id} it is"),
            close_replies: Vec::new(),
            good_replies: Vec::new(),
            bad_replies: Vec::new(),
        };
        (0..8).map(exchange).collect()
    }

    /// A bi-encoder's and a cross-encoder's task, as a GPU computes them.
    fn tasks(folder: &std::path::Path) -> [Box<dyn Task>; 2] {
        let compute = Compute::Plain {
            device: Device::Cpu,
            products: DType::BF16,
        };
        tiny_encoder_folder(folder, Family::Bert, &["listen", "about"], 1).unwrap();
        let bi = BiEncoder::load(folder, &compute).unwrap();
        let tokenizer = bi.tokenizer.clone();
        let options = BiTaskSettings {
            ranking: Ranking {
                temperature: 0.05,
                both_directions: true,
            },
            max_length: 16,
            batch_size: 8,
            chunk_size: 3,
            seed: 1,
        };
        let bi = BiTask::new(bi, &tokenizer, exchanges(), &[], exchanges(), options).unwrap();

        let encoder = BiEncoder::load(folder, &compute).unwrap().encoder;
        let head = Head::fresh(encoder.config(), None, 1);
        let cross = CrossEncoder {
            head: Head::new(encoder.config(), &head, &Device::Cpu).unwrap(),
            encoder,
            tokenizer: tokenizer.clone(),
            max_length: 32,
        };
        let material = || Material {
            exchanges: exchanges(),
            judged: &[],
            liked: &[],
        };
        let options = CrossTaskSettings {
            max_length: 32,
            negatives: 2,
            chunk_size: 3,
            seed: 1,
        };
        let cross = CrossTask::new(cross, tokenizer, material(), material(), options).unwrap();
        [Box::new(bi), Box::new(cross)]
    }

    #[test]
    fn nothing_is_read_within_a_step() {
        let folder = tempfile::tempdir().unwrap();
        for mut task in tasks(folder.path()) {
            let before = host::times_read();
            let [loss, norm] =
                take_step(task.as_mut(), &[0, 1, 2, 3, 4, 5, 6, 7], 1, 1e-3).unwrap();
            assert_eq!(host::times_read(), before);
            let read = host::numbers([&loss, &norm]).unwrap();
            assert_eq!(host::times_read(), before + 1);
            assert!(
                read.iter()
                    .all(|number| number.is_finite() && *number > 0.0)
            );
            task.validate(&()).unwrap();
            assert!(host::times_read() > before + 1, "validation is read");
        }
    }
}
