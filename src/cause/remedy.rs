//! What to do about each cause, down to the command with the account's own values in it.
//!
//! A remedy is a few lines: what to do in words, and commands on lines of their own that can be copied.
//! A cause that mends itself says so, so that nobody goes looking.

use super::{Cause, explains};

/// What is known about the account and the message, to be filled into a remedy. What is missing is shown
/// as a placeholder in capitals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// The account's name in the configuration.
    pub account: Option<String>,
    /// The mailbox that signs in.
    pub mailbox: Option<String>,
    /// The From address that was to be used.
    pub from: Option<String>,
    /// The upstream's name.
    pub host: Option<String>,
    /// The upstream's port.
    pub port: Option<u16>,
    /// The tenant.
    pub tenant: Option<String>,
    /// The application's id.
    pub client_id: Option<String>,
    /// The account signs in with a password: then a refused sign-in is not about a token.
    pub password: bool,
    /// The literal reply or error: the token endpoint's numbers are looked for in it.
    pub detail: Option<String>,
}

impl Values {
    fn account(&self) -> &str {
        self.account.as_deref().unwrap_or("ACCOUNT")
    }

    fn mailbox(&self) -> &str {
        self.mailbox.as_deref().unwrap_or("MAILBOX")
    }

    fn from(&self) -> &str {
        self.from.as_deref().unwrap_or("ALIAS")
    }

    pub(super) fn host(&self) -> &str {
        self.host.as_deref().unwrap_or("HOST")
    }

    pub(super) fn tenant(&self) -> &str {
        self.tenant.as_deref().unwrap_or("TENANT")
    }

    pub(super) fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or("CLIENT_ID")
    }

    fn port(&self) -> String {
        self.port.map_or_else(|| "587".into(), |port| port.to_string())
    }
}

/// Makes owned lines of literals and formatted text alike.
macro_rules! lines {
    ($($line:expr),* $(,)?) => { vec![$(String::from($line)),*] };
}
pub(super) use lines;

/// What happens once the cause is mended outside of the relay.
pub(super) const BY_ITSELF: &str = "Then the relay goes on by itself, within an hour (retry: longest); restart it to try at once.";
/// What remains to be done once the configuration is mended.
pub(super) const RESTART: &str = "Then restart the relay: it reads its configuration and secrets when it starts.";

