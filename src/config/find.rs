//! Finds the configuration: a file that is named, `MAILFERRY_CONFIG`, or the usual places.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::overrides::WHOLE;
use super::problem::Problems;
use super::surroundings::{self, Surroundings};
use super::{Config, read};

/// Octets of a configuration; one for a thousand accounts has half of it.
const LARGEST: u64 = 1_000_000;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is none where it is looked for.
    #[error(
        "there is no configuration: MAILFERRY_CONFIG is not set, and there is neither {}\n    \
         to see the relay work without one: mailferry demo\n    \
         to write one: copy config.example.yaml to mailferry.yaml and change what is yours",
        shown(.0)
    )]
    NotFound(Vec<PathBuf>),
    /// The file cannot be read.
    #[error("cannot read the configuration {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file, or the variable, is no text.
    #[error("the configuration in {} is not UTF-8: save it as UTF-8", .0.display())]
    NotText(PathBuf),
    /// The configuration is wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
}

fn shown(places: &[PathBuf]) -> String {
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    places.join(" nor ")
}

/// Reads the configuration from `file`, else from `MAILFERRY_CONFIG`, else from the first of the surroundings' places
/// where there is one. A file of more than a megabyte is refused.
pub fn load(file: Option<&Path>, surroundings: &Surroundings) -> Result<Config, LoadError> {
    if let Some(path) = file {
        return load_file(path, surroundings);
    }
    if surroundings.variables.get(OsStr::new(WHOLE)).is_some_and(|text| text.to_str().is_none()) {
        return Err(LoadError::NotText(WHOLE.into()));
    }
    if let Some(text) = surroundings.variable(WHOLE) {
        return Ok(read(text, WHOLE, Path::new(""), surroundings)?);
    }
    for path in &surroundings.places {
        match load_file(path, surroundings) {
            Err(LoadError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
    }
    Err(LoadError::NotFound(surroundings.places.clone()))
}

fn load_file(path: &Path, surroundings: &Surroundings) -> Result<Config, LoadError> {
    let file = surroundings::read(path, LARGEST).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let text = String::from_utf8(file.content).map_err(|_| LoadError::NotText(path.to_owned()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok(read(&text, &path.display().to_string(), folder, surroundings)?)
}
