//! How a workspace's terminals stand, as a person arranged them: checked, kept, and told to every window. Whether the
//! processes are still there is not looked at: a name for one that is gone is shown nowhere.

use slipway_wire::{ArrangeTerminals, Code, EventBody, Problem, TerminalLayout, TerminalTab};

use crate::shared::Shared;

/// Tabs of a workspace: what its agent keeps of processes.
const TABS: usize = 256;
/// Characters of a tab's name.
const NAME: usize = 40;
/// Bytes of a folder's path.
const FOLDER: usize = 4096;
const FONT_PX: std::ops::RangeInclusive<u8> = 8..=32;
const SHARE: std::ops::RangeInclusive<u8> = 15..=85;

fn wrong(text: &str) -> Problem {
    Problem::new(Code::Invalid, text)
}

fn check_tab(tab: &TerminalTab) -> Result<(), Problem> {
    if let Some(name) = &tab.name
        && (name.trim().is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control))
    {
        return Err(wrong("A tab's name is 1 to 40 characters on one line.").field("name"));
    }
    if let Some(folder) = &tab.folder
        && (!folder.starts_with('/') || folder.len() > FOLDER || folder.contains('\0'))
    {
        return Err(wrong("A tab's folder is an absolute path of at most 4,096 bytes.").field("folder"));
    }
    Ok(())
}

fn check(layout: &TerminalLayout) -> Result<(), Problem> {
    if layout.tabs.len() > TABS {
        return Err(wrong("More than 256 tabs are not kept.").field("tabs"));
    }
    layout.tabs.iter().try_for_each(check_tab)?;
    if layout.font_px.is_some_and(|px| !FONT_PX.contains(&px)) {
        return Err(wrong("Type is 8 to 32 pixels high.").field("font_px"));
    }
    if layout.share.is_some_and(|share| !SHARE.contains(&share)) {
        return Err(wrong("The first half takes 15 to 85 percent.").field("share"));
    }
    Ok(())
}

/// Keeps how they stand and tells every window.
pub(crate) fn arrange(shared: &Shared, request: ArrangeTerminals) -> Result<TerminalLayout, Problem> {
    check(&request.layout)?;
    shared.store.keep_terminals(&request.id, &request.layout)?;
    shared.bus.publish(Some(&request.id), EventBody::Terminals(Box::new(request.layout.clone())));
    Ok(request.layout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tab(name: &str, folder: &str) -> TerminalTab {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        TerminalTab { process: "p-1".parse().unwrap(), name: said(name), folder: said(folder) }
    }

    #[test]
    fn what_a_person_arranges_is_taken_and_nonsense_is_not() {
        let whole = TerminalLayout {
            tabs: vec![tab("log of the shop", "/workspace/src"), tab("", "")],
            share: Some(40),
            font_px: Some(15),
            ..TerminalLayout::default()
        };
        check(&whole).unwrap();
        let long = "x".repeat(41);
        let deep = format!("/{}", "x".repeat(FOLDER));
        for (name, folder) in
            [(&*long, "/"), ("two\nlines", "/"), (" ", "/"), ("a", "src"), ("a", &deep), ("a", "/\0")]
        {
            let layout = TerminalLayout { tabs: vec![tab(name, folder)], ..TerminalLayout::default() };
            assert_eq!(check(&layout).unwrap_err().code, Code::Invalid, "{name:?} {folder:?}");
        }
        for (share, font_px, tabs) in
            [(Some(14), None, 1), (Some(86), None, 1), (None, Some(7), 1), (None, None, 257)]
        {
            let layout = TerminalLayout {
                tabs: vec![tab("a", "/"); tabs],
                share,
                font_px,
                ..TerminalLayout::default()
            };
            assert_eq!(check(&layout).unwrap_err().code, Code::Invalid, "{share:?} {font_px:?} {tabs}");
        }
    }
}
