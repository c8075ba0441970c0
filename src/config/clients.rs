//! Reads `clients:` — what single devices need, by their network.

use ipnet::IpNet;

use crate::listener::{ClientEntry, Clients};
use crate::message::Charset;
use crate::session::{Ehlo, Quirks};

use super::networks;
use super::reader::{Field, Reader, Section};
use super::rule::Rule;
use super::yaml::Key;

/// Keys of a client.
pub(super) const KEYS: &[&str] = &["charset", "quirks"];
/// Keys of `quirks`.
pub(super) const QUIRK_KEYS: &[&str] = &["ehlo", "lf_ends_data", "starttls"];

/// How EHLO may be answered.
pub(super) const EHLO: [(&str, Ehlo); 3] = [("full", Ehlo::Full), ("minimal", Ehlo::Minimal), ("off", Ehlo::Off)];
/// Of a network whose messages may end at LF . LF, so many bits may be free before it is told of: with eight, 256 addresses, it is
/// still somebody's row of devices.
const LENIENT_BITS: u8 = 8;
const YES_OR_NO: [(&str, bool); 2] = [("true", true), ("false", false)];

/// Reads all entries.
pub(super) fn read(reader: &Reader<'_>, root: &Section<'_>) -> Clients {
    let mut found: Vec<(IpNet, &str)> = Vec::new();
    let mut entries = Vec::new();
    for (key, field) in root.get("clients").map(|field| field.named(reader)).unwrap_or_default() {
        let (charset, quirks) = read_needs(reader, &field);
        let Some(network) = read_network(reader, key, &field) else { continue };
        if let Some((_, other)) = found.iter().find(|(other, _)| *other == network) {
            reader.note(&key.place, &field.path, Rule::ClientTwice { other: (*other).to_owned() });
            continue;
        }
        if quirks.lf_ends_data && network.max_prefix_len() - network.prefix_len() > LENIENT_BITS {
            field.tell(reader, Rule::LenientNetwork { network: key.text.clone() });
        }
        found.push((network, &key.text));
        entries.push(ClientEntry { network, charset, quirks });
    }
    Clients::new(entries)
}

fn read_network(reader: &Reader<'_>, key: &Key, field: &Field<'_>) -> Option<IpNet> {
    networks::parse(&key.text).map_err(|why| reader.note(&key.place, &field.path, Rule::BadNetwork { found: key.text.clone(), why })).ok()
}

fn read_needs(reader: &Reader<'_>, field: &Field<'_>) -> (Option<Charset>, Quirks) {
    let section = field.section(reader, KEYS);
    let charset = section.get("charset").and_then(|field| read_charset(reader, field));
    let section = section.inner(reader, "quirks", QUIRK_KEYS);
    let otherwise = Quirks::default();
    let quirks = Quirks {
        ehlo: section.or("ehlo", otherwise.ehlo, |field| field.choice(reader, &EHLO)),
        lf_ends_data: section.or("lf_ends_data", otherwise.lf_ends_data, |field| field.choice(reader, &YES_OR_NO)),
        starttls: section.or("starttls", otherwise.starttls, |field| field.choice(reader, &YES_OR_NO)),
    };
    (charset, quirks)
}

fn read_charset(reader: &Reader<'_>, field: &Field<'_>) -> Option<Charset> {
    let text = field.text(reader)?;
    let charset = Charset::of(text);
    if charset.is_none() {
        field.note(reader, Rule::BadCharset { found: text.to_owned() });
    }
    charset
}
