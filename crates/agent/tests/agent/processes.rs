//! Exec, Attach, Signal, Processes, Forget: terminals and pipes, history, back-pressure, ends of all kinds.

use std::time::{Duration, Instant};

use slipway_agent_api::v1::signal_request::Scope;
use slipway_agent_api::v1::{self, attach_reply, attach_request};
use tonic::Code;

use crate::support::{Agent, attach, command, exec, run, signal, until, within};

const INT: i32 = 2;
const KILL: i32 = 9;
const TERM: i32 = 15;

#[tokio::test]
async fn hello_tells_versions_and_a_new_boot_id_at_every_start() {
    let (first, second) = (Agent::start(), Agent::start());
    let mut ids = Vec::new();
    for agent in [&first, &second] {
        let hello =
            agent.client().await.hello(v1::HelloRequest { protocol: 1 }).await.expect("hello").into_inner();
        assert_eq!(hello.protocol, slipway_agent_api::PROTOCOL);
        assert_eq!(hello.version, env!("CARGO_PKG_VERSION"));
        assert!(hello.shell.ends_with("sh"), "{}", hello.shell);
        assert_ne!(hello.egress_port, 0);
        ids.push(hello.boot_id);
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_terminal_echoes_knows_its_size_and_ends_with_its_shell() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let process = exec(&mut client, command(&["sh"], true)).await.process;
    let mut terminal = attach(&mut client, &process, 0, true).await;
    terminal.type_in("stty size; echo $TERM:$COLORTERM; tty >/dev/null && echo on-a-$((1+1))-tty\n").await;
    let seen = terminal.expect("on-a-2-tty").await;
    assert!(seen.contains("40 100") && seen.contains("xterm-256color:truecolor"), "{seen}");
    terminal.send(attach_request::Part::Resize(v1::WindowSize { columns: 77, rows: 11 })).await;
    terminal.type_in("stty size\n").await;
    terminal.expect("11 77").await;
    terminal.type_in("exit 7\n").await;
    loop {
        match terminal.next().await {
            Some(attach_reply::Event::Exit(exit)) => {
                assert_eq!((exit.code, exit.signal), (7, 0));
                break;
            }
            Some(_) => {}
            None => panic!("ended without an exit"),
        }
    }
}

#[tokio::test]
async fn an_empty_command_is_a_login_shell() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let process = exec(&mut client, command(&[], true)).await.process;
    let mut terminal = attach(&mut client, &process, 0, true).await;
    terminal.type_in("echo flags=$-=\n").await;
    let seen = terminal.expect("flags=").await;
    assert!(!seen.is_empty());
    let listed = client.processes(v1::ProcessesRequest {}).await.expect("processes").into_inner().processes;
    assert_eq!(listed[0].argv.last().map(|argument| &argument[..]), Some(&b"-l"[..]));
}

#[tokio::test]
async fn an_image_without_a_shell_says_so() {
    let agent = Agent::start();
    let mut request = command(&[], true);
    request.env.push(v1::EnvironmentVariable { name: "PATH".into(), value: "/nowhere".into() });
    let refused = agent.client().await.exec(request).await.expect_err("no shell");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("no shell"), "{refused}");
}

#[tokio::test]
async fn pipes_keep_standard_output_and_error_apart_and_in_order() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let done = run(&mut client, command(&["sh", "-c", "echo out; echo err >&2; exit 3"], false)).await;
    assert_eq!((&done.stdout[..], &done.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(done.exit.map(|exit| (exit.code, exit.signal)), Some((3, 0)));
    // Without standard input open, it reads as empty.
    let done = run(&mut client, command(&["sh", "-c", "cat; echo end"], false)).await;
    assert_eq!(&done.stdout[..], b"end\n");
}

#[tokio::test]
async fn standard_input_reaches_a_pipe_until_its_end() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let mut request = command(&["sort"], false);
    request.stdin = true;
    let process = exec(&mut client, request).await.process;
    let attached = attach(&mut client, &process, 0, true).await;
    attached.type_in("b\nc\n").await;
    attached.type_in("a\n").await;
    attached.send(attach_request::Part::EndOfInput(true)).await;
    assert_eq!(&attached.rest(0).await.stdout[..], b"a\nb\nc\n");
}

