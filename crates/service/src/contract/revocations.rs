//! Tokens that stopped being valid before their time, told to those who cache introspection. In one
//! process by a channel; between processes through Redis, which is not trusted: messages are signed
//! and carry digests only, and silence counts as bad news.

mod message;
mod publisher;
mod subscriber;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::{
    broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
    watch,
};

use super::introspection::TokenDigest;

pub use self::{publisher::Publisher, subscriber::Subscriber};

/// The channel of Redis that all messages go through.
pub const CHANNEL: &str = "my-pay:revocations";

/// How often an account service says that it is there.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// A token stopped being valid before its time. Caches of introspection must forget it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation(pub TokenDigest);

/// What whoever caches introspection must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Forget this token.
    Revoked(TokenDigest),
    /// Forget everything: revocations may have been missed.
    Missed,
    /// Forget everything; and from here on revocations are told, or they are not.
    Listening(bool),
    /// Nobody will ever tell anything more.
    Ended,
}

/// Revocations as they happen.
#[derive(Debug)]
pub struct Revocations {
    receiver: broadcast::Receiver<Revocation>,
    listening: Listening,
}

#[derive(Debug)]
enum Listening {
    Always,
    /// Whether they are told; marked as changed, too, when some may have been missed.
    Watched(watch::Receiver<bool>),
    Never,
}

impl Revocations {
    /// Of the same process: none can be missed unheard.
    pub fn local(receiver: broadcast::Receiver<Revocation>) -> Self {
        Self { receiver, listening: Listening::Always }
    }

    /// Of another process or a table, as long as `listening` holds `true`. Whoever marks it as
    /// changed makes caches forget everything.
    pub fn remote(
        receiver: broadcast::Receiver<Revocation>,
        listening: watch::Receiver<bool>,
    ) -> Self {
        Self { receiver, listening: Listening::Watched(listening) }
    }

    /// Whether revocations are told now.
    pub fn is_listening(&self) -> bool {
        match &self.listening {
            Listening::Always => true,
            Listening::Watched(listening) => *listening.borrow(),
            Listening::Never => false,
        }
    }

    /// The next event. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Event {
        let received = match &mut self.listening {
            Listening::Always | Listening::Never => self.receiver.recv().await,
            Listening::Watched(watched) => tokio::select! {
                changed = watched.changed() => return self.note(changed.is_ok()),
                received = self.receiver.recv() => received,
            },
        };
        match received {
            Ok(Revocation(token)) => Event::Revoked(token),
            Err(RecvError::Lagged(_)) => Event::Missed,
            Err(RecvError::Closed) => Event::Ended,
        }
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        if let Listening::Watched(watched) = &mut self.listening {
            match watched.has_changed() {
                Ok(true) => {
                    watched.mark_unchanged();
                    return Some(self.note(true));
                }
                Ok(false) => {}
                Err(_) => return Some(self.note(false)),
            }
        }
        match self.receiver.try_recv() {
            Ok(Revocation(token)) => Some(Event::Revoked(token)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Lagged(_)) => Some(Event::Missed),
            Err(TryRecvError::Closed) => Some(Event::Ended),
        }
    }

    /// After a change, or after whoever watched is gone and nobody does any more.
    fn note(&mut self, is_watched: bool) -> Event {
        if !is_watched {
            self.listening = Listening::Never;
        }
        Event::Listening(self.is_listening())
    }
}
