//! From the greeting to a signed-in connection: EHLO, STARTTLS, AUTH.

use super::Flight;
use crate::cause::{Cause, detail};
use crate::delivery::{Failure, NextStep, Scope, Stage};
use crate::secret::Secret;
use crate::smtp::{Extensions, Reply, sasl};
use crate::upstream::classify::{self, Method};
use crate::upstream::{TlsMode, classify::broken};

/// What the opening has to reach.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) struct Terms<'a> {
    /// Our name.
    pub(in crate::upstream) hostname: &'a str,
    /// How the connection must be protected.
    pub(in crate::upstream) tls: TlsMode,
    /// Who signs in.
    pub(in crate::upstream) user: &'a str,
    /// With what.
    pub(in crate::upstream) login: Login<'a>,
}

/// A credential for one sign-in.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) enum Login<'a> {
    /// None is needed.
    None,
    /// For PLAIN or LOGIN.
    Password(&'a Secret),
    /// For XOAUTH2.
    Token(&'a Secret),
}

impl Login<'_> {
    fn method(self) -> Method {
        match self {
            Self::None => Method::None,
            Self::Password(_) => Method::Password,
            Self::Token(_) => Method::Token,
        }
    }
}

/// Whether what is said can be read on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Protection {
    Plain,
    Encrypted,
}

/// Which reply is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Opening {
    /// The server speaks first.
    Greeting(Protection),
    /// To EHLO.
    Ehlo(Protection),
    /// To HELO, for a server that does not know EHLO.
    Helo(Protection),
    /// To STARTTLS.
    StartTls,
    /// To an AUTH command or to a line behind it.
    Auth(Auth, Extensions),
}

/// Where a sign-in stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Auth {
    /// `AUTH XOAUTH2` was said; the token follows the 334.
    Xoauth2Begun,
    /// The token was sent.
    Xoauth2Sent,
    /// The server explained in JSON why it says no, and waits for an empty line before it does.
    Xoauth2Explained(String),
    /// `AUTH PLAIN` was said with its response.
    Plain,
    /// `AUTH LOGIN` was said; the prompt for the name follows.
    LoginBegun,
    /// The name was sent; the prompt for the password follows.
    LoginNamed,
    /// The password was sent.
    LoginSent,
}

/// What is to happen next.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Next {
    /// Send this, then read one reply.
    Say(Flight, Opening),
    /// Make the connection secret, then go on with [`Opening::encrypted`]. Nothing may have come behind the
    /// reply: it would have been sent by somebody who cannot encrypt (RFC 3207 section 4.2).
    Handshake,
    /// Signed in: messages may be sent.
    Ready(Extensions),
    /// There is no way on.
    Failed(Failure),
}

impl Opening {
    /// The connection is there, and with implicit TLS it is secret.
    pub(in crate::upstream) fn begin(tls: TlsMode) -> Self {
        match tls {
            TlsMode::Implicit => Self::Greeting(Protection::Encrypted),
            TlsMode::StartTls | TlsMode::None => Self::Greeting(Protection::Plain),
        }
    }

    /// The handshake behind STARTTLS is done. Everything learnt before is forgotten (RFC 3207 section 4.2).
    pub(in crate::upstream) fn encrypted(terms: &Terms<'_>) -> (Flight, Self) {
        (ehlo(terms), Self::Ehlo(Protection::Encrypted))
    }

    /// How far the attempt has come, should the reply never arrive.
    pub(in crate::upstream) fn stage(&self) -> Stage {
        match self {
            Self::Greeting(_) | Self::Ehlo(_) | Self::Helo(_) => Stage::Greeting,
            Self::StartTls => Stage::Tls,
            Self::Auth(..) => Stage::Auth,
        }
    }

    /// Takes the awaited reply.
    pub(in crate::upstream) fn on_reply(self, reply: &Reply, terms: &Terms<'_>) -> Next {
        let stage = self.stage();
        match self {
            Self::Greeting(protection) => match reply.code() {
                220 => Next::Say(ehlo(terms), Self::Ehlo(protection)),
                _ => refused(reply, stage, terms),
            },
            Self::Ehlo(protection) => match reply.code() {
                250 => greeted(Extensions::read(reply), protection, terms),
                // RFC 5321 section 3.2: a server that does not know EHLO answers 500 or 502.
                500..=599 => Next::Say(Flight::line(&format!("HELO {}", terms.hostname)), Self::Helo(protection)),
                _ => refused(reply, stage, terms),
            },
            Self::Helo(protection) => match reply.code() {
                250 => greeted(Extensions::default(), protection, terms),
                _ => refused(reply, stage, terms),
            },
            Self::StartTls => match reply.code() {
                220 => Next::Handshake,
                _ => refused(reply, stage, terms),
            },
            Self::Auth(auth, offers) => auth.on_reply(reply, offers, terms),
        }
    }
}