#[tokio::test]
async fn end_of_input_on_a_terminal_is_its_end_of_file_character() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let process = exec(&mut client, command(&["cat"], true)).await.process;
    let mut terminal = attach(&mut client, &process, 0, true).await;
    terminal.type_in("x\n").await;
    terminal.expect("x\r\nx\r\n").await;
    terminal.send(attach_request::Part::EndOfInput(true)).await;
    let rest = terminal.rest(6).await;
    assert_eq!(rest.exit.map(|exit| exit.code), Some(0));
}

#[tokio::test]
async fn programs_begin_with_no_signal_blocked_or_ignored() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    for pty in [true, false] {
        let done = run(&mut client, command(&["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"], pty)).await;
        let text = String::from_utf8([done.terminal, done.stdout].concat()).expect("text");
        let masks: Vec<u64> = text
            .lines()
            .filter_map(|line| u64::from_str_radix(line.split_once(':')?.1.trim(), 16).ok())
            // Real-time signals are the C library's own; whoever runs the tests may ignore some.
            .map(|mask| mask & 0x7FFF_FFFF)
            .collect();
        assert_eq!(masks, [0, 0], "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_started_is_named() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let plain = agent.path("plain");
    std::fs::write(&plain, "not a program").expect("a file");
    let plain = plain.display().to_string();
    for (argv, cwd, code, word) in [
        (vec!["no-such-program-anywhere"], "/", Code::NotFound, "no-such-program-anywhere"),
        (vec![plain.as_str()], "/", Code::PermissionDenied, plain.as_str()),
        (vec!["true"], "/no/such/directory", Code::NotFound, "/no/such/directory"),
        (vec!["true"], "relative", Code::InvalidArgument, "absolute"),
        (vec!["a\0b"], "/", Code::InvalidArgument, "NUL"),
        (vec![""], "/", Code::InvalidArgument, "empty"),
    ] {
        let refused =
            client.exec(v1::ExecRequest { cwd: cwd.into(), ..command(&argv, false) }).await.expect_err(word);
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(word), "{refused}");
    }
}

#[tokio::test]
async fn an_exit_is_told_though_background_children_hold_the_terminal() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    for pty in [true, false] {
        let start = Instant::now();
        let done = run(&mut client, command(&["sh", "-c", "trap '' HUP; sleep 60 & echo done"], pty)).await;
        assert!(start.elapsed() < Duration::from_secs(5), "waited for the child");
        assert!(String::from_utf8_lossy(&[done.terminal, done.stdout].concat()).contains("done"));
        assert_eq!(done.exit.map(|exit| exit.code), Some(0));
    }
}

#[tokio::test]
async fn a_flood_arrives_whole_through_terminal_and_pipe() {
    const BYTES: usize = 20_000_000;
    let agent = Agent::start();
    let mut client = agent.client().await;
    let script = format!("awk 'BEGIN {{ for (i = 0; i < {}; i++) printf \"%09d,\", i }}'", BYTES / 10);
    let expected: Vec<u8> = (0..BYTES / 10).flat_map(|i| format!("{i:09},").into_bytes()).collect();
    for pty in [true, false] {
        let done = run(&mut client, command(&["sh", "-c", &script], pty)).await;
        assert!(done.gaps.is_empty());
        let bytes = if pty { done.terminal } else { done.stdout };
        assert!(bytes == expected, "{} of {} bytes, or others", bytes.len(), expected.len());
    }
}

#[tokio::test]
async fn the_last_output_of_a_process_that_ends_at_once_is_never_lost() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    // More than a terminal passes on in one go: the rest is in the kernel when the process has ended.
    for round in 0..30 {
        let done = run(&mut client, command(&["head", "-c", "600000", "/dev/zero"], true)).await;
        assert_eq!(done.terminal.len(), 600_000, "round {round}");
    }
}

