//! What a console of Windows says: Ctrl-C, Ctrl-Break, a window that is closed and a machine that is shut down stop.
//! Nothing reloads: an edit of the configuration is noticed all the same.

use std::io;

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
};

/// Events that ask for the same.
#[derive(Debug)]
pub(super) struct Signals(Option<Events>);

#[derive(Debug)]
struct Events {
    c: CtrlC,
    pause: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
}

impl Signals {
    pub(super) fn to_stop() -> io::Result<Self> {
        let (c, pause, close, shutdown) = (ctrl_c()?, ctrl_break()?, ctrl_close()?, ctrl_shutdown()?);
        Ok(Self(Some(Events { c, pause, close, shutdown })))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same on every system")]
    pub(super) fn to_reload() -> io::Result<Self> {
        Ok(Self(None))
    }

    pub(super) async fn next(&mut self) {
        let Some(events) = &mut self.0 else { return std::future::pending().await };
        let said = tokio::select! {
            said = events.c.recv() => said,
            said = events.pause.recv() => said,
            said = events.close.recv() => said,
            said = events.shutdown.recv() => said,
        };
        if said.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
