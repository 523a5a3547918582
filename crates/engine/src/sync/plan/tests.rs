//! The planner against its table, and against any history: a small model of two folders that obeys what is planned, with
//! edits on both sides in between. Whatever happens, both come to rest alike and no edit of this machine is lost.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn file(n: u8) -> Node {
    Node::File { digest: [n; 32], executable: false }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

#[test]
fn the_table_holds() {
    let (a, b, c) = (file(1), file(2), file(3));
    let same = Agreed::Same(a.clone());
    let (none, a, b, c) = (None, Some(&a), Some(&b), Some(&c));
    let base = Some(&same);
    for (base, here, there, inward, both) in [
        (base, a, a, Act::Nothing, Act::Nothing),
        (base, b, a, Act::Send, Act::Send),
        (base, a, b, Act::Nothing, Act::Fetch),
        (base, b, b, Act::Agree, Act::Agree),
        (base, b, c, Act::Send, Act::Conflict),
        (base, none, a, Act::Send, Act::Send),
        (base, none, b, Act::Nothing, Act::Fetch),
        (base, a, none, Act::Nothing, Act::Fetch),
        (base, b, none, Act::Send, Act::Send),
        (base, none, none, Act::Agree, Act::Agree),
        (None, a, none, Act::Send, Act::Send),
        (None, none, a, Act::Nothing, Act::Fetch),
        (None, a, b, Act::Send, Act::Conflict),
        (None, a, a, Act::Agree, Act::Agree),
        (Some(&Agreed::Kept), none, Some(&Node::Folder), Act::Nothing, Act::Nothing),
        (Some(&Agreed::Kept), none, none, Act::Agree, Act::Agree),
        (Some(&Agreed::Kept), a, none, Act::Send, Act::Send),
    ] {
        let of = |way| act(&path("x"), base, here, there, way);
        assert_eq!((of(Way::Inward), of(Way::Both)), (inward, both), "{base:?} {here:?} {there:?}");
    }
}

#[test]
fn a_container_cannot_change_what_is_synced() {
    for name in [".gitignore", "a/b/.gitignore", ".dockerignore", ".GitIgnore"] {
        let base = Agreed::Same(file(1));
        let of =
            |here: Option<&Node>, there: Option<&Node>| act(&path(name), Some(&base), here, there, Way::Both);
        assert_eq!(of(Some(&file(1)), Some(&file(2))), Act::Refuse, "{name}");
        assert_eq!(of(Some(&file(1)), None), Act::Refuse, "{name}");
        assert_eq!(of(Some(&file(3)), Some(&file(2))), Act::Send, "{name}");
        assert_eq!(act(&path(name), None, None, Some(&file(2)), Way::Both), Act::Refuse, "{name}");
    }
}

#[test]
fn after_a_deploy_this_side_is_right() {
    let base = Agreed::Same(file(1));
    let of =
        |here: Option<&Node>, there: Option<&Node>| act(&path("x"), Some(&base), here, there, Way::HereFirst);
    assert_eq!(of(Some(&file(1)), Some(&file(2))), Act::Send);
    assert_eq!(of(Some(&file(3)), Some(&file(2))), Act::Send);
    assert_eq!(of(Some(&file(1)), None), Act::Send);
    assert_eq!(act(&path("x"), None, None, Some(&file(2)), Way::HereFirst), Act::Fetch);
}

#[test]
fn conflict_names_are_syncthings_and_fit() {
    let name = |name: &[u8]| conflict_name(name, "20260102-030405", "ABCDEFG");
    assert_eq!(name(b"app.js"), b"app.sync-conflict-20260102-030405-ABCDEFG.js");
    assert_eq!(name(b"Makefile"), b"Makefile.sync-conflict-20260102-030405-ABCDEFG");
    assert_eq!(name(b".env"), b".env.sync-conflict-20260102-030405-ABCDEFG");
    let long = name(format!("{}.js", "ä".repeat(126)).as_bytes());
    assert!(long.len() <= 255 && long.ends_with(b".js") && std::str::from_utf8(&long).is_ok());
    assert_eq!(name(&[0xff; 255]).len(), 255);
}

type Tree = BTreeMap<RelPath, Node>;

/// Two folders and what they agreed on.
#[derive(Default, Debug)]
struct Model {
    agreed: BTreeMap<RelPath, Agreed>,
    here: Tree,
    there: Tree,
    conflicts: u32,
}

