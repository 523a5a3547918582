//! Looking into the layers of a snapshot's file, which is hostile: what Docker would write of them is counted before it
//! gets any. They are walked as Docker walks them; what it could read in another way than we is refused.

use flate2::bufread::MultiGzDecoder;
use slipway_wire::{Code, Problem};
use std::io::{self, BufReader, Read};
use tokio_util::sync::CancellationToken;

use super::{
    cancelled,
    file::{Digesting, MOST_BYTES, MOST_TEXT, damaged, unread},
};

const BLOCK: u64 = 512;
/// What even an empty file takes on a disk, about.
const PAGE: u64 = 4096;

/// What is known of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// Bytes on Docker's disk, unpacked.
    pub(super) disk: u64,
    /// The digest of what is inflated, when it is compressed.
    pub(super) sha256: Option<String>,
}

pub(super) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

/// Whether something starts like what Docker would unpack and we do not.
pub(super) fn is_foreign(start: &[u8]) -> bool {
    start.starts_with(b"BZh")
        || start.starts_with(b"\xfd7zXZ\0")
        || start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        // A frame of zstd that is skipped.
        || matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

pub(super) fn too_large() -> Problem {
    Problem::new(Code::Refused, format!("The snapshot is larger than {} GiB.", MOST_BYTES >> 30))
        .hint("Slipway exports and imports none that large: delete what it does not need and take it again.")
}

fn refused(why: &str) -> io::Error {
    let text = format!("The snapshot in the file holds a layer that Slipway does not take: {why}.");
    io::Error::other(Problem::new(Code::Refused, text).hint("Export the snapshot again where it was made."))
}

fn garbled(why: &str) -> io::Error {
    io::Error::other(damaged(why))
}

/// Remembers that what is read itself failed, not what was made of it.
struct Source<R> {
    inner: R,
    failed: bool,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer);
        self.failed |= count.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::Interrupted);
        count
    }
}

/// What may still be read of all layers together, and whether anybody still wants it: little can inflate to a lot.
pub(super) struct Budget {
    left: u64,
    cancel: CancellationToken,
}

impl Budget {
    pub(super) fn new(most: u64, cancel: CancellationToken) -> Self {
        Self { left: most, cancel }
    }
}

struct Budgeted<'a, R> {
    inner: R,
    budget: &'a mut Budget,
}

impl<R: Read> Read for Budgeted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let left = self.budget.left.checked_sub(count as u64);
        self.budget.left = left.ok_or_else(|| io::Error::other(too_large()))?;
        if self.budget.cancel.is_cancelled() { Err(io::Error::other(cancelled())) } else { Ok(count) }
    }
}

/// Reads what may be a layer. The outer error is the file's, and its end; the inner one says why it is no layer that
/// Docker gets, and then not all of it was read.
pub(super) fn look(raw: impl Read, start: &[u8], budget: &mut Budget) -> io::Result<Result<Layer, Problem>> {
    if is_foreign(start) {
        return Ok(Err(unread(&refused("a layer is compressed in a way Slipway does not read"))));
    }
    let most = budget.left;
    let mut source = Source { inner: raw, failed: false };
    let looked = if is_gzip(start) {
        let inflated = MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, &mut source));
        let mut digesting = Digesting::new(Budgeted { inner: inflated, budget });
        walk(&mut digesting).map(|disk| {
            let sum = digesting.sum();
            Layer { disk: disk.max(sum.bytes), sha256: Some(sum.sha256) }
        })
    } else {
        let mut plain = Budgeted { inner: &mut source, budget };
        walk(&mut plain).map(|disk| Layer { disk: disk.max(most.saturating_sub(budget.left)), sha256: None })
    };
    match looked {
        Ok(layer) => Ok(Ok(layer)),
        Err(e) if source.failed => Err(e),
        Err(e) => match unread(&e) {
            problem if problem == too_large() || problem.code == Code::Cancelled => Err(e),
            problem => Ok(Err(problem)),
        },
    }
}

