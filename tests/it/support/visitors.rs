//! Visitors who come one after the other all the while that something changes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::task::JoinHandle;

use super::get;

const AT_ONCE: u32 = 3;
const REQUESTS_MIN: u32 = 300;

/// They stop on a signal, and not before there were enough of them.
pub struct Visitors {
    tasks: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU32>,
    bad: Arc<AtomicU32>,
}

impl Visitors {
    /// A good answer is a 200 whose body starts with `start`.
    pub fn start(proxy: SocketAddr, domain: &str, start: &'static str) -> Self {
        let mut visitors = Self { tasks: Vec::new(), stop: Arc::default(), good: Arc::default(), bad: Arc::default() };
        for _ in 0..AT_ONCE {
            let domain = domain.to_owned();
            let (stop, good, bad) = (visitors.stop.clone(), visitors.good.clone(), visitors.bad.clone());
            visitors.tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) || good.load(Ordering::Relaxed) < REQUESTS_MIN {
                    let answer = get(proxy, &domain, "/").await;
                    let is_good = answer.as_ref().is_some_and(|(code, text)| *code == 200 && text.starts_with(start));
                    (if is_good { &good } else { &bad }).fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        visitors
    }

    /// Every answer was good.
    pub async fn assert_content(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let (good, bad) = (self.good.load(Ordering::Relaxed), self.bad.load(Ordering::Relaxed));
        assert_eq!(bad, 0, "of {}", good + bad);
        assert!(good >= REQUESTS_MIN);
    }
}
