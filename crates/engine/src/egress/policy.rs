//! Who may connect where: the allowlist for everyone, each workspace's own rules, and questions waiting for a person.
//! In: hosts already parsed, rules as people give them. Out: a ruling. No I/O; waiting is done on the question.
//!
//! ```text
//! block (workspace) > allow, once (workspace) > allowlist (ports 80, 443) > ask, or block
//! ```

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use slipway_wire::{Code, EgressRule, Problem, WorkspaceId};
use tokio::{sync::watch, time::Instant};

use super::host::{Host, Pattern};

/// Patterns on the allowlist for everyone.
const GLOBAL: usize = 1024;
/// Rules of one kind one workspace may have.
const RULES: usize = 256;
/// Hosts one workspace may have asked about at a time.
const QUESTIONS: usize = 32;
/// How long a person is waited for. Below the minute after which most programs give up.
const PATIENCE: Duration = Duration::from_secs(55);
/// What an entry on the allowlist is about when it names no port.
const WEB: [u16; 2] = [80, 443];

/// Rules on outgoing connections, shared by all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct Policy {
    state: Arc<Mutex<State>>,
    patience: Duration,
}

#[derive(Default)]
struct State {
    allow: Vec<Pattern>,
    ask: bool,
    workspaces: HashMap<WorkspaceId, Rules>,
}

#[derive(Default)]
struct Rules {
    block: Vec<Pattern>,
    allow: Vec<Pattern>,
    /// Decisions for one connection each, oldest first.
    once: VecDeque<(Pattern, bool)>,
    asked: HashMap<(Host, u16), Asked>,
}

struct Asked {
    deadline: Instant,
    answer: watch::Sender<Option<Answer>>,
}

/// Allowed or blocked, and why.
type Answer = Result<&'static str, &'static str>;

const NOBODY: Answer = Err("nobody answered");

/// How a person's decision reads.
fn answer(allow: bool) -> Answer {
    if allow { Ok("allowed by you") } else { Err("blocked by you") }
}