/// Walks the headers of a tar archive as Go's library does, reads it to its end, and adds up what its files take.
fn walk(from: impl Read) -> io::Result<u64> {
    let mut from = BufReader::with_capacity(64 * 1024, from);
    let mut disk = 0_u64;
    let mut pending = Extended::default();
    while let Some(header) = block(&mut from)? {
        if header.iter().all(|byte| *byte == 0) {
            if block(&mut from)?.is_some_and(|second| second.iter().any(|byte| *byte != 0)) {
                return Err(garbled("a layer goes on after its end"));
            }
            break;
        }
        if !is_summed(&header) {
            return Err(garbled("a layer is no archive"));
        }
        let (kind, mut size) = (header[156], number(&header[124..136])?);
        match kind {
            b'x' | b'g' => {
                let text = special(&mut from, size)?;
                let read = Extended::read(&text)?;
                // Go forgets what came before a global one, and does not believe it either.
                pending =
                    if kind == b'x' { Extended { long: pending.long, ..read } } else { Extended::default() };
                continue;
            }
            b'L' | b'K' => {
                special(&mut from, size)?;
                pending.long = true;
                continue;
            }
            b'S' => return Err(refused("a file in it has holes")),
            _ => {}
        }
        size = pending.size.unwrap_or(size);
        let name = header[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        // An old kind of entry is a folder when its name says so, and then nothing follows it.
        if kind == 0 && size > 0 && (pending.long || pending.path || name.is_empty() || name.ends_with(b"/"))
        {
            return Err(refused("an entry of it is of an old kind"));
        }
        if (b'1'..=b'6').contains(&kind) {
            size = 0;
        }
        pending = Extended::default();
        disk = disk.saturating_add(size.max(1).next_multiple_of(PAGE));
        skip(&mut from, size)?;
    }
    io::copy(&mut from, &mut io::sink())?;
    Ok(disk)
}

/// The next block, or none at the end.
fn block(from: &mut impl Read) -> io::Result<Option<[u8; BLOCK as usize]>> {
    let mut all = [0; BLOCK as usize];
    let mut here = 0;
    while here < all.len() {
        match from.read(&mut all[here..]) {
            Ok(0) if here == 0 => return Ok(None),
            Ok(0) => return Err(garbled("a layer is cut short")),
            Ok(count) => here += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Some(all))
}

/// Reads past an entry of so many bytes.
fn skip(from: &mut impl Read, size: u64) -> io::Result<()> {
    let whole = size.checked_next_multiple_of(BLOCK).ok_or_else(|| io::Error::other(too_large()))?;
    let read = io::copy(&mut from.take(whole), &mut io::sink())?;
    // The last one needs not be filled up.
    if read < size { Err(garbled("a layer is cut short")) } else { Ok(()) }
}

/// The text of an entry that describes the next one.
fn special(from: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    if size > MOST_TEXT {
        return Err(refused("an entry of it is described at too great a length"));
    }
    let mut text = Vec::new();
    from.take(size.next_multiple_of(BLOCK)).read_to_end(&mut text)?;
    if (text.len() as u64) < size {
        return Err(garbled("a layer is cut short"));
    }
    text.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    Ok(text)
}

fn is_summed(header: &[u8; BLOCK as usize]) -> bool {
    let plain = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (at, byte) in header.iter().enumerate() {
        unsigned += i64::from(plain(at, *byte));
        signed += i64::from(plain(at, *byte).cast_signed());
    }
    number(&header[148..156]).is_ok_and(|sum| {
        let sum = sum.cast_signed();
        sum == unsigned || sum == signed
    })
}

/// A number in a header, in no way that two readers could read differently.
fn number(field: &[u8]) -> io::Result<u64> {
    let wrong = || garbled("a number in a layer cannot be read");
    if let [0x80, rest @ ..] = field {
        let fits = rest.iter().rev().skip(8).all(|byte| *byte == 0);
        let value = rest.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
        return if fits { Ok(value) } else { Err(wrong()) };
    }
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return Err(wrong());
    }
    digits.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => Ok((value << 3) | u64::from(digit - b'0')),
        _ => Err(wrong()),
    })
}

/// What extended headers say of the next entry.
#[derive(Default)]
struct Extended {
    size: Option<u64>,
    path: bool,
    /// It has a long name.
    long: bool,
}

impl Extended {
    fn read(mut text: &[u8]) -> io::Result<Self> {
        let wrong = || garbled("an extended header in a layer cannot be read");
        let mut read = Self::default();
        while !text.is_empty() {
            let digits = text.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let length = decimal(&text[..digits]).and_then(|n| usize::try_from(n).ok()).ok_or_else(wrong)?;
            if length <= digits + 1 || length > text.len() {
                return Err(wrong());
            }
            let (record, rest) = text.split_at(length);
            text = rest;
            let record = record[digits + 1..].strip_suffix(b"\n").ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            if key.starts_with(b"GNU.sparse.") {
                return Err(refused("a file in it has holes"));
            }
            match key {
                b"path" => read.path = true,
                b"size" if value.is_empty() => read.size = None,
                b"size" => read.size = Some(decimal(value).ok_or_else(wrong)?),
                _ => {}
            }
        }
        Ok(read)
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;

    fn header(name: &str, kind: u8, size: u64) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[156] = kind;
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut all = header(name, kind, content.len() as u64);
        all.extend(content);
        all.resize(all.len().next_multiple_of(512), 0);
        all
    }

