//! What a sync knows: what both sides hold and what they agreed on. Purely kept; the comparison reads it and nothing else.

use slipway_intake::IgnoreRules;
use slipway_mirror::{Found, Node, RelPath};
use std::collections::{BTreeMap, BTreeSet};

use super::{
    intent::{Carried, Intents},
    plan::{self, Act, Agreed, Way},
};

/// What one side holds at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) found: Found,
    pub(super) node: Node,
}

pub(super) type Tree = BTreeMap<RelPath, Seen>;

/// A look at one side.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) tree: Tree,
    pub(super) left_out: Vec<(RelPath, String)>,
    /// Of the workspace, as a whole: what its agent says it did last.
    pub(super) carried: Carried,
}

/// One thing to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) path: RelPath,
    /// What is to be there; none: nothing.
    pub(super) to: Option<Seen>,
    /// What must be there until then.
    pub(super) expected: Option<Found>,
    /// The name under which what is there is kept beside.
    pub(super) aside: Option<Vec<u8>>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) send: Vec<Step>,
    pub(super) fetch: Vec<Step>,
    /// The container has changed these and may not.
    pub(super) refused: Vec<RelPath>,
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.send.is_empty() && self.fetch.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.send.len() + self.fetch.len()
    }
}

/// Everything known.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) agreed: BTreeMap<RelPath, Agreed>,
    pub(super) here: Tree,
    pub(super) there: Tree,
    /// Folders that could not give way because of what they hold: they are kept aside.
    pub(super) stuck: BTreeSet<RelPath>,
    /// Agreements that the store does not have yet.
    pub(super) unsaved: BTreeMap<RelPath, Option<Agreed>>,
    /// What the workspace's agent said at the last look that it did.
    pub(super) carried: Carried,
}

/// Puts a new look at some paths in the place of what was known of them. Says which paths are not what they were.
pub(super) fn refresh(tree: &mut Tree, paths: &[RelPath], new: Tree) -> BTreeSet<RelPath> {
    let mut touched: BTreeSet<RelPath> = paths.iter().cloned().collect();
    let mut old = Tree::new();
    for path in paths {
        let known: Vec<RelPath> = covered(tree, path).cloned().collect();
        for path in known {
            if let Some((path, seen)) = tree.remove_entry(&path) {
                old.insert(path, seen);
            }
        }
    }
    touched.extend(old.keys().filter(|path| old.get(*path) != new.get(*path)).cloned());
    touched.extend(new.keys().filter(|path| old.get(*path) != new.get(*path)).cloned());
    tree.extend(new);
    touched
}

/// The paths that no other one of them covers: a new folder is told with all it holds, and is looked at once.
pub(super) fn cover(paths: &BTreeSet<RelPath>) -> Vec<RelPath> {
    let covered = |path: &RelPath| {
        let mut above = path.parent();
        while let Some(folder) = above {
            if paths.contains(&folder) {
                return true;
            }
            above = folder.parent();
        }
        false
    };
    paths.iter().filter(|path| !covered(path)).cloned().collect()
}

/// A path and everything below it that a tree has.
fn covered<'a, V>(
    tree: &'a BTreeMap<RelPath, V>,
    path: &RelPath,
) -> Box<dyn Iterator<Item = &'a RelPath> + 'a> {
    if path.is_root() {
        return Box::new(tree.keys());
    }
    let (from, to) = path.below();
    Box::new(
        tree.get_key_value(path)
            .map(|(path, _)| path)
            .into_iter()
            .chain(tree.range(from..to).map(|(p, _)| p)),
    )
}

impl Books {
    /// Every path anything is known of.
    pub(super) fn everything(&self) -> BTreeSet<RelPath> {
        self.agreed.keys().chain(self.here.keys()).chain(self.there.keys()).cloned().collect()
    }

    /// The same, of some paths and what is below them.
    pub(super) fn all_of(&self, paths: &BTreeSet<RelPath>) -> BTreeSet<RelPath> {
        let mut all = paths.clone();
        for path in paths {
            all.extend(covered(&self.agreed, path).cloned());
            all.extend(covered(&self.here, path).cloned());
            all.extend(covered(&self.there, path).cloned());
        }
        all
    }

