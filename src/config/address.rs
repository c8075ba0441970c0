//! Reads where a listener listens: `address`, and the `mode` of a socket in the file system.

use std::os::unix::ffi::OsStrExt;

use crate::sockets::{Address, LONGEST_PATH, SocketFile};

use super::reader::{Field, Reader, Section};
use super::rule::Rule;

const EXAMPLE: &str = "127.0.0.1:25";
/// For the relay's own user and group. A socket that only its owner could use would be of no use to anybody, since the relay
/// has a user of its own; and who is in its group was put there by an administrator.
const MODE: u32 = 0o660;
/// Without these the relay's own user could not connect.
const OWNER: u32 = 0o600;

/// The address and its field.
pub(super) fn read<'s, 't>(reader: &Reader<'_>, section: &'s Section<'t>) -> Option<(Address, &'s Field<'t>)> {
    let field = section.require(reader, "address", EXAMPLE)?;
    let text = field.text(reader)?;
    let address = match text.split_once(':') {
        Some(("unix", path)) => Address::Unix(read_unix(reader, section, field, path)?),
        Some(("inherited", name)) => Address::Inherited(Some(read_name(reader, field, name)?)),
        None if text == "inherited" => Address::Inherited(None),
        Some(_) | None => Address::Network(field.socket_address(reader, EXAMPLE)?),
    };
    match &address {
        Address::Unix(_) => {
            section.useless(reader, &["allow", "proxy"], "whoever comes through a Unix socket has no address; `mode` says who may");
        }
        Address::Network(_) | Address::Inherited(_) => {
            section.useless(reader, &["mode"], "only a socket that the relay makes itself in the file system (`unix:PATH`) has a mode");
        }
    }
    Some((address, field))
}

fn read_unix(reader: &Reader<'_>, section: &Section<'_>, field: &Field<'_>, path: &str) -> Option<SocketFile> {
    let mode = section.or("mode", MODE, |field| read_mode(reader, field));
    let whole = reader.path(path);
    let octets = whole.as_os_str().as_bytes().len();
    let why = if path.is_empty() || path.ends_with('/') {
        "it names no file".to_owned()
    } else if path.starts_with('@') || path.contains('\0') {
        "a socket outside of the file system has no mode, and every program could connect".to_owned()
    } else if octets > LONGEST_PATH {
        format!("it has {octets} octets, and the system takes {LONGEST_PATH}")
    } else {
        return Some(SocketFile { path: whole, mode });
    };
    field.note(reader, Rule::BadUnixPath { found: path.to_owned(), why });
    None
}

/// Permission bits in octal: `0660`, `660` or `0o660`.
fn read_mode(reader: &Reader<'_>, field: &Field<'_>) -> Option<u32> {
    let text = field.text(reader)?;
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if octal && mode <= 0o777 && mode & OWNER == OWNER => Some(mode),
        Ok(_) | Err(_) => {
            field.note(reader, Rule::BadMode { found: text.to_owned() });
            None
        }
    }
}

/// The name of a socket, as systemd's FileDescriptorName= takes it.
fn read_name(reader: &Reader<'_>, field: &Field<'_>, name: &str) -> Option<String> {
    let good = (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !good {
        field.note(reader, Rule::BadSocketName { found: name.to_owned() });
        return None;
    }
    Some(name.to_owned())
}
