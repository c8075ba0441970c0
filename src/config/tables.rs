//! Keys that are not read: those that come with a later version, and those that went with an earlier one.
//!
//! Paths are general: `[]` stands for any place in a list, `*` for any name of an account, and any client.

/// A documented key that this version does not act upon.
pub(super) struct Later {
    pub(super) path: &'static str,
    /// Mail goes the same way without it: then it is told and passed over. Otherwise it is refused.
    pub(super) harmless: bool,
    /// What can be done today.
    pub(super) instead: &'static str,
}

/// A key of an earlier version.
pub(super) struct Renamed {
    pub(super) old: &'static str,
    pub(super) new: &'static str,
}

/// Tombstones: a key that is renamed gets a line here, and keeps it.
pub(super) const RENAMED: &[Renamed] = &[];

/// A key leaves this table when it begins to work.
pub(super) const LATER: &[Later] = &[
    Later { path: "clients.*.messages_per_minute", harmless: true, instead: "an account's limit counts for all its devices together" },
    Later { path: "domains", harmless: true, instead: "every recipient counts the same" },
    Later { path: "operator", harmless: true, instead: "the log and `mailferry queue list` tell of mail that does not arrive" },
    Later { path: "accounts.*.auth.certificate", harmless: false, instead: "set `client_secret`" },
    Later { path: "accounts.*.auth.key", harmless: false, instead: "set `client_secret`" },
    Later { path: "accounts.*.auth.managed_identity", harmless: false, instead: "set `client_secret`" },
    Later { path: "accounts.*.auth.workload_identity", harmless: false, instead: "set `client_secret`" },
    Later { path: "accounts.*.auth.device_url", harmless: true, instead: "it is for signing in by device code" },
    Later { path: "accounts.*.auth.authorize_url", harmless: true, instead: "it is for signing in with a browser" },
    Later { path: "accounts.*.limits.recipients_per_day", harmless: true, instead: "the upstream counts for itself" },
    Later {
        path: "accounts.*.limits.recipients_per_message", harmless: true, instead: "set `limits: { recipients: … }` at the top level"
    },
];

/// The general form of a path.
pub(super) fn general(path: &str) -> String {
    let mut general = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => {
                inside = true;
                general.push_str("[]");
            }
            ']' => inside = false,
            _ if inside => {}
            c => general.push(c),
        }
    }
    let below = |(section, keys): &(&str, &[&str])| {
        let rest = general.strip_prefix(section)?.strip_prefix('.')?;
        keys.iter().find_map(|key| rest.find(key).map(|at| format!("{section}.*{}", &rest[at..])))
    };
    NAMED.iter().find_map(below).unwrap_or(general)
}

/// Sections whose keys are names that may have dots of their own, and what can stand behind such a name.
const NAMED: [(&str, &[&str]); 2] = [("accounts", &[".auth.", ".limits.", ".tls."]), ("clients", &[".quirks.", ".messages_per_minute"])];

#[cfg(test)]
mod tests {
    use super::general;

    #[test]
    fn names_and_places_are_generalised() {
        assert_eq!(general("listeners[12].key"), "listeners[].key");
        assert_eq!(general("accounts.front.desk.auth.certificate"), "accounts.*.auth.certificate");
        assert_eq!(general("clients.192.168.10.0/24.messages_per_minute"), "clients.*.messages_per_minute");
        assert_eq!(general("domains"), "domains");
    }
}
