//! The interface's shortcuts while the previewed page has the keyboard. The interface says which chords are its own; what
//! the window system reports is compared with them before the page sees it, so a page can neither press nor block one.

use serde::Deserialize;

/// Chords believed, at most, and the longest name of a key, bytes.
const MOST: usize = 128;
const LONGEST: usize = 32;

/// Keys pressed together. On Linux only: elsewhere the system's own webview keeps its keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Chord {
    /// As `KeyboardEvent.key` has it, lower case: `k`, `arrowup`.
    pub(crate) key: String,
    pub(crate) ctrl: bool,
    pub(crate) shift: bool,
    pub(crate) alt: bool,
    /// The page keeps the keyboard afterwards.
    pub(crate) stay: bool,
}

/// The chords of one window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chords(Vec<Chord>);

impl Chords {
    /// Takes what an interface says. Chords without Ctrl or Alt would take the page's typing away and are left out.
    pub(crate) fn new(mut chords: Vec<Chord>) -> Self {
        chords
            .retain(|chord| (chord.ctrl || chord.alt) && !chord.key.is_empty() && chord.key.len() <= LONGEST);
        chords.truncate(MOST);
        Self(chords)
    }

    /// The chord these keys are, if it is one of the interface's.
    #[cfg_attr(
        any(not(target_os = "linux"), feature = "portable-preview"),
        expect(dead_code, reason = "only GTK tells")
    )]
    pub(crate) fn find(&self, key: &str, ctrl: bool, shift: bool, alt: bool) -> Option<&Chord> {
        // A sign such as `+` already contains its shift.
        let shift_counts = |key: &str| key.chars().count() > 1 || key.chars().all(char::is_alphanumeric);
        self.0.iter().find(|chord| {
            let same = chord.key == key || (chord.key == "=" && key == "+");
            same && (chord.ctrl, chord.alt) == (ctrl, alt)
                && (chord.shift == shift || !shift_counts(&chord.key))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chord(key: &str, ctrl: bool, shift: bool) -> Chord {
        Chord { key: key.into(), ctrl, shift, alt: false, stay: false }
    }

    #[test]
    fn only_the_interfaces_own_chords_are_taken_from_the_page() {
        let chords =
            Chords::new(vec![chord("k", true, false), chord("p", true, true), chord("=", true, false)]);
        assert!(chords.find("k", true, false, false).is_some());
        assert!(chords.find("k", true, true, false).is_none());
        assert!(chords.find("k", false, false, false).is_none());
        assert!(chords.find("k", true, false, true).is_none());
        assert!(chords.find("p", true, true, false).is_some());
        assert!(chords.find("+", true, true, false).is_some());
        assert!(chords.find("c", true, false, false).is_none());
    }

    #[test]
    fn typing_can_never_be_taken_and_the_list_is_bounded() {
        let typing = Chords::new(vec![
            chord("a", false, false),
            chord("", true, false),
            chord(&"x".repeat(99), true, false),
        ]);
        assert!(typing.0.is_empty());
        assert_eq!(Chords::new(vec![chord("k", true, false); 10_000]).0.len(), MOST);
    }
}
