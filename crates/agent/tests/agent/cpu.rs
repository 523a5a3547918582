//! Processor use in per cent: over the time that passed, not the time that was asked for.

use slipway_agent_api::v1::{self, signal_request::Scope};

use crate::support::{Agent, command, exec, signal, until, within};

const KILL: i32 = 9;

/// A loop uses one processor at most, however long the agent is kept from its second look.
#[tokio::test]
async fn processor_use_is_over_the_time_that_passed() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let process = exec(&mut client, command(&["sh", "-c", "while :; do :; done"], false)).await.process;
    let mut asking = client.clone();
    let tree = tokio::spawn(async move { asking.tree(v1::TreeRequest { sample_ms: 500 }).await });
    let mut loops = 0;
    until("the loop is known", async || {
        let all = client.processes(v1::ProcessesRequest {}).await.expect("processes").into_inner();
        loops = all.processes.iter().find(|p| p.process == process).map_or(0, |p| p.pid);
        loops != 0
    })
    .await;
    // Answered behind the question for the tree: its first look is being made.
    client.hello(v1::HelloRequest { protocol: 1 }).await.expect("hello");
    let agents = rustix::process::Pid::from_child(&agent.child);
    rustix::process::kill_process(agents, rustix::process::Signal::STOP).expect("it is ours");
    let begun = ticks(loops);
    until("the loop has used a second and a half", async || ticks(loops) >= begun + 150).await;
    rustix::process::kill_process(agents, rustix::process::Signal::CONT).expect("it is ours");
    let tree = within("the tree", tree).await.expect("no panic").expect("tree").into_inner();
    let seen = tree.processes.iter().find(|p| p.pid == loops).expect("the loop is listed");
    assert!(seen.cpu_permille <= 1100, "{} of a thousand in one loop", seen.cpu_permille);
    signal(&mut client, &process, KILL, Scope::Tree).await;
}

/// Processor time of a process, hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let after_name = stat.rsplit(')').next().expect("a name");
    after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
}