impl Auth {
    fn on_reply(self, reply: &Reply, offers: Extensions, terms: &Terms<'_>) -> Next {
        match (self, reply.code(), terms.login) {
            (Self::Xoauth2Sent | Self::Plain | Self::LoginSent, 235, _) => Next::Ready(offers),
            (Self::Xoauth2Begun, 334, Login::Token(token)) => {
                Next::Say(Flight::secret("", &sasl::xoauth2(terms.user, token)), Opening::Auth(Self::Xoauth2Sent, offers))
            }
            (Self::Xoauth2Sent, 334, _) => Next::Say(Flight::line(""), Opening::Auth(Self::Xoauth2Explained(explanation(reply)), offers)),
            (Self::Xoauth2Explained(why), 400.., _) => match refused(reply, Stage::Auth, terms) {
                Next::Failed(failure) => Next::Failed(Failure { detail: detail(&format!("{reply} ({why})")), ..failure }),
                other => other,
            },
            (Self::LoginBegun, 334, Login::Password(_)) => {
                let name = Secret::new(sasl::encode(terms.user.as_bytes()));
                Next::Say(Flight::secret("", &name), Opening::Auth(Self::LoginNamed, offers))
            }
            (Self::LoginNamed, 334, Login::Password(password)) => {
                let password = Secret::new(sasl::encode(password.reveal().as_bytes()));
                Next::Say(Flight::secret("", &password), Opening::Auth(Self::LoginSent, offers))
            }
            (_, _, Login::None | Login::Password(_) | Login::Token(_)) => refused(reply, Stage::Auth, terms),
        }
    }
}

/// The server has said what it offers: protect the connection, or sign in, or be done.
fn greeted(offers: Extensions, protection: Protection, terms: &Terms<'_>) -> Next {
    match (terms.tls, protection) {
        (TlsMode::StartTls, Protection::Plain) if offers.starttls => Next::Say(Flight::line("STARTTLS"), Opening::StartTls),
        (TlsMode::StartTls, Protection::Plain) => {
            Next::Failed(broken(Cause::NoStarttls, Stage::Tls, "the upstream does not offer STARTTLS; nothing was sent"))
        }
        (TlsMode::StartTls | TlsMode::Implicit | TlsMode::None, _) => sign_in(offers, protection, terms),
    }
}

/// PLAIN before LOGIN where both are offered: it is a standard, says how to encode the name, and takes one
/// round trip instead of three.
fn sign_in(offers: Extensions, protection: Protection, terms: &Terms<'_>) -> Next {
    let begin = |flight, auth, offers| Next::Say(flight, Opening::Auth(auth, offers));
    match terms.login {
        Login::None => Next::Ready(offers),
        Login::Password(_) | Login::Token(_) if protection == Protection::Plain => {
            unusable(Cause::NoStarttls, "the account has credentials, which are never sent without TLS")
        }
        // In two steps: with a token the line is far longer than the 512 octets a command may have (RFC 4954 section 4).
        Login::Token(_) if offers.offers_auth("XOAUTH2") => begin(Flight::line("AUTH XOAUTH2"), Auth::Xoauth2Begun, offers),
        Login::Password(password) if offers.offers_auth("PLAIN") => {
            begin(Flight::secret("AUTH PLAIN ", &sasl::plain(terms.user, password)), Auth::Plain, offers)
        }
        Login::Password(_) if offers.offers_auth("LOGIN") => begin(Flight::line("AUTH LOGIN"), Auth::LoginBegun, offers),
        Login::Token(_) => unusable(Cause::NoUsableAuth, &format!("the upstream offers no XOAUTH2; it offers {:?}", offers.auth)),
        Login::Password(_) => {
            unusable(Cause::NoUsableAuth, &format!("the upstream offers neither PLAIN nor LOGIN; it offers {:?}", offers.auth))
        }
    }
}

fn ehlo(terms: &Terms<'_>) -> Flight {
    Flight::line(&format!("EHLO {}", terms.hostname))
}

fn refused(reply: &Reply, stage: Stage, terms: &Terms<'_>) -> Next {
    let failure = classify::failure(reply, stage, terms.login.method());
    Next::Failed(failure.unwrap_or_else(|| classify::out_of_step(reply, stage)))
}

fn unusable(cause: Cause, text: &str) -> Next {
    Next::Failed(Failure { scope: Scope::Account, next: NextStep::Hold, cause, stage: Stage::Auth, detail: detail(text) })
}

/// What stands behind a second 334: base64 of JSON that says why the token was refused.
fn explanation(reply: &Reply) -> String {
    let text = reply.texts().join("");
    match sasl::decode(text.as_bytes()) {
        Ok(json) => String::from_utf8_lossy(&json).into_owned(),
        Err(_) => text,
    }
}
