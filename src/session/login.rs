//! Whether a password is the one that a hash was made from.

use std::fmt;

use argon2::password_hash::{Output, PasswordHash, Result};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::secret::Secret;

/// Memory in which passwords are checked, grown to what the costliest hash wants (19 MB by argon2's defaults) and used
/// again and again. Were it taken anew for each check, the allocator would keep as much for every thread that ever did one.
#[derive(Default)]
pub struct Scratch(Vec<Block>);

/// Without what was computed there.
impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").field("octets", &(self.0.len() * Block::SIZE)).finish()
    }
}

/// Whether `password` fits `hash`: argon2 in PHC form, or bcrypt as `htpasswd -B` writes it.
pub(super) fn matches(password: &Secret, hash: &str, scratch: &mut Scratch) -> bool {
    if hash.starts_with("$2") {
        bcrypt::verify(password.reveal(), hash).unwrap_or(false)
    } else {
        argon2(password, hash, scratch).unwrap_or(false)
    }
}

fn argon2(password: &Secret, hash: &str, Scratch(blocks): &mut Scratch) -> Result<bool> {
    let hash = PasswordHash::new(hash)?;
    let (Some(salt), Some(wanted)) = (hash.salt, hash.hash) else { return Ok(false) };
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from)?;
    let argon2 = Argon2::new(Algorithm::try_from(hash.algorithm)?, version, Params::try_from(&hash)?);
    let wanted_blocks = argon2.params().block_count();
    if blocks.len() < wanted_blocks {
        // All at once: what a growing vector leaves behind would be kept, too.
        *blocks = vec![Block::new(); wanted_blocks];
    }
    let mut buffer = [0; argon2::password_hash::Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut buffer)?;
    let found = Output::init_with(wanted.len(), |out| {
        Ok(argon2.hash_password_into_with_memory(password.reveal().as_bytes(), salt, out, blocks)?)
    })?;
    // `Output` compares in constant time.
    Ok(found == wanted)
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher, SaltString};

    use super::*;

    /// Made with small parameters: what is tested is the reading, not the strength.
    fn argon2_hash(blocks: u32) -> String {
        let salt = SaltString::encode_b64(b"saltsalt").unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(blocks, 1, 1, None).unwrap());
        weak.hash_password(b"geheim", &salt).unwrap().to_string()
    }

    #[test]
    fn knows_both_kinds_of_hash_and_refuses_the_rest() {
        let mut scratch = Scratch::default();
        let mut fits = |password: &str, hash: &str| matches(&Secret::new(password), hash, &mut scratch);
        for hash in [argon2_hash(8), bcrypt::hash("geheim", 4).unwrap()] {
            assert!(fits("geheim", &hash), "{hash}");
            assert!(!fits("Geheim", &hash), "{hash}");
        }
        assert!(!fits("geheim", "geheim"));
        assert!(!fits("geheim", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ"));
    }

    #[test]
    fn memory_is_used_again_and_no_check_sees_the_one_before() {
        let mut scratch = Scratch::default();
        for blocks in [8, 64, 16, 8, 64] {
            let hash = argon2_hash(blocks);
            assert!(matches(&Secret::new("geheim"), &hash, &mut scratch), "{hash}");
            assert!(!matches(&Secret::new("Geheim"), &hash, &mut scratch), "{hash}");
        }
        assert_eq!(format!("{scratch:?}"), "Scratch { octets: 65536 }");
        let before = scratch.0.as_ptr();
        matches(&Secret::new("geheim"), &argon2_hash(32), &mut scratch);
        assert_eq!(scratch.0.as_ptr(), before, "nothing was allocated");
    }
}
