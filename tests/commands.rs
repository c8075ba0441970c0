//! The program as its users run it: commands, their words and exit codes.

#![expect(clippy::unwrap_used, reason = "a panic is the report of a test")]

mod world;

use std::path::Path;
use std::process::Output;

use world::{Process, World, send, until};

fn mailferry(arguments: &[&str], config: &Path) -> Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_mailferry")).args(arguments).arg("--config").arg(config).output().unwrap()
}

async fn command(arguments: &[&str], config: &Path) -> (Option<i32>, String, String) {
    let (arguments, config): (Vec<String>, _) = (arguments.iter().map(|&word| word.to_owned()).collect(), config.to_owned());
    let run = move || mailferry(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &config);
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_demo_shows_the_whole_path_and_ends_with_zero() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mailferry")).args(["demo", "--once"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "S: 250 2.0.0 Queued as ",
        "From: \"Copier, 2nd floor\" <copier@printers.local>",
        "noreply@contoso.com",
        "octet for octet",
        "Message-ID:",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn a_demo_without_a_folder_says_what_to_do() {
    let mut demo = std::process::Command::new(env!("CARGO_BIN_EXE_mailferry"));
    let output = demo.args(["demo", "--once"]).env("TMPDIR", "/nowhere").output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("files in /nowhere\n  because: ") && complaint.contains("TMPDIR"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_commands_work_on_a_running_and_on_a_stopped_relay() {
    let world = World::start().await;
    world.faults(["greeting"]);
    let config = world.config.clone();
    let (code, _, complaint) = command(&["health"], &config).await;
    assert_eq!(code, Some(1));
    assert!(complaint.contains("no relay is running"), "{complaint}");

    let process = tokio::task::spawn_blocking(move || Process::spawn(&config)).await.unwrap();
    let listener = process.listener;
    let message = "From: copier@printers.local\r\nSubject: \u{1b}[31mred\r\n\r\nbody that nobody may see\r\n";
    let reply = tokio::task::spawn_blocking(move || send(listener, "copier@printers.local", &["anna@example.com"], message).unwrap())
        .await
        .unwrap();
    let id = reply.rsplit(' ').next().unwrap().to_owned();
    until("an attempt", async || command(&["health"], &world.config).await.1.contains("office: troubled")).await;

    let (code, ready, _) = command(&["health"], &world.config).await;
    assert_eq!(code, Some(0), "trouble upstream does not make a relay unready");
    assert!(ready.contains("1 waiting"), "{ready}");
    assert_eq!(command(&["health", "--accounts"], &world.config).await.0, Some(1));

    shows_the_entry(&id, &world.config).await;
    until("the entry's next attempt to be its account's", async || {
        let (_, health, _) = command(&["health", "--json"], &world.config).await;
        let (_, entry, _) = command(&["queue", "list", "--json"], &world.config).await;
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        json(&entry)["next_attempt"] == json(&health)["accounts"][0]["until"]
    })
    .await;
    let config = world.config.clone();
    let second = tokio::task::spawn_blocking(move || mailferry(&["run"], &config)).await.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let complaint = String::from_utf8(second.stderr).unwrap();
    assert!(complaint.contains(&process.child.id().to_string()), "{complaint}");
    assert_eq!(tokio::task::spawn_blocking(move || process.terminate()).await.unwrap(), Some(0));
    shows_the_entry(&id, &world.config).await;

    let renamed = world.config.with_file_name("renamed.yaml");
    std::fs::write(&renamed, std::fs::read_to_string(&world.config).unwrap().replace("  office:", "  branch:")).unwrap();
    let (_, shown, _) = command(&["queue", "show", &id], &renamed).await;
    assert!(shown.contains("the configuration has no account office any more") && !shown.contains("next attempt"), "{shown}");

    world.faults([]);
    let config = world.config.clone();
    let process = tokio::task::spawn_blocking(move || Process::spawn(&config)).await.unwrap();
    world.arrived(1).await;
    until("an empty queue", async || command(&["queue", "list"], &world.config).await.1.contains("The queue is empty")).await;
    process.kill();
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_opens_as_many_files_as_the_system_allows() {
    let world = World::start().await;
    let shell = "ulimit -Sn 256; exec \"$0\" run --config \"$1\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", shell, env!("CARGO_BIN_EXE_mailferry")]).arg(&world.config);
    let process = tokio::task::spawn_blocking(move || Process::listening(command)).await.unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.child.id())).unwrap();
    let files: Vec<&str> = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert_eq!(files[3], files[4], "{limits}");
    process.kill();
}

