//! The contract's table of endpoints, against the one that the code goes by.

use session::{EndKind, Endpoint, KeepaliveKind, Traits};

use crate::sources;

const HEAD: &str = "| path | keepalive | how it is ended | greatest age | recovery, parking |\n\
                    | --- | --- | --- | --- | --- |\n";

#[test]
fn the_contract_tells_endpoints_apart_as_the_code_does() {
    let rows = Endpoint::ALL.map(|endpoint| row(endpoint, endpoint.traits()));
    let table = HEAD.to_owned() + &rows.concat();
    let contract = sources::read("docs/ipc-protocol.md");
    assert!(contract.text.contains(&table), "docs/ipc-protocol.md has another table than\n{table}");
}

fn row(endpoint: Endpoint, traits: &Traits) -> String {
    let end = match traits.end {
        EndKind::CloseStream => "`CloseStream`",
        EndKind::Close => "`Close`",
        EndKind::Frame => "a close frame",
    };
    let age = traits.age_max.map(|age| format!("{} minutes", age.as_secs() / 60));
    let age = age.unwrap_or_else(|| "none known".to_owned());
    let outlives = if traits.transcribes { "yes" } else { "no" };
    format!("| `{endpoint}` | {} | {end} | {age} | {outlives} |\n", keepalive(traits))
}

fn keepalive(traits: &Traits) -> String {
    let Some(kind) = traits.keepalive else { return "none".to_owned() };
    let kind = match kind {
        KeepaliveKind::Text => "`KeepAlive`",
        KeepaliveKind::Ping => "Ping",
    };
    let within = traits.keepalive_max.as_secs();
    let first = if traits.begins_with_text { ", from the application's first text on" } else { "" };
    format!("{kind} within {within} s{first}")
}
