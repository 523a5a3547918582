//! Enough of npm's version ranges to answer one question: does the newest release of a Node major satisfy this range?
//! Foreign text; anything that is not understood counts as "says nothing".

/// Whether some release of `major` near its newest satisfies `range`; `None` if the range cannot be read.
pub(super) fn allows(range: &str, major: u32) -> Option<bool> {
    if range.len() > 200 {
        return None;
    }
    let mut any = false;
    for alternative in range.split("||") {
        any |= alternative_allows(alternative.trim(), major)?;
    }
    Some(any)
}

/// The newest release of a major, near enough: minors and patches in the ranges of real projects stay below.
const NEWEST: u32 = 999;

fn alternative_allows(range: &str, major: u32) -> Option<bool> {
    if let Some((low, high)) = range.split_once(" - ") {
        return Some(comparator(">=", low.trim(), major)? && comparator("<=", high.trim(), major)?);
    }
    let mut all = true;
    let mut words = range.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let digits = word.find(|c: char| !"<>=^~".contains(c)).unwrap_or(word.len());
        let (operator, version) = word.split_at(digits);
        // `>= 18` with a space between.
        let version = if version.is_empty() { words.next()? } else { version };
        all &= comparator(operator, version, major)?;
    }
    Some(all)
}

fn comparator(operator: &str, version: &str, major: u32) -> Option<bool> {
    let version = version.trim_start_matches(['v', 'V', '=']);
    if matches!(version, "*" | "x" | "X" | "latest" | "current" | "node" | "stable" | "lts" | "lts/*") {
        return Some(true);
    }
    let mut parts = version.split(['-', '+']).next()?.split('.');
    let wanted: u32 = parts.next()?.parse().ok()?;
    // A missing or starred minor covers the whole major.
    let minor = match parts.next() {
        None | Some("x" | "X" | "*") => None,
        Some(minor) => Some(minor.parse::<u32>().ok()?),
    };
    Some(match operator {
        "" | "=" | "^" | "~" => major == wanted,
        ">=" => major >= wanted,
        ">" => major > wanted || major == wanted && minor.is_some_and(|minor| minor < NEWEST),
        "<=" => major <= wanted,
        // `<20.5` still has older releases of 20, but no image tag stands for them.
        "<" => major < wanted,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_real_projects_choose_as_npm_would() {
        let majors = |range: &str| {
            [20, 22, 24].into_iter().filter(|&major| allows(range, major).expect(range)).collect::<Vec<_>>()
        };
        for (range, expected) in [
            (">=18", vec![20, 22, 24]),
            (">= 18.0.0", vec![20, 22, 24]),
            ("^20.19.0 || >=22.12.0", vec![20, 22, 24]),
            ("20.x", vec![20]),
            ("~22.3", vec![22]),
            ("22", vec![22]),
            ("v20.11.1", vec![20]),
            (">=18 <23", vec![20, 22]),
            ("18 - 22", vec![20, 22]),
            (">20", vec![22, 24]),
            ("<=22.x", vec![20, 22]),
            ("*", vec![20, 22, 24]),
            ("", vec![20, 22, 24]),
            ("16.x", vec![]),
        ] {
            assert_eq!(majors(range), expected, "for {range:?}");
        }
    }

    #[test]
    fn nonsense_says_nothing() {
        for range in ["lts/hydrogen", "node@20", "^", ">=twenty", "!20"] {
            assert_eq!(allows(range, 20), None, "for {range:?}");
        }
    }
}
