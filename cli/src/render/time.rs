//! Times and spans as people read them.

use jiff::{SignedDuration, Timestamp};

/// A span with two units at most: `61 ms`, `1.2 s`, `2 h 3 min`.
pub(super) fn span(span: SignedDuration) -> String {
    let whole = span.unsigned_abs();
    let (ms, s) = (whole.as_millis(), whole.as_secs());
    let two = |big: u64, unit: &str, small: u64, smaller: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {smaller}"),
    };
    let text = match s {
        0 => format!("{ms} ms"),
        1..10 => format!("{s}.{} s", ms % 1000 / 100),
        10..60 => format!("{s} s"),
        60..3_600 => two(s / 60, "min", s % 60, "s"),
        3_600..86_400 => two(s / 3_600, "h", s % 3_600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    };
    if span.is_negative() { format!("−{text}") } else { text }
}

/// `2 h 3 min ago`, `in 57 min`.
pub(super) fn distance(now: Timestamp, at: Timestamp) -> String {
    let since = now.duration_since(at);
    if since.is_negative() {
        format!("in {}", span(-since))
    } else {
        format!("{} ago", span(since))
    }
}

/// `2026-11-23 12:00:04 UTC`.
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `12:00:04.061`, for a line under a date.
pub(super) fn instant(at: Timestamp) -> String {
    at.strftime("%H:%M:%S.%3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (ms, text) in [
            (0, "0 ms"),
            (61, "61 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (42_000, "42 s"),
            (60_000, "1 min"),
            (124_000, "2 min 4 s"),
            (7_380_000, "2 h 3 min"),
            (-61, "−61 ms"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(SignedDuration::from_millis(ms)), text);
        }
    }

    #[test]
    fn times_are_utc() {
        let at: Timestamp = "2026-11-23T12:00:04.061Z".parse().unwrap();
        assert_eq!(clock(at), "2026-11-23 12:00:04 UTC");
        assert_eq!(instant(at), "12:00:04.061");
        let later = at + SignedDuration::from_mins(123);
        assert_eq!(
            (distance(later, at), distance(at, later)),
            ("2 h 3 min ago".into(), "in 2 h 3 min".into())
        );
    }
}
