//! What hostile code in a container can see and do: nothing but its own files and its own processes. What people's own
//! containers and images have to fear from Slipway: nothing.

use super::harness::{House, LONG, fetch, request, server};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use slipway_tests::{containers, containers::docker, wait_until};
use slipway_wire::{Api, DeployRequest, Nothing, WorkspaceId, WorkspaceRef, WorkspaceState};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any answer on this machine takes.
const SOON: Duration = Duration::from_secs(3);
const BASE: &str = "node:24-alpine";

async fn workspace(house: &House) -> Result<WorkspaceId> {
    Ok(house.ready(&house.zip("brig", &[("server.js", &server(3000, "brig"))])?).await?.id)
}

async fn container(house: &House) -> Result<String> {
    let all = house.containers().await?;
    ensure!(all.len() == 1, "one container, not {all:?}");
    Ok(all.into_iter().next().unwrap_or_default())
}

async fn inspect(container: &str) -> Result<Value> {
    let text = docker(&["inspect", container]).await?;
    let mut all: Vec<Value> = serde_json::from_str(&text)?;
    all.pop().context("docker inspect gave nothing")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_has_no_right_that_it_does_not_need() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let (status, _, _) = house.run(&id, &["cat", "/proc/self/status"]).await?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_default().split_whitespace().next().unwrap_or_default().to_owned()
    };
    assert_eq!(field("Uid"), "1000");
    assert_eq!(field("Gid"), "1000");
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Seccomp"), "2", "a filter is in force");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    let (interfaces, _, _) = house.run(&id, &["ls", "/sys/class/net"]).await?;
    assert_eq!(interfaces, "lo\n");
    house.close().await
}

/// Every line is tried by a shell and must fail.
const DENIED: [&str; 22] = [
    "test -e /var/run/docker.sock",
    "test -e /run/docker.sock",
    "touch /etc/passwd",
    "echo x >> /etc/hosts",
    "touch /x",
    "touch /usr/bin/x",
    "touch /.slipway/x",
    "echo x >> /.slipway/agent",
    "rm -f /.slipway/agent",
    "mv /.slipway /tmp/y",
    "mount -t tmpfs none /tmp",
    "mount --bind /etc /workspace",
    "umount /proc",
    "unshare -r true",
    "unshare -U -m true",
    "chroot / true",
    "mknod /tmp/disk b 8 0",
    "echo 1 > /proc/sys/kernel/panic",
    "echo x > /proc/sysrq-trigger",
    "ls /proc/1/fd",
    "cat /proc/1/environ",
    "head -c 1 /proc/1/mem",
];

#[tokio::test(flavor = "multi_thread")]
async fn ways_out_and_writes_to_the_system_are_denied() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    for line in DENIED {
        let (out, _, exit) = house.run(&id, &["sh", "-c", line]).await?;
        assert_ne!(exit.code, Some(0), "`{line}` was let through: {out}");
    }
    assert_eq!(house.run(&id, &["sh", "-c", "touch /workspace/x /tmp/x ~/x"]).await?.2.code, Some(0));
    house.close().await
}

/// System calls that a language with a foreign function interface can make. Each must give an error.
const CALLS: &str = r#"
import ctypes, os, json
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    ctypes.set_errno(0)
    result = getattr(libc, name)(*arguments)
    return [result, ctypes.get_errno()]
