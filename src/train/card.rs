//! The model card of a run: what it learned from, how, and how to use it.

use std::fmt::Write;

use super::run::Outcome;
use super::schedule::Schedule;
use super::settings::{CommonSettings, Data, Resolved};

/// What differs between the two models.
pub(crate) struct Kind<'a> {
    /// "bi-encoder" or "cross-encoder".
    pub name: &'static str,
    /// What the encoder was before.
    pub encoder: &'a str,
    /// What the model does, in a sentence.
    pub purpose: &'static str,
    /// The loss, and its settings.
    pub loss: String,
    /// What the true reply is ranked among in validation.
    pub among: &'static str,
    /// Python that loads it.
    pub python: &'static str,
}

/// The card, in Markdown.
pub(crate) fn card<S>(
    kind: &Kind<'_>,
    resolved: &Resolved<S>,
    common: &CommonSettings,
    outcome: &Outcome,
) -> String {
    let Data {
        source,
        character,
        train,
        valid,
        ..
    } = &resolved.data;
    let Schedule {
        warmup_steps, lr, ..
    } = resolved.schedule;
    let Outcome {
        baseline,
        best,
        best_step,
        steps,
        planned,
        seconds,
    } = outcome;
    let Kind {
        name,
        encoder,
        purpose,
        loss,
        among,
        python,
    } = kind;
    let mut card = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        card,
        "# {character}: {name}

{purpose} Trained by homer {version}.

## Data

{train} exchanges of {character} from `{source}` to train on, {valid} others to choose the best model by.

## Training

| | |
|---|---|
| encoder | {encoder} |
| loss | {loss} |
| exchanges a step | {batch} |
| longest sequence | {length} tokens |
| optimizer | AdamW, learning rate {lr}, {warmup_steps} steps of warm-up, linear decay |
| steps | {steps} of {planned} planned, in {minutes:.1} minutes |
| seed | {seed} |

## Validation

MRR is the mean of 1 / rank of the true reply {among}.

| | MRR | loss |
|---|---|---|
| before training | {before_mrr:.4} | {before_loss:.4} |
| kept, after step {best_step} | {best_mrr:.4} | {best_loss:.4} |

{curve}## Use

With homer, as it lies. In Python, with sentence-transformers:

```python
{python}
```
",
        curve = if cfg!(feature = "plots") { "![loss curve](loss.png)\n\n" } else { "" },
        version = resolved.homer,
        batch = common.batch_size,
        length = common.max_length,
        minutes = seconds / 60.0,
        seed = common.seed,
        before_mrr = baseline.score,
        before_loss = baseline.loss,
        best_mrr = best.score,
        best_loss = best.loss,
    );
    card
}
