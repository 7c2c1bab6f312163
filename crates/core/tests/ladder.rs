//! Which methods are tried, in which order, and the report of those that were refused.

use sendfile64_core::{
    End, Ended, Errno, Fallback, Kind, Ladder, Method, Op, Outcome, Request, Transfer,
};

const KINDS: [Kind; 4] = [Kind::File, Kind::Socket, Kind::Pipe, Kind::Device];
const METHODS: [Method; 4] = [
    Method::Sendfile,
    Method::Splice,
    Method::CopyFileRange,
    Method::Copy,
];

/// The methods in the order in which a transfer tries them.
fn order(ladder: Ladder) -> Vec<Method> {
    let mut transfer = Transfer::new(Request::new(0, None, ladder), 0);
    let mut methods = Vec::new();
    while let Op::Attempt { method, .. } = transfer.poll_op(0) {
        methods.push(method);
        let refused = Outcome {
            bytes: 0,
            ended: Ended::Refused(Errno(22)),
        };
        transfer.handle_outcome(refused, 0);
    }
    assert_eq!(transfer.end(), Some(End::Refused(Errno(22))));
    methods
}

#[test]
fn a_ladder_keeps_the_order_and_tries_each_method_once() {
    assert_eq!(order(Ladder::of(&METHODS)), METHODS);
    let repeated = [
        Method::Copy,
        Method::Splice,
        Method::Copy,
        Method::Splice,
        Method::Sendfile,
        Method::Copy,
    ];
    let expected = [Method::Copy, Method::Splice, Method::Sendfile];
    assert_eq!(order(Ladder::of(&repeated)), expected);
}

#[test]
fn a_ladder_without_methods_copies() {
    assert_eq!(order(Ladder::of(&[])), [Method::Copy]);
}

#[test]
fn a_forced_method_has_no_other() {
    for method in METHODS {
        assert_eq!(order(Ladder::only(method)), [method]);
    }
}

#[test]
fn every_pair_of_descriptors_ends_with_copying() {
    for source in KINDS {
        for destination in KINDS {
            let methods = order(Ladder::between(source, destination));
            let expected: &[Method] = if (source, destination) == (Kind::File, Kind::File) {
                &[Method::CopyFileRange, Method::Sendfile, Method::Copy]
            } else {
                &[Method::Sendfile, Method::Copy]
            };
            assert_eq!(methods, expected, "{source:?} to {destination:?}");
        }
    }
}

#[test]
fn a_preferred_method_comes_first_and_the_others_stay_behind_it_in_their_order() {
    for source in KINDS {
        for destination in KINDS {
            let ladder = Ladder::between(source, destination);
            for preferred in METHODS {
                let mut expected = vec![preferred];
                expected.extend(order(ladder).iter().filter(|&&other| other != preferred));
                assert_eq!(order(ladder.preferring(preferred)), expected);
            }
        }
    }
    let all = Ladder::of(&METHODS).preferring(Method::Copy);
    let expected = [
        Method::Copy,
        Method::Sendfile,
        Method::Splice,
        Method::CopyFileRange,
    ];
    assert_eq!(order(all), expected);
}

#[test]
fn each_fallback_is_recorded_with_its_errno() {
    let mut transfer = Transfer::new(Request::new(0, None, Ladder::of(&METHODS)), 0);
    for errno in 1..=3 {
        let refused = Outcome {
            bytes: 0,
            ended: Ended::Refused(Errno(errno)),
        };
        transfer.handle_outcome(refused, 0);
    }
    let fallbacks: Vec<Fallback> = transfer.ladder().fallbacks().collect();
    let expected = [1, 2, 3].map(|step: u8| Fallback {
        from: METHODS[usize::from(step) - 1],
        to: METHODS[usize::from(step)],
        errno: Errno(i32::from(step)),
    });
    assert_eq!(fallbacks, expected);
    assert_eq!(transfer.method(), Method::Copy);
}
