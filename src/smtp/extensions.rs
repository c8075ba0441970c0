//! What a server offers in its answer to EHLO (RFC 5321 section 4.1.1.1).

use super::Reply;

/// The extensions that matter here: what a client reads from an EHLO reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    pub enhanced_codes: bool,
    /// SIZE (RFC 1870): offered, and the largest message in octets when a number was named.
    pub size: Option<Option<u64>>,
    /// Mechanisms of AUTH in capitals, in the server's order (RFC 4954).
    pub auth: Vec<String>,
}

/// Mechanisms of AUTH that are kept. Servers offer a dozen at most; each new one is compared with all before it, and
/// whoever answers before TLS could name a hundred thousand.
const MECHANISMS_LIMIT: usize = 64;

impl Extensions {
    /// Reads the lines behind the first of an EHLO reply; unknown ones are passed over.
    pub fn read(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.texts().iter().skip(1) {
            // `AUTH=LOGIN` is how servers wrote it before RFC 2554, and some still do.
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty()).map(str::to_ascii_uppercase);
            match words.next().as_deref() {
                Some("STARTTLS") => found.starttls = true,
                Some("PIPELINING") => found.pipelining = true,
                Some("8BITMIME") => found.eight_bit = true,
                Some("SMTPUTF8") => found.smtputf8 = true,
                Some("ENHANCEDSTATUSCODES") => found.enhanced_codes = true,
                // Zero means that there is no fixed limit (RFC 1870 section 4).
                Some("SIZE") => found.size = Some(words.next().and_then(|size| size.parse().ok()).filter(|&size| size > 0)),
                Some("AUTH") => words.for_each(|mechanism| {
                    if found.auth.len() < MECHANISMS_LIMIT && !found.auth.contains(&mechanism) {
                        found.auth.push(mechanism);
                    }
                }),
                _ => {}
            }
        }
        found
    }

    /// Whether AUTH offers this mechanism, given in capitals.
    pub fn offers_auth(&self, mechanism: &str) -> bool {
        self.auth.iter().any(|offered| offered == mechanism)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_reply_of_microsoft_365() {
        let lines = [
            "LO4P302CA0005.outlook.office365.com Hello [203.0.113.7]",
            "SIZE 157286400",
            "PIPELINING",
            "DSN",
            "ENHANCEDSTATUSCODES",
            "AUTH LOGIN XOAUTH2",
            "8BITMIME",
            "BINARYMIME",
            "CHUNKING",
            "SMTPUTF8",
        ];
        let found = Extensions::read(&Reply::lines(250, lines.map(String::from).to_vec()));
        assert_eq!(found.size, Some(Some(157_286_400)));
        assert!(found.pipelining && found.eight_bit && found.smtputf8 && found.enhanced_codes && !found.starttls);
        assert!(found.offers_auth("XOAUTH2") && found.offers_auth("LOGIN") && !found.offers_auth("PLAIN"));
    }

    #[test]
    fn reads_older_and_sloppier_ones() {
        let lines = ["host", "auth=login plain", "AUTH LOGIN PLAIN", "size", "starttls"];
        let found = Extensions::read(&Reply::lines(250, lines.map(String::from).to_vec()));
        assert_eq!(found.auth, ["LOGIN", "PLAIN"]);
        assert_eq!(found.size, Some(None));
        assert!(found.starttls);
    }

    #[test]
    fn a_flood_of_mechanisms_is_bounded() {
        let lines: Vec<String> =
            (0..100).map(|line| format!("AUTH {}", (0..800).map(|n| format!("{line}x{n} ")).collect::<String>())).collect();
        assert_eq!(Extensions::read(&Reply::lines(250, lines)).auth.len(), MECHANISMS_LIMIT);
    }
}
