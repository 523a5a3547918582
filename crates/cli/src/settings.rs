//! `slipway settings`: the engine's settings, key by key. What a value may be is the engine's to check.

use crate::{
    args::{Settings, SettingsAction},
    exit::{Code, Failure},
    out,
    session::Session,
};
use serde_json::Value;
use slipway_wire::{Api as _, Nothing};

pub(crate) async fn run(args: Settings) -> Result<Code, Failure> {
    let session = Session::open().await?;
    let settings = session.api.settings_get(Nothing {}).await?;
    let mut tree = serde_json::to_value(&settings).map_err(|e| Failure::usage(e.to_string()))?;
    match args.action {
        None | Some(SettingsAction::Get { key: None }) => {
            let mut lines = String::new();
            flatten("", &tree, &mut lines);
            out::bytes(lines.as_bytes())?;
        }
        Some(SettingsAction::Get { key: Some(key) }) => out::line(&plain(find(&mut tree, &key)?))?,
        Some(SettingsAction::Set { key, value }) => {
            let place = find(&mut tree, &key)?;
            *place = parse(place, &value)?;
            let changed = serde_json::from_value(tree)
                .map_err(|e| Failure::usage(format!("{value:?} is not a value of {key}: {e}.")))?;
            session.api.settings_set(changed).await?;
        }
    }
    Ok(Code::OK)
}

fn flatten(prefix: &str, value: &Value, lines: &mut String) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, lines);
            }
        }
        other => {
            lines.push_str(prefix);
            lines.push_str(" = ");
            lines.push_str(&other.to_string());
            lines.push('\n');
        }
    }
}

fn find<'a>(tree: &'a mut Value, key: &str) -> Result<&'a mut Value, Failure> {
    let mut place = tree;
    for part in key.split('.') {
        place = place.as_object_mut().and_then(|fields| fields.get_mut(part)).ok_or_else(|| {
            Failure::usage(format!("There is no setting {key:?}; `slipway settings` lists them."))
        })?;
    }
    Ok(place)
}

/// A string is shown without its quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Of the kind that is there: a word needs no quotes, everything else is JSON.
fn parse(place: &Value, text: &str) -> Result<Value, Failure> {
    if place.is_string() {
        return Ok(Value::String(text.to_owned()));
    }
    serde_json::from_str(text)
        .map_err(|_| Failure::usage(format!("{text:?} is not of the same kind as {place}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_reach_into_groups_and_values_keep_their_kind() {
        let mut tree = json!({"preset": "medium", "intake": {"entries": 5}, "ask_hosts": true});
        let mut lines = String::new();
        flatten("", &tree, &mut lines);
        assert!(lines.contains("intake.entries = 5\n"), "{lines}");
        assert!(lines.contains("preset = \"medium\"\n"), "{lines}");
        assert_eq!(plain(find(&mut tree, "preset").unwrap()), "medium");
        assert_eq!(parse(find(&mut tree, "intake.entries").unwrap(), "9").unwrap(), json!(9));
        assert_eq!(parse(find(&mut tree, "preset").unwrap(), "large").unwrap(), json!("large"));
        assert!(parse(find(&mut tree, "ask_hosts").unwrap(), "perhaps").is_err());
        assert!(find(&mut tree, "intake.none").is_err());
    }
}
