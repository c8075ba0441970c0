//! Real sockets, in folders of their own and on loopback.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};

use super::*;

fn file(folder: &tempfile::TempDir, mode: u32) -> SocketFile {
    SocketFile { path: folder.path().join("smtp.sock"), mode }
}

fn refused(file: &SocketFile) -> UnixError {
    UnixSocket::open(file).unwrap_err()
}

#[tokio::test]
async fn a_socket_has_its_mode_and_goes_with_its_listener() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o660, 0o666] {
        let file = file(&folder, mode);
        let socket = UnixSocket::open(&file).unwrap();
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o7777, mode);
        let (_client, accepted) = tokio::join!(tokio::net::UnixStream::connect(&file.path), socket.accept());
        accepted.unwrap();
        drop(socket);
        assert!(!file.path.exists());
    }
}

#[tokio::test]
async fn only_a_socket_without_a_listener_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, 0o600);
    // std leaves the file behind, as a killed process does.
    drop(UnixListener::bind(&file.path).unwrap());
    let socket = UnixSocket::open(&file).unwrap();
    assert!(matches!(refused(&file), UnixError::InUse { .. }));
    drop(socket);

    let _other = UnixDatagram::bind(&file.path).unwrap();
    assert!(matches!(refused(&file), UnixError::InUse { .. }), "a socket of another kind");
    fs::remove_file(&file.path).unwrap();

    fs::write(&file.path, "letters").unwrap();
    assert!(matches!(refused(&file), UnixError::NotASocket { .. }));
    fs::remove_file(&file.path).unwrap();
    std::os::unix::fs::symlink("/nowhere", &file.path).unwrap();
    assert!(matches!(refused(&file), UnixError::NotASocket { .. }), "a link is not followed");
}

#[tokio::test]
async fn a_file_that_somebody_else_put_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, 0o600);
    let socket = UnixSocket::open(&file).unwrap();
    fs::remove_file(&file.path).unwrap();
    let _other = UnixListener::bind(&file.path).unwrap();
    drop(socket);
    assert!(file.path.exists());
}

#[tokio::test]
async fn says_why_there_can_be_no_socket() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| SocketFile { path: folder.path().join(name), mode: 0o600 };
    let error = refused(&at("run/smtp.sock"));
    assert!(error.to_string().contains("its folder does not exist; make it, or let systemd do so"), "{error}");
    let error = refused(&at(&"x".repeat(108)));
    assert!(error.to_string().contains("octets, and the system takes 107; choose a shorter one"), "{error}");
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(matches!(refused(&at("file/smtp.sock")), UnixError::NoFolder { .. }));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    if rustix::process::geteuid().is_root() {
        eprintln!("not tested: root may write to every folder");
    } else {
        assert!(matches!(refused(&at("smtp.sock")), UnixError::NotPermitted { .. }));
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn everywhere_means_ipv4_too_and_one_address_means_one() {
    let Ok((v6, _)) = tcp::open("[::1]:0".parse().unwrap()) else { return eprintln!("not tested: there is no IPv6 here") };
    assert!(rustix::net::sockopt::ipv6_v6only(&v6).unwrap());
    let (all, address) = tcp::open("[::]:0".parse().unwrap()).unwrap();
    assert!(!rustix::net::sockopt::ipv6_v6only(&all).unwrap());
    let v4 = SocketAddr::from(([0, 0, 0, 0], address.port()));
    assert!(matches!(tcp::open(v4), Err(ListenError::InUse { .. })), "so it has the port of IPv4 as well");
}
