//! `slipway network`: where a workspace connected to, and the deciding about hosts.

use crate::{
    args::{Network, NetworkDecision},
    exit::{Code, Failure},
    out,
    session::Session,
    text,
};
use slipway_wire::{Api as _, EgressEntry, EgressRule, EgressVerdict, WorkspaceRef};

pub(crate) async fn run(args: Network) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let id = session.find(&args.id).await?.id;
    let Some(decision) = args.decision else {
        let all = session.api.network_list(WorkspaceRef { id }).await?;
        if all.is_empty() {
            out::note("It has not tried to connect anywhere.");
        } else {
            out::bytes(words(&all).as_bytes())?;
        }
        return Ok(Code::OK);
    };
    let (host, allow) = match decision {
        NetworkDecision::Allow(host) => (host, true),
        NetworkDecision::Block(host) => (host, false),
    };
    session.api.network_decide(EgressRule { id, host: host.host, allow, once: host.once }).await?;
    Ok(Code::OK)
}

fn words(all: &[EgressEntry]) -> String {
    let paint = text::Paint::stdout();
    let mut rows =
        vec![["WHEN", "HOST", "VERDICT", "SENT", "RECEIVED", "WHY"].map(|head| paint.bold(head)).to_vec()];
    for entry in all {
        rows.push(vec![
            text::relative(entry.at_ms),
            format!("{}:{}", text::clean(&entry.host), entry.port),
            match entry.verdict {
                EgressVerdict::Allowed => paint.green("allowed"),
                EgressVerdict::Blocked => paint.red("blocked"),
                EgressVerdict::Asked => paint.yellow("asked"),
            },
            text::size(entry.sent),
            text::size(entry.received),
            text::clean(&entry.reason),
        ]);
    }
    text::table(&rows)
}
