//! The bytes of an entry's name become text: UTF-8 where the archive or its bytes say so, the old IBM PC set otherwise.
//! Decoding never loses anything silently: a name flagged as UTF-8 that is not is refused.

use super::directory::{HOST_MACOS, HOST_UNIX, Record};
use crate::refusal::Reason;

/// Characters 0x80 to 0xFF of code page 437. Source: unicode.org, VENDORS/MICSFT/PC/CP437.TXT.
const CP437_HIGH: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
const UTF8_FLAG: u16 = 1 << 11;

/// The flag decides; then the Info-ZIP Unicode path; then, for archives made on Unix or macOS (whose tools write UTF-8
/// and do not always say so), UTF-8 if the bytes are that; then CP437, as the format has it.
pub(super) fn decode(record: &Record) -> Result<String, Reason> {
    let raw = &record.name;
    let bad = || Reason::BadName { entry: (&**raw).into(), why: "it is marked as UTF-8 and is not" };
    if record.flags & UTF8_FLAG != 0 || raw.is_ascii() {
        return std::str::from_utf8(raw).map(str::to_owned).map_err(|_| bad());
    }
    if let Some(name) = &record.unicode_name {
        return std::str::from_utf8(name).map(str::to_owned).map_err(|_| bad());
    }
    if matches!(record.host, HOST_UNIX | HOST_MACOS)
        && let Ok(name) = std::str::from_utf8(raw)
    {
        return Ok(name.to_owned());
    }
    Ok(cp437(raw))
}

fn cp437(raw: &[u8]) -> String {
    let high: Vec<char> = CP437_HIGH.chars().collect();
    raw.iter()
        .map(|&byte| if byte < 0x80 { char::from(byte) } else { high[usize::from(byte) - 0x80] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_half_is_complete() {
        assert_eq!(CP437_HIGH.chars().count(), 128);
        assert_eq!(cp437(b"caf\x82 \xe1\xff"), "café ß\u{a0}");
    }
}
