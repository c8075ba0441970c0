//! Whether a password is the one that a hash was made from.

use argon2::{Argon2, PasswordHash, PasswordVerifier};

use crate::secret::Secret;

/// Checked when there is no such user, so that the time an answer takes does not tell who exists. The hash of
/// a random text that nobody kept.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether `password` fits `hash`: argon2 in PHC form, or bcrypt as `htpasswd -B` writes it.
pub(super) fn matches(password: &Secret, hash: Option<&str>) -> bool {
    let Some(hash) = hash else {
        let _ = argon2(password, NOBODY);
        return false;
    };
    if hash.starts_with("$2") { bcrypt::verify(password.reveal(), hash).unwrap_or(false) } else { argon2(password, hash) }
}

fn argon2(password: &Secret, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.reveal().as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_both_kinds_of_hash_and_refuses_the_rest() {
        // Made with the smallest parameters: what is tested is the reading, not the strength.
        let salt = argon2::password_hash::SaltString::encode_b64(b"saltsalt").unwrap();
        let weak = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, argon2::Params::new(8, 1, 1, None).unwrap());
        let argon = argon2::PasswordHasher::hash_password(&weak, b"geheim", &salt).unwrap().to_string();
        let bcrypt = bcrypt::hash("geheim", 4).unwrap();
        for hash in [argon.as_str(), bcrypt.as_str()] {
            assert!(matches(&Secret::new("geheim"), Some(hash)), "{hash}");
            assert!(!matches(&Secret::new("Geheim"), Some(hash)), "{hash}");
        }
        assert!(!matches(&Secret::new("geheim"), Some("geheim")));
        assert!(!matches(&Secret::new("geheim"), None));
        assert!(PasswordHash::new(NOBODY).is_ok());
    }
}
