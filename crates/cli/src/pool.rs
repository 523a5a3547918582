//! `slipway pool`: the containers kept warm, and whether deploys find one.

use crate::{
    args::Json,
    exit::{Code, Failure},
    list::json,
    out,
    session::Session,
    text,
};
use slipway_wire::{Api as _, Nothing, PoolStatus};

pub(crate) async fn run(args: Json) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let status = session.api.pool_status(Nothing {}).await?;
    if args.json {
        out::line(&json(&status)?)?;
        return Ok(Code::OK);
    }
    if status.members.is_empty() {
        out::note(if status.size == 0 {
            "The pool is switched off. `slipway settings set pool_size 2` switches it on."
        } else {
            "No container waits. After a deploy, one of the same image is kept warm for the next."
        });
    } else {
        out::bytes(words(&status).as_bytes())?;
    }
    out::note(&format!(
        "At most {}. Of {} deploys, {} found one ready.",
        status.size,
        status.claimed + status.missed,
        status.claimed
    ));
    Ok(Code::OK)
}

fn words(status: &PoolStatus) -> String {
    let paint = text::Paint::stdout();
    let mut rows = vec![["ID", "IMAGE", "PRESET", "NETWORK", "MADE"].map(|head| paint.bold(head)).to_vec()];
    for member in &status.members {
        rows.push(vec![
            member.id.to_string(),
            text::clean(&member.image),
            format!("{:?}", member.preset).to_lowercase(),
            format!("{:?}", member.network).to_lowercase(),
            text::relative(member.made_at_ms),
        ]);
    }
    text::table(&rows)
}
