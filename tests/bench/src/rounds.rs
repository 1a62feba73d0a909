//! How many calls wait for one another.

use std::time::Duration;

/// One call, as the one who passed it on saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `ec2:RevokeSecurityGroupIngress`.
    pub name: String,
    /// When it came in.
    pub start: Duration,
    /// When its answer went out.
    pub end: Duration,
}

/// The calls up to and including the first `last`, in rounds: each of a round came in after some
/// call of the round before was answered. So the number of rounds is the longest chain of calls that
/// do not overlap and end with `last`; each costs a way to AWS and back. Empty if it was never made.
pub fn until<'a>(calls: &'a [Call], last: &str) -> Vec<Vec<&'a Call>> {
    let Some(target) = calls.iter().filter(|c| c.name == last).min_by_key(|c| c.end) else {
        return Vec::new();
    };
    let mut before: Vec<&Call> =
        calls.iter().filter(|c| c.end <= target.start || *c == target).collect();
    before.sort_by_key(|c| (c.start, c.end));
    let mut placed: Vec<(usize, &Call)> = Vec::new();
    for call in before {
        let waited = placed.iter().filter(|(_, other)| other.end <= call.start);
        let round = waited.map(|(round, _)| round + 1).max().unwrap_or(0);
        placed.push((round, call));
    }
    let rounds = placed.iter().map(|(round, _)| round + 1).max().unwrap_or(0);
    let of = |n: usize| placed.iter().filter(move |(r, _)| *r == n).map(|(_, call)| *call);
    (0..rounds).map(|n| of(n).collect()).collect()
}

/// `a ∥ b → c`; in each round by name, because nothing else tells calls at once apart.
pub fn words(rounds: &[Vec<&Call>]) -> String {
    let round = |calls: &Vec<&Call>| {
        let mut names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        names.sort_unstable();
        names.join(" ∥ ")
    };
    rounds.iter().map(round).collect::<Vec<_>>().join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, start: u64, end: u64) -> Call {
        let ms = Duration::from_millis;
        Call { name: name.to_owned(), start: ms(start), end: ms(end) }
    }

    #[test]
    fn calls_that_overlap_are_one_round() {
        let calls = [
            call("claim", 0, 250),
            call("read", 1, 256),
            call("ahead", 258, 510),
            call("contain", 511, 765),
            call("verify", 766, 1020),
        ];
        let rounds = until(&calls, "contain");
        assert_eq!(words(&rounds), "claim ∥ read → ahead → contain");
        assert_eq!(rounds.len(), 3);
        assert_eq!(until(&calls, "claim").len(), 1);
        assert!(until(&calls, "never").is_empty());
    }

    #[test]
    fn the_longest_chain_counts_not_the_shortest() {
        // Two reads in a row beside one slow claim.
        let calls = [
            call("claim", 0, 600),
            call("read", 0, 250),
            call("read again", 251, 500),
            call("contain", 601, 850),
        ];
        assert_eq!(words(&until(&calls, "contain")), "claim ∥ read → read again → contain");
    }

    #[test]
    fn what_is_still_open_when_it_is_made_is_not_waited_for() {
        let calls = [call("claim", 0, 250), call("log", 0, 900), call("contain", 251, 500)];
        assert_eq!(words(&until(&calls, "contain")), "claim → contain");
    }

    #[test]
    fn the_first_of_that_name_counts() {
        let calls = [call("contain", 0, 250), call("verify", 251, 500), call("contain", 501, 750)];
        assert_eq!(words(&until(&calls, "contain")), "contain");
    }
}