/// What the queue commands say of the only entry.
async fn shows_the_entry(id: &str, config: &Path) {
    let (code, list, complaint) = command(&["queue", "list"], config).await;
    assert_eq!(code, Some(0), "{complaint}");
    assert!(list.contains(id) && list.contains("noreply@contoso.com") && list.contains("anna@example.com"), "{list}");
    let (_, lines, _) = command(&["queue", "list", "--json"], config).await;
    let entry: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((entry["id"].as_str(), entry["state"].as_str()), (Some(id), Some("waiting")));
    let (code, shown, _) = command(&["queue", "show", id], config).await;
    assert_eq!(code, Some(0));
    assert!(shown.contains("421") && !shown.contains("body that nobody") && !shown.contains('\u{1b}'), "{shown}");
    let (code, _, complaint) = command(&["queue", "show", "000000000000"], config).await;
    assert_eq!(code, Some(1));
    assert!(complaint.contains("there is no entry 000000000000"), "{complaint}");
}

#[test]
fn a_bad_configuration_ends_with_78_and_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mailferry.yaml");
    std::fs::write(&config, "listenrs: []\naccounts: {}\n").unwrap();
    for arguments in [&["check"][..], &["run"], &["queue", "list"], &["health"]] {
        let output = mailferry(arguments, &config);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains(":1:1:") && complaint.contains("did you mean `listeners`?"), "{complaint}");
    }
}

#[test]
fn help_lists_every_command_and_wrong_usage_ends_with_2() {
    let help = |arguments: &[&str]| std::process::Command::new(env!("CARGO_BIN_EXE_mailferry")).args(arguments).output().unwrap();
    let text = String::from_utf8(help(&["--help"]).stdout).unwrap();
    for command in ["run", "demo", "check", "simulate", "queue", "health"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(command)), "{command} is missing in:\n{text}");
        assert_eq!(help(&[command, "--help"]).status.code(), Some(0));
    }
    assert_eq!(help(&["ferry"]).status.code(), Some(2));
    assert_eq!(help(&["queue", "show", "x"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_entry_is_tried_again_or_removed_when_a_person_says_so() {
    let world = World::start().await;
    world.faults(["rcpt=*@gone.example:550 5.1.1 No such user"]);
    let config = world.config.clone();
    let process = tokio::task::spawn_blocking(move || Process::spawn(&config)).await.unwrap();
    let (listener, mut ids) = (process.listener, Vec::new());
    for _ in 0..2 {
        let sent = tokio::task::spawn_blocking(move || {
            send(listener, "copier@printers.local", &["a@gone.example"], "Subject: x\r\n\r\nx\r\n").unwrap()
        });
        ids.push(sent.await.unwrap().rsplit(' ').next().unwrap().to_owned());
    }
    until("two held entries", async || command(&["health"], &world.config).await.1.contains("2 held")).await;

    let (code, said, _) = command(&["queue", "remove", &ids[0]], &world.config).await;
    assert_eq!((code, said.trim()), (Some(0), format!("{} is removed", ids[0]).as_str()));
    let (code, _, complaint) = command(&["queue", "retry", &ids[0]], &world.config).await;
    assert_eq!(code, Some(1));
    assert!(complaint.contains("there is no entry"), "{complaint}");

    world.faults([]);
    let (code, said, complaint) = command(&["queue", "retry", "--all"], &world.config).await;
    assert_eq!(code, Some(0), "{complaint}");
    assert!(said.contains(&ids[1]), "{said}");
    assert_eq!(world.arrived(1).await.len(), 1);
    until("an empty queue", async || command(&["queue", "list"], &world.config).await.1.contains("The queue is empty")).await;
    let (_, said, _) = command(&["queue", "retry", "--all"], &world.config).await;
    assert_eq!(said.trim(), "Nothing is held.");
    process.kill();
}
