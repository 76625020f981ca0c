//! Grading judged messages, one candidate after another, with a way back.
#![allow(
    clippy::indexing_slicing,
    reason = "the places are those of what is graded, and it does not shrink"
)]

use crate::dialogue::{Grade, Judged};

/// Message and candidate, by place.
type Place = (usize, usize);

/// Judged messages, and the candidate that is to be graded now.
pub struct Grading {
    judged: Vec<Judged>,
    at: Option<Place>,
    /// The places that were graded or passed over, the last one last.
    done: Vec<Place>,
}

/// What is to be graded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Current<'a> {
    /// Place of the message, from 0.
    pub message: usize,
    /// Place among its candidates, from 0.
    pub candidate: usize,
    /// The message and its candidates.
    pub judged: &'a Judged,
    /// The reply.
    pub reply: &'a str,
}

impl Grading {
    /// Goes on at the first candidate that nobody has graded.
    pub fn new(judged: Vec<Judged>) -> Self {
        let mut grading = Self {
            judged,
            at: None,
            done: Vec::new(),
        };
        let first = grading.ungraded().next();
        grading.at = first;
        grading
    }

    /// The messages as they are graded so far.
    pub fn judged(&self) -> &[Judged] {
        &self.judged
    }

    /// How many candidates there are, and how many of them are graded.
    pub fn count(&self) -> (usize, usize) {
        let all = self.judged.iter().map(|one| one.candidates.len()).sum();
        (all, all - self.ungraded().count())
    }

    /// What is to be graded; `None` once everything was graded or passed over.
    pub fn current(&self) -> Option<Current<'_>> {
        let (message, candidate) = self.at?;
        let judged = &self.judged[message];
        Some(Current {
            message,
            candidate,
            judged,
            reply: &judged.candidates[candidate].reply,
        })
    }

    /// Grades the current candidate, and those of the message that are the very same line, and goes on.
    pub fn grade(&mut self, grade: Grade) {
        if let Some(place) = self.at {
            self.mark(place, Some(grade));
            self.go_on(place);
        }
    }

    /// Passes the current candidate over, and goes on.
    pub fn skip(&mut self) {
        if let Some(place) = self.at {
            self.go_on(place);
        }
    }

    /// Goes back to what was graded or passed over last, and takes its grade away; whether there was
    /// anything. What was graded on another day is gone back through in the order of the file.
    pub fn undo(&mut self) -> bool {
        let last = self.done.pop().or_else(|| {
            let before = |place: &Place| self.at.is_none_or(|at| *place < at);
            self.places()
                .filter(before)
                .filter(|place| self.is_graded(*place))
                .last()
        });
        if let Some(place) = last {
            self.mark(place, None);
            self.at = Some(place);
        }
        last.is_some()
    }

    fn mark(&mut self, (message, candidate): Place, grade: Option<Grade>) {
        let candidates = &mut self.judged[message].candidates;
        let reply = candidates[candidate].reply.clone();
        for one in candidates.iter_mut().filter(|one| one.reply == reply) {
            one.grade = grade;
        }
    }

    fn go_on(&mut self, place: Place) {
        self.done.push(place);
        let next = self.ungraded().find(|next| *next > place);
        self.at = next;
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        let messages = self.judged.iter().enumerate();
        messages.flat_map(|(message, one)| (0..one.candidates.len()).map(move |at| (message, at)))
    }

    fn is_graded(&self, (message, candidate): Place) -> bool {
        self.judged[message].candidates[candidate].grade.is_some()
    }

    fn ungraded(&self) -> impl Iterator<Item = Place> {
        self.places().filter(|place| !self.is_graded(*place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::JudgedReply;

    fn grading() -> Grading {
        let message = |replies: &[&str]| Judged {
            message: "Well?".into(),
            context: vec![],
            candidates: replies
                .iter()
                .map(|reply| JudgedReply {
                    reply: (*reply).into(),
                    answered: None,
                    score: None,
                    grade: None,
                    logit: None,
                })
                .collect(),
        };
        Grading::new(vec![
            message(&["Hm.", "No.", "Hm."]),
            message(&["No.", "Hm."]),
        ])
    }

    fn at(grading: &Grading) -> Option<Place> {
        grading.current().map(|one| (one.message, one.candidate))
    }

    fn grades(grading: &Grading) -> Vec<Vec<Option<u8>>> {
        let of = |judged: &Judged| {
            let grades = judged.candidates.iter();
            grades.map(|one| one.grade.map(u8::from)).collect()
        };
        grading.judged().iter().map(of).collect()
    }

    #[test]
    fn identical_lines_of_a_message_are_graded_once() {
        let mut grading = grading();
        assert_eq!(at(&grading), Some((0, 0)));
        grading.grade(Grade::Good);
        grading.grade(Grade::Bad);
        assert_eq!(at(&grading), Some((1, 0)));
        assert_eq!(
            grades(&grading),
            [vec![Some(2), Some(0), Some(2)], vec![None, None]]
        );
        assert_eq!(grading.count(), (5, 3));
    }

    #[test]
    fn undo_goes_back_over_grades_and_skips_and_what_an_earlier_day_graded() {
        let mut grading = grading();
        assert!(!grading.undo());
        grading.grade(Grade::Good);
        grading.skip();
        assert_eq!(at(&grading), Some((1, 0)));
        assert!(grading.undo());
        assert_eq!(at(&grading), Some((0, 1)));
        assert!(grading.undo());
        assert_eq!(grades(&grading)[0], [None, None, None]);
        grading.grade(Grade::Passable);
        grading.grade(Grade::Bad);

        let mut later = Grading::new(grading.judged().to_vec());
        assert_eq!(at(&later), Some((1, 0)));
        assert!(later.undo());
        // The last one in the file is the same line as the first: both are to be graded again.
        assert_eq!(at(&later), Some((0, 2)));
        assert_eq!(grades(&later)[0], [None, Some(0), None]);
    }

    #[test]
    fn what_was_passed_over_is_left_for_the_next_time() {
        let mut grading = grading();
        grading.skip();
        for _ in 0..4 {
            grading.grade(Grade::Bad);
        }
        assert_eq!(at(&grading), None);
        // It was the same line as a later one that was graded.
        assert_eq!(grading.count(), (5, 5));
        assert!(grading.undo());
        assert_eq!(at(&grading), Some((1, 1)));
        grading.skip();
        assert_eq!(at(&grading), None);
        assert_eq!(at(&Grading::new(grading.judged().to_vec())), Some((1, 1)));
    }
}
