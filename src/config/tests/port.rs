//! The port for Deepgram's SDKs.

use super::*;

#[test]
fn only_this_machine_may_reach_the_port_and_there_is_none_unless_it_is_asked_for() {
    assert_eq!(Setup::file("").load().unwrap().ipc.tcp_listen, None);
    for addr in ["127.0.0.1:7070", "[::1]:7070", "127.8.9.10:0"] {
        let config = Setup::file(format!("ipc: {{tcp_listen: '{addr}'}}")).load().unwrap();
        assert_eq!(config.ipc.tcp_listen, Some(addr.parse().unwrap()));
    }
    for addr in ["0.0.0.0:7070", "10.0.0.7:7070", "[::]:7070"] {
        let text = format!("ipc: {{tcp_listen: '{addr}'}}");
        assert_eq!(told(&text), [at(1, "ipc.tcp_listen")]);
        assert!(Setup::file(text).message().starts_with("must be a loopback address, such as"));
    }
}

#[test]
fn a_list_of_users_is_not_to_be_evaded_through_the_port() {
    for list in ["allow_uids", "allow_gids"] {
        let text = format!("ipc:\n  tcp_listen: '127.0.0.1:7070'\n  {list}: [1000]\n");
        assert!(told(&text).contains(&at(2, "ipc.tcp_listen")));
        assert!(Setup::file(&text).message().contains("set ipc.tcp_token_file"));
        let config = Setup::file(format!("{text}  tcp_token_file: /run/token\n")).load();
        assert_eq!(config.unwrap().ipc.tcp_token_file, Some("/run/token".into()));
    }
}

#[test]
fn the_example_of_an_address_is_that_keys_own() {
    let message = |key: &str| Setup::file("").set(&format!("{key}=nowhere")).message();
    let port = message("ipc.tcp_listen");
    assert!(port.contains("127.0.0.1:7070") && !port.contains("9464"), "{port}");
    let admin = message("admin.listen");
    assert!(admin.contains("127.0.0.1:9464") && !admin.contains("7070"), "{admin}");
}

#[test]
fn the_port_is_not_that_of_the_admin_server() {
    for (port, admin, is_taken) in [
        ("127.0.0.1:9464", "127.0.0.1:9464", true),
        ("127.0.0.1:9464", "0.0.0.0:9464", true),
        ("127.0.0.1:9464", "[::]:9464", true),
        ("[::1]:9464", "[::]:9464", true),
        ("[::1]:9464", "0.0.0.0:9464", false),
        ("127.0.0.1:9464", "127.0.0.2:9464", false),
        ("127.0.0.1:9464", "127.0.0.1:9465", false),
        ("127.0.0.1:0", "127.0.0.1:0", false),
    ] {
        let text = format!("admin: {{listen: '{admin}'}}\nipc: {{tcp_listen: '{port}'}}\n");
        let expected = if is_taken { vec![at(2, "ipc.tcp_listen")] } else { Vec::new() };
        assert_eq!(told(&text), expected, "{port} {admin}");
    }
    let with_the_default = Setup::file("ipc: {tcp_listen: '127.0.0.1:9464'}");
    assert!(with_the_default.message().contains("admin.listen has this port already"));
}

#[test]
fn a_token_that_nothing_asks_for_is_a_mistake() {
    let alone = "ipc:\n  tcp_token_file: /run/token\n";
    assert_eq!(told(alone), [at(2, "ipc.tcp_token_file")]);
    assert!(Setup::file(alone).message().contains("set ipc.tcp_listen"));
    // Whether the file is there is for the start to see, as with the key's.
    let with_port = Setup::file(format!("{alone}  tcp_listen: '127.0.0.1:7070'\n"));
    assert!(with_port.load().is_ok());
}
