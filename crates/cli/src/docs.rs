//! `slipway completions` and `slipway man`, both made from the arguments themselves.

use crate::{
    args::{Cli, Completions, Man},
    exit::{Code, Failure},
    out,
};
use clap::CommandFactory as _;

pub(crate) fn completions(args: &Completions) -> Result<Code, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "slipway", &mut script);
    out::bytes(&script)?;
    Ok(Code::OK)
}

pub(crate) fn man(args: &Man) -> Result<Code, Failure> {
    if let Some(folder) = &args.folder {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(Cli::command(), folder)?;
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        out::bytes(&page)?;
    }
    Ok(Code::OK)
}