#[tokio::test]
async fn a_lossless_reader_that_stops_holds_the_process_and_loses_nothing() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let script = "head -c 30000000 /dev/zero | tr '\\0' 'x'; echo END >&2";
    let process = exec(&mut client, command(&["sh", "-c", script], false)).await.process;
    let mut slow = attach(&mut client, &process, 0, true).await;
    let Some(attach_reply::Event::Output(first)) = slow.next().await else { panic!("no output") };
    // Windows and queues fill; the process must then stand still.
    let mut produced = (0, Instant::now());
    until("the process is held back", async || {
        let listed =
            client.processes(v1::ProcessesRequest {}).await.expect("processes").into_inner().processes;
        if listed[0].bytes != produced.0 {
            produced = (listed[0].bytes, Instant::now());
        }
        produced.1.elapsed() > Duration::from_millis(500)
    })
    .await;
    assert!(produced.0 < 16_000_000, "{} bytes were produced for a reader that does not read", produced.0);
    let rest = slow.rest(first.data.len() as u64).await;
    assert!(rest.gaps.is_empty());
    assert_eq!(first.data.len() + rest.stdout.len(), 30_000_000);
    assert_eq!(&rest.stderr[..], b"END\n");
}

#[tokio::test]
async fn output_before_the_first_reader_is_held_a_while_for_it() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let process = exec(&mut client, command(&["head", "-c", "30000000", "/dev/zero"], false)).await.process;
    let bytes = async |client: &mut crate::support::Client| {
        client.processes(v1::ProcessesRequest {}).await.expect("processes").into_inner().processes[0].bytes
    };
    until("it has printed what is held", async || bytes(&mut client).await > 1024 * 1024).await;
    let done = attach(&mut client, &process, 0, true).await.rest(0).await;
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    assert_eq!(done.stdout.len(), 30_000_000);
}

#[tokio::test]
async fn without_readers_a_process_runs_on_and_history_keeps_both_ends() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let script = "echo FIRST; head -c 12000000 /dev/zero; echo LAST";
    let process = exec(&mut client, command(&["sh", "-c", script], false)).await.process;
    until("it has ended", async || {
        let listed =
            client.processes(v1::ProcessesRequest {}).await.expect("processes").into_inner().processes;
        listed[0].exit.is_some()
    })
    .await;
    let all = attach(&mut client, &process, 0, true).await.rest(0).await;
    assert_eq!(all.gaps.len(), 1);
    assert_eq!(all.stdout.len(), 5 * 1024 * 1024);
    assert!(all.stdout.starts_with(b"FIRST\n") && all.stdout.ends_with(b"LAST\n"));
    // From an offset, from the end, and from beyond it.
    let total = all.exit.expect("an exit").bytes;
    let tail = attach(&mut client, &process, total - 5, false).await.rest(total - 5).await;
    assert_eq!(&tail.stdout[..], b"LAST\n");
    for offset in [total, total + 1000] {
        let nothing = attach(&mut client, &process, offset, true).await.rest(total).await;
        assert!(nothing.stdout.is_empty() && nothing.exit.is_some());
    }
}

#[tokio::test]
async fn a_connection_that_goes_away_frees_the_process_and_another_goes_on() {
    let agent = Agent::start();
    let mut first = agent.client().await;
    let script = "head -c 40000000 /dev/zero; echo LAST; read line; echo got $line";
    let mut request = command(&["sh", "-c", script], false);
    request.stdin = true;
    let process = exec(&mut first, request).await.process;
    let mut held = attach(&mut first, &process, 0, true).await;
    held.next().await.expect("output");
    drop((held, first));
    let mut second = agent.client().await;
    until("the process has free run", async || {
        let listed =
            second.processes(v1::ProcessesRequest {}).await.expect("processes").into_inner().processes;
        listed[0].bytes == 40_000_005
    })
    .await;
    let attached = attach(&mut second, &process, 40_000_000, true).await;
    attached.type_in("again\n").await;
    assert_eq!(&attached.rest(40_000_000).await.stdout[..], b"LAST\ngot again\n");
}

