//! AUTH (RFC 4954): LOGIN and PLAIN, as far as a conversation goes without looking at a password.

use crate::secret::Secret;
use crate::smtp::sasl::{self, Credentials, Malformed};
use crate::smtp::{self, Command};

use super::conversation::Conversation;
use super::{Auth, Conditions, Next, Session, State, Transaction, login, replies};

/// What a 334 has asked for.
#[derive(Debug)]
pub(super) enum Exchange {
    /// LOGIN's name.
    LoginName,
    /// LOGIN's password.
    LoginPassword {
        /// The name that came before.
        username: String,
    },
    /// PLAIN's only response.
    Plain,
}

/// A login that waits for its password to be checked.
#[derive(Debug)]
pub struct Verifying {
    conversation: Conversation,
    credentials: Credentials,
    /// The hash of this user's password, when there is such a user.
    hash: Option<String>,
}

impl Conversation {
    /// AUTH is taken after HELO, too, and by `accept-any` any number of times: devices do that.
    pub(super) fn on_auth(self, transaction: Transaction, mechanism: &str, initial: Option<Vec<u8>>) -> Next {
        if matches!(self.policy.auth, Auth::None) {
            return self.complain(transaction, replies::no_login_needed());
        }
        if self.introduction.login.is_some() || !matches!(transaction, Transaction::None) {
            return self.complain(transaction, replies::no_login_now());
        }
        let exchange = match mechanism {
            "LOGIN" => Exchange::LoginName,
            "PLAIN" => Exchange::Plain,
            _ => return self.complain(transaction, replies::unknown_mechanism()),
        };
        match initial {
            None => self.ask(exchange),
            Some(response) => match self.step(exchange, &response) {
                Ok(next) => next,
                Err((conversation, Malformed)) => conversation.complain(Transaction::None, replies::malformed_credentials()),
            },
        }
    }

    /// The client's answer to a 334. Some give up on a login without saying `*` and go on with a command,
    /// which has spaces or colons and so is no base64: that command is obeyed.
    pub(super) fn on_answer(self, exchange: Exchange, line: &[u8], conditions: Conditions) -> Next {
        if line.trim_ascii() == b"*" {
            return self.complain(Transaction::None, replies::login_cancelled());
        }
        let (conversation, Malformed) = match self.step(exchange, line) {
            Ok(next) => return next,
            Err(malformed) => malformed,
        };
        match smtp::parse(line) {
            Ok(Command::Unknown(_)) | Err(_) => conversation.complain(Transaction::None, replies::malformed_credentials()),
            Ok(command) => conversation.obey(Transaction::None, command, conditions),
        }
    }

    fn step(self, exchange: Exchange, response: &[u8]) -> Result<Next, (Self, Malformed)> {
        match exchange {
            Exchange::LoginName => match sasl::decode_login(response) {
                Ok(username) => Ok(self.ask(Exchange::LoginPassword { username })),
                Err(malformed) => Err((self, malformed)),
            },
            Exchange::LoginPassword { username } => match sasl::decode_login(response).map(Secret::new) {
                Ok(password) => Ok(self.judge(Credentials { username, password })),
                Err(malformed) => Err((self, malformed)),
            },
            Exchange::Plain => match sasl::decode_plain(response) {
                Ok(credentials) => Ok(self.judge(credentials)),
                Err(malformed) => Err((self, malformed)),
            },
        }
    }

    fn ask(self, exchange: Exchange) -> Next {
        let prompt = match &exchange {
            Exchange::LoginName => sasl::PROMPT_USERNAME,
            Exchange::LoginPassword { .. } => sasl::PROMPT_PASSWORD,
            Exchange::Plain => "",
        };
        Next::Reply(Session { conversation: self, state: State::Asking(exchange) }, replies::prompt(prompt))
    }

    fn judge(self, credentials: Credentials) -> Next {
        match &self.policy.auth {
            Auth::None => self.complain(Transaction::None, replies::no_login_needed()),
            Auth::AcceptAny => self.go_on(Transaction::None, replies::logged_in()),
            Auth::Users(users) => {
                let hash = users.get(&credentials.username).cloned();
                Next::Verify(Verifying { conversation: self, credentials, hash })
            }
        }
    }
}

impl Verifying {
    /// Checks the password and goes on. Takes tens of milliseconds of a processor on purpose (argon2, bcrypt):
    /// not to be called where others wait their turn.
    pub fn verify(self) -> Next {
        let Self { mut conversation, credentials, hash } = self;
        if !login::matches(&credentials.password, hash.as_deref()) {
            return conversation.complain(Transaction::None, replies::wrong_login());
        }
        conversation.introduction.login = Some(credentials.username);
        conversation.go_on(Transaction::None, replies::logged_in())
    }
}
