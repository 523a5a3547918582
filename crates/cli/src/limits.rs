//! `slipway limits`: what a workspace may use, shown or changed. What is possible is the engine's to say.

use crate::{
    args::Limits as Args,
    exit::{Code, Failure},
    list, out,
    session::Session,
    text,
};
use slipway_wire::{Api as _, Limits, LimitsRequest};

pub(crate) async fn run(args: Args) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let id = session.find(&args.id).await?.id;
    let request = LimitsRequest { id, memory_mb: args.memory, cpus: args.cpus, pids: args.pids };
    let limits = session.api.workspace_limits(request).await?;
    if args.json {
        out::line(&list::json(&limits)?)?;
    } else {
        out::bytes(words(limits).as_bytes())?;
    }
    Ok(Code::OK)
}

fn words(limits: Limits) -> String {
    let paint = text::Paint::stdout();
    let row = |key: &str, value: String| vec![paint.dim(key), value];
    text::table(&[
        row("memory", format!("{} MiB", limits.memory_mb)),
        row("cpus", limits.cpus.map_or_else(|| "a share of all".into(), |cpus| cpus.to_string())),
        row("pids", limits.pids.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_well() {
        let limits = Limits { memory_mb: 2048, cpus: None, pids: 1024 };
        assert_eq!(words(limits), "memory  2048 MiB\ncpus    a share of all\npids    1024\n");
        let limits = Limits { cpus: Some(1.5), ..limits };
        assert!(words(limits).contains("cpus    1.5\n"));
    }
}
