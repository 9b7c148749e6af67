// SPDX-License-Identifier: MIT
//! A connection in tokio's event loop.

use std::os::unix::io::{AsRawFd, RawFd};

use ::tokio::io::unix::AsyncFd;
use ::tokio::io::Interest;

use crate::{Connection, Result};

/// The descriptor of a connection, which stays the connection's.
struct Ready(RawFd);

impl AsRawFd for Ready {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// So many events are handled before other tasks of the thread get their turn.
const AT_ONCE: usize = 64;

impl Connection {
    /// Serves the connection in tokio's event loop, until something fails or the future is dropped:
    /// handlers and callbacks run where it is polled, so they must not block. Spawn it beside the
    /// tasks that await calls:
    ///
    /// ```no_run
    /// # async fn example() -> ipcbus::Result<()> {
    /// # use ipcbus::{Connection, Message, Options};
    /// let bus = Connection::open()?;
    /// let echo = bus.get("demo.echo")?;
    /// let serving = tokio::spawn(async move { bus.serve().await });
    /// let reply = echo.call_async(&Message::new(1), &Options::new())?.await?;
    /// # drop(reply);
    /// serving.abort();
    /// # Ok(()) }
    /// ```
    pub async fn serve(&self) -> Result<()> {
        let fd = Ready(self.fd()?.as_raw_fd());
        let ready = AsyncFd::with_interest(fd, Interest::READABLE)?;
        // What arrived before the loop knew of the descriptor is there already.
        loop {
            let mut handled = 0;
            while self.process()? {
                handled += 1;
                if handled == AT_ONCE {
                    handled = 0;
                    ::tokio::task::yield_now().await;
                }
            }
            let mut guard = ready.readable().await?;
            guard.clear_ready();
        }
    }
}
