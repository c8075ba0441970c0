//! What each command does to a conversation.

use std::sync::Arc;

use crate::message::{Envelope, Mailbox};
use crate::smtp::{self, Command, Reply};

use super::recipients::{Recipients, TooMany};
use super::{
    Auth, Closing, Conditions, Ehlo, Introduction, Next, Policy, Quirks, Receiving, Sender, Session, State, Transaction, Way, replies,
};

/// What holds in every state.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) policy: Arc<Policy>,
    pub(super) quirks: Quirks,
    pub(super) way: Way,
    pub(super) introduction: Introduction,
    pub(super) failed_logins: u32,
    errors: u32,
}

impl Conversation {
    pub(super) fn new(policy: Arc<Policy>, quirks: Quirks, way: Way) -> Self {
        let introduction = Introduction { tls: way == Way::Tls, ..Introduction::default() };
        Self { policy, quirks, way, introduction, failed_logins: 0, errors: 0 }
    }

    /// The same conversation at its beginning, with what counts against the client.
    pub(super) fn begun_anew(self, way: Way) -> Self {
        let Self { policy, quirks, failed_logins, errors, .. } = self;
        Self { failed_logins, errors, ..Self::new(policy, quirks, way) }
    }

    pub(super) fn into_session(self, transaction: Transaction) -> Session {
        Session { conversation: self, state: State::Listening(transaction) }
    }

    pub(super) fn go_on(self, transaction: Transaction, reply: Reply) -> Next {
        Next::Reply(self.into_session(transaction), reply)
    }

    /// Refuses a command: the transaction stays as it was, the error is counted.
    pub(super) fn complain(self, transaction: Transaction, reply: Reply) -> Next {
        self.count_error(State::Listening(transaction), reply)
    }

    /// Nothing but QUIT is taken from now on.
    pub(super) fn dismiss(self, reply: Reply) -> Next {
        self.count_error(State::Dismissed, reply)
    }

    fn count_error(mut self, state: State, reply: Reply) -> Next {
        self.errors = self.errors.saturating_add(1);
        if self.errors > self.policy.errors {
            return Next::Close(replies::too_many_errors(), Closing::TooManyErrors);
        }
        Next::Reply(Session { conversation: self, state }, reply)
    }

    pub(super) fn on_command(self, transaction: Transaction, line: &[u8], conditions: Conditions) -> Next {
        match smtp::parse(line) {
            Ok(command) => self.obey(transaction, command, conditions),
            Err(error) => self.complain(transaction, replies::unreadable(&error)),
        }
    }

    pub(super) fn on_command_when_dismissed(self, line: &[u8]) -> Next {
        match smtp::parse(line) {
            Ok(Command::Quit) => Next::Close(replies::bye(), Closing::Quit),
            Ok(Command::Http) => Next::Close(replies::no_http(), Closing::Http),
            Ok(_) | Err(_) => self.dismiss(replies::dismissed()),
        }
    }

    pub(super) fn obey(self, transaction: Transaction, command: Command, conditions: Conditions) -> Next {
        match command {
            Command::Helo(name) => self.helo(name),
            Command::Ehlo(name) => self.ehlo(transaction, name),
            Command::Mail { sender, size, smtputf8 } => self.mail(transaction, Sender { path: sender, smtputf8 }, size, conditions),
            Command::Rcpt(mailboxes) => self.rcpt(transaction, mailboxes),
            Command::RcptPostmaster => match self.policy.postmaster.clone() {
                Some(postmaster) => self.rcpt(transaction, vec![postmaster]),
                None => self.complain(transaction, replies::no_postmaster()),
            },
            Command::Data => self.data(transaction),
            Command::Rset => self.go_on(Transaction::None, replies::ok()),
            Command::Noop => self.go_on(transaction, replies::ok()),
            Command::Vrfy => self.go_on(transaction, replies::cannot_verify()),
            Command::Help => self.go_on(transaction, replies::help()),
            Command::Expn => self.complain(transaction, replies::not_taken("EXPN")),
            Command::Turn => self.complain(transaction, replies::not_taken("TURN")),
            Command::StartTls => self.start_tls(transaction),
            Command::Auth { mechanism, initial } => self.on_auth(transaction, &mechanism, initial),
            Command::Quit => Next::Close(replies::bye(), Closing::Quit),
            // The octets that follow cannot be told from commands, so none of them may be read.
            Command::Bdat(_) => Next::Close(replies::no_bdat(), Closing::Bdat),
            Command::Http => Next::Close(replies::no_http(), Closing::Http),
            // Who really sends is hidden behind a proxy that thinks we believe it: its mail could be anybody's.
            Command::Proxy => self.dismiss(replies::no_proxy()),
            Command::Unknown(_) => self.complain(transaction, replies::unknown_command()),
        }
    }

