//! When a message was sent, in seconds: enough to tell how long everybody was silent.

/// Seconds since 1970 of a day of the Gregorian calendar and a time of that day; `None` where there is
/// no such day.
pub(super) fn seconds(year: i64, month: i64, day: i64, [h, m, s]: [i64; 3]) -> Option<i64> {
    let there = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let there = there && (0..=24).contains(&h) && (0..=59).contains(&m) && (0..=60).contains(&s);
    there.then(|| {
        // Years that begin in March, so that the leap day comes last.
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let days = year * 365 + year / 4 - year / 100 + year / 400;
        let days = days + (month * 153 + 2) / 5 + day - 1 - 719_468;
        days * 86_400 + h * 3_600 + m * 60 + s
    })
}

/// `2023-01-05T12:34:56.789+01:00` and its like; fractions and the zone are left out of account, for
/// all messages of a file have the same.
pub(super) fn iso(text: &str) -> Option<i64> {
    let (date, time) = text.trim().split_once(['T', ' '])?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let mut time = time
        .get(..8)?
        .split(':')
        .map(|part| part.parse::<i64>().ok());
    let mut next = || date.next()?;
    let (year, month, day) = (next()?, next()?, next()?);
    let mut next = || time.next()?;
    seconds(year, month, day, [next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted() {
        assert_eq!(seconds(1970, 1, 1, [0, 0, 0]), Some(0));
        assert_eq!(seconds(2024, 3, 1, [0, 0, 1]), Some(1_709_251_201));
        assert_eq!(seconds(2024, 13, 1, [0, 0, 0]), None);
        assert_eq!(iso("2024-03-01T00:00:01.5+00:00"), Some(1_709_251_201));
        assert_eq!(iso("soon"), None);
    }
}
