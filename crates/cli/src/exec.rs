//! `slipway exec`: a command in a workspace without a terminal, perhaps within a time, perhaps left to itself. Carrying
//! its bytes is the room of `shell`.

use crate::{
    args::Exec,
    exit::{Code, Failure},
    out,
    session::Session,
    shell,
};
use slipway_wire::{Api as _, OpenProcess, ProcessRef};

pub(crate) async fn run(args: Exec) -> Result<Code, Failure> {
    let env = shell::environment(&args.env)?;
    let session = Session::open().await?;
    let id = session.find(&args.id).await?.id;
    let stdin = !args.detach;
    let request =
        OpenProcess { id, argv: args.command, cwd: args.cwd, env, terminal: None, stdin, name: None };
    let started = if args.detach {
        session.api.process_detach(request).await
    } else {
        session.api.process_open(request).await
    };
    let process = match shell::started(started)? {
        Ok(process) => process,
        Err(code) => return Ok(code),
    };
    if args.detach {
        out::line(process.id.as_str())?;
        return Ok(Code::OK);
    }
    let process = ProcessRef { id: process.workspace, process: process.id };
    let ended = shell::pipes::run(&session, &process, args.timeout).await;
    shell::forget(&session, process).await;
    ended
}
