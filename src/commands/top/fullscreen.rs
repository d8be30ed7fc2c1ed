//! The whole terminal, restored on every exit path.

use std::io;
use std::ops::{Deref, DerefMut};

use ratatui::DefaultTerminal;

/// The terminal in raw mode, on its alternate screen, until this is dropped. A panic restores it
/// before printing its message.
pub(super) struct Fullscreen(DefaultTerminal);

impl Fullscreen {
    pub(super) fn enter() -> io::Result<Self> {
        let entered = ratatui::try_init();
        if entered.is_err() {
            // Raw mode may have been entered before the screen could not be.
            let _ = ratatui::try_restore();
        }
        entered.map(Self)
    }
}

impl Drop for Fullscreen {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing.
        let _ = self.0.show_cursor();
        let _ = ratatui::try_restore();
    }
}

impl Deref for Fullscreen {
    type Target = DefaultTerminal;

    fn deref(&self) -> &DefaultTerminal {
        &self.0
    }
}

impl DerefMut for Fullscreen {
    fn deref_mut(&mut self) -> &mut DefaultTerminal {
        &mut self.0
    }
}
