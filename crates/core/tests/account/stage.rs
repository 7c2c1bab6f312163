//! The stages of a transfer, and the one that follows an outcome, the end of the source, or an answer of the peer.

use sendfile64_core::{End, Ended, MAX_OFFSET};

use super::{Account, Due, MILLISECOND};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Moving,
    Waiting {
        since: u64,
        look: Option<(u64, u64)>,
    },
    Confirming(Question),
    Over(End),
}

/// What is known about the peer: what it owed and when, and when it is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) owed: u64,
    pub(super) answered: u64,
    pub(super) pause: u128,
    pub(super) next: u64,
    pub(super) moved: u64,
}

impl Account {
    pub(super) fn waiting(&self) -> Stage {
        Stage::Waiting {
            since: self.now,
            look: None,
        }
    }

    pub(super) fn stage_after(&mut self, due: Due, ended: Ended) -> Stage {
        let is_part = due == Due::Headers || due == Due::Trailers;
        match ended {
            Ended::Progress | Ended::Interrupted | Ended::EndOfFile => Stage::Moving,
            Ended::WouldBlock | Ended::Busy => self.waiting(),
            Ended::Failed(errno) => Stage::Over(End::Failed(errno)),
            Ended::Refused(errno) if is_part => Stage::Over(End::Failed(errno)),
            Ended::Refused(_) if self.range_is_over() => Stage::Moving,
            Ended::Refused(errno) => {
                self.refused.push((self.method(), errno));
                let left = self.refused.len() < self.plan.methods.len();
                if left {
                    Stage::Moving
                } else {
                    Stage::Over(End::Refused(errno))
                }
            }
        }
    }

    /// The stage that follows when the source has no more bytes, or nothing is left to be sent.
    pub(super) fn stage_at_the_end(&mut self, no_more: bool) -> Option<Stage> {
        let no_more = no_more || self.next_offset() >= u128::from(MAX_OFFSET);
        if no_more && !self.range_is_over() {
            if self.plan.count.is_none() {
                self.exhausted = true;
            } else if self.headers == u128::from(self.plan.headers) {
                return Some(Stage::Over(End::Truncated));
            }
        }
        if !self.is_complete() {
            return None;
        }
        Some(if self.plan.acknowledged {
            Stage::Confirming(Question {
                owed: u64::MAX,
                answered: self.now,
                pause: MILLISECOND,
                next: self.now,
                moved: self.now,
            })
        } else {
            Stage::Over(End::Done)
        })
    }

    pub(super) fn stage_after_answer(&self, mut question: Question, owed: u64) -> Stage {
        if owed == 0 {
            return Stage::Over(End::Done);
        }
        if owed < question.owed {
            let took = u128::from(self.now - question.answered);
            let at_its_pace = took * u128::from(owed) / u128::from(question.owed - owed);
            question.pause = at_its_pace.clamp(MILLISECOND, 50 * MILLISECOND);
            question.moved = self.now;
        } else if self.has_stalled(question.moved) {
            return Stage::Over(End::Stalled);
        } else {
            question.pause = (2 * question.pause).min(50 * MILLISECOND);
        }
        question.owed = owed;
        question.answered = self.now;
        question.next = self.now + u64::try_from(question.pause).expect("at most 50 ms");
        Stage::Confirming(question)
    }

    pub(super) fn has_stalled(&self, since: u64) -> bool {
        self.plan
            .stall_timeout
            .is_some_and(|timeout| u128::from(self.now - since) >= u128::from(timeout))
    }
}