impl Cause {
    /// What to do, a line each; commands stand on lines of their own. Empty when there is nothing to do.
    ///
    /// Longer than a screen because it is a table: a row for each cause, in the order of [`Cause::ALL`]'s groups.
    pub fn remedy(self, values: &Values) -> Vec<String> {
        let (account, mailbox, from) = (values.account(), values.mailbox(), values.from());
        let (host, port) = (values.host(), values.port());
        match self {
            Self::Delivered => Vec::new(),

            Self::SmtpAuthOffTenant => lines![
                "Allow SMTP sign-in for this mailbox alone; that overrides the tenant's setting (Exchange Online PowerShell):",
                format!("Set-CASMailbox -Identity {mailbox} -SmtpClientAuthenticationDisabled $false"),
                "Security defaults also turn it off. It takes up to an hour to be in force.",
                BY_ITSELF,
            ],
            Self::SmtpAuthOffMailbox => lines![
                "Allow SMTP sign-in for the mailbox; it is needed with OAuth, too (Exchange Online PowerShell):",
                format!("Set-CASMailbox -Identity {mailbox} -SmtpClientAuthenticationDisabled $false"),
                "It takes up to an hour to be in force.",
                BY_ITSELF,
            ],
            Self::BasicAuthOff | Self::BasicAuthRetired => lines![
                format!("Change the account {account} to OAuth: method: oauth, with tenant, client_id and client_secret under auth."),
                "The README says what to do in the tenant. Then restart the relay.",
            ],
            Self::WrongPassword => lines![
                format!(
                    "Check the mailbox ({mailbox}) and the password of the account {account}; a password with MFA must be an app password."
                ),
                RESTART,
            ],
            Self::AppPasswordRequired => lines![
                format!("Make an app password for {mailbox} and put it in the place of the password of the account {account}."),
                RESTART,
            ],
            Self::ConditionalAccess => lines![
                "Microsoft Entra admin center: Sign-in logs show which policy refused it, under Conditional Access.",
                format!("Exclude {mailbox}, or the application {}, from that policy, or allow this network.", values.client_id()),
                BY_ITSELF,
            ],
            Self::TokenIdentity if values.password => Self::WrongPassword.remedy(values),
            Self::TokenIdentity => token_identity(values),
            Self::TokenExpiring | Self::LoginThrottled => lines!["Nothing: the relay waits and tries again by itself."],
            Self::AuthenticationRequired => {
                lines![format!("Give the account {account} credentials under auth; {} takes nothing without signing in.", host),]
            }
            Self::NoUsableAuth => lines![
                format!("See what {host} offers behind AUTH, after STARTTLS:"),
                format!("openssl s_client -quiet -crlf -starttls smtp -connect {host}:{port}    (then type: EHLO me)"),
                format!("The account {account} needs a method under auth that is among it."),
            ],
            Self::AccountRefused => lines!["The reply says what is wrong. When it is mended:", BY_ITSELF],

            Self::TokenRefused => match values.detail.as_deref().and_then(explains) {
                Some(explained) => explained.remedy(values),
                None => lines![
                    format!(
                        "Check tenant ({}), client_id ({}) and client_secret of the account {}.",
                        values.tenant(),
                        values.client_id(),
                        values.account()
                    ),
                    "The AADSTS number in the error can be looked up at https://login.microsoftonline.com/error",
                ],
            },
            Self::TokenEndpointUnreachable => lines![
                "The relay tries again by itself. If it lasts: can this machine reach the token endpoint over HTTPS (port 443, name resolution, firewall)?",
                "A firewall that opens TLS needs its root as ca_file under auth.",
            ],
            Self::TokenMalformed => {
                lines!["Is token_url right? A portal or proxy on the way may have answered in its place."]
            }
            Self::TokenThrottled => lines!["Nothing: the relay waits as long as the endpoint asked for, and tries again by itself."],

            Self::TooManyConnections => lines![
                "Nothing: the relay waits. If it happens often, another program signs in to the same mailbox; lower `connections` under the limits of this account.",
            ],
            Self::RatePerMinute => lines![
                "Nothing: the relay waits. If it happens often, lower `messages_per_minute` under the limits of this account, or spread the devices over several accounts.",
            ],
            Self::DailyRecipients => lines![
                "Nothing is lost: the relay goes on when the provider's day has passed.",
                format!("If {mailbox} needs more, spread the devices over several accounts, or use High Volume Email for internal mail."),
            ],
            Self::TenantExternalLimit => lines![
                "Nothing is lost: the relay goes on when the provider's day has passed.",
                "The limit grows with the tenant's licences; the Exchange admin center shows its use under Reports, Mail flow.",
            ],
            Self::SentItemsFull => lines![
                "Stop keeping a copy of each message (Exchange Online PowerShell), and empty Sent Items once:",
                format!("Set-Mailbox -Identity {mailbox} -MessageCopyForSMTPClientSubmissionEnabled $false"),
                BY_ITSELF,
            ],
            Self::SenderBlocked => lines![
                format!(
                    "Find out what {mailbox} sent, then unblock it: Microsoft Defender portal, Email & collaboration, Review, Restricted entities;"
                ),
                "or in Exchange Online PowerShell:",
                format!("Remove-BlockedSenderAddress -SenderAddress {mailbox}"),
                BY_ITSELF,
            ],
            Self::OutboundSpam => lines![
                format!(
                    "Find out what {mailbox} sent. A personal mailbox may have to be confirmed by signing in at https://outlook.com once."
                ),
                BY_ITSELF,
            ],
            Self::IpReputation => lines![
                "Ask the provider to take the public address off its list (for Microsoft: https://sender.office.com), or send by another line.",
                BY_ITSELF,
            ],
            Self::RelayDenied => lines![format!("Let {host} relay for this machine, by its address or by signing in."), BY_ITSELF],

            Self::SendAsDenied => lines![
                format!("If {from} shall be an alias of {mailbox} (Exchange Online PowerShell):"),
                format!("Set-Mailbox -Identity {mailbox} -EmailAddresses @{{add=\"{from}\"}}"),
                "If it is a mailbox or group of its own:",
                format!("Add-RecipientPermission -Identity {from} -Trustee {mailbox} -AccessRights SendAs"),
                "Then, for what is held:",
                "mailferry queue retry --all",
                "Another address under senders (and a restart) helps the next messages, not those that wait already.",
            ],
            Self::TooLarge => lines![
                "Scan with a lower resolution or fewer pages. A mailbox of Microsoft 365 sends 35 MB unless told otherwise:",
                format!("Set-Mailbox -Identity {mailbox} -MaxSendSize 150MB"),
                "Then: mailferry queue retry ID; or, if it was sent again: mailferry queue remove ID",
            ],
            Self::TooManyRecipients => lines!["Nothing: the relay sends to fewer recipients at a time."],
            Self::BadRecipient => lines![
                "Correct the address in the device or program that sent the message, and send it again from there.",
                "mailferry queue remove ID",
            ],
            Self::HveExternal => lines!["Choose an account under senders that may send outside, for the messages that go there."],
            Self::Smtputf8Missing => lines!["Use an address of plain ASCII, or an upstream that offers SMTPUTF8."],
            Self::SpoolUnreadable => lines!["Look at the disk under data_dir, and at the rights on it.",],
            Self::RecipientRefused | Self::MessageRefused => {
                lines!["The reply says why. The relay tries again with growing pauses."]
            }

            Self::Temporary | Self::Protocol | Self::ConnectionLost => lines!["Nothing: the relay tries again by itself."],
            Self::ReplyTimeout => lines!["The relay tries again by itself. If it lasts, a firewall may hold the connection back."],
            Self::FinalReplyLost => {
                lines!["Nothing: the relay sends it again with the same Message-ID, by which most receivers know a copy."]
            }
            Self::ReplyMalformed => lines![format!(
                "Is {host}:{port} really a mail server that takes submissions? With port 465 write tls: {{ mode: implicit }}, with 587 starttls."
            ),],
            Self::NameNotFound => {
                lines![format!("Is {host} spelt right, and can this machine resolve names?"), format!("getent hosts {host}"),]
            }
            Self::ConnectRefused | Self::ConnectTimeout | Self::ConnectFailed => lines![
                format!("Let this machine connect to {host} on port {port}; many networks block outgoing mail."),
                format!("nc -vz {host} {port}"),
            ],
            Self::NoStarttls => lines![
                format!(
                    "Something on the way may have removed STARTTLS (a firewall's mail inspection), or {host}:{port} is the wrong port."
                ),
                "Only an account without a login may write tls: { mode: none }.",
            ],
            Self::StarttlsInjected => lines!["Find out who is on the way: nobody honest does this. Nothing was sent."],
            Self::TlsFailed => {
                lines![format!(
                    "Does {host}:{port} speak TLS 1.2 or 1.3? With port 465 write tls: {{ mode: implicit }}, with 587 starttls."
                ),]
            }
            Self::CertificateUntrusted => lines![
                "If a firewall opens TLS, or the server has a certificate of your own authority, name the authority's certificate:",
                "tls: { ca_file: /path/to/ca.pem }",
            ],
            Self::CertificateWrongName => lines![format!("Use the name that is in the certificate as host; it was {host}.")],
            Self::CertificateExpired => lines!["Is this machine's clock right? If so, the server needs a new certificate.", "date -u",],
            Self::Unknown => lines!["The reply says what is known; the log may say more."],
        }
    }
}

