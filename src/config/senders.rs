//! Reads `senders:` — which messages go out as whom — and holds it against the accounts.

use crate::message::{AccountName, DisplayName, Identity, Mailbox, ReplyTo};
use crate::senders::{Match, Pattern, Rule as Sender, Senders};

use super::accounts::Declared;
use super::listeners::networks_of;
use super::problem::Place;
use super::reader::{Field, Reader, Section};
use super::rule::{Rule, nearest};
use super::values::list;

/// Keys of a rule.
pub(super) const KEYS: &[&str] = &["match", "account", "from", "name", "reply_to"];
/// Keys of `match`.
pub(super) const MATCH_KEYS: &[&str] = &["client", "from"];

/// Reads all rules. Without any, a single account takes everything.
pub(super) fn read(reader: &Reader<'_>, root: &Section<'_>, accounts: &[Declared]) -> Senders {
    let field = root.get("senders");
    let members = field.map(|field| field.members(reader)).unwrap_or_default();
    let Some((field, _)) = field.zip(members.first()) else { return default_rule(reader, accounts) };
    let (mut takes_all, mut clear): (Option<String>, bool) = (None, true);
    let mut rules = Vec::new();
    for member in &members {
        let section = member.section(reader, KEYS);
        let when = read_match(reader, &section).filter(|_| section.is_whole());
        clear &= when.is_some();
        if let Some(rule) = &takes_all {
            member.note(reader, Rule::Unreachable { rule: rule.clone() });
        } else if when.as_ref().is_some_and(is_everything) {
            takes_all = Some(member.path.clone());
        }
        let sender = read_rule(reader, member, &section, accounts);
        rules.extend(when.zip(sender).map(|(when, (account, identity))| Sender { when, account, identity }));
    }
    // A rule that could not be read may have been the one.
    if takes_all.is_none() && clear {
        field.note(reader, Rule::NoCatchAll { mailbox: example(accounts) });
    }
    Senders { rules }
}

/// What holds when the configuration has no rules: one account sends everything as its mailbox.
fn default_rule(reader: &Reader<'_>, accounts: &[Declared]) -> Senders {
    match accounts {
        [only] => {
            let rule = |mailbox: &Mailbox| Sender {
                when: Match::default(),
                account: AccountName::new(&only.name),
                identity: Identity { from: mailbox.clone(), name: DisplayName::Original, reply_to: ReplyTo::Keep },
            };
            Senders { rules: only.mailbox().map(rule).into_iter().collect() }
        }
        // That there is none is told already.
        [] => Senders::default(),
        [_, _, ..] => {
            let rule = Rule::NoSenders { accounts: names(accounts), mailbox: example(accounts) };
            reader.note(&Place::Whole, "senders", rule);
            Senders::default()
        }
    }
}

/// The conditions, or `None` when one of them is wrong.
fn read_match(reader: &Reader<'_>, section: &Section<'_>) -> Option<Match> {
    let section = section.inner(reader, "match", MATCH_KEYS);
    if !section.is_whole() {
        return None;
    }
    let mut when = Match::default();
    if let Some(field) = section.get("client") {
        when.client = networks_of(reader, field);
        not_empty(reader, field, when.client.is_empty())?;
    }
    if let Some(field) = section.get("from") {
        let items = field.items(reader);
        not_empty(reader, field, items.is_empty())?;
        for item in items.iter().filter(|item| !item.text.contains(['@', '*'])) {
            item.field.note(reader, Rule::BadPattern { found: item.text.chars().take(80).flat_map(char::escape_debug).collect() });
        }
        // `*` alone matches every address, and is no condition.
        if items.iter().all(|item| item.text != "*") {
            when.from = items.iter().map(|item| Pattern::new(item.text)).collect();
        }
    }
    Some(when)
}

/// An empty list is no condition in [`Match`], but it reads as if nothing could match.
fn not_empty(reader: &Reader<'_>, field: &Field<'_>, empty: bool) -> Option<()> {
    if empty && matches!(&field.node.value, super::yaml::Value::List(items) if items.is_empty()) {
        field.note(reader, Rule::WrongType { expected: "at least one value", found: "an empty list" });
    }
    (!empty).then_some(())
}

fn is_everything(when: &Match) -> bool {
    when.client.is_empty() && when.from.is_empty()
}

