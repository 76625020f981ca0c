//! Tests a project: how well it picks the reply that was really given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lineup::lineup;
use super::record::record;
use super::test_set::{TestSet, TestSource};
use super::{Project, note_unfinished};
use crate::error::{Result, Step};
use crate::eval::cases::Cases;
use crate::eval::report::{self, Answers, Evaluation};
use crate::files::{self, Rights};
use crate::nn::device::Compute;
use crate::watch::Watch;

/// What is to be tested, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSettings {
    /// What to test on.
    pub source: TestSource,
    /// Whose replies to test on in a script; else the prepared dialogue's character's.
    pub character: Option<String>,
    /// Queries asked, at most.
    pub queries: usize,
    /// Decides distractors, draws and resamples.
    pub seed: u64,
    /// Whether to compute on a GPU.
    pub gpu: bool,
}

impl Default for TestSettings {
    fn default() -> Self {
        Self {
            source: TestSource::Test,
            character: None,
            queries: 600,
            seed: 42,
            gpu: false,
        }
    }
}

/// What a test found.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// The figures.
    pub report: Evaluation,
    /// Every query with every system's answer.
    pub answers: Vec<Answers>,
    source: TestSource,
    /// Whether it was the ordinary test of these models: then it goes into their cards.
    own: bool,
}

/// Puts queries whose true reply is known to every system that the project has. Nothing is written.
///
/// # Errors
/// Nothing was prepared; the file to test on cannot be used; a model is damaged;
/// [`crate::error::Error::Interrupted`].
pub fn evaluate(
    project: &Project,
    settings: &TestSettings,
    watch: &mut dyn Watch,
) -> Result<Tested> {
    let compute = Compute::choose(settings.gpu)?;
    let set = TestSet::load(project, &settings.source, settings.character.as_deref())?;
    note_unfinished(&project.bi_encoder(), Step::TrainBi, watch);
    note_unfinished(&project.cross_encoder(), Step::TrainCross, watch);
    let cases = Arc::new(Cases::new(&set.exchanges, settings.queries, settings.seed));
    let systems = lineup(project, &compute, &cases, watch)?;
    let (mut report, answers) = report::evaluate(&cases, &systems, settings.seed, watch)?;
    report.character.clone_from(&set.character);
    report.tested.clone_from(&set.name);
    let remarks = set.remarks(project);
    let own = settings.source == TestSource::Test && remarks.is_empty();
    report.notes.extend(remarks);
    Ok(Tested {
        report,
        answers,
        source: settings.source.clone(),
        own,
    })
}

impl Tested {
    /// Writes figures, answers and picture into the project's runs, and the figures of an ordinary
    /// test into the models' cards; tells where figures and picture are. `png` is another place for
    /// the picture.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, project: &Project, png: Option<&Path>) -> Result<[PathBuf; 2]> {
        let name = self.name();
        let figures = project.figures(&name);
        let each = figures.with_file_name(format!("{name}-answers.jsonl"));
        let picture = figures.with_file_name(format!("{name}.png"));
        for own in [&figures, &each, &picture] {
            files::stays(own)?;
        }
        files::write_json(&figures, &self.report)?;
        files::write_jsonl(&each, self.rights(project), &self.answers)?;
        let png = png.map_or(picture, Path::to_path_buf);
        #[cfg(feature = "plots")]
        crate::eval::picture::draw(&self.report, &png)?;
        if self.own {
            record(project, &self.report)?;
        }
        Ok([figures, png])
    }

    /// The answers are for whoever could read the questions and the replies.
    fn rights(&self, project: &Project) -> Rights {
        let questions = match &self.source {
            TestSource::File(file) => file.clone(),
            TestSource::Test | TestSource::Valid => project.pool(),
        };
        Rights::of([questions]).and(project.replies_rights())
    }

    /// A test on something else does not take the place of the ordinary one.
    fn name(&self) -> String {
        match &self.source {
            TestSource::Test => "eval".to_owned(),
            TestSource::Valid => "eval-valid".to_owned(),
            TestSource::File(file) => {
                let name = file.file_stem().unwrap_or_default();
                format!("eval-of-{}", name.display())
            }
        }
    }
}
