//! What is removed and may be wanted back: moved out of the project's folder, where nothing serves, watches or builds it.
//! Whoever put it there removes it in turn; what nobody did is removed when the next thing comes.

use slipway_agent_api::HOME;
use slipway_wire::{Code, FileKind, Problem};

use super::{list, mkdir, remove, rename, stat};
use crate::agent_link::AgentClient;

/// Things aside at one time.
const MOST: usize = 16;

fn folder() -> String {
    format!("{HOME}/.slipway-removed")
}

/// Moves a path aside at this time, Unix time in milliseconds. Gives where it lies, alone in a directory of its own, whose
/// name says when that was.
pub(crate) async fn put_aside(client: AgentClient, path: &str, now_ms: u64) -> Result<String, Problem> {
    let cannot = |problem: Problem| match problem.code {
        // Another file system, or a layer of the image: such a directory cannot be moved.
        Code::NotFound | Code::AgentLost | Code::Invalid => problem,
        _ => Problem::new(Code::WrongState, format!("{path} cannot be put aside, only removed for good."))
            .hint("Remove it without keeping it.")
            .detail(problem.to_string()),
    };
    // Before anything is made for it.
    stat(client.clone(), path).await?;
    let name = path.rsplit('/').next().filter(|name| !name.is_empty());
    let Some(name) = name else {
        return Err(Problem::new(Code::Invalid, format!("{path} is not removed.")));
    };
    make_room(client.clone()).await?;
    let place = format!("{}/{now_ms:013}-{:08x}", folder(), fastrand::u32(..));
    mkdir(client.clone(), &place).await.map_err(cannot)?;
    let kept = format!("{place}/{name}");
    match rename(client.clone(), path, &kept).await {
        Ok(()) => Ok(kept),
        Err(problem) => {
            remove(client, &place, true).await?;
            Err(cannot(problem))
        }
    }
}

/// The oldest go when there are too many: their askers are gone.
async fn make_room(client: AgentClient) -> Result<(), Problem> {
    let mut aside = match list(client.clone(), &folder()).await {
        Ok(listing) => listing.entries,
        Err(problem) if problem.code == Code::NotFound => return Ok(()),
        Err(problem) => return Err(problem),
    };
    aside.retain(|entry| entry.kind == FileKind::Directory);
    aside.sort_by(|a, b| b.name.cmp(&a.name));
    for old in aside.iter().skip(MOST - 1) {
        remove(client.clone(), &format!("{}/{}", folder(), old.name), true).await?;
    }
    Ok(())
}