#[tokio::test]
async fn control_c_acts_during_a_flood() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let process = exec(
        &mut client,
        command(
            &["sh", "-c", "trap 'echo; echo STOPPED; exit 5' INT; while :; do cat /proc/cpuinfo; done"],
            true,
        ),
    )
    .await
    .process;
    let mut terminal = attach(&mut client, &process, 0, true).await;
    for _ in 0..20 {
        terminal.next().await.expect("a flood");
    }
    terminal.type_in("\x03").await;
    let mut exit = None;
    let mut tail = Vec::new();
    while let Some(event) = terminal.next().await {
        match event {
            attach_reply::Event::Output(output) => tail = output.data.to_vec(),
            attach_reply::Event::Exit(ended) => exit = Some(ended),
            attach_reply::Event::Gap(gap) => panic!("{gap:?}"),
        }
    }
    assert_eq!(exit.map(|exit| exit.code), Some(5));
    assert!(String::from_utf8_lossy(&tail).contains("STOPPED"));
}

#[tokio::test]
async fn signals_reach_foreground_tree_or_the_process_alone() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    // The foreground of a terminal, not its shell.
    let process = exec(&mut client, command(&["bash", "--norc", "-i"], true)).await.process;
    let mut terminal = attach(&mut client, &process, 0, true).await;
    terminal.type_in("sh -c 'echo begin-$((1+1)); exec sleep 1000'\n").await;
    terminal.expect("begin-2").await;
    assert_eq!(signal(&mut client, &process, INT, Scope::Foreground).await, 1);
    terminal.type_in("echo status-$?-\n").await;
    terminal.expect("status-130-").await;
    // Children that left the session and were orphaned belong to the tree still.
    let script =
        "setsid sh -c 'setsid sleep 1000 & setsid sleep 1000 & exit' ; sleep 1000 & echo ready; wait";
    let process = exec(&mut client, command(&["sh", "-c", script], false)).await;
    let mut attached = attach(&mut client, &process.process, 0, true).await;
    attached.expect("ready").await;
    assert_eq!(signal(&mut client, &process.process, KILL, Scope::Tree).await, 4);
    let rest = attached.rest(6).await;
    assert_eq!(rest.exit.map(|exit| exit.signal), Some(KILL));
    assert_eq!(signal(&mut client, &process.process, KILL, Scope::Tree).await, 0, "somebody was left");
    // One process, by its own choice of code.
    let process = exec(
        &mut client,
        command(&["sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done"], false),
    )
    .await;
    let mut attached = attach(&mut client, &process.process, 0, true).await;
    attached.expect("up").await;
    assert_eq!(signal(&mut client, &process.process, TERM, Scope::Process).await, 1);
    assert_eq!(attached.rest(3).await.exit.map(|exit| exit.code), Some(9));
    let request = v1::SignalRequest { process: process.process, signal: 9999, scope: 0 };
    assert_eq!(client.signal(request).await.expect_err("no signal").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_fork_bomb_is_ended_by_one_kill_of_its_tree() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    // Bounded, so that a failing test does not take the machine with it.
    let script = "ulimit -u 4000; b() { i=0; while [ $i -lt 40 ]; do i=$((i+1)); (sleep 30; :) & done; wait; }; b & b & echo ready; wait";
    let process = exec(&mut client, command(&["sh", "-c", script], false)).await.process;
    let mut attached = attach(&mut client, &process, 0, true).await;
    attached.expect("ready").await;
    signal(&mut client, &process, KILL, Scope::Tree).await;
    assert_eq!(signal(&mut client, &process, KILL, Scope::Tree).await, 0);
}

#[tokio::test]
async fn orphans_are_adopted_and_reaped() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let script = "for i in 1 2 3 4 5; do (sh -c 'sleep 0.05' &) ; done; echo $$";
    run(&mut client, command(&["sh", "-c", script], false)).await;
    let children = format!("/proc/{0}/task/{0}/children", agent.child.id());
    until("no child is left", async || {
        std::fs::read_to_string(&children).expect("children").trim().is_empty()
    })
    .await;
}

