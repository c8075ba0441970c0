//! Secrets: text, `{ env: NAME }` or `{ file: PATH }`.

use crate::secret::Secret;

use super::reader::{Field, Reader};
use super::rule::Rule;
use super::surroundings::{self, FileRead};
use super::yaml::Value;

/// Octets of a secret; the largest we know of, a private key, has a few thousand.
const LARGEST: u64 = 64 * 1024;

/// Reads the secret that the field holds or points to.
pub(super) fn read(reader: &Reader<'_>, field: &Field<'_>) -> Option<Secret> {
    match &field.node.value {
        Value::Null | Value::List(_) => {
            field.note(reader, Rule::SecretForm);
            None
        }
        Value::Scalar(text) => check(reader, field, text),
        Value::Map(pairs) => match pairs.as_slice() {
            [(key, _)] if key.text == "env" => from_variable(reader, &field.named(reader)[0].1),
            [(key, _)] if key.text == "file" => from_file(reader, &field.named(reader)[0].1),
            [..] => {
                field.note(reader, Rule::SecretForm);
                None
            }
        },
    }
}

fn from_variable(reader: &Reader<'_>, field: &Field<'_>) -> Option<Secret> {
    let name = field.text(reader)?;
    match reader.surroundings.variable(name) {
        Some(text) => check(reader, field, text),
        None => {
            field.note(reader, Rule::SecretVariable { name: name.to_owned() });
            None
        }
    }
}

fn from_file(reader: &Reader<'_>, field: &Field<'_>) -> Option<Secret> {
    let path = reader.path(field.text(reader)?);
    let FileRead { content, mode, owner } = match surroundings::read(&path, LARGEST) {
        Ok(file) => file,
        Err(error) => {
            field.note(reader, Rule::SecretFile { path, why: surroundings::said(&error) });
            return None;
        }
    };
    let content = zeroize::Zeroizing::new(content);
    if open_to_others(mode, owner, reader.surroundings.user) {
        field.note(reader, Rule::SecretFileOpen { path, mode });
        return None;
    }
    match std::str::from_utf8(&content) {
        // Editors and `echo` end the last line.
        Ok(text) => check(reader, field, text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))),
        Err(_) => {
            field.note(reader, Rule::SecretText { why: "it is not UTF-8" });
            None
        }
    }
}

/// Whether anybody but the file's owner and us can read or change it. A file of another owner we can only read
/// through its group (root's file, `fsGroup` in Kubernetes, mode 0440), so then the group may read it.
pub(super) fn open_to_others(mode: u32, owner: u32, user: u32) -> bool {
    let group_needed = owner != user && user != 0;
    mode & if group_needed { 0o037 } else { 0o077 } != 0
}

fn check(reader: &Reader<'_>, field: &Field<'_>, text: &str) -> Option<Secret> {
    let why = if text.trim().is_empty() {
        "it is empty"
    } else if text.contains(['\n', '\r', '\0']) {
        "it has more than one line"
    } else {
        return Some(Secret::new(text));
    };
    field.note(reader, Rule::SecretText { why });
    None
}

#[cfg(test)]
mod tests {
    use super::open_to_others;

    #[test]
    fn a_secret_is_for_its_owner_and_for_us() {
        for (mode, owner, user, open) in [
            (0o600, 1000, 1000, false),
            (0o400, 0, 0, false),
            (0o640, 1000, 1000, true),
            (0o604, 1000, 1000, true),
            (0o444, 0, 0, true),
            (0o440, 0, 0, true),
            (0o444, 0, 1000, true),
            (0o440, 0, 1000, false),
            (0o460, 0, 1000, true),
            (0o640, 1000, 0, true),
        ] {
            assert_eq!(open_to_others(mode, owner, user), open, "{mode:o} of {owner}, read by {user}");
        }
    }
}