    fn extended(records: &[(&str, &str)]) -> Vec<u8> {
        let mut text = Vec::new();
        for (key, value) in records {
            let bare = key.len() + value.len() + 3;
            let length = (1..9999).find(|n: &usize| n.to_string().len() + bare == *n).unwrap();
            writeln!(text, "{length} {key}={value}").unwrap();
        }
        entry("x", b'x', &text)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn of(left: u64) -> Budget {
        Budget::new(left, CancellationToken::new())
    }

    fn looked(bytes: &[u8], left: u64) -> io::Result<Result<Layer, Problem>> {
        look(bytes, bytes, &mut of(left))
    }

    const LOTS: u64 = 1 << 20;

    #[test]
    fn a_layer_is_what_it_unpacks_to() {
        let plain = [
            extended(&[("mtime", "1.5"), ("SCHILY.xattr.user.x", "y")]),
            entry("dir/", b'5', b""),
            entry("a", b'0', &[7; 5000]),
            entry("L", b'L', b"a-long-name"),
            entry("old", 0, b""),
            // A link whose size is that of what it links to: nothing follows.
            header("hard", b'1', 5000),
            extended(&[("size", "600")]),
            header("sized", b'0', 0),
            vec![1; 1024],
            vec![0; 1024],
            b"what follows the end".to_vec(),
        ]
        .concat();
        let layer = looked(&plain, LOTS).unwrap().unwrap();
        assert_eq!((layer.disk, layer.sha256), (6 * 4096, None));
        // Two members, as some write them.
        let (one, two) = plain.split_at(700);
        let packed = looked(&[gzip(one), gzip(two)].concat(), LOTS).unwrap().unwrap();
        assert_eq!(packed.disk, 6 * 4096);
        assert_eq!(packed.sha256.unwrap(), Digested::of(&plain));
        for empty in [&[][..], &[0; 1024], &[0; 512]] {
            assert_eq!(looked(empty, LOTS).unwrap().unwrap().disk, empty.len() as u64);
        }
    }

    struct Digested;

    impl Digested {
        fn of(bytes: &[u8]) -> String {
            let mut digesting = Digesting::new(bytes);
            io::copy(&mut digesting, &mut io::sink()).unwrap();
            digesting.sum().sha256
        }
    }

    #[test]
    fn what_docker_would_blow_up_or_read_otherwise_is_refused() {
        let holes = header("s", b'S', 0);
        let smuggled = |first: Vec<u8>| [first, holes.clone()].concat();
        let text = entry("a", b'0', b"text");
        let mut unsummed = text.clone();
        unsummed[0] ^= 1;
        let mut odd = header("a", b'0', 0);
        odd[124..136].copy_from_slice(b"\x0000000001000");
        let mut resummed = tar::Header::new_old();
        resummed.as_mut_bytes().copy_from_slice(&odd);
        resummed.set_cksum();
        for (what, bytes) in [
            ("bzip2", b"BZh91AY".to_vec()),
            ("xz", b"\xfd7zXZ\0\0".to_vec()),
            ("zstd", vec![0x28, 0xb5, 0x2f, 0xfd, 0]),
            ("a frame zstd skips", vec![0x53, 0x2a, 0x4d, 0x18, 0]),
            ("holes", holes.clone()),
            ("holes, by an extended header", extended(&[("GNU.sparse.realsize", "9999999999")])),
            ("holes, compressed", gzip(&holes)),
            ("holes behind a shorter size", [extended(&[("size", "0")]), entry("a", b'0', &holes)].concat()),
            ("holes behind a folder of some size", smuggled(header("d/", b'5', 512))),
            (
                "holes behind a global size",
                [extended(&[("size", "512")]), entry("g", b'g', b""), smuggled(header("a", b'0', 0))]
                    .concat(),
            ),
            ("an old folder", entry("d/", 0, &holes)),
            ("an old entry with a long name", [entry("L", b'L', b"d/"), entry("d", 0, &holes)].concat()),
            ("an odd number", resummed.as_bytes().to_vec()),
            ("no archive", b"{\"architecture\":\"amd64\"}".repeat(100)),
            ("a wrong sum", unsummed),
            ("cut in a header", text[..300].to_vec()),
            ("cut in a file", header("a", b'0', 1000)),
            ("a cut stream", gzip(&text)[..20].to_vec()),
            ("something after a stream", [gzip(&text), b"more and more".to_vec()].concat()),
            ("more after the end", [vec![0; 512], text.clone()].concat()),
            ("a long description", header("x", b'x', MOST_TEXT + 1)),
            ("twice compressed", gzip(&gzip(&text))),
        ] {
            let problem = looked(&bytes, LOTS).unwrap().expect_err(what);
            assert_eq!(problem.code, Code::Refused, "{what}");
            assert!(problem.hint.is_some(), "{what}: {problem}");
        }
    }

    #[test]
    fn a_bomb_ends_with_the_budget_that_all_layers_share() {
        let bomb = gzip(&entry("zeros", b'0', &vec![0; 300_000]));
        assert!((bomb.len() as u64) < 5000);
        let mut budget = of(500_000);
        assert!(look(bomb.as_slice(), &bomb, &mut budget).unwrap().is_ok());
        let over = look(bomb.as_slice(), &bomb, &mut budget).unwrap_err();
        assert_eq!(unread(&over), too_large());
        let mut unwanted = of(500_000);
        unwanted.cancel.cancel();
        let off = look(bomb.as_slice(), &bomb, &mut unwanted).unwrap_err();
        assert_eq!(unread(&off).code, Code::Cancelled);
    }

    #[test]
    fn what_fails_to_be_read_is_not_the_layers_fault() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        assert!(look(Broken, b"", &mut of(1000)).is_err());
        assert!(look(Broken, &[0x1f, 0x8b], &mut of(1000)).is_err());
    }
}
