//! x
pub(crate) fn run(_: crate::arguments::StaticOptions) -> std::io::Result<()> {
    Ok(())
}
