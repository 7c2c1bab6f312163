//! An executor between byte strings: it follows steps as far as a kernel could, then only makes progress.

use sendfile64_core::{End, Ended, Method, Op, Outcome, Part, Transfer};

use crate::histories::{Step, asked, share_of, wait};

/// Both ends of a transfer, and the pipe between them.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) headers: Vec<u8>,
    pub(crate) source: Vec<u8>,
    pub(crate) trailers: Vec<u8>,
    pub(crate) through_pipe: bool,
    pipe: Vec<u8>,
    destination: Vec<u8>,
    /// How much of the parts has been written.
    written: [u64; 2],
}

impl Ends {
    pub(crate) fn new(
        headers: Vec<u8>,
        source: Vec<u8>,
        trailers: Vec<u8>,
        through_pipe: bool,
    ) -> Self {
        Self {
            headers,
            source,
            trailers,
            through_pipe,
            pipe: Vec::new(),
            destination: Vec::new(),
            written: [0; 2],
        }
    }

    pub(crate) fn destination(&self) -> &[u8] {
        &self.destination
    }

    pub(crate) fn written(&self, part: Part) -> u64 {
        self.written[usize::from(part == Part::Trailers)]
    }

    pub(crate) fn carry_out(&mut self, transfer: &mut Transfer, steps: Vec<Step>) -> End {
        let all = self.headers.len() + self.source.len() + self.trailers.len();
        let most_ops = 10 * (steps.len() + all + 10);
        let mut steps = steps.into_iter();
        let mut now = 0;
        for _ in 0..most_ops {
            let op = transfer.poll_op(now);
            if let Op::Finish(end) = op {
                return end;
            }
            match steps.next() {
                None => {
                    let steady = (u16::MAX, Ended::Progress);
                    now = self.follow(transfer, op, steady, now);
                }
                Some(Step::Outcome { share, ended }) => {
                    now = self.follow(transfer, op, (share, ended), now);
                }
                Some(Step::Took { share, nanoseconds }) => {
                    let bytes = share_of(asked(op).unwrap_or(0), share);
                    transfer.handle_duration(bytes, nanoseconds);
                }
                Some(Step::Ready) => transfer.handle_ready(),
                Some(Step::Movement) => transfer.handle_movement(now),
                Some(Step::Outstanding(owed)) => transfer.handle_outstanding(owed, now),
                Some(Step::Abort) => transfer.abort(),
                Some(Step::Fail(errno)) => transfer.fail(errno),
                Some(Step::Unacknowledged(owed)) => transfer.handle_unacknowledged(owed, now),
                Some(Step::Pass(nanoseconds)) => {
                    now += nanoseconds;
                    transfer.handle_time(now);
                }
                Some(Step::PassTheWait) => {
                    now += wait(op, now);
                    transfer.handle_time(now);
                }
            }
        }
        panic!("{most_ops} ops and no end: {transfer:?}");
    }

    /// Does what `op` asks, and returns the time afterwards.
    fn follow(&mut self, transfer: &mut Transfer, op: Op, step: (u16, Ended), now: u64) -> u64 {
        match op {
            Op::Finish(_) => return now,
            Op::Confirm => transfer.handle_unacknowledged(0, now),
            Op::Wait(_) => {
                transfer.handle_ready();
                let later = now + wait(op, now);
                transfer.handle_time(later);
                return later;
            }
            _ => {
                let outcome = self.attempt(op, step);
                transfer.handle_outcome(outcome, now);
            }
        }
        now
    }

    fn attempt(&mut self, op: Op, (share, ended): (u16, Ended)) -> Outcome {
        let from = match op {
            Op::Attempt { offset, .. } => rest(&self.source, offset),
            Op::Write {
                part: Part::Headers,
                from,
                ..
            } => rest(&self.headers, from),
            Op::Write { from, .. } => rest(&self.trailers, from),
            _ => &self.pipe,
        };
        let most = asked(op).expect("an op that moves").min(length(from));
        let is_attempt = matches!(op, Op::Attempt { .. });
        let ended = match ended {
            Ended::Progress if is_attempt && most == 0 => Ended::EndOfFile,
            Ended::EndOfFile if most > 0 || !is_attempt => Ended::Progress,
            ended => ended,
        };
        let bytes = share_of(most, share);
        let moved = from[..usize::try_from(bytes).expect("within the string")].to_vec();
        match op {
            Op::Attempt {
                method: Method::Splice,
                ..
            } if self.through_pipe => {
                assert!(self.pipe.is_empty(), "filled again before it was drained");
                self.pipe = moved;
                return Outcome { bytes, ended };
            }
            Op::Drain { count, .. } => {
                assert_eq!(count, length(&self.pipe));
                self.pipe.drain(..moved.len());
                if let Ended::Refused(_) = ended {
                    self.pipe.clear();
                }
            }
            Op::Write { part, .. } => {
                self.written[usize::from(part == Part::Trailers)] += bytes;
            }
            _ => {}
        }
        self.destination.extend(moved);
        Outcome { bytes, ended }
    }
}

fn rest(bytes: &[u8], from: u64) -> &[u8] {
    let from = usize::try_from(from).ok();
    from.and_then(|from| bytes.get(from..)).unwrap_or_default()
}

fn length(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}
