//! The stream behind Ports: compares the socket tables with what was last told and tells the difference. Each watcher has
//! its own state; looking happens only as fast as the watcher reads.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use slipway_agent_api::v1::{PortEvent, port_event::Change};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;

use super::owner::owners;
use super::{Listener, listeners};
use crate::process::Processes;
use crate::procfs;

/// Bounds of the time between two looks.
const FASTEST: Duration = Duration::from_millis(15);
const SLOWEST: Duration = Duration::from_secs(1);

/// The pause is this part of the time since anything happened: what comes after ten seconds is seen within a quarter.
const PART: u32 = 40;

/// Ports told of at one time. More are not looked at; nobody's preview needs them.
const PORTS: usize = 4096;

/// Opened and closed ports, first those open now; `own_port` is left out.
pub(crate) fn watch(
    processes: Arc<Processes>,
    own_port: u16,
) -> impl Stream<Item = Result<PortEvent, Status>> + Send {
    futures_util::stream::unfold(Watcher::new(processes, own_port), async |mut watcher| {
        let event = watcher.next().await;
        Some((Ok(event), watcher))
    })
}

/// One open port as last told.
struct Open {
    loopback: bool,
    pid: i32,
    process: String,
    inodes: BTreeSet<u64>,
}

struct Watcher {
    processes: Arc<Processes>,
    own_port: u16,
    starts: watch::Receiver<Instant>,
    open: BTreeMap<u16, Open>,
    events: VecDeque<PortEvent>,
    listed: bool,
    /// When something last happened that may end in a new port.
    stirred: Instant,
    forks: Option<u64>,
    /// How long the last look took.
    cost: Duration,
}

impl Watcher {
    fn new(processes: Arc<Processes>, own_port: u16) -> Self {
        let starts = processes.starts();
        // That somebody begins to watch makes no port come sooner.
        let stirred = *starts.borrow();
        Self {
            processes,
            own_port,
            starts,
            open: BTreeMap::new(),
            events: VecDeque::new(),
            listed: false,
            stirred,
            forks: procfs::forks(),
            cost: Duration::ZERO,
        }
    }

    async fn next(&mut self) -> PortEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if self.listed {
                self.pause().await;
            }
            self.look().await;
            if !self.listed {
                self.listed = true;
                self.events.push_back(PortEvent { change: Change::Listed.into(), ..PortEvent::default() });
            }
        }
    }

    async fn pause(&mut self) {
        // A hostile table of thousands of sockets may not turn looking into work: a twentieth of the time at most.
        let pause = (self.stirred.elapsed() / PART).clamp(FASTEST, SLOWEST).max(self.cost * 20);
        // Either way it is time to look; that a sender is gone means that the agent ends.
        if let Ok(Ok(())) = tokio::time::timeout(pause, self.starts.changed()).await {
            self.stirred = Instant::now();
        }
        let forks = procfs::forks();
        if forks != self.forks {
            self.forks = forks;
            self.stirred = Instant::now();
        }
    }

    async fn look(&mut self) {
        let began = Instant::now();
        let found = by_port(&listeners(), self.own_port);
        self.cost = began.elapsed();
        let before = self.events.len();
        let gone: Vec<u16> = self
            .open
            .iter()
            .filter(|(port, open)| replaced(open, found.get(port)))
            .map(|(p, _)| *p)
            .collect();
        for port in gone {
            if let Some(open) = self.open.remove(&port) {
                self.events.push_back(event(Change::Closed, port, &open));
            }
        }
        for (port, (_, inodes)) in &found {
            if let Some(open) = self.open.get_mut(port) {
                open.inodes.clone_from(inodes);
            }
        }
        let new: BTreeMap<u16, Found> =
            found.into_iter().filter(|(port, _)| !self.open.contains_key(port)).collect();
        if !new.is_empty() {
            self.add(new).await;
        }
        // What the first look finds has been there, who knows for how long.
        if self.listed && self.events.len() != before {
            self.stirred = Instant::now();
        }
    }

    async fn add(&mut self, new: BTreeMap<u16, Found>) {
        let inodes: HashSet<u64> = new.values().flat_map(|(_, inodes)| inodes).copied().collect();
        // A walk that panicked or was cut by shutdown leaves the owners unknown, which the contract allows.
        let owners: HashMap<u64, i32> =
            tokio::task::spawn_blocking(move || owners(&inodes)).await.unwrap_or_default();
        for (port, (loopback, inodes)) in new {
            let pid = inodes.iter().filter_map(|inode| owners.get(inode)).min().copied().unwrap_or(0);
            let process = (pid > 1).then(|| self.processes.owner(pid)).flatten().unwrap_or_default();
            let open = Open { loopback, pid, process, inodes };
            self.events.push_back(event(Change::Opened, port, &open));
            self.open.insert(port, open);
        }
    }
}

/// Whether every socket of the port is a loopback one, and their inodes.
type Found = (bool, BTreeSet<u64>);

fn by_port(listeners: &[Listener], own_port: u16) -> BTreeMap<u16, Found> {
    let mut ports: BTreeMap<u16, Found> = BTreeMap::new();
    for listener in listeners.iter().filter(|listener| listener.port != own_port) {
        if ports.len() == PORTS && !ports.contains_key(&listener.port) {
            continue;
        }
        let (loopback, inodes) = ports.entry(listener.port).or_insert((true, BTreeSet::new()));
        *loopback &= listener.address.is_loopback();
        inodes.insert(listener.inode);
    }
    ports
}

/// Whether none of the sockets that were open is open any more, even if others have taken the port since.
fn replaced(open: &Open, found: Option<&Found>) -> bool {
    found.is_none_or(|(_, inodes)| inodes.is_disjoint(&open.inodes))
}

fn event(change: Change, port: u16, open: &Open) -> PortEvent {
    PortEvent {
        change: change.into(),
        port: port.into(),
        loopback: open.loopback,
        pid: open.pid.max(0) as u32,
        process: open.process.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(address: &str, port: u16, inode: u64) -> Listener {
        Listener { address: address.parse().expect("an address"), port, inode }
    }

    #[test]
    fn the_same_port_twice_is_one_and_loopback_only_if_all_are() {
        let ports = by_port(
            &[
                listener("127.0.0.1", 80, 1),
                listener("::1", 80, 2),
                listener("127.0.0.1", 81, 3),
                listener("::", 81, 4),
            ],
            9,
        );
        assert_eq!(ports[&80], (true, BTreeSet::from([1, 2])));
        assert_eq!(ports[&81], (false, BTreeSet::from([3, 4])));
        assert!(by_port(&[listener("127.0.0.1", 9, 1)], 9).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_late_looks_as_seldom_as_who_watched_all_along() {
        let _listens = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let processes = Arc::new(Processes::new("test", Arc::default()));
        tokio::time::advance(Duration::from_mins(1)).await;
        let mut watcher = Watcher::new(processes, 0);
        let mut opened = 0;
        while watcher.next().await.change() != Change::Listed {
            opened += 1;
        }
        assert!(opened > 0, "there is a port");
        assert!(watcher.stirred.elapsed() >= Duration::from_mins(1), "nothing has happened");
    }

    #[test]
    fn a_port_closes_when_all_its_sockets_are_gone() {
        let open = Open { loopback: true, pid: 5, process: String::new(), inodes: BTreeSet::from([1, 2]) };
        assert!(!replaced(&open, Some(&(true, BTreeSet::from([2])))));
        assert!(replaced(&open, Some(&(true, BTreeSet::from([3])))));
        assert!(replaced(&open, None));
    }
}
