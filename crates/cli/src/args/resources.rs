//! The arguments of the commands about resources. Parsing only; their help is in the table above this.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// The workspace: its id, the beginning of it, or its name; every one that runs without it
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: Option<String>,
    /// Print JSON: a list, one object for each; with --watch a line each second
    #[arg(long)]
    pub(crate) json: bool,
    /// Again each second, until Ctrl-C; on a terminal that is so anyway
    #[arg(short, long, conflicts_with = "history")]
    pub(crate) watch: bool,
    /// Once, on a terminal too
    #[arg(long, conflicts_with_all = ["watch", "history"])]
    pub(crate) once: bool,
    /// What it used before, a row a minute
    #[arg(long, requires = "id")]
    pub(crate) history: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// The workspace: its id, the beginning of it, or its name
    #[arg(value_name = "WORKSPACE")]
    pub(crate) id: String,
    /// Memory: 512m, 2g
    #[arg(long, value_name = "SIZE", value_parser = memory_mb)]
    pub(crate) memory: Option<u64>,
    /// Cores: 0.5, 2
    #[arg(long, value_name = "CORES")]
    pub(crate) cpus: Option<f64>,
    /// Processes and threads
    #[arg(long, value_name = "COUNT")]
    pub(crate) pids: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Metrics {}

/// MiB, as Docker takes sizes: `512m`, `2g`, powers of 1,024.
fn memory_mb(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &lower[number.len()..] {
        "m" | "mb" | "mib" => 1,
        "g" | "gb" | "gib" => 1024,
        "" => return Err("it needs a unit: 512m or 2g".into()),
        other => return Err(format!("{other:?} is no unit; write 512m or 2g")),
    };
    let number: f64 = number.trim().parse().map_err(|_| format!("{text:?} is no size; write 512m or 2g"))?;
    let size = number * f64::from(factor);
    if (1.0..1e9).contains(&size) { Ok(size.round() as u64) } else { Err(format!("{text} is out of bounds")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_takes_them() {
        for (text, wanted) in [("512m", 512), ("2g", 2048), ("1.5GiB", 1536), ("1 gb", 1024)] {
            assert_eq!(memory_mb(text), Ok(wanted), "{text}");
        }
        for wrong in ["512", "2t", "m", "-1g", "0m", "nang", "infg", "1e30g", ""] {
            assert!(memory_mb(wrong).is_err(), "{wrong}");
        }
    }
}