print(json.dumps({
    "unshare user": call("unshare", 0x10000000),
    "unshare mount": call("unshare", 0x20000),
    "mount": call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "ptrace attach 1": call("ptrace", 16, 1, 0, 0),
    "ptrace seize 1": call("ptrace", 0x4206, 1, 0, 0),
    "process_vm_readv 1": call("process_vm_readv", 1, None, 0, None, 0, 1),
    "setuid 0": call("setuid", 0),
    "setgid 0": call("setgid", 0),
    "sethostname": call("sethostname", b"x", 1),
    "chroot": call("chroot", b"/"),
    "keyctl": call("syscall", 250, 0, -3, 1),
    "bpf": call("syscall", 321, 0, 0, 0),
    "init_module": call("syscall", 175, 0, 0, 0),
    "kexec_load": call("syscall", 246, 0, 0, 0, 0),
    "reboot": call("reboot", 0x1234567),
    "raw socket": call("socket", 2, 3, 1),
    "packet socket": call("socket", 17, 3, 0),
    "swapon": call("swapon", b"/tmp/x", 0),
    "settimeofday": call("settimeofday", (ctypes.c_long * 2)(1, 1), None),
}))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn system_calls_that_lead_out_are_denied() -> Result<()> {
    let house = House::open().await?;
    let zip = house.zip("calls", &[("index.html", "x")])?;
    let python = DeployRequest { image: Some("python:3.13-slim".into()), ..request(&zip) };
    let made = house.engine.workspace_deploy(python).await?;
    house.wait_for(&made.id, WorkspaceState::Running).await?;
    let (out, errors, _) = house.run(&made.id, &["python3", "-c", CALLS]).await?;
    let results: BTreeMap<String, (i64, i32)> =
        serde_json::from_str(&out).with_context(|| format!("{out} {errors}"))?;
    assert_eq!(results.len(), 19);
    for (call, (result, errno)) in results {
        assert!(result == -1 && errno != 0, "{call} gave {result}, errno {errno}");
    }
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_process_cannot_be_harmed_from_inside() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let usage = || house.engine.workspace_usage(WorkspaceRef { id: id.clone() });
    for signal in ["KILL", "STOP", "SEGV", "ABRT", "HUP", "USR1", "QUIT", "INT", "TERM"] {
        let line = format!("kill -{signal} 1");
        house.run(&id, &["sh", "-c", &line]).await.with_context(|| line.clone())?;
        house.run(&id, &["true"]).await.with_context(|| format!("after kill -{signal} 1"))?;
    }
    usage().await?;
    // Everything it may signal at once: its own processes go, the workspace stays.
    // That ends the connection too, so that this very command may have no answer.
    let _cut_off = house.run(&id, &["sh", "-c", "kill -KILL -1"]).await;
    let (_, problem) = house.fails(&id).await?;
    assert!(problem.message.contains("signal 9"), "{problem}");
    wait_until("a shell", LONG, || async { house.shell_answers(&id).await.map(Some) }).await?;
    house.close().await
}

/// Tries to connect to each `HOST:PORT` argument; prints those that answer.
const CONNECTS: &str = "const net = require('net');\nfor (const to of process.argv.slice(1)) {\n  \
    const at = to.lastIndexOf(':');\n  const socket = net.connect({ host: to.slice(0, at), port: +to.slice(at + 1) });\n  \
    socket.setTimeout(2000, () => socket.destroy());\n  socket.on('connect', () => { console.log(to); socket.destroy(); });\n  \
    socket.on('error', () => {});\n}";

/// Asks the outgoing proxy for a tunnel to each argument; prints those it opens.
const TUNNELS: &str = "const http = require('http');\nconst proxy = new URL(process.env.HTTP_PROXY);\n\
    for (const to of process.argv.slice(1)) {\n  \
    const ask = http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: to });\n  \
    ask.setTimeout(5000, () => ask.destroy());\n  \
    ask.on('connect', (answer, socket) => { if (answer.statusCode === 200) console.log(to); socket.destroy(); });\n  \
    ask.on('error', () => {});\n  ask.end();\n}";

/// Addresses of this machine other than loopback, IPv4: the default route's and Docker's bridge.
async fn own_addresses() -> Result<Vec<IpAddr>> {
    let subnet =
        docker(&["network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}"]).await?;
    let bridge = subnet.trim().split('/').next().unwrap_or_default().to_owned();
    let mut all = BTreeSet::new();
    for towards in [bridge.as_str(), "203.0.113.1"] {
        // No packet is sent: connecting a datagram socket only asks the kernel for its own address.
        let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
        if socket.connect((towards, 9)).is_ok() {
            all.insert(socket.local_addr()?.ip());
        }
    }
    all.retain(|ip| !ip.is_loopback());
    ensure!(!all.is_empty(), "this machine has no address but loopback: nothing could be shown");
    Ok(all.into_iter().collect())
}

/// A container of somebody else's, removed by its id.
struct Stranger(String);

impl Stranger {
    async fn create(arguments: &[&str]) -> Result<Self> {
        let all: Vec<&str> = ["create"].into_iter().chain(arguments.iter().copied()).collect();
        Ok(Self(docker(&all).await?.trim().to_owned()))
    }

    async fn is_there(&self) -> bool {
        docker(&["inspect", &self.0]).await.is_ok()
    }