impl Model {
    /// One round: plan from what is there, then do it all, or only the first few (killed).
    fn round(&mut self, way: Way, most: usize) -> bool {
        let mut paths: Vec<RelPath> =
            self.agreed.keys().chain(self.here.keys()).chain(self.there.keys()).cloned().collect();
        paths.sort();
        paths.dedup();
        let mut moved = false;
        for path in paths.into_iter().take(most) {
            let (here, there) = (self.here.get(&path).cloned(), self.there.get(&path).cloned());
            let planned = act(&path, self.agreed.get(&path), here.as_ref(), there.as_ref(), way);
            moved |= !matches!(planned, Act::Nothing | Act::Refuse);
            match planned {
                Act::Nothing | Act::Refuse => {}
                Act::Agree => self.agree(&path, here),
                Act::Send => {
                    set(&mut self.there, &path, here.clone());
                    self.agree(&path, here);
                }
                Act::Fetch => {
                    set(&mut self.here, &path, there.clone());
                    self.agree(&path, there);
                }
                Act::Conflict => {
                    self.conflicts += 1;
                    let who = format!("{:07}", self.conflicts);
                    let beside = conflict_name(path.name(), "20260102-030405", &who);
                    self.there.insert(RelPath::new(&beside).unwrap(), there.unwrap());
                    set(&mut self.there, &path, here.clone());
                    self.agree(&path, here);
                }
            }
        }
        moved
    }

    fn agree(&mut self, path: &RelPath, node: Option<Node>) {
        match node {
            Some(node) => drop(self.agreed.insert(path.clone(), Agreed::Same(node))),
            None => drop(self.agreed.remove(path)),
        }
    }

    fn rest(&mut self, way: Way) {
        for _ in 0..10 {
            if !self.round(way, usize::MAX) {
                return;
            }
        }
        panic!("it never comes to rest: {self:?}");
    }
}

fn set(tree: &mut Tree, path: &RelPath, node: Option<Node>) {
    match node {
        Some(node) => drop(tree.insert(path.clone(), node)),
        None => drop(tree.remove(path)),
    }
}

#[derive(Clone, Debug)]
enum Event {
    Edit {
        here: bool,
        path: usize,
        to: Option<u8>,
    },
    Sync,
    Killed(usize),
    /// The last rounds' memory was not written: an older one is believed.
    Forgets,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (any::<bool>(), 0..4_usize, prop::option::of(0..5_u8))
            .prop_map(|(here, path, to)| Event::Edit { here, path, to }),
        2 => Just(Event::Sync),
        1 => (0..6_usize).prop_map(Event::Killed),
        1 => Just(Event::Forgets),
    ]
}

const NAMES: [&str; 4] = ["a", "b.js", "c", "d.txt"];

proptest! {
    #[test]
    fn both_ways_come_to_rest_alike_and_lose_no_edit(events in prop::collection::vec(event(), 0..40)) {
        let mut model = Model::default();
        let mut older = model.agreed.clone();
        for event in events {
            match event {
                Event::Edit { here, path: at, to } => {
                    let tree = if here { &mut model.here } else { &mut model.there };
                    set(tree, &path(NAMES[at]), to.map(file));
                }
                Event::Sync => {
                    older = model.agreed.clone();
                    model.rest(Way::Both);
                }
                Event::Killed(most) => drop(model.round(Way::Both, most)),
                Event::Forgets => model.agreed.clone_from(&older),
            }
        }
        // What each side has changed since they last agreed must be somewhere in the end, on both.
        let edited = |tree: &Tree| -> Vec<Node> {
            let fresh = |(path, node): (&RelPath, &Node)| {
                (model.agreed.get(path) != Some(&Agreed::Same(node.clone()))).then(|| node.clone())
            };
            tree.iter().filter_map(fresh).collect()
        };
        let (ours, theirs) = (edited(&model.here), edited(&model.there));
        let named: Vec<(RelPath, Node)> = model.here.iter()
            .filter(|(path, node)| model.agreed.get(*path) != Some(&Agreed::Same((*node).clone())))
            .map(|(path, node)| (path.clone(), node.clone())).collect();
        model.rest(Way::Both);
        prop_assert_eq!(&model.here, &model.there);
        for node in ours.iter().chain(&theirs) {
            prop_assert!(model.here.values().any(|held| held == node), "{:?} is lost: {:?}", node, model);
        }
        for (path, node) in named {
            prop_assert_eq!(model.here.get(&path), Some(&node), "this side keeps the name");
        }
    }

    #[test]
    fn inward_the_workspace_gets_every_edit_and_this_side_none(events in prop::collection::vec(event(), 0..40)) {
        let mut model = Model::default();
        for event in events {
            match event {
                Event::Edit { here, path: at, to } => {
                    let tree = if here { &mut model.here } else { &mut model.there };
                    set(tree, &path(NAMES[at]), to.map(file));
                }
                Event::Sync | Event::Forgets => {
                    let before = model.here.clone();
                    model.rest(Way::Inward);
                    prop_assert_eq!(before, model.here.clone());
                }
                Event::Killed(most) => drop(model.round(Way::Inward, most)),
            }
        }
        let before = model.here.clone();
        let changed: Vec<RelPath> = before.iter()
            .filter(|(path, node)| model.agreed.get(*path) != Some(&Agreed::Same((*node).clone())))
            .map(|(path, _)| path.clone()).collect();
        model.rest(Way::Inward);
        prop_assert_eq!(&before, &model.here);
        for path in changed {
            prop_assert_eq!(model.there.get(&path), before.get(&path));
        }
    }
}
