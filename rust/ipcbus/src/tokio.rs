// SPDX-License-Identifier: MIT
//! A connection in tokio's event loop.

use ::tokio::io::unix::AsyncFd;
use ::tokio::io::Interest;

use crate::{Connection, Result};

/// Maximum number of events that are handled before other tasks of the thread run.
const AT_ONCE: usize = 64;

impl Connection {
    /// Serves the connection in tokio's event loop, until the future is dropped or an error occurs,
    /// such as `ECONNRESET` when ipcbusd ends. Handlers and callbacks run where the future is
    /// polled, so they must not block. Several tasks may serve a connection. Panics in a runtime
    /// without I/O. Spawn it beside the tasks that await calls:
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
        // A loop accepts each fd only once, and another serve() may use this one.
        let fd = self.fd()?.try_clone_to_owned()?;
        let ready = AsyncFd::with_interest(fd, Interest::READABLE)?;
        // Events that arrived before the loop knew the fd are already pending.
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
