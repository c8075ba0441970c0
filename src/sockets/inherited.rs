//! Sockets that whoever started us has opened already, by the convention of sd_listen_fds(3): `LISTEN_FDS` of them from
//! descriptor 3 on, for the process `LISTEN_PID`, with the names of `LISTEN_FDNAMES`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::TcpListener as StdTcpListener;
#[cfg(not(target_vendor = "apple"))]
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener as StdUnixListener;

use listenfd::ListenFd;
#[cfg(not(target_vendor = "apple"))]
use rustix::net::sockopt;
use tokio::net::{TcpListener, UnixListener};

use super::{Address, Bound, Socket, UnixSocket};

/// More than any set of listeners needs; a larger number is a mistake, and would be believed by who allocates by it.
const MOST: usize = 256;

/// Why sockets cannot be inherited.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// `LISTEN_FDS` makes no sense.
    #[error("cannot take the inherited sockets: LISTEN_FDS={found:?} is no number from 0 to {MOST}; correct what starts this program")]
    Number {
        /// What it says.
        found: String,
    },
    /// A descriptor is no socket that we could listen on.
    #[error(
        "cannot take the inherited socket {name:?}: it is no listening stream socket; in systemd's .socket unit write ListenStream= and Accept=no"
    )]
    NotListening {
        /// Its name.
        name: String,
        /// What was wrong.
        #[source]
        source: io::Error,
    },
    /// A listener's socket is not among them.
    #[error("cannot inherit {}: {}", wanted_in_words(.wanted), names_in_words(.names))]
    NotThere {
        /// The name that the listener asks for.
        wanted: Option<String>,
        /// The names that there are and that nobody else has.
        names: Vec<String>,
    },
    /// A socket is there and no listener wants it: devices would connect to it and hear nothing.
    #[error(
        "the inherited socket {name:?} ({bound}) is used by no listener; add `address: inherited:{name}` under `listeners`, or take it out of the .socket unit"
    )]
    Unused {
        /// Its name.
        name: String,
        /// Where it listens.
        bound: Bound,
    },
    /// The system does not let us use it.
    #[error("cannot use the inherited socket of {listener}")]
    Failed {
        /// The listener's name.
        listener: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It can be reached from other machines, and nothing says who may send.
    #[error(
        "{listener} listens on {bound}, which can be reached from other machines, and nothing says who may send: \
         add the devices' networks to this listener (allow: [192.168.10.0/24]), or demand a login (auth: users)"
    )]
    Open {
        /// The listener's name.
        listener: String,
        /// Where its socket listens.
        bound: Bound,
    },
}

fn wanted_in_words(wanted: &Option<String>) -> String {
    wanted.as_ref().map_or_else(|| "a socket".to_owned(), |name| format!("the socket {name:?}"))
}

fn names_in_words(names: &[String]) -> String {
    if names.is_empty() {
        return "there is none left; start the relay through systemd's .socket unit, or write IP:PORT as the listener's address".to_owned();
    }
    let names = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    format!("those left are {names}; FileDescriptorName= in the .socket unit gives a name")
}

/// The sockets that were inherited, in their order.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(String, Heir)>,
}

/// One of them.
#[derive(Debug)]
pub struct Heir {
    socket: Kind,
    bound: Bound,
}

#[derive(Debug)]
enum Kind {
    Tcp(StdTcpListener),
    Unix(StdUnixListener),
}

impl Kind {
    #[cfg(not(target_vendor = "apple"))]
    fn listens(&self) -> io::Result<bool> {
        let descriptor = match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        };
        Ok(sockopt::socket_acceptconn(descriptor)?)
    }

    /// There is no asking there; the first accept would tell.
    #[cfg(target_vendor = "apple")]
    fn listens(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn open(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Socket::Tcp(TcpListener::from_std(listener)?))
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Socket::Unix(UnixSocket::inherited(UnixListener::from_std(listener)?)))
            }
        }
    }
}

impl Inherited {
    /// None at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes those that the environment tells of, and nobody else can take them again. To be called once, before the process
    /// has a second thread: the environment is changed, so that a program started by us does not take them for its own.
    /// (`LISTEN_FDNAMES` stays; without the others it means nothing.)
    pub fn from_environment(variables: &BTreeMap<OsString, OsString>) -> Result<Self, InheritError> {
        let Some((count, names)) = announced(variables, std::process::id())? else { return Ok(Self::none()) };
        let mut given = ListenFd::from_env();
        let take = |(number, name): (usize, String)| match take(&mut given, number) {
            Ok(heir) => Ok((name, heir)),
            Err(source) => Err(InheritError::NotListening { name, source }),
        };
        let sockets = (0..count).zip(names).map(take).collect::<Result<_, _>>()?;
        Ok(Self { sockets })
    }

    /// Gives each listener on an inherited socket its own, and every socket to a listener: first by name, then to those that
    /// name none, in the order of the descriptors. The answers stand in the order of `addresses`.
    pub fn share_out<'a>(self, addresses: impl IntoIterator<Item = &'a Address>) -> Result<Vec<Option<Heir>>, InheritError> {
        let wanted: Vec<Option<Option<&str>>> = addresses
            .into_iter()
            .map(|address| match address {
                Address::Inherited(name) => Some(name.as_deref()),
                Address::Network(_) | Address::Unix(_) => None,
            })
            .collect();
        let names: Vec<&str> = self.sockets.iter().map(|(name, _)| name.as_str()).collect();
        let plan = plan(&wanted, &names)?;
        let mut sockets: Vec<Option<(String, Heir)>> = self.sockets.into_iter().map(Some).collect();
        let shared = plan.into_iter().map(|number| Some(sockets.get_mut(number?)?.take()?.1)).collect();
        match sockets.into_iter().flatten().next() {
            Some((name, heir)) => Err(InheritError::Unused { name, bound: heir.bound }),
            None => Ok(shared),
        }
    }
}

