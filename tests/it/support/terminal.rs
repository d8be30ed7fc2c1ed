//! A terminal that a command draws on, and its keyboard.

use std::fs::File as StdFile;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::within;

const LINES: NonZeroU16 = NonZeroU16::new(30).unwrap();
const WIDTH: NonZeroU16 = NonZeroU16::new(120).unwrap();

/// A terminal with a command in it, which dies with its test.
pub(crate) struct Terminal {
    keyboard: File,
    screen: File,
    child: Child,
    /// What a person would see.
    seen: vt100::Parser,
}

impl Terminal {
    /// Runs a command in a terminal of its own.
    pub(crate) fn run(command: &mut Command) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let (ws_row, ws_col) = (LINES.get(), WIDTH.get());
        let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&controller, size).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let terminal = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let again = |descriptor: &OwnedFd| descriptor.try_clone().unwrap();
        command.stdin(again(&terminal)).stdout(terminal).stderr(Stdio::inherit());
        let child = command.kill_on_drop(true).spawn().unwrap();
        // The command still holds the terminal's end, and the end is seen once nobody does.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let keyboard = File::from_std(StdFile::from(again(&controller)));
        let screen = File::from_std(StdFile::from(controller));
        Self { keyboard, screen, child, seen: vt100::Parser::new(LINES, WIDTH, 0) }
    }

    /// Waits until this is to be seen on the other screen, where nothing scrolls.
    pub(crate) async fn shows(&mut self, text: &str) {
        within(text, async {
            while !(self.has_other_screen() && self.text().contains(text)) {
                assert!(self.read().await, "over without {text:?}: {}", self.text());
            }
        })
        .await;
    }

    fn has_other_screen(&self) -> bool {
        self.seen.screen().alternate_screen()
    }

    fn text(&self) -> String {
        self.seen.screen().contents()
    }

    /// Whether anything on the screen has a colour.
    pub(crate) fn is_coloured(&self) -> bool {
        let row = |row| (0..WIDTH.get()).map(move |column| (row, column));
        let cells = (0..LINES.get()).flat_map(row);
        let mut cells = cells.filter_map(|(row, column)| self.seen.screen().cell(row, column));
        cells.any(|cell| cell.fgcolor() != vt100::Color::Default)
    }

    /// Presses keys.
    pub(crate) async fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).await.unwrap();
        self.keyboard.flush().await.unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().unwrap().try_into().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the command's end, which must have given the screen and the cursor back.
    pub(crate) async fn end(mut self) -> ExitStatus {
        let status = within("the end of the command", async {
            while self.read().await {}
            self.child.wait().await.unwrap()
        })
        .await;
        assert!(!self.has_other_screen() && !self.seen.screen().hide_cursor());
        status
    }

    /// Reads on; whether there was more. A terminal that nobody holds any more is an error.
    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let read = self.screen.read(&mut bytes).await.unwrap_or(0);
        self.seen.process(&bytes[..read]);
        read > 0
    }
}