    /// What the rules leave out is not ours to speak of, on either side.
    pub(super) fn drop_left_out(&mut self, rules: &IgnoreRules) {
        let keeps = |path: &RelPath, is_folder: bool| !rules.leaves_out(&path.to_path(), is_folder);
        self.there.retain(|path, seen| keeps(path, seen.node == Node::Folder));
        let gone: Vec<RelPath> = self
            .agreed
            .iter()
            .filter(|(path, agreed)| {
                !keeps(path, matches!(agreed, Agreed::Kept | Agreed::Same(Node::Folder)))
            })
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            self.agree(path, None);
        }
    }

    /// Believes of steps that an earlier owner, or we before a cut, did not write down that they were done: those whose
    /// place holds what they were to bring, and those that witnesses speak for.
    pub(super) fn believe(&mut self, intents: Intents, proven: &BTreeSet<RelPath>) {
        for (path, intent) in intents {
            let side = if intent.inward { &self.there } else { &self.here };
            let now = side.get(&path).map(|seen| &seen.node);
            if now == intent.wanted.as_ref() || proven.contains(&path) {
                self.agree(path, intent.wanted.map(Agreed::Same));
            }
        }
    }

    /// Remembers what both hold.
    pub(super) fn agree(&mut self, path: RelPath, agreed: Option<Agreed>) {
        let known = self.agreed.get(&path);
        if known == agreed.as_ref() {
            return;
        }
        match &agreed {
            Some(agreed) => drop(self.agreed.insert(path.clone(), agreed.clone())),
            None => drop(self.agreed.remove(&path)),
        }
        self.unsaved.insert(path, agreed);
    }

    /// Compares both sides at these paths. What is alike is agreed on; the rest is what to do, in the order in which it
    /// can be done: removals from below, then the rest from above. `name` makes the name of a version kept beside.
    pub(super) fn compare(
        &mut self,
        paths: &BTreeSet<RelPath>,
        way: Way,
        name: &mut dyn FnMut(&RelPath) -> Vec<u8>,
    ) -> Work {
        let mut work = Work::default();
        for path in paths.iter().filter(|path| !path.is_root()) {
            let (here, there) = (self.here.get(path), self.there.get(path));
            let nodes = (here.map(|seen| &seen.node), there.map(|seen| &seen.node));
            let mut act = plan::act(path, self.agreed.get(path), nodes.0, nodes.1, way);
            let replaces = here.is_some() && there.is_some();
            if matches!(act, Act::Send | Act::Fetch) && replaces && self.stuck.contains(path) {
                act = Act::Conflict;
            }
            let step = |to: Option<&Seen>, from: Option<&Seen>, aside| Step {
                path: path.clone(),
                to: to.cloned(),
                expected: from.map(|seen| seen.found.clone()),
                aside,
            };
            match act {
                Act::Nothing => {}
                Act::Agree => {
                    let agreed = nodes.0.cloned().map(Agreed::Same);
                    self.agree(path.clone(), agreed);
                }
                Act::Send => work.send.push(step(here, there, None)),
                Act::Fetch => work.fetch.push(step(there, here, None)),
                Act::Conflict => work.send.push(step(here, there, Some(name(path)))),
                Act::Refuse => work.refused.push(path.clone()),
            }
        }
        order(&mut work.send);
        order(&mut work.fetch);
        work
    }
}

fn order(steps: &mut Vec<Step>) {
    let (mut gone, rest): (Vec<Step>, Vec<Step>) =
        std::mem::take(steps).into_iter().partition(|s| s.to.is_none());
    gone.reverse();
    gone.extend(rest);
    *steps = gone;
}

#[cfg(test)]
mod tests {
    use super::{
        super::intent::{Intent, Stage},
        *,
    };

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    fn link(target: &str) -> Seen {
        let target = target.as_bytes().to_vec();
        Seen { found: Found::Link { target: target.clone() }, node: Node::Link { target } }
    }

    fn folder() -> Seen {
        Seen { found: Found::Folder, node: Node::Folder }
    }