    fn helo(self, name: Option<String>) -> Next {
        let reply = replies::helo(&self.policy.hostname);
        self.introduce(name, false, reply)
    }

    fn ehlo(self, transaction: Transaction, name: Option<String>) -> Next {
        let reply = match self.quirks.ehlo {
            Ehlo::Full => replies::ehlo(&self.policy, self.offers_starttls(), self.takes_logins()),
            Ehlo::Minimal => replies::helo(&self.policy.hostname),
            Ehlo::Off => return self.complain(transaction, replies::not_taken("EHLO")),
        };
        self.introduce(name, true, reply)
    }

    /// RFC 5321 section 4.1.4: a greeting in the middle resets the transaction. It does not end a login.
    fn introduce(mut self, name: Option<String>, esmtp: bool, reply: Reply) -> Next {
        self.introduction.helo = name;
        self.introduction.esmtp = esmtp;
        self.go_on(Transaction::None, reply)
    }

    /// MAIL is taken without HELO, as devices send it, and may replace a sender that has no recipients yet:
    /// clients whose recipients were all refused begin again without RSET.
    fn mail(self, transaction: Transaction, sender: Sender, size: Option<u64>, conditions: Conditions) -> Next {
        if matches!(transaction, Transaction::Recipients(..)) {
            return self.complain(transaction, replies::nested_mail());
        }
        if matches!(self.policy.auth, Auth::Users(_)) && self.introduction.login.is_none() {
            let reply = if self.takes_logins() { replies::login_required() } else { replies::tls_and_login_required() };
            return self.complain(transaction, reply);
        }
        if size.is_some_and(|size| size > self.policy.message_size) {
            let reply = replies::too_large(self.policy.message_size);
            return self.complain(transaction, reply);
        }
        match conditions {
            Conditions::Ready => self.go_on(Transaction::Sender(sender), replies::sender_ok()),
            // Not the client's errors: they are not counted.
            Conditions::Full => self.go_on(transaction, replies::disk_full()),
            Conditions::Failing => self.go_on(transaction, replies::cannot_store()),
        }
    }

    /// All recipients of one command are taken, or none.
    fn rcpt(self, transaction: Transaction, mailboxes: Vec<Mailbox>) -> Next {
        let (sender, mut recipients) = match transaction {
            Transaction::None => return self.complain(Transaction::None, replies::say_mail_first()),
            Transaction::Sender(sender) => (sender, Recipients::default()),
            Transaction::Recipients(sender, recipients) => (sender, recipients),
        };
        let reply = match recipients.add(mailboxes, self.policy.recipients) {
            Ok(()) => replies::recipient_ok(),
            // RFC 5321 section 4.5.3.1.10: 452, not 552, so that the client sends the rest later. No error of its own.
            Err(TooMany) => replies::too_many_recipients(),
        };
        let transaction = match recipients.is_empty() {
            true => Transaction::Sender(sender),
            false => Transaction::Recipients(sender, recipients),
        };
        self.go_on(transaction, reply)
    }

    fn data(self, transaction: Transaction) -> Next {
        match transaction {
            Transaction::None => self.complain(transaction, replies::say_mail_first()),
            Transaction::Sender(_) => self.complain(transaction, replies::say_rcpt_first()),
            Transaction::Recipients(Sender { path, smtputf8 }, recipients) => {
                let envelope = Envelope { sender: path, recipients: recipients.into_list(), smtputf8 };
                Next::Receive(Receiving::new(self, envelope), replies::go_ahead())
            }
        }
    }
}
