//! Where settings come from and which wins.

use crate::sandbox::{Ran, Sandbox};

/// What `config show --origin` says about a key.
fn shown(ran: &Ran, key: &str) -> String {
    let lines = ran.lines();
    let line = lines.iter().find(|l| l.starts_with(&format!("{key} = ")));
    line.unwrap_or_else(|| panic!("no {key} in {ran:?}")).clone()
}

#[test]
fn a_later_layer_wins_and_says_so() {
    let sandbox = Sandbox::new();
    let user = sandbox.file(
        "config/auditty/auditty.toml",
        "[pty]\nbuffer_size = \"8KiB\"\nterminal_size = [30, 90]\n[ai]\nthread_pool_size = 3\n",
    );
    let explicit = sandbox
        .file("explicit.toml", "[ai]\nthread_pool_size = 4\n\n[pty]\nterminal_size = [40, 100]\n");
    let args = ["config", "show", "--origin", "--config", explicit.to_str().unwrap()];
    let mut command = sandbox.command(args);
    command.env("AUDITTY_PTY__TERMINAL_SIZE", "[50, 110]");
    let ran = Ran::of(command.spawn().unwrap());
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(shown(&ran, "session_timeout"), "session_timeout = 3600  # built-in");
    assert_eq!(
        shown(&ran, "buffer_size"),
        format!("buffer_size = \"8KiB\"  # {}:2", user.display())
    );
    assert_eq!(
        shown(&ran, "thread_pool_size"),
        format!("thread_pool_size = 4  # {}:2", explicit.display())
    );
    assert_eq!(
        shown(&ran, "terminal_size"),
        "terminal_size = [50, 110]  # AUDITTY_PTY__TERMINAL_SIZE"
    );
}

#[test]
fn flags_win_over_the_environment() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("elsewhere");
    let ran = sandbox.run(["config", "show", "--origin", "--journal", dir.to_str().unwrap()]);
    assert_eq!(shown(&ran, "dir"), format!("dir = \"{}\"  # --journal", dir.display()));
}

#[test]
fn the_printed_default_is_a_configuration() {
    let sandbox = Sandbox::new();
    let text = sandbox.run(["config", "default"]).text();
    let file = sandbox.file("default.toml", &text);
    let ran = sandbox.run(["config", "check", file.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn what_is_shown_can_be_read_back() {
    let sandbox = Sandbox::new();
    let shown = sandbox.run(["config", "show"]);
    let file = sandbox.file("shown.toml", &shown.text());
    let again = sandbox.run(["config", "show", "--config", file.to_str().unwrap()]);
    assert_eq!(shown.text(), again.text());
}

#[test]
fn a_tilde_is_the_home_directory() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--", "true"]);
    command.env("AUDITTY_JOURNAL__DIR", "~/recordings");
    assert_eq!(Ran::of(command.spawn().unwrap()).status, 0);
    assert!(sandbox.path("home/recordings").is_dir());
}

#[test]
fn a_relative_path_counts_from_where_one_is() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["run", "--journal", "here", "--", "true"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let mut command = sandbox.command(["run", "--", "true"]);
    command.env("AUDITTY_JOURNAL__DIR", "there");
    assert_eq!(Ran::of(command.spawn().unwrap()).status, 0);
    for name in ["here", "there"] {
        assert!(sandbox.path("home").join(name).join("host.key").exists(), "{name}");
    }
}

#[test]
fn an_empty_environment_is_enough() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--journal", "j", "--", "/bin/sh", "-c", "echo ok"]);
    let log = sandbox.path("audit.log");
    command.env_clear().env("AUDITTY_LOGGING__AUDIT_LOG_PATH", log);
    command.env("XDG_RUNTIME_DIR", sandbox.path("run"));
    let ran = Ran::of(command.spawn().unwrap());
    assert_eq!((ran.status, ran.text().as_str()), (0, "ok\n"), "{ran:?}");
}

#[test]
fn switched_off_the_command_runs_as_if_nobody_watched() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--", "sh", "-c", "echo seen; exit 9"]);
    command.env("AUDITTY_AUDIT__ENABLED", "false");
    let ran = Ran::of(command.spawn().unwrap());
    assert_eq!((ran.status, ran.text().as_str()), (9, "seen\n"));
    assert!(!sandbox.path("journal").exists());
}

#[test]
fn the_configured_shell_runs_when_no_command_is_given() {
    let sandbox = Sandbox::new();
    let shell = sandbox.file("shell.sh", "#!/bin/sh\necho \"shell with $1\"\n");
    make_executable(&shell);
    let mut command = sandbox.command(["run"]);
    command.env("AUDITTY_PTY__SHELL_COMMAND", format!("[{:?}, \"-x\"]", shell.to_str().unwrap()));
    let ran = Ran::of(command.spawn().unwrap());
    assert_eq!((ran.status, ran.text().as_str()), (0, "shell with -x\n"));
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
