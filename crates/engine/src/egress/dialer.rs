//! Connects to the outside: resolves a name once, refuses inward addresses, and dials exactly the addresses it checked,
//! so that a second answer of the resolver can change nothing. Behind a proxy it asks that to connect instead.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use slipway_wire::Problem;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{AddressPolicy, Host, proxy::Upstream};

/// How long finding and reaching a host may take in all.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one address is waited for before the next is tried beside it (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;
/// Names resolved at a time: each takes a thread of the runtime's blocking pool.
const RESOLVING: usize = 16;

/// The future a [`Resolver`] gives.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Turns a name into addresses.
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of a name, in the order they should be tried.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// The machine's own resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(
            async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) },
        )
    }
}

/// Why there is no connection.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// It may not be connected to: what kind of host it is.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It could not be: what happened.
    #[error("could not connect: {0}")]
    Failed(String),
}

impl DialError {
    fn failed(reason: impl fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }
}

/// A connection to the outside.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// Makes outgoing connections. Cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    resolver: Arc<dyn Resolver>,
    addresses: AddressPolicy,
    upstream: Option<Arc<Upstream>>,
    resolving: Arc<Semaphore>,
}

impl Dialer {
    /// Dials what `addresses` lets it, through the HTTP proxy `proxy` (`http://[user:password@]host:port`) if this
    /// machine is behind one; names are then left to the proxy. Fails on a proxy address it cannot use.
    pub fn new(addresses: AddressPolicy, proxy: Option<&str>) -> Result<Self, Problem> {
        Self::with_resolver(Arc::new(SystemResolver), addresses, proxy)
    }

    /// The same with another resolver.
    pub fn with_resolver(
        resolver: Arc<dyn Resolver>,
        addresses: AddressPolicy,
        proxy: Option<&str>,
    ) -> Result<Self, Problem> {
        let upstream = proxy.map(Upstream::parse).transpose()?.map(Arc::new);
        Ok(Self { resolver, addresses, upstream, resolving: Arc::new(Semaphore::new(RESOLVING)) })
    }

    /// What can be refused without asking anybody, a resolver included: a lookup alone already tells a stranger's name
    /// server something.
    pub(super) fn check(&self, host: &Host) -> Result<(), &'static str> {
        match host {
            Host::Name(name) => self.addresses.check_name(name),
            Host::Address(address) => self.check_address(*address),
        }
    }

    pub(super) async fn connect(&self, host: &Host, port: u16) -> Result<Box<dyn Socket>, DialError> {
        self.check(host).map_err(DialError::Forbidden)?;
        let deadline = Instant::now() + CONNECT;
        let connecting = async {
            if let Some(upstream) = &self.upstream {
                let socket = self.reach(upstream.addresses(&*self.resolver).await?).await?;
                return upstream.tunnel(socket, host, port).await;
            }
            let addresses = self.addresses(host, port).await?;
            Ok(Box::new(self.reach(addresses).await?) as Box<dyn Socket>)
        };
        timeout_at(deadline, connecting)
            .await
            .unwrap_or_else(|_| Err(DialError::failed("it did not answer in time")))
    }

    /// The addresses of a host, checked. One that points inward spoils all: a name that means this network, even in
    /// part, is not the public host it was allowed as.
    async fn addresses(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        let found = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                let _turn = self.resolving.acquire().await.map_err(DialError::failed)?;
                self.resolver.resolve(name).await.map_err(|_| DialError::failed("there is no such host"))?
            }
        };
        for address in &found {
            self.check_address(*address).map_err(DialError::Forbidden)?;
        }
        if found.is_empty() {
            return Err(DialError::failed("there is no such host"));
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    fn check_address(&self, address: IpAddr) -> Result<(), &'static str> {
        self.addresses.check_address(address)?;
        if !self.addresses.trusts(address) && is_own(address) {
            return Err("this machine");
        }
        Ok(())
    }

    /// Happy eyeballs, simply: families in turn, each next address started when the one before fails or is slow.
    async fn reach(&self, addresses: Vec<SocketAddr>) -> Result<TcpStream, DialError> {
        let mut waiting = interleaved(addresses);
        let mut trying = JoinSet::new();
        let mut last = DialError::failed("there is no such host");
        loop {
            if let Some(address) = waiting.pop_front() {
                trying.spawn(TcpStream::connect(address));
            }
            let patience = if waiting.is_empty() { CONNECT } else { STAGGER };
            match timeout(patience, trying.join_next()).await {
                Ok(Some(Ok(Ok(stream)))) => {
                    // Without it small writes wait for acknowledgements; a socket that cannot is still a socket.
                    if let Err(failed) = stream.set_nodelay(true) {
                        tracing::debug!(%failed, "no TCP_NODELAY");
                    }
                    return Ok(stream);
                }
                Ok(Some(Ok(Err(failed)))) => last = DialError::failed(plain(&failed)),
                Ok(Some(Err(failed))) => last = DialError::failed(failed),
                Ok(None) if waiting.is_empty() => return Err(last),
                Ok(None) | Err(_) => {}
            }
        }
    }
}