impl Heir {
    /// Makes it ready for use by `listener`. Must be called within a tokio runtime.
    pub fn open(self, listener: &str) -> Result<(Socket, Bound), InheritError> {
        match self.socket.open() {
            Ok(socket) => Ok((socket, self.bound)),
            Err(source) => Err(InheritError::Failed { listener: listener.to_owned(), source }),
        }
    }
}

/// How many sockets the environment announces to the process `id`, and what they are called.
fn announced(variables: &BTreeMap<OsString, OsString>, id: u32) -> Result<Option<(usize, Vec<String>)>, InheritError> {
    let text = |name: &str| variables.get(OsStr::new(name)).map(|value| value.to_string_lossy());
    let ours = text("LISTEN_PID").is_some_and(|found| found.parse() == Ok(id));
    let Some(found) = text("LISTEN_FDS").filter(|_| ours) else { return Ok(None) };
    let count = match found.parse() {
        Ok(count @ 0..=MOST) => count,
        Ok(_) | Err(_) => return Err(InheritError::Number { found: found.into_owned() }),
    };
    let names = text("LISTEN_FDNAMES").unwrap_or_default();
    // systemd's own word for a socket without a name.
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat("unknown".to_owned()));
    Ok(Some((count, names.map(|name| if name.is_empty() { "unknown".to_owned() } else { name }).take(count).collect())))
}

fn take(given: &mut ListenFd, number: usize) -> io::Result<Heir> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    // The first looks at the kind of socket, and leaves one of the other kind in its place.
    let heir = match given.take_tcp_listener(number) {
        Ok(listener) => {
            let listener = listener.ok_or_else(gone)?;
            Heir { bound: Bound::Network(listener.local_addr()?), socket: Kind::Tcp(listener) }
        }
        Err(_) => {
            let listener = given.take_unix_listener(number)?.ok_or_else(gone)?;
            let path = listener.local_addr()?.as_pathname().map(ToOwned::to_owned);
            Heir { bound: Bound::Unix(path), socket: Kind::Unix(listener) }
        }
    };
    if !heir.socket.listens()? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "nobody has called listen() for it"));
    }
    Ok(heir)
}

/// Which socket each listener gets; `None` for those that want none.
fn plan(wanted: &[Option<Option<&str>>], names: &[&str]) -> Result<Vec<Option<usize>>, InheritError> {
    let mut plan = vec![None; wanted.len()];
    let mut free = vec![true; names.len()];
    for by_name in [true, false] {
        for (place, name) in wanted.iter().enumerate().filter_map(|(place, name)| Some((place, (*name)?))) {
            if name.is_some() != by_name {
                continue;
            }
            let fits = |number: &usize| free[*number] && name.is_none_or(|name| name == names[*number]);
            let Some(number) = (0..names.len()).find(fits) else {
                let left = names.iter().zip(&free).filter(|(_, free)| **free).map(|(name, _)| (*name).to_owned()).collect();
                return Err(InheritError::NotThere { wanted: name.map(str::to_owned), names: left });
            };
            free[number] = false;
            plan[place] = Some(number);
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_gets_its_own() {
        let (a, any) = (|name| Some(Some(name)), Some(None));
        for (wanted, names, want) in [
            (&[any][..], &["mailferry.socket"][..], &[Some(0)][..]),
            (&[None, any, None], &["x"], &[None, Some(0), None]),
            (&[any, any], &["x", "x"], &[Some(0), Some(1)]),
            (&[any, a("y")], &["y", "x"], &[Some(1), Some(0)]),
            (&[a("x"), a("x")], &["x", "y", "x"], &[Some(0), Some(2)]),
            (&[None], &["nobody wants it"], &[None]),
        ] {
            assert_eq!(plan(wanted, names).unwrap(), want, "{wanted:?} of {names:?}");
        }
        for (wanted, names, said) in [
            (
                &[a("smtp")][..],
                &["mailferry.socket"][..],
                r#"cannot inherit the socket "smtp": those left are "mailferry.socket"; FileDescriptorName= in the .socket unit gives a name"#,
            ),
            (
                &[any, any],
                &["x"],
                "cannot inherit a socket: there is none left; start the relay through systemd's .socket unit, or write IP:PORT as the listener's address",
            ),
            (
                &[a("x"), a("x")],
                &["x"],
                r#"cannot inherit the socket "x": there is none left; start the relay through systemd's .socket unit, or write IP:PORT as the listener's address"#,
            ),
        ] {
            assert_eq!(plan(wanted, names).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn only_what_is_announced_to_us_counts() {
        let read = |variables: &[(&str, &str)]| announced(&variables.iter().map(|(name, value)| (name.into(), value.into())).collect(), 7);
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[("LISTEN_FDS", "1")]).unwrap(), None, "to nobody in particular");
        assert_eq!(read(&[("LISTEN_FDS", "1"), ("LISTEN_PID", "8")]).unwrap(), None, "to our parent");
        assert_eq!(read(&[("LISTEN_FDS", "2"), ("LISTEN_PID", "7")]).unwrap(), Some((2, vec!["unknown".into(), "unknown".into()])));
        let named = [("LISTEN_FDS", "3"), ("LISTEN_PID", "7"), ("LISTEN_FDNAMES", "smtp:")];
        assert_eq!(read(&named).unwrap(), Some((3, vec!["smtp".into(), "unknown".into(), "unknown".into()])));
        for bad in ["", "-1", "257", "99999999999999999999", "1 "] {
            assert!(read(&[("LISTEN_FDS", bad), ("LISTEN_PID", "7")]).is_err(), "{bad:?}");
        }
    }
}
