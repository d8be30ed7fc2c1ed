//! The current plans for new connections, and orders to open ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::script::{Action, Change, Plan, Plans, Script, ScriptError};
use crate::settings::Settings;

/// Orders that may wait for a connection; it loses the oldest of more.
const ORDERS_MAX: usize = 64;

/// The current script, which may be replaced at any time.
#[derive(Debug)]
pub(crate) struct Playbook {
    settings: Settings,
    pages: Mutex<Pages>,
    orders: broadcast::Sender<Arc<[Action]>>,
}

#[derive(Debug)]
struct Pages {
    plans: Plans,
    /// Stream requests since these plans took effect.
    requests: usize,
}

/// The effect of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// How many plans there are.
    pub planned: usize,
    /// Open connections that received `now`.
    pub open: usize,
}

impl Playbook {
    /// # Errors
    /// The script does not fit the settings.
    pub(crate) fn new(settings: Settings, script: &Script) -> Result<Self, ScriptError> {
        let plans = script.plans(&settings)?;
        let (orders, _) = broadcast::channel(ORDERS_MAX);
        Ok(Self { settings, pages: Mutex::new(Pages { plans, requests: 0 }), orders })
    }

    /// The plan of the next request. Its orders count from here on, so that no change falls
    /// between a request and its stream.
    pub(crate) fn next(&self) -> (Plan, Orders) {
        let mut pages = self.lock();
        let plan = pages.plans.get(pages.requests).clone();
        pages.requests += 1;
        (plan, Orders(self.orders.subscribe()))
    }

    /// Replaces the plans, and gives orders.
    pub(crate) fn change(&self, change: &Change) -> Result<Told, ScriptError> {
        let plans = change.plans(&self.settings)?;
        let mut pages = self.lock();
        if let Some(plans) = plans {
            *pages = Pages { plans, requests: 0 };
        }
        let now = change.now();
        // No open connections is not an error.
        let open = if now.is_empty() { 0 } else { self.orders.send(now).unwrap_or(0) };
        Ok(Told { planned: pages.plans.len(), open })
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        // The plans are consistent after every statement.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The orders that one connection gets.
#[derive(Debug)]
pub(crate) struct Orders(broadcast::Receiver<Arc<[Action]>>);

impl Orders {
    /// What is to be done at once. Cancel safe.
    pub(crate) async fn next(&mut self) -> Arc<[Action]> {
        loop {
            match self.0.recv().await {
                Ok(actions) => return actions,
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(
                        missed,
                        "orders arrived faster than this connection handled them"
                    );
                }
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
