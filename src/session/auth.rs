//! AUTH (RFC 4954): LOGIN and PLAIN, as far as a conversation goes without looking at a password.

use std::collections::HashMap;
use std::hash::BuildHasher;

use crate::secret::Secret;
use crate::smtp::sasl::{self, Credentials, Malformed};
use crate::smtp::{self, Command};

use super::conversation::Conversation;
use super::{Auth, Closing, Conditions, Next, Scratch, Session, State, Transaction, login, replies};

/// Failed logins in one conversation before it is ended by the next: people mistype a password once or twice, and a
/// device with the wrong one does not find the right one.
const FAILED_LOGINS: u32 = 5;

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
    against: Against,
}

/// What a password is checked against.
#[derive(Debug)]
enum Against {
    /// The hash of this user's password.
    User(String),
    /// The hash of somebody else's, because there is no such user: the time that an answer takes must not tell who exists.
    Decoy(String),
    /// Nobody has a password.
    Nothing,
}

impl Against {
    /// Where users have hashes of several kinds, a name that does not exist always meets the same one: which, depends on the
    /// map's random state, so it cannot be told from outside.
    fn of(name: &str, users: &HashMap<String, String>) -> Self {
        if let Some(hash) = users.get(name) {
            return Self::User(hash.clone());
        }
        let number = users.hasher().hash_one(name).checked_rem(users.len() as u64);
        let decoy = number.and_then(|number| users.values().nth(number as usize));
        decoy.map_or(Self::Nothing, |hash| Self::Decoy(hash.clone()))
    }

    fn is_met_by(&self, password: &Secret, scratch: &mut Scratch) -> bool {
        match self {
            Self::User(hash) => login::matches(password, hash, scratch),
            Self::Decoy(hash) => {
                login::matches(password, hash, scratch);
                false
            }
            Self::Nothing => false,
        }
    }
}

/// What the check of a password came to.
#[derive(Debug)]
pub enum Checked {
    /// It is right.
    Right(Next),
    /// It is wrong. Whoever answers does so after a pause that grows, so that guessing takes long.
    Wrong {
        /// The answer.
        next: Next,
        /// Failed logins in this conversation, with this one.
        failures: u32,
    },
}

impl Conversation {
    /// AUTH is taken after HELO, too, and by `accept-any` any number of times: devices do that.
    pub(super) fn on_auth(self, transaction: Transaction, mechanism: &str, initial: Option<Vec<u8>>) -> Next {
        if matches!(self.policy.auth, Auth::None) {
            return self.complain(transaction, replies::no_login_needed());
        }
        if !self.takes_logins() {
            return self.complain(transaction, replies::no_login_in_clear());
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

    /// Counts a failed login, which is an error, too.
    fn fail_login(mut self) -> Checked {
        self.failed_logins += 1;
        let failures = self.failed_logins;
        let next = match failures > FAILED_LOGINS {
            true => Next::Close(replies::too_many_errors(), Closing::FailedLogins),
            false => self.complain(Transaction::None, replies::wrong_login()),
        };
        Checked::Wrong { next, failures }
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
                let against = Against::of(&credentials.username, users);
                Next::Verify(Verifying { conversation: self, credentials, against })
            }
        }
    }
}

impl Verifying {
    /// Checks the password and goes on. Takes tens of milliseconds of a processor on purpose (argon2, bcrypt):
    /// not to be called where others wait their turn.
    pub fn verify(self, scratch: &mut Scratch) -> Checked {
        let Self { mut conversation, credentials, against } = self;
        if !against.is_met_by(&credentials.password, scratch) {
            return conversation.fail_login();
        }
        conversation.introduction.login = Some(credentials.username);
        Checked::Right(conversation.go_on(Transaction::None, replies::logged_in()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_exist_costs_as_much_as_one_that_does() {
        let bcrypt = bcrypt::hash("geheim", 4).unwrap();
        let users = HashMap::from([("scanner".to_owned(), bcrypt.clone())]);
        let mut scratch = Scratch::default();
        for (name, met) in [("scanner", true), ("nobody", false)] {
            let against = Against::of(name, &users);
            let (Against::User(hash) | Against::Decoy(hash)) = &against else { panic!("{name} is checked against nothing") };
            assert_eq!(*hash, bcrypt, "{name}");
            assert_eq!(against.is_met_by(&Secret::new("geheim"), &mut scratch), met, "{name}");
        }
        assert!(!Against::of("nobody", &HashMap::new()).is_met_by(&Secret::new("geheim"), &mut scratch));
    }

    #[test]
    fn among_several_kinds_of_hash_a_name_always_meets_the_same() {
        let users: HashMap<_, _> = (0..50).map(|number| (number.to_string(), format!("hash {number}"))).collect();
        let decoys: Vec<_> = (100..200)
            .map(|number| {
                let of = || format!("{:?}", Against::of(&number.to_string(), &users));
                assert_eq!(of(), of());
                of()
            })
            .collect();
        assert!(decoys.iter().any(|decoy| *decoy != decoys[0]), "the first user stands for all");
    }
}