    async fn remove(self) -> Result<()> {
        docker(&["rm", "--force", &self.0]).await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_reaches_neither_host_nor_neighbour_nor_metadata() -> Result<()> {
    let house = House::with_settings("ask_hosts = false\n").await?;
    let id = workspace(&house).await?;
    // Something answers at each of these, or would on a cloud machine.
    let listener = TcpListener::bind("0.0.0.0:0").await?;
    let port = listener.local_addr()?.port();
    let neighbour =
        Stranger::create(&[BASE, "node", "-e", &server(8000, "neighbour").replace(", '127.0.0.1'", "")])
            .await?;
    docker(&["start", &neighbour.0]).await?;
    let format = "{{.NetworkSettings.IPAddress}}";
    let address = docker(&["inspect", "--format", format, &neighbour.0]).await?.trim().to_owned();
    let reachable = format!("{address}:8000");
    wait_until("the neighbour to answer the host", LONG, || async {
        TcpStream::connect(&*reachable).await?;
        Ok(Some(()))
    })
    .await?;
    let mut targets = vec![reachable, "169.254.169.254:80".to_owned(), "host.docker.internal:80".to_owned()];
    targets.push(format!("127.0.0.1:{}", house.engine.gateway().port()));
    targets.extend(own_addresses().await?.into_iter().map(|ip| SocketAddr::new(ip, port).to_string()));
    for script in [CONNECTS, TUNNELS] {
        let mut argv = vec!["node", "-e", script];
        argv.extend(targets.iter().map(String::as_str));
        let (out, errors, exit) = house.run(&id, &argv).await?;
        assert_eq!((out.as_str(), exit.code), ("", Some(0)), "of {targets:?} these answered; {errors}");
    }
    neighbour.remove().await?;
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_workspace_is_reachable_from_outside() -> Result<()> {
    let house = House::open().await?;
    let app = "require('http').createServer((q, r) => r.end('mine')).listen(3000, '0.0.0.0')";
    let view = house.ready(&house.zip("open", &[("server.js", app)])?).await?;
    assert_eq!(fetch(&view.url.context("a URL")?).await?.1, "mine");
    let gateway = house.engine.gateway();
    assert!(gateway.ip().is_loopback(), "{gateway}");
    let mut targets = Vec::new();
    for ip in own_addresses().await? {
        for port in [gateway.port(), 3000] {
            let to = SocketAddr::new(ip, port);
            let dialled = tokio::time::timeout(SOON, TcpStream::connect(to)).await;
            assert!(!matches!(dialled, Ok(Ok(_))), "{to} answers");
            targets.push(to.to_string());
        }
    }
    let inspected = inspect(&container(&house).await?).await?;
    assert_eq!(inspected["NetworkSettings"]["IPAddress"], "");
    assert_eq!(inspected["NetworkSettings"]["Ports"], serde_json::json!({}));
    let mut run = vec!["run", "--rm", BASE, "node", "-e", CONNECTS];
    run.extend(targets.iter().map(String::as_str));
    assert_eq!(docker(&run).await?, "", "another container reaches it");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_container_is_made_as_promised_and_keeps_no_secret() -> Result<()> {
    const CANARY: &str = "canary-7f3a91";
    let house = House::open().await?;
    let app = "require('http').createServer((q, r) => r.end(process.env.SECRET)).listen(3000, 'localhost')";
    let zip = house.zip("vault", &[("server.js", app)])?;
    let env = BTreeMap::from([("SECRET".to_owned(), CANARY.to_owned())]);
    let made = house.engine.workspace_deploy(DeployRequest { env, ..request(&zip) }).await?;
    let view = house.wait_for(&made.id, WorkspaceState::Running).await?;
    assert_eq!(fetch(&view.url.context("a URL")?).await?.1, CANARY, "the program has it");

    let container = container(&house).await?;
    let whole = inspect(&container).await?;
    let top = docker(&["top", &container]).await?;
    let said = house.engine.workspace_messages(WorkspaceRef { id: made.id.clone() }).await?;
    for (place, text) in [
        ("docker inspect", whole.to_string()),
        ("docker top", top),
        ("messages", serde_json::to_string(&said)?),
        ("the view", serde_json::to_string(&house.status(&made.id).await?)?),
    ] {
        assert!(!text.contains(CANARY), "{place} tells the secret");
    }

    let instance = containers::instance(house.data.path())?;
    let labels = &whole["Config"]["Labels"];
    assert_eq!(labels["slipway.instance"], *instance);
    assert_eq!(labels["slipway.workspace"], *made.id.as_str());
    assert_eq!(labels["slipway.role"], "workspace");
    assert_eq!(whole["Config"]["User"], "1000:1000");
    let host = &whole["HostConfig"];
    for (name, value) in [
        ("NetworkMode", serde_json::json!("none")),
        ("Privileged", serde_json::json!(false)),
        ("PublishAllPorts", serde_json::json!(false)),
        ("CapAdd", serde_json::json!(null)),
        ("CapDrop", serde_json::json!(["ALL"])),
        ("SecurityOpt", serde_json::json!(["no-new-privileges"])),
        ("LogConfig", serde_json::json!({"Type": "none", "Config": {}})),
        ("Binds", serde_json::json!(null)),
        ("Devices", serde_json::json!(null)),
        ("PidMode", serde_json::json!("")),
        ("UTSMode", serde_json::json!("")),
        ("Memory", serde_json::json!(2_147_483_648_u64)),
        ("MemorySwap", serde_json::json!(2_147_483_648_u64)),
        ("PidsLimit", serde_json::json!(1024)),
    ] {
        let absent = host[name].as_array().is_some_and(Vec::is_empty) && value.is_null();
        assert!(host[name] == value || absent, "{name} is {}", host[name]);
    }
    assert_eq!(host["RestartPolicy"]["Name"], "no");
    assert_eq!(whole["Mounts"], serde_json::json!([]), "nothing of the host is inside");
    house.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_like_ours_is_never_touched() -> Result<()> {
    let house = House::open().await?;
    let id = workspace(&house).await?;
    let instance = containers::instance(house.data.path())?;
    let ours = container(&house).await?;
    let prepared = inspect(&ours).await?["Image"].as_str().context("an image")?.to_owned();
    let same_name = format!("slipway-{}-lookalike", instance.get(..6).context("an instance id")?);
    let (workspace_label, instance_label) =
        (format!("slipway.workspace={id}"), format!("slipway.instance={instance}"));
    let none = "slipway.instance=";
    let strangers = [
        ("the same kind of name", vec!["--name", &*same_name, BASE, "true"]),
        (
            "another's instance",
            vec![
                "--label",
                "slipway.instance=0123456789abcdef",
                "--label",
                &*workspace_label,
                "--label",
                "slipway.role=workspace",
                BASE,
                "true",
            ],
        ),
        (
            "the workspace's label alone",
            vec!["--label", &*workspace_label, "--label", "slipway.role=workspace", BASE, "true"],
        ),
        ("the prepared image, unlabelled", vec!["--label", none, &*prepared, "true"]),
        ("the instance's label alone", vec!["--label", &*instance_label, BASE, "true"]),
    ];
    let mut made = Vec::new();
    for (what, arguments) in &strangers {
        made.push((*what, Stranger::create(arguments).await.context(*what)?));
    }
    // Two images under our names that are not ours, and one of ours that is out of date: its going tells of the sweep.
    let unlabelled = format!("slipway/node:lookalike-{instance}");
    docker(&["tag", BASE, &unlabelled]).await?;
    let stale = format!("slipway/node:stale{instance}");
    let foreign = format!("slipway/node:foreign{instance}");
    for (reference, owner) in [(&stale, instance.as_str()), (&foreign, "0123456789abcdef")] {
        let digest = reference.rsplit(':').next().unwrap_or_default();
        let change = format!(
            "LABEL slipway.instance={owner} slipway.role=image slipway.base={BASE} slipway.prepared={digest}"
        );
        docker(&["commit", "--change", &change, &made[0].1.0, reference]).await?;
    }

    let data = house.leave().await;
    let house = House::reopen(data).await?;
    wait_until("the sweep", LONG, || async {
        let left = docker(&["images", "--quiet", &stale]).await?;
        Ok(left.is_empty().then_some(()))
    })
    .await?;
    let listed: Vec<WorkspaceId> =
        house.engine.workspace_list(Nothing {}).await?.into_iter().map(|view| view.id).collect();
    assert_eq!(listed, std::slice::from_ref(&id), "none of them was adopted");
    house.wait_for(&id, WorkspaceState::Running).await?;
    house.engine.workspace_remove(WorkspaceRef { id: id.clone() }).await?;
    ensure!(docker(&["inspect", &ours]).await.is_err(), "its own container is gone");
    for (what, stranger) in made {
        assert!(stranger.is_there().await, "{what} was removed");
        stranger.remove().await?;
    }
    for image in [&unlabelled, &foreign] {
        docker(&["rmi", image]).await.with_context(|| format!("{image} was removed"))?;
    }
    house.close().await
}