fn plain(failed: &io::Error) -> String {
    match failed.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "it did not answer in time".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route to it".to_owned(),
        _ => failed.to_string(),
    }
}

fn interleaved(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut turns = VecDeque::new();
    while turns.len() < ADDRESSES && (!one.is_empty() || !other.is_empty()) {
        turns.extend(one.pop_front());
        turns.extend(other.pop_front());
    }
    turns
}

/// Whether an address is this machine's, whatever range it is in: the kernel would then send from that very address.
/// Connecting a datagram socket sends nothing.
fn is_own(address: IpAddr) -> bool {
    let any = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    // Without a route there is no way to it either.
    source.is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    /// Answers differently each time: what DNS rebinding does.
    struct Script {
        answers: Vec<Vec<IpAddr>>,
        asked: AtomicUsize,
    }

    impl Resolver for Script {
        fn resolve<'a>(&'a self, _name: &'a str) -> Resolving<'a> {
            let turn = self.asked.fetch_add(1, Ordering::SeqCst);
            let answer = self.answers.get(turn).or(self.answers.last()).cloned().unwrap_or_default();
            Box::pin(async move { Ok(answer) })
        }
    }

    fn scripted(answers: &[&[&str]], trusted: &[&str]) -> (Dialer, Arc<Script>) {
        let answers =
            answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        let script = Arc::new(Script { answers, asked: AtomicUsize::new(0) });
        let trusted: Vec<String> = trusted.iter().map(ToString::to_string).collect();
        let dialer =
            Dialer::with_resolver(script.clone(), AddressPolicy::new(&trusted).unwrap(), None).unwrap();
        (dialer, script)
    }

    fn name(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    async fn refused(dialer: &Dialer, host: &str, port: u16) -> DialError {
        match dialer.connect(&name(host), port).await {
            Ok(_) => panic!("{host}:{port} was connected to"),
            Err(error) => error,
        }
    }

    #[tokio::test]
    async fn a_name_that_points_inward_is_refused_even_in_part() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for answer in
            [&["127.0.0.1"][..], &["93.184.216.34", "127.0.0.1"], &["::ffff:127.0.0.1"], &["64:ff9b::7f00:1"]]
        {
            let (dialer, _) = scripted(&[answer], &[]);
            assert_eq!(
                refused(&dialer, "rebind.example.org", port).await,
                DialError::Forbidden("loopback address"),
                "{answer:?}"
            );
        }
        assert!(tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err());
    }

    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_dialled() {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (dialer, script) = scripted(&[&["127.0.0.2"], &["127.0.0.1"]], &["127.0.0.2/32"]);
        dialer.connect(&name("rebind.example.org"), port).await.unwrap();
        assert_eq!(script.asked.load(Ordering::SeqCst), 1, "resolved once");
        assert_eq!(
            refused(&dialer, "rebind.example.org", port).await,
            DialError::Forbidden("loopback address")
        );
    }

    #[tokio::test]
    async fn literals_and_inward_names_never_reach_the_resolver() {
        let (dialer, script) = scripted(&[&["93.184.216.34"]], &[]);
        for host in
            ["127.0.0.1", "169.254.169.254", "[fd00::1]", "localhost", "host.docker.internal", "a.local"]
        {
            assert!(matches!(refused(&dialer, host, 80).await, DialError::Forbidden(_)), "{host}");
        }
        assert_eq!(script.asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_live_one() {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (dialer, _) = scripted(&[&["::1", "127.0.0.3", "127.0.0.2"]], &["127.0.0.0/8", "::1"]);
        dialer.connect(&name("mirror.example.org"), port).await.unwrap();
        drop(listener);
        assert_eq!(
            refused(&dialer, "mirror.example.org", port).await,
            DialError::Failed("connection refused".into())
        );
        let (nowhere, _) = scripted(&[&[]], &[]);
        assert_eq!(
            refused(&nowhere, "nowhere.example.org", 80).await,
            DialError::Failed("there is no such host".into())
        );
    }

    #[test]
    fn our_own_addresses_are_known_as_such() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(!is_own("1.1.1.1".parse().unwrap()));
    }

    #[test]
    fn families_take_turns() {
        let parse =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(
            interleaved(parse(&["[2001::1]:1", "[2001::2]:1", "1.1.1.1:1"])),
            parse(&["[2001::1]:1", "1.1.1.1:1", "[2001::2]:1"])
        );
        assert_eq!(interleaved(vec!["1.1.1.1:1".parse().unwrap(); 50]).len(), ADDRESSES);
    }

    #[tokio::test]
    async fn the_end_of_the_other_side_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (dialer, _) = scripted(&[], &["127.0.0.0/8"]);
        let mut socket = dialer.connect(&name("127.0.0.1"), port).await.unwrap();
        drop(listener.accept().await.unwrap());
        assert_eq!(socket.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
