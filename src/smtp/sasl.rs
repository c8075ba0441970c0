//! The SASL exchanges that SMTP uses here: PLAIN (RFC 4616), LOGIN and XOAUTH2 (Microsoft's and
//! Google's pages describe them; neither has an RFC).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};

use crate::secret::Secret;

/// LOGIN's prompt for the name, to the letter: a Xerox quits on anything else.
pub const PROMPT_USERNAME: &str = "VXNlcm5hbWU6";
/// LOGIN's prompt for the password.
pub const PROMPT_PASSWORD: &str = "UGFzc3dvcmQ6";

/// Devices leave the padding off, or bits behind it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// What was sent is no base64, or not what the mechanism asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credentials are not in the form that the mechanism asks for")]
pub struct Malformed;

/// A name and a password that a client gave.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Who signs in.
    pub username: String,
    /// What it is proven with.
    pub password: Secret,
}

/// `text` in base64.
pub fn encode(text: &[u8]) -> String {
    STANDARD.encode(text)
}

/// Reads base64 with or without padding.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    LENIENT.decode(text.trim_ascii()).map_err(|_| Malformed)
}

/// Reads one answer to a LOGIN prompt.
pub fn decode_login(answer: &[u8]) -> Result<String, Malformed> {
    decode(answer).map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// The response for PLAIN, in base64.
pub fn plain(username: &str, password: &Secret) -> Secret {
    Secret::new(encode(format!("\0{username}\0{}", password.reveal()).as_bytes()))
}

/// Reads the response of PLAIN; an authorization identity is passed over.
pub fn decode_plain(response: &[u8]) -> Result<Credentials, Malformed> {
    let text = decode(response)?;
    let mut parts = text.split(|&byte| byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(username), Some(password), None) => Ok(Credentials { username, password: Secret::new(password) }),
        _ => Err(Malformed),
    }
}

/// The response for XOAUTH2, in base64.
pub fn xoauth2(user: &str, token: &Secret) -> Secret {
    Secret::new(encode(format!("user={user}\x01auth=Bearer {}\x01\x01", token.reveal()).as_bytes()))
}

/// Reads the response of XOAUTH2: the user, and the token as its password.
pub fn decode_xoauth2(response: &[u8]) -> Result<Credentials, Malformed> {
    let text = String::from_utf8(decode(response)?).map_err(|_| Malformed)?;
    let (user, auth) = text.strip_suffix("\x01\x01").and_then(|text| text.split_once('\x01')).ok_or(Malformed)?;
    let username = user.strip_prefix("user=").ok_or(Malformed)?.to_owned();
    let token = auth.strip_prefix("auth=Bearer ").ok_or(Malformed)?;
    Ok(Credentials { username, password: Secret::new(token) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xoauth2_matches_microsofts_example() {
        let blob = xoauth2("test@contoso.onmicrosoft.com", &Secret::new("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA"));
        let want =
            "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==";
        assert_eq!(blob.reveal(), want);
        let back = decode_xoauth2(want.as_bytes()).unwrap();
        assert_eq!(
            (back.username.as_str(), back.password.reveal()),
            ("test@contoso.onmicrosoft.com", "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA")
        );
    }

    #[test]
    fn plain_there_and_back_also_without_padding() {
        let blob = plain("scanner", &Secret::new("geheim"));
        let back = decode_plain(blob.reveal().trim_end_matches('=').as_bytes()).unwrap();
        assert_eq!((back.username.as_str(), back.password.reveal()), ("scanner", "geheim"));
        assert!(decode_plain(b"AAAA////").is_err());
        assert!(decode_plain(b"!").is_err());
    }

    #[test]
    fn prompts_are_what_a_xerox_expects() {
        assert_eq!(
            (decode(PROMPT_USERNAME.as_bytes()).unwrap(), decode(PROMPT_PASSWORD.as_bytes()).unwrap()),
            (b"Username:".to_vec(), b"Password:".to_vec())
        );
    }
}
