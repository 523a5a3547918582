//! `slipway metrics`: the owner's figures about itself, as they are.

use crate::{
    exit::{Code, Failure},
    out,
    session::Session,
};

pub(crate) async fn run() -> Result<Code, Failure> {
    let session = Session::open().await?;
    out::bytes(&session.client.metrics().await?)?;
    Ok(Code::OK)
}