    #[test]
    fn a_look_at_a_path_replaces_all_that_was_known_below_it() {
        let mut tree = Tree::from([
            (path("a"), folder()),
            (path("a/x"), link("1")),
            (path("a/y"), link("2")),
            (path("a-b"), link("3")),
        ]);
        let new = Tree::from([(path("a"), folder()), (path("a/y"), link("4"))]);
        let touched = refresh(&mut tree, &[path("a")], new);
        assert_eq!(touched, [path("a"), path("a/x"), path("a/y")].into());
        assert_eq!(tree.keys().cloned().collect::<Vec<_>>(), [path("a"), path("a-b"), path("a/y")]);
    }

    #[test]
    fn what_another_path_covers_is_not_looked_at_twice() {
        let paths = ["a", "a/b", "a/b/c", "a-b", "d/e"].map(path).into();
        assert_eq!(cover(&paths), ["a", "a-b", "d/e"].map(path));
    }

    #[test]
    fn removals_come_from_below_and_before_everything_else() {
        let mut books = Books::default();
        for (name, seen) in [("d", folder()), ("d/e", folder()), ("d/e/f", link("1"))] {
            books.agreed.insert(path(name), Agreed::Same(seen.node.clone()));
            books.there.insert(path(name), seen);
        }
        books.here.insert(path("a"), folder());
        books.here.insert(path("a/b"), link("2"));
        let all = books.everything();
        let work = books.compare(&all, Way::Inward, &mut |_| unreachable!("no conflict"));
        let order: Vec<String> = work.send.iter().map(|step| step.path.to_string()).collect();
        assert_eq!(order, ["d/e/f", "d/e", "d", "a", "a/b"]);
    }

    #[test]
    fn a_step_that_nobody_wrote_down_is_believed_by_its_place_or_by_a_witness() {
        let intent =
            |inward| Intent { batch: 1, inward, wanted: Some(link("new").node), stage: Stage::Meant };
        let mut books = Books::default();
        for (name, here, there) in [
            ("came", None, Some(link("new"))),
            ("unseen", Some(link("new")), None),
            ("seen", Some(link("new")), None),
            ("changed since", Some(link("new")), Some(link("other"))),
            ("changed unseen", Some(link("new")), Some(link("other"))),
        ] {
            books.here.extend(here.map(|seen| (path(name), seen)));
            books.there.extend(there.map(|seen| (path(name), seen)));
        }
        let intents = books.everything().into_iter().map(|path| (path, intent(true))).collect();
        books.believe(intents, &[path("seen"), path("changed since")].into());
        let agreed: Vec<String> = books.agreed.keys().map(ToString::to_string).collect();
        assert_eq!(agreed, ["came", "changed since", "seen"]);
        let all = books.everything();
        let work = books.compare(&all, Way::Both, &mut |_| b"beside".to_vec());
        let removed = |steps: &[Step]| -> Vec<String> {
            steps.iter().filter(|step| step.to.is_none()).map(|step| step.path.to_string()).collect()
        };
        assert_eq!((removed(&work.send), removed(&work.fetch)), (vec!["came".into()], vec!["seen".into()]));
        let sent = |name: &str| work.send.iter().find(|step| step.path == path(name));
        assert!(sent("unseen").is_some_and(|step| step.to.is_some()));
        assert!(sent("changed unseen").is_some_and(|step| step.aside.is_some()), "both are kept");
        assert!(work.fetch.iter().any(|step| step.path == path("changed since") && step.to.is_some()));
    }

    #[test]
    fn what_comes_to_be_left_out_is_forgotten_and_not_removed() {
        let mut books = Books::default();
        books.agreed.insert(path("x.log"), Agreed::Same(link("1").node));
        books.there.insert(path("x.log"), link("1"));
        let mut rules = IgnoreRules::default();
        rules.learn_git(std::path::Path::new(""), "*.log\n");
        books.drop_left_out(&rules);
        let all = books.everything();
        let work = books.compare(&all, Way::Both, &mut |_| unreachable!("no conflict"));
        assert!(work.is_empty() && books.agreed.is_empty());
        assert_eq!(books.unsaved.get(&path("x.log")), Some(&None));
    }
}
