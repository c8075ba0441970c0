//! What is known about each provider, so that a configuration need not say it.

/// A provider with what it presets.
#[derive(Debug)]
pub(super) struct Preset {
    /// Its name under `provider`.
    pub(super) name: &'static str,
    /// The submission host, where the provider has one.
    pub(super) host: Option<&'static str>,
    /// How a program gets a token by itself, where that can be preset.
    pub(super) token: Token,
    /// Asked for when signing in as an application.
    pub(super) scope: Option<&'static str>,
    /// Connections at once.
    pub(super) connections: u64,
    /// Messages within a minute, where the provider publishes a limit.
    pub(super) messages_per_minute: Option<u32>,
    /// Octets of a message, where the provider publishes a limit.
    pub(super) message_size: Option<u64>,
    /// What can be done today where only a person can sign in.
    pub(super) instead_of_a_person: &'static str,
}

/// The provider of personal Microsoft accounts.
pub(super) const OUTLOOK: &str = "outlook.com";
/// The provider that comes with the program.
pub(super) const SIMULATOR: &str = "simulator";

/// Where an application's token comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    /// Microsoft's endpoint for a tenant, at this authority.
    Tenant(&'static str),
    /// The provider's accounts are persons': an application cannot sign in by itself.
    Person,
    /// The configuration says.
    Given,
}

const WORLDWIDE: Token = Token::Tenant("https://login.microsoftonline.com");
const US_GOVERNMENT: Token = Token::Tenant("https://login.microsoftonline.us");
const CHINA: Token = Token::Tenant("https://login.partner.microsoftonline.cn");

/// Microsoft 365 as most tenants have it; the others are described by what differs.
const MICROSOFT365: Preset = Preset {
    name: "microsoft365",
    host: Some("smtp.office365.com"),
    token: WORLDWIDE,
    scope: Some("https://outlook.office365.com/.default"),
    // Published limits of a mailbox.
    connections: 3,
    messages_per_minute: Some(30),
    // What a mailbox may send by default, although EHLO says 150 MiB.
    message_size: Some(35_000_000),
    instead_of_a_person: "",
};

/// All providers, in the order of the documents.
static PRESETS: [Preset; 9] = [
    MICROSOFT365,
    Preset { name: "microsoft365-hve", host: Some("smtp-hve.office365.com"), ..MICROSOFT365 },
    Preset {
        name: "microsoft365-gcc-high",
        host: Some("smtp.office365.us"),
        token: US_GOVERNMENT,
        scope: Some("https://outlook.office365.us/.default"),
        ..MICROSOFT365
    },
    Preset {
        name: "microsoft365-dod",
        host: Some("smtp.office365.us"),
        token: US_GOVERNMENT,
        scope: Some("https://outlook.office365.us/.default"),
        ..MICROSOFT365
    },
    Preset {
        name: "microsoft365-china",
        host: Some("smtp.partner.outlook.cn"),
        token: CHINA,
        scope: Some("https://partner.outlook.cn/.default"),
        ..MICROSOFT365
    },
    Preset {
        name: OUTLOOK,
        host: Some("smtp-mail.outlook.com"),
        token: Token::Person,
        // The smaller of the two published sizes.
        message_size: Some(20_000_000),
        instead_of_a_person: "use a mailbox of a work or school account (`provider: microsoft365`) until a later version signs in by device code",
        ..MICROSOFT365
    },
    Preset {
        name: "google",
        host: Some("smtp.gmail.com"),
        token: Token::Person,
        scope: Some("https://mail.google.com/"),
        messages_per_minute: None,
        // What EHLO says.
        message_size: Some(35_882_577),
        instead_of_a_person: "write `method: password`, with an app password of the Google account",
        ..MICROSOFT365
    },
    Preset {
        name: "custom",
        host: None,
        token: Token::Given,
        scope: None,
        connections: 5,
        messages_per_minute: None,
        message_size: None,
        instead_of_a_person: "",
    },
    Preset { name: SIMULATOR, host: Some("127.0.0.1"), token: Token::Given, ..MICROSOFT365 },
];

/// The presets by name, for choosing.
pub(super) fn choices() -> Vec<(&'static str, &'static Preset)> {
    PRESETS.iter().map(|preset| (preset.name, preset)).collect()
}