#[tokio::test]
async fn histories_are_listed_forgotten_and_bounded() {
    let agent = Agent::start();
    let mut client = agent.client().await;
    let running = exec(
        &mut client,
        v1::ExecRequest { name: "shell".into(), tag: "t1".into(), ..command(&["cat"], true) },
    )
    .await;
    let refused =
        client.forget(v1::ForgetRequest { process: running.process.clone() }).await.expect_err("it runs");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    for _ in 0..300 {
        exec(&mut client, command(&["true"], false)).await;
    }
    until("all but one have ended", async || {
        let listed =
            client.processes(v1::ProcessesRequest {}).await.expect("processes").into_inner().processes;
        listed.iter().filter(|process| process.exit.is_none()).count() == 1
    })
    .await;
    let listed = client.processes(v1::ProcessesRequest {}).await.expect("processes").into_inner().processes;
    assert_eq!(listed.len(), 256);
    let first = &listed[0];
    assert_eq!((&first.process, first.name.as_str(), first.tag.as_str()), (&running.process, "shell", "t1"));
    assert!(first.pty && first.pid == running.pid && first.cwd == "/".as_bytes());
    let last = listed[255].process.clone();
    client.forget(v1::ForgetRequest { process: last.clone() }).await.expect("forgotten");
    let again = client.forget(v1::ForgetRequest { process: last }).await.expect_err("unknown");
    assert_eq!(again.code(), Code::NotFound);
}

#[tokio::test]
async fn term_ends_everything_in_order_and_the_agent_with_success() {
    let mut agent = Agent::start();
    let mut client = agent.client().await;
    let marker = agent.path("orderly");
    let script =
        format!("trap 'echo yes > {}; exit' TERM; echo up; while :; do sleep 0.01; done", marker.display());
    let polite = exec(&mut client, command(&["sh", "-c", &script], false)).await;
    attach(&mut client, &polite.process, 0, true).await.expect("up").await;
    let stubborn = exec(
        &mut client,
        command(&["sh", "-c", "trap '' TERM HUP; echo up; while :; do sleep 0.01; done"], false),
    )
    .await;
    attach(&mut client, &stubborn.process, 0, true).await.expect("up").await;
    let shell = exec(&mut client, command(&[], true)).await;
    let start = Instant::now();
    let kill = std::process::Command::new("kill").arg(agent.child.id().to_string()).status().expect("kill");
    assert!(kill.success());
    let ended = within(
        "the agent's end",
        tokio::task::spawn_blocking(move || {
            let status = agent.child.wait();
            (status, agent)
        }),
    )
    .await;
    let (status, _agent) = ended.expect("no panic");
    assert!(status.expect("a status").success());
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert_eq!(std::fs::read_to_string(marker).expect("the marker"), "yes\n");
    for pid in [polite.pid, stubborn.pid, shell.pid] {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid} is left");
    }
}

#[tokio::test]
async fn an_end_that_is_asked_for_ends_every_program_and_the_agent() {
    let mut agent = Agent::start();
    let mut client = agent.client().await;
    let mark = agent.path("ended");
    let script =
        format!("trap 'echo told > {}; exit' TERM; echo ready; while :; do sleep 0.05; done", mark.display());
    let polite = exec(&mut client, command(&["sh", "-c", &script], true)).await;
    attach(&mut client, &polite.process, 0, true).await.expect("ready").await;
    let deaf =
        exec(&mut client, command(&["sh", "-c", "trap '' TERM HUP; echo ready; sleep 600"], true)).await;
    attach(&mut client, &deaf.process, 0, true).await.expect("ready").await;
    within("the answer", client.shut_down(v1::ShutDownRequest { programs_only: false }))
        .await
        .expect("an answer");
    let mut status = None;
    until("the agent has ended", async || {
        status = agent.child.try_wait().expect("a child");
        status.is_some()
    })
    .await;
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    assert_eq!(std::fs::read_to_string(&mark).expect("it was told"), "told\n");
    for pid in [polite.pid, deaf.pid] {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid} goes on");
    }
}