/// What becomes of a connection.
pub(super) enum Ruling {
    Allow(&'static str),
    Block(&'static str),
    Ask(Question),
}

/// A question to a person; one per host and port at a time, shared by all connections that wait for it.
pub(super) struct Question {
    /// Nobody was asked before: this one is to be shown.
    pub(super) first: bool,
    policy: Policy,
    workspace: WorkspaceId,
    about: (Host, u16),
    deadline: Instant,
    answer: watch::Receiver<Option<Answer>>,
}

impl Policy {
    /// Starts with this allowlist; `ask` says whether a person is asked about other hosts, or they are blocked at once.
    /// Fails on a pattern that is none, and on more than 1,024.
    pub fn new(allow: &[String], ask: bool) -> Result<Self, Problem> {
        let state = State { allow: patterns(allow)?, ask, workspaces: HashMap::new() };
        Ok(Self { state: Arc::new(Mutex::new(state)), patience: PATIENCE })
    }

    /// The same with another patience, which is 55 seconds otherwise.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Replaces the allowlist; questions it answers are answered. On a failure nothing changes.
    pub fn set_global(&self, allow: &[String], ask: bool) -> Result<(), Problem> {
        let allow = patterns(allow)?;
        let state = &mut *self.lock();
        state.allow = allow;
        state.ask = ask;
        for rules in state.workspaces.values_mut() {
            rules.asked.retain(|(host, port), asked| {
                let allowed = listed(&state.allow, host, *port);
                if allowed || !ask {
                    let listed = if allowed { Ok("on the allowlist") } else { Err("not on the allowlist") };
                    asked.answer.send_replace(Some(listed));
                }
                !allowed && ask
            });
        }
        Ok(())
    }

    /// Takes a person's decision about a host of one workspace and answers the connections that wait for it. A rule
    /// for `once` answers those that wait now, or the next connection when none waits.
    pub fn decide(&self, workspace: &WorkspaceId, rule: &EgressRule) -> Result<(), Problem> {
        let pattern = Pattern::parse(&rule.host)?;
        let mut state = self.lock();
        let rules = state.workspaces.entry(workspace.clone()).or_default();
        if !rule.once {
            rules.remember(&pattern, rule.allow)?;
        }
        let before = rules.asked.len();
        rules.asked.retain(|(host, port), asked| {
            let answers = covers(&pattern, host, *port);
            if answers {
                asked.answer.send_replace(Some(answer(rule.allow)));
            }
            !answers
        });
        if rule.once && rules.asked.len() == before {
            if rules.once.len() == RULES {
                return Err(full());
            }
            rules.once.push_back((pattern, rule.allow));
        }
        Ok(())
    }

    /// Drops a workspace's rules; what waits for an answer is blocked.
    pub fn forget(&self, workspace: &WorkspaceId) {
        self.lock().workspaces.remove(workspace);
    }

    pub(super) fn rule(&self, workspace: &WorkspaceId, host: &Host, port: u16) -> Ruling {
        let mut guard = self.lock();
        let state = &mut *guard;
        let rules = state.workspaces.entry(workspace.clone()).or_default();
        if rules.block.iter().any(|pattern| covers(pattern, host, port)) {
            return Ruling::Block("blocked by you");
        }
        if rules.allow.iter().any(|pattern| covers(pattern, host, port)) {
            return Ruling::Allow("allowed by you");
        }
        if let Some(at) = rules.once.iter().position(|(pattern, _)| covers(pattern, host, port)) {
            return match rules.once.remove(at) {
                Some((_, true)) => Ruling::Allow("allowed once by you"),
                _ => Ruling::Block("blocked once by you"),
            };
        }
        if listed(&state.allow, host, port) {
            return Ruling::Allow("on the allowlist");
        }
        if !state.ask {
            return Ruling::Block("not on the allowlist");
        }
        self.ask(rules, workspace, host, port)
    }

    fn ask(&self, rules: &mut Rules, workspace: &WorkspaceId, host: &Host, port: u16) -> Ruling {
        let now = Instant::now();
        rules.asked.retain(|_, asked| asked.deadline > now || asked.expire());
        let about = (host.clone(), port);
        let first = !rules.asked.contains_key(&about);
        if first && rules.asked.len() == QUESTIONS {
            return Ruling::Block("too many unanswered questions");
        }
        let asked = rules
            .asked
            .entry(about.clone())
            .or_insert_with(|| Asked { deadline: now + self.patience, answer: watch::channel(None).0 });
        Ruling::Ask(Question {
            first,
            policy: self.clone(),
            workspace: workspace.clone(),
            about,
            deadline: asked.deadline,
            answer: asked.answer.subscribe(),
        })
    }

    /// Every critical section leaves the tables whole, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    /// Waits for the person, the deadline or the end of the workspace. Never asks again.
    pub(super) async fn answer(mut self) -> Ruling {
        let waited = tokio::time::timeout_at(self.deadline, self.answer.wait_for(Option::is_some)).await;
        let answer = match waited.map(|answer| answer.map(|answer| *answer)) {
            Ok(Ok(answer)) => answer.unwrap_or(NOBODY),
            Ok(Err(_)) => Err("the workspace ended"),
            Err(_) => {
                self.withdraw();
                NOBODY
            }
        };
        match answer {
            Ok(why) => Ruling::Allow(why),
            Err(why) => Ruling::Block(why),
        }
    }

    fn withdraw(&self) {
        if let Some(rules) = self.policy.lock().workspaces.get_mut(&self.workspace)
            && rules.asked.get(&self.about).is_some_and(|asked| asked.deadline <= self.deadline)
            && let Some(asked) = rules.asked.remove(&self.about)
        {
            asked.expire();
        }
    }
}

impl Asked {
    /// Tells those that still wait that nobody answered. Never to be kept.
    fn expire(&self) -> bool {
        self.answer.send_replace(Some(NOBODY));
        false
    }
}

impl Rules {
    /// The newest rule about a pattern replaces older ones about the same.
    fn remember(&mut self, pattern: &Pattern, allow: bool) -> Result<(), Problem> {
        let (to, from) =
            if allow { (&mut self.allow, &mut self.block) } else { (&mut self.block, &mut self.allow) };
        if !to.contains(pattern) {
            if to.len() == RULES {
                return Err(full());
            }
            to.push(pattern.clone());
        }
        from.retain(|other| other != pattern);
        Ok(())
    }
}

fn full() -> Problem {
    Problem::new(Code::Limit, format!("This workspace has {RULES} network rules already."))
        .hint("Use a pattern such as *.example.org in their place.")
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>, Problem> {
    if texts.len() > GLOBAL {
        return Err(Problem::new(
            Code::Limit,
            format!("The list of allowed hosts has more than {GLOBAL} entries."),
        )
        .hint("Use patterns such as *.example.org."));
    }
    texts.iter().map(|text| Pattern::parse(text)).collect()
}

/// A person's rule about a host is about all its ports, unless it names one.
fn covers(pattern: &Pattern, host: &Host, port: u16) -> bool {
    pattern.covers(host) && pattern.port().is_none_or(|only| only == port)
}

/// The allowlist is about the web's ports, unless an entry names another.
fn listed(allow: &[Pattern], host: &Host, port: u16) -> bool {
    allow.iter().any(|pattern| {
        pattern.covers(host) && pattern.port().map_or(WEB.contains(&port), |only| only == port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], ask: bool) -> Policy {
        Policy::new(&allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ask).unwrap()
    }

    fn shop() -> WorkspaceId {
        "shop-k3f9".parse().unwrap()
    }

    fn rule(host: &str, allow: bool, once: bool) -> EgressRule {
        EgressRule { id: shop(), host: host.into(), allow, once }
    }

    fn said(ruling: &Ruling) -> String {
        match ruling {
            Ruling::Allow(why) => format!("allow: {why}"),
            Ruling::Block(why) => format!("block: {why}"),
            Ruling::Ask(question) => format!("ask: {}", if question.first { "first" } else { "again" }),
        }
    }

    fn ruled(policy: &Policy, host: &str, port: u16) -> String {
        said(&policy.rule(&shop(), &Host::parse(host).unwrap(), port))
    }

    fn question(policy: &Policy, host: &str) -> Question {
        match policy.rule(&shop(), &Host::parse(host).unwrap(), 443) {
            Ruling::Ask(question) => question,
            other => panic!("expected a question, got {}", said(&other)),
        }
    }

    #[test]
    fn the_order_of_rules_holds() {
        let policy = policy(&["registry.npmjs.org", "*.example.org", "db.example.com:5432"], false);
        for (host, port, expected) in [
            ("registry.npmjs.org", 443, "allow: on the allowlist"),
            ("registry.npmjs.org", 80, "allow: on the allowlist"),
            ("registry.npmjs.org", 22, "block: not on the allowlist"),
            ("a.example.org", 443, "allow: on the allowlist"),
            ("example.org", 443, "block: not on the allowlist"),
            ("db.example.com", 5432, "allow: on the allowlist"),
            ("db.example.com", 443, "block: not on the allowlist"),
        ] {
            assert_eq!(ruled(&policy, host, port), expected, "{host}:{port}");
        }
        policy.decide(&shop(), &rule("a.example.org", false, false)).unwrap();
        policy.decide(&shop(), &rule("*.example.net", true, false)).unwrap();
        policy.decide(&shop(), &rule("bad.example.net", false, false)).unwrap();
        assert_eq!(ruled(&policy, "a.example.org", 443), "block: blocked by you");
        assert_eq!(ruled(&policy, "b.example.net", 8443), "allow: allowed by you");
        assert_eq!(ruled(&policy, "bad.example.net", 443), "block: blocked by you");
        let other: WorkspaceId = "other".parse().unwrap();
        assert_eq!(
            said(&policy.rule(&other, &Host::parse("a.example.org").unwrap(), 443)),
            "allow: on the allowlist"
        );
        policy.forget(&shop());
        assert_eq!(ruled(&policy, "a.example.org", 443), "allow: on the allowlist");
    }

    #[test]
    fn a_rule_for_once_is_used_up() {
        let policy = policy(&[], false);
        policy.decide(&shop(), &rule("a.org", true, true)).unwrap();
        assert_eq!(ruled(&policy, "a.org", 443), "allow: allowed once by you");
        assert_eq!(ruled(&policy, "a.org", 443), "block: not on the allowlist");
        policy.decide(&shop(), &rule("a.org", true, false)).unwrap();
        policy.decide(&shop(), &rule("a.org", false, true)).unwrap();
        assert_eq!(ruled(&policy, "a.org", 443), "allow: allowed by you", "a lasting rule comes first");
    }

    #[test]
    fn the_newest_of_two_rules_about_the_same_wins() {
        let policy = policy(&[], false);
        policy.decide(&shop(), &rule("a.org", false, false)).unwrap();
        policy.decide(&shop(), &rule("a.org", true, false)).unwrap();
        assert_eq!(ruled(&policy, "a.org", 443), "allow: allowed by you");
        policy.decide(&shop(), &rule("a.org", false, false)).unwrap();
        assert_eq!(ruled(&policy, "a.org", 443), "block: blocked by you");
    }

    #[tokio::test(start_paused = true)]
    async fn one_question_serves_all_that_wait() {
        let policy = policy(&[], true);
        let (first, second) = (question(&policy, "a.org"), question(&policy, "a.org"));
        assert!(first.first);
        assert!(!second.first);
        assert!(question(&policy, "b.org").first);
        policy.decide(&shop(), &rule("a.org", true, true)).unwrap();
        assert_eq!(said(&first.answer().await), "allow: allowed by you");
        assert_eq!(said(&second.answer().await), "allow: allowed by you");
        assert!(question(&policy, "a.org").first, "the answer was for once");
        policy.decide(&shop(), &rule("*.org", false, false)).unwrap();
        assert_eq!(ruled(&policy, "a.org", 443), "block: blocked by you");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_answering_blocks_after_the_patience() {
        let policy = policy(&[], true);
        let begun = Instant::now();
        let (first, late) = (question(&policy, "a.org"), {
            tokio::time::advance(Duration::from_secs(30)).await;
            question(&policy, "a.org")
        });
        let (first, late) = tokio::join!(first.answer(), late.answer());
        assert_eq!(begun.elapsed().as_secs(), 55, "the late one waits no longer than the first");
        assert_eq!(said(&first), "block: nobody answered");
        assert_eq!(said(&late), "block: nobody answered");
        assert!(question(&policy, "a.org").first, "the next connection asks again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_or_a_new_allowlist_answers_questions() {
        let policy = policy(&[], true);
        let (other, listed, unlisted) =
            (question(&policy, "a.org"), question(&policy, "b.org"), question(&policy, "c.org"));
        policy.set_global(&["b.org".into()], false).unwrap();
        assert_eq!(said(&listed.answer().await), "allow: on the allowlist");
        assert_eq!(said(&unlisted.answer().await), "block: not on the allowlist");
        assert_eq!(said(&other.answer().await), "block: not on the allowlist");
        policy.set_global(&[], true).unwrap();
        let ended = question(&policy, "a.org");
        policy.forget(&shop());
        assert_eq!(said(&ended.answer().await), "block: the workspace ended");
    }

    #[test]
    fn everything_is_bounded() {
        let policy = policy(&[], true);
        for n in 0..QUESTIONS {
            assert_eq!(ruled(&policy, &format!("h{n}.org"), 443), "ask: first");
        }
        assert_eq!(ruled(&policy, "one-more.org", 443), "block: too many unanswered questions");
        for n in 0..RULES {
            policy.decide(&shop(), &rule(&format!("r{n}.net"), true, false)).unwrap();
        }
        assert_eq!(policy.decide(&shop(), &rule("more.net", true, false)).unwrap_err().code, Code::Limit);
        assert_eq!(Policy::new(&vec!["a.org".into(); GLOBAL + 1], true).err().unwrap().code, Code::Limit);
        assert_eq!(policy.decide(&shop(), &rule("no host", true, false)).unwrap_err().code, Code::Invalid);
    }
}
