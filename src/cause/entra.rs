//! What the numbers of Microsoft's token endpoint (AADSTS…) mean, as far as they are worth a sentence.

use super::remedy::{BY_ITSELF, RESTART, Values, lines};

/// An error of the token endpoint that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The number behind `AADSTS`.
    pub code: u32,
    /// What it means, in one sentence without a full stop.
    pub meaning: &'static str,
    todo: Todo,
}

/// What has to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Todo {
    NewSecret,
    Secret,
    Application,
    Tenant,
    Consent,
    Policy,
    Time,
    User,
    SignInAgain,
    Wait,
}

/// One row of the table.
const fn row(code: u32, todo: Todo, meaning: &'static str) -> Explained {
    Explained { code, meaning, todo }
}

const KNOWN: &[Explained] = &[
    row(7_000_215, Todo::Secret, "The client secret is wrong; often its ID was pasted in the place of its value"),
    row(7_000_222, Todo::NewSecret, "The client secret has expired"),
    row(7_000_218, Todo::Secret, "The application must prove itself, and no secret was sent"),
    row(700_025, Todo::Application, "The application is registered as public and may not have a secret"),
    row(700_027, Todo::Application, "The certificate with which the application proves itself is not the registered one"),
    row(700_016, Todo::Application, "The tenant does not know the application"),
    row(90_002, Todo::Tenant, "There is no such tenant"),
    row(50_194, Todo::Tenant, "The application belongs to one tenant and must name it instead of common"),
    row(9_001_023, Todo::Tenant, "This way to get a token does not go through common or consumers; the tenant must be named"),
    row(500_011, Todo::Application, "The tenant has no service by the name that scope asks for"),
    row(65_001, Todo::Consent, "Nobody has consented to the application's permissions"),
    row(50_076, Todo::Policy, "The tenant wants a second factor, which a program cannot give"),
    row(50_079, Todo::Policy, "The user must first register a second factor"),
    row(53_003, Todo::Policy, "A Conditional Access policy refused the token"),
    row(530_032, Todo::Policy, "The tenant's security policy refused the token"),
    row(700_024, Todo::Time, "The proof that was sent is not valid at this time"),
    row(7_000_112, Todo::Application, "The application is disabled in the tenant"),
    row(50_034, Todo::User, "There is no such user in the tenant"),
    row(50_057, Todo::User, "The user is disabled"),
    row(50_105, Todo::User, "The user is not assigned to the application"),
    row(50_126, Todo::User, "Name or password is wrong"),
    row(50_053, Todo::Wait, "The account is locked after too many attempts"),
    row(70_008, Todo::SignInAgain, "The sign-in has expired"),
    row(700_082, Todo::SignInAgain, "The sign-in has expired because it was not used for a long time"),
    row(70_043, Todo::SignInAgain, "A policy of the tenant wants a new sign-in"),
    row(50_173, Todo::SignInAgain, "The sign-in was revoked, perhaps because the password changed"),
    row(50_132, Todo::SignInAgain, "The sign-in was revoked, perhaps because the password changed"),
    row(50_196, Todo::Wait, "The application asked for too many tokens in a short time"),
    row(90_055, Todo::Wait, "The tenant asked for too much and is slowed down"),
    row(50_033, Todo::Wait, "The endpoint has trouble of its own"),
    row(90_033, Todo::Wait, "The endpoint has trouble of its own"),
];

impl Explained {
    /// What to do, a line each; commands stand on lines of their own.
    pub fn remedy(&self, values: &Values) -> Vec<String> {
        let (tenant, client_id) = (values.tenant(), values.client_id());
        let account = values.account.as_deref().unwrap_or("ACCOUNT");
        let mut lines = lines![format!("AADSTS{}: {}.", self.code, self.meaning)];
        lines.extend(match self.todo {
            Todo::NewSecret => lines![
                format!("Entra admin center, App registrations, {client_id}, Certificates & secrets: make a new client secret."),
                format!("Put its Value (not its ID) into client_secret of the account {account}."),
                RESTART,
            ],
            Todo::Secret => lines![
                format!(
                    "Put the secret's Value (not its ID) into client_secret of the account {account}; if it was not kept, make a new one under App registrations, {client_id}."
                ),
                RESTART,
            ],
            Todo::Application => lines![format!(
                "Compare client_id ({client_id}) and tenant ({tenant}) with App registrations in the Entra admin center."
            )],
            Todo::Tenant => lines![format!(
                "Set tenant of the account {account} to the tenant's id or one of its domains; it is {tenant} now. Then restart the relay."
            )],
            Todo::Consent => lines![
                format!("Entra admin center, App registrations, {client_id}, API permissions: add SMTP.SendAsApp (Office 365 Exchange Online) and grant admin consent."),
                BY_ITSELF,
            ],
            Todo::Policy => lines![
                format!("Entra admin center, Sign-in logs show the policy; exclude the application {client_id}, or allow this network."),
                BY_ITSELF,
            ],
            Todo::Time => lines!["Set this machine's clock right.", "date -u"],
            Todo::User => lines![format!("Check the user {} in the tenant {tenant}.", values.mailbox.as_deref().unwrap_or("MAILBOX"))],
            Todo::SignInAgain => lines![format!("Give the account {account} a new sign-in."), RESTART],
            Todo::Wait => lines!["Nothing: the relay waits and tries again by itself."],
        });
        lines
    }
}

/// The AADSTS numbers in a text, in their order.
pub fn codes_in(text: &str) -> Vec<u32> {
    let numbers = text.split("AADSTS").skip(1);
    numbers.filter_map(|rest| rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()).collect()
}

/// All that are known here.
pub fn known() -> impl Iterator<Item = Explained> {
    KNOWN.iter().copied()
}

/// The first AADSTS number in a text that is known here.
pub fn explains(text: &str) -> Option<Explained> {
    codes_in(text).into_iter().find_map(|code| KNOWN.iter().find(|known| known.code == code).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_numbers_in_what_the_endpoint_writes() {
        let text = "AADSTS7000215: Invalid client secret provided. Trace ID: 1 AADSTS: x, AADSTS65001.";
        assert_eq!(codes_in(text), [7_000_215, 65_001]);
        assert_eq!(explains(text).unwrap().code, 7_000_215);
        assert_eq!(explains("AADSTS1"), None);
    }

    #[test]
    fn every_known_number_has_a_remedy_and_stands_once() {
        for (at, known) in KNOWN.iter().enumerate() {
            assert!(known.remedy(&Values::default()).len() > 1);
            assert!(KNOWN[at + 1..].iter().all(|other| other.code != known.code), "{}", known.code);
        }
    }
}