fn read_rule(reader: &Reader<'_>, member: &Field<'_>, section: &Section<'_>, accounts: &[Declared]) -> Option<(AccountName, Identity)> {
    let name = section.or("name", DisplayName::Original, |field| {
        let line = field.line(reader)?;
        Some(if line == "original" { DisplayName::Original } else { DisplayName::Fixed(line) })
    });
    let reply_to = section.or("reply_to", ReplyTo::Keep, |field| read_reply_to(reader, field));
    let from = match section.get("from") {
        Some(field) => Some((field, field.mailbox(reader)?)),
        None => None,
    };
    let (account, from) = match (section.get("account"), from) {
        (Some(field), from) => of_named(reader, field, from, accounts)?,
        (None, Some((field, from))) => of_address(reader, field, from, accounts)?,
        (None, None) => of_only(reader, member, accounts)?,
    };
    Some((account, Identity { from, name, reply_to }))
}

fn read_reply_to(reader: &Reader<'_>, field: &Field<'_>) -> Option<ReplyTo> {
    match field.text(reader)? {
        "keep" => Some(ReplyTo::Keep),
        "original" => Some(ReplyTo::Original),
        "none" => Some(ReplyTo::None),
        address if address.contains('@') => field.mailbox(reader).map(ReplyTo::Address),
        other => {
            let choices = vec!["original", "keep", "none", "an address"];
            let near = nearest(other, choices[..3].iter().copied());
            field.note(reader, Rule::BadChoice { found: other.to_owned(), choices, nearest: near });
            None
        }
    }
}

/// The rule names its account: the address must be one of it.
fn of_named(
    reader: &Reader<'_>,
    field: &Field<'_>,
    from: Option<(&Field<'_>, Mailbox)>,
    accounts: &[Declared],
) -> Option<(AccountName, Mailbox)> {
    let wanted = field.text(reader)?;
    let Some(account) = accounts.iter().find(|account| account.name == wanted) else {
        let known = names(accounts);
        let near = nearest(wanted, known.iter().map(String::as_str));
        field.note(reader, Rule::UnknownAccount { found: wanted.to_owned(), known, nearest: near });
        return None;
    };
    let Some((from_field, from)) = from else { return Some((AccountName::new(wanted), account.mailbox()?.clone())) };
    let addresses = account.addresses.as_ref()?;
    if !addresses.contains(&from) {
        not_of(reader, from_field, &from, account);
        return None;
    }
    Some((AccountName::new(wanted), from))
}

/// The account is the one that lists the address.
fn of_address(reader: &Reader<'_>, field: &Field<'_>, from: Mailbox, accounts: &[Declared]) -> Option<(AccountName, Mailbox)> {
    let lists = |account: &&Declared| account.addresses.as_ref().is_some_and(|addresses| addresses.contains(&from));
    let candidates: Vec<&Declared> = accounts.iter().filter(lists).collect();
    match (candidates.as_slice(), accounts) {
        ([account], _) => return Some((AccountName::new(&account.name), from)),
        ([_, _, ..], _) => {
            let accounts = candidates.iter().map(|account| account.name.clone()).collect();
            field.note(reader, Rule::TwoAccounts { address: from.to_string(), accounts });
        }
        // Nothing can be said while an account's addresses could not be read.
        ([], accounts) if accounts.iter().any(|account| account.addresses.is_none()) => {}
        ([], [only]) => not_of(reader, field, &from, only),
        ([], accounts) => {
            let all = list(accounts.iter().flat_map(|account| account.addresses.iter().flatten()));
            let near = nearest(from.as_str(), all.iter().map(String::as_str));
            field.note(reader, Rule::NobodysAddress { address: from.to_string(), accounts: names(accounts), nearest: near });
        }
    }
    None
}

/// The rule names neither: only a single account makes that clear.
fn of_only(reader: &Reader<'_>, member: &Field<'_>, accounts: &[Declared]) -> Option<(AccountName, Mailbox)> {
    if let [only] = accounts {
        return Some((AccountName::new(&only.name), only.mailbox()?.clone()));
    }
    if !accounts.is_empty() {
        member.note(reader, Rule::WhichAccount { accounts: names(accounts) });
    }
    None
}

fn not_of(reader: &Reader<'_>, field: &Field<'_>, from: &Mailbox, account: &Declared) {
    let all = list(account.addresses.iter().flatten());
    let near = nearest(from.as_str(), all.iter().map(String::as_str));
    field.note(reader, Rule::NotItsAddress { address: from.to_string(), account: account.name.clone(), nearest: near });
}

impl Declared {
    fn mailbox(&self) -> Option<&Mailbox> {
        self.addresses.as_ref().and_then(|addresses| addresses.first())
    }
}

fn names(accounts: &[Declared]) -> Vec<String> {
    accounts.iter().map(|account| account.name.clone()).collect()
}

/// A mailbox for the line to add.
fn example(accounts: &[Declared]) -> String {
    accounts.iter().find_map(Declared::mailbox).map_or_else(|| "scanner@contoso.com".to_owned(), Mailbox::to_string)
}
