// SPDX-License-Identifier: MIT
//! A connection in tokio's event loop.

use ::tokio::io::unix::AsyncFd;
use ::tokio::io::Interest;

use crate::{Connection, Result};

/// So many events are handled before other tasks of the thread get their turn.
const AT_ONCE: usize = 64;

impl Connection {
    /// Serves the connection in tokio's event loop, until something fails or the future is dropped:
    /// handlers and callbacks run where it is polled, so they must not block. Several tasks may serve
    /// one connection. Spawn it beside the tasks that await calls:
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
        // A loop takes each descriptor once. Another serve() may be in it.
        let fd = self.fd()?.try_clone_to_owned()?;
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
