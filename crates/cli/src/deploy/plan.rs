//! `slipway deploy --dry-run`: what the engine would run and why. Changes nothing.

use crate::{
    exit::{Code, Failure},
    line::Line,
    out,
    session::Session,
    text,
};
use slipway_wire::{Api as _, Code as Why, Inspection, Problem, Source};
use std::fmt::Write as _;

pub(crate) async fn show(session: &Session, source: Source, as_json: bool) -> Result<Code, Failure> {
    let found = session.api.intake_inspect(source).await?;
    if as_json {
        Line::Inspection { inspection: &found }.print()?;
    } else {
        out::bytes(words(&found).as_bytes())?;
    }
    if found.plans.is_empty() {
        let why = found.unknown.unwrap_or_else(|| "Nothing in it looks like a project we can run.".into());
        return Err(Problem::new(Why::NoProject, why)
            .hint("Say how it is run in a slipway.toml at its top, or choose --image.")
            .into());
    }
    Ok(Code::OK)
}

/// Writing to a String cannot fail.
fn words(found: &Inspection) -> String {
    let paint = text::Paint::stdout();
    let mut said = format!("{} files, {}\n", found.files, text::size(found.bytes));
    for (rank, plan) in found.plans.iter().enumerate() {
        let chosen = if rank == 0 { paint.green("✓") } else { " ".into() };
        let head =
            format!("\n{chosen} {}  {}\n", paint.bold(&text::clean(&plan.id)), text::clean(&plan.title));
        said.push_str(&head);
        let _ = writeln!(said, "    {}\n    image {}", text::clean(&plan.why), text::clean(&plan.image));
        for step in &plan.steps {
            let phase = step.phase.word();
            let _ = writeln!(said, "    {phase:<8}{}", paint.cyan(&text::clean(&step.command)));
        }
        for fact in &plan.evidence {
            let _ = writeln!(said, "    {}", paint.dim(&format!("· {}", text::clean(fact))));
        }
    }
    said
}
