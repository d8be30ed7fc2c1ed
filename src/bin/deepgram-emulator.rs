//! The command line of `deepgram-emulator`.

fn main() -> anyhow::Result<()> {
    emulator::command::main()
}
