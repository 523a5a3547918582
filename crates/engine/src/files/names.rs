//! How bytes that are names become text that people see and send back, and the other way.

use bytes::Bytes;
use slipway_wire::{Code, Problem};

use super::MOST_PATH;

/// A path as people write it, as bytes: absolute, bounded. `\xNN` stands for a byte that is not UTF-8, `\\` for a
/// backslash: the reverse of [`slipway_wire::shown_name`].
pub(crate) fn path_bytes(path: &str) -> Result<Bytes, Problem> {
    let wrong = |why: &str| {
        Err(Problem::new(Code::Invalid, format!("{path:?} is not a path in the container: {why}.")))
    };
    if !path.starts_with('/') {
        return wrong("it is not absolute");
    }
    if path.len() > MOST_PATH * 4 {
        return wrong("it is too long");
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest {
            [b'\\', after @ ..] => {
                out.push(b'\\');
                rest = after;
            }
            [b'x', high, low, after @ ..] => {
                let digit = |d: u8| char::from(d).to_digit(16);
                let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                    return wrong("a \\x must be followed by two hexadecimal digits");
                };
                out.push((high * 16 + low) as u8);
                rest = after;
            }
            _ => return wrong("a backslash is written \\\\"),
        }
    }
    if out.contains(&0) || out.len() > MOST_PATH {
        return wrong("it holds a zero byte or is too long");
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_wire::shown_name as shown;

    #[test]
    fn any_name_can_be_shown_and_sent_back() {
        for name in [
            &b"/plain"[..],
            b"/new\nline",
            b"/back\\slash",
            b"/\xff\xfe",
            "/\u{e9}\u{1f600}".as_bytes(),
            b"/\\x41",
        ] {
            assert_eq!(path_bytes(&shown(name)).unwrap(), name, "{}", shown(name));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for wrong in ["", "relative", "/a\\", "/a\\q", "/a\\x0", "/a\\x00", "/a\0"] {
            assert!(path_bytes(wrong).is_err(), "{wrong:?}");
        }
    }
}