/// What can make Exchange refuse a good token, the likeliest first.
fn token_identity(values: &Values) -> Vec<String> {
    let (mailbox, client_id) = (values.mailbox(), values.client_id());
    lines![
        "Check in this order (Exchange Online PowerShell). 1. The application is known to Exchange, by the object id of the Enterprise application (not of the App registration):",
        format!("New-ServicePrincipal -AppId {client_id} -ObjectId OBJECT_ID_OF_THE_ENTERPRISE_APPLICATION"),
        "2. It may use the mailbox:",
        format!("Add-MailboxPermission -Identity {mailbox} -User OBJECT_ID_OF_THE_ENTERPRISE_APPLICATION -AccessRights FullAccess"),
        "3. The mailbox may sign in over SMTP:",
        format!("Set-CASMailbox -Identity {mailbox} -SmtpClientAuthenticationDisabled $false"),
        "4. The application has the permission SMTP.SendAsApp of Office 365 Exchange Online, with admin consent.",
        BY_ITSELF,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values {
            account: Some("office".into()),
            mailbox: Some("scanner@contoso.com".into()),
            from: Some("alerts@contoso.com".into()),
            host: Some("smtp.office365.com".into()),
            port: Some(587),
            tenant: Some("contoso.onmicrosoft.com".into()),
            client_id: Some("11111111-2222-3333-4444-555555555555".into()),
            password: false,
            detail: None,
        }
    }

    #[test]
    fn commands_name_the_accounts_own_mailbox() {
        let lines = Cause::SmtpAuthOffMailbox.remedy(&values());
        assert!(lines.contains(&"Set-CASMailbox -Identity scanner@contoso.com -SmtpClientAuthenticationDisabled $false".to_owned()));
        let lines = Cause::SendAsDenied.remedy(&values());
        assert!(lines.contains(&"Set-Mailbox -Identity scanner@contoso.com -EmailAddresses @{add=\"alerts@contoso.com\"}".to_owned()));
    }

    #[test]
    fn every_cause_but_success_says_what_to_do() {
        for values in [values(), Values::default()] {
            for &cause in Cause::ALL {
                assert_eq!(cause.remedy(&values).is_empty(), cause == Cause::Delivered, "{cause}");
            }
        }
    }

    #[test]
    fn a_refused_token_is_explained_by_its_number() {
        let detail = Some("invalid_client: AADSTS7000222: The provided client secret keys are expired.".into());
        let lines = Cause::TokenRefused.remedy(&Values { detail, ..values() });
        assert!(lines.iter().any(|line| line.contains("expired")), "{lines:?}");
    }

    #[test]
    fn a_refused_password_is_not_about_tokens() {
        let lines = Cause::TokenIdentity.remedy(&Values { password: true, ..values() });
        assert!(lines.iter().all(|line| !line.contains("ServicePrincipal")), "{lines:?}");
    }
}
