//! `--env` and `--env-file`: KEY=VALUE pairs, the later one winning. Values go to the engine only, never to a log.

use crate::exit::Failure;
use std::{collections::BTreeMap, fs, io::Read as _, path::PathBuf};

/// An environment is at most some 128 kB on Linux; a file far beyond that is a mistake.
const MAX_FILE: u64 = 1024 * 1024;

/// Files first, then what was typed.
pub(crate) fn collect(typed: &[String], files: &[PathBuf]) -> Result<BTreeMap<String, String>, Failure> {
    let mut env = BTreeMap::new();
    for path in files {
        let mut text = String::new();
        fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE).read_to_string(&mut text))
            .map_err(|e| Failure::usage(format!("{} cannot be read: {e}.", path.display())))?;
        for (number, line) in text.lines().enumerate() {
            if let Some((key, value)) = file_line(line)
                .map_err(|why| Failure::usage(format!("{}:{}: {why}", path.display(), number + 1)))?
            {
                env.insert(key, value);
            }
        }
    }
    for pair in typed {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Failure::usage(format!("--env {pair}: write KEY=VALUE.")))?;
        env.insert(key_checked(key).map_err(Failure::usage)?, value.to_owned());
    }
    Ok(env)
}

fn key_checked(key: &str) -> Result<String, String> {
    let first = key.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if first && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(key.to_owned())
    } else {
        Err(format!("{key:?} is not a variable's name."))
    }
}

/// A line of an env file: blank, a comment, or KEY=VALUE with the value perhaps in quotes.
fn file_line(line: &str) -> Result<Option<(String, String)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (key, value) = line.split_once('=').ok_or("write KEY=VALUE.")?;
    let value = value.trim();
    let value = match value.as_bytes() {
        [b'"', .., b'"'] => value[1..value.len() - 1].replace("\\n", "\n").replace("\\\"", "\""),
        [b'\'', .., b'\''] => value[1..value.len() - 1].to_owned(),
        _ => value.to_owned(),
    };
    Ok(Some((key_checked(key.trim_end())?, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_env_files_are_written() {
        for (line, expected) in [
            ("", None),
            ("# A=1", None),
            ("A=1", Some(("A", "1"))),
            ("  A = 1 ", Some(("A", "1"))),
            ("export A=b=c", Some(("A", "b=c"))),
            ("A='x # y'", Some(("A", "x # y"))),
            ("A=\"line\\ntwo\"", Some(("A", "line\ntwo"))),
            ("A=", Some(("A", ""))),
        ] {
            let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
            assert_eq!(file_line(line), Ok(expected), "{line:?}");
        }
        assert!(file_line("A").is_err());
        assert!(file_line("1A=b").is_err());
        assert!(file_line("A B=b").is_err());
    }

    #[test]
    fn what_was_typed_wins_over_files() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join(".env");
        fs::write(&file, "A=file\nB=file\n").unwrap();
        let env = collect(&["A=typed".into()], &[file]).unwrap();
        assert_eq!(env["A"], "typed");
        assert_eq!(env["B"], "file");
        assert!(collect(&["A".into()], &[]).is_err());
    }
}
