//! Node projects: a `package.json`, or a lone server file. Its scripts decide, in the order dev, start, build with
//! static output; the dependencies say which framework it is and therefore the title, port and output folder.

use std::collections::BTreeMap;

use super::manager::{Kind, Manager};
use super::node_package::{Package, SOURCE_BYTES, choose_image, entry, listens, parse};
use super::node_tables::{
    BUNDLERS, ENV, FACES, FRAMEWORKS, Framework, LIFECYCLE, NEEDS_BUILD, NOT_SERVERS, RUN_SCRIPTS,
};
use super::project::{Candidate, View};
use super::types::{Evidence, ImageChoice, Language, RunPlan, Start, Step};
use crate::refusal::Refusal;

const FRAMEWORK: i32 = 800;
const SERVER_FRAMEWORK: i32 = 760;
const SCRIPT: i32 = 700;
const ENTRY_LISTENS: i32 = 650;
const BUILT: i32 = 560;
const ENTRY_ONLY: i32 = 350;
/// An alternative to another plan of the same project.
const ALTERNATIVE: i32 = -250;

pub(super) fn detect(view: &mut View<'_, '_>) -> Result<Vec<Candidate>, Refusal> {
    let Some(text) = view.manifest("package.json")? else { return lone_server(view) };
    let package = parse(view, &text)?;
    let framework = FRAMEWORKS.iter().find(|row| package.dependencies.contains(row.package));
    let installs = !package.dependencies.is_empty()
        || package.workspaces
        || LIFECYCLE.iter().any(|script| package.scripts.contains_key(*script));
    let (image, major, image_evidence) = choose_image(view, &package)?;
    let manager = if installs { Manager::choose(view, package.manager.as_deref())? } else { Manager::npm() };
    let mut maker = Maker { view, package, framework, manager, installs, image, major, image_evidence };
    let mut candidates = Vec::new();
    if let Some(script) = maker.script() {
        candidates.push(maker.plan_script(&script, 0)?);
        candidates.extend(maker.alternatives(&script)?);
    } else if maker.package.scripts.contains_key("build") {
        candidates.push(maker.plan_build(0));
    } else if let Some(candidate) = maker.plan_entry()? {
        candidates.push(candidate);
    } else if let Some(row) = framework.filter(|row| !row.dev.is_empty()) {
        let start = maker.manager.exec(row.dev);
        let why = format!(
            "It depends on {} and has no scripts, so {} starts its own server.",
            row.package, row.title
        );
        candidates.push(maker.candidate(FRAMEWORK, None, Start::Command(start), Vec::new(), why));
    }
    Ok(candidates)
}

/// A `server.js` and the like without any manifest. Only if it really opens a server: `index.js` beside an
/// `index.html` is usually for the browser.
fn lone_server(view: &mut View<'_, '_>) -> Result<Vec<Candidate>, Refusal> {
    let Some((entry, true)) = entry(view, None)? else { return Ok(Vec::new()) };
    let (image, major, image_evidence) = choose_image(view, &Package::default())?;
    let manager = Manager::npm();
    let package = Package::default();
    let maker =
        Maker { view, package, framework: None, manager, installs: false, image, major, image_evidence };
    let evidence = vec![maker.view.evidence(&entry, "opens a server")];
    let why = format!("{entry} opens a server and there is no package.json, so Node runs it as it is.");
    Ok(vec![maker.candidate(
        ENTRY_LISTENS,
        None,
        Start::Command(Step::argv(["node", &*entry])),
        evidence,
        why,
    )])
}

/// Everything known about one project while its plans are made.
struct Maker<'m, 'v, 'a> {
    view: &'m mut View<'v, 'a>,
    package: Package,
    framework: Option<&'static Framework>,
    manager: Manager,
    installs: bool,
    image: ImageChoice,
    major: u32,
    image_evidence: Option<Evidence>,
}

impl Maker<'_, '_, '_> {
    fn script(&self) -> Option<String> {
        let serves = |line: &str| {
            let first = line.split_whitespace().next().unwrap_or_default();
            !NOT_SERVERS.contains(&first) || line.contains(['&', '|', ';']) || line.contains("--serve")
        };
        let usable = |name: &&&str| self.package.scripts.get(**name).is_some_and(|line| serves(line));
        RUN_SCRIPTS.iter().find(usable).map(|name| (*name).to_owned())
    }

    fn plan_script(&mut self, script: &str, offset: i32) -> Result<Candidate, Refusal> {
        let line = self.package.scripts[script].clone();
        let build = self.build_for(&line);
        let start = self.run_script(script, &line);
        let mut evidence = vec![self.view.evidence("package.json", format!("script {script}: {line}"))];
        if let Some(row) = self.framework {
            evidence.push(self.view.evidence("package.json", format!("depends on {}", row.package)));
        }
        let what = match self.framework {
            Some(row) => format!("package.json depends on {} and has the script “{script}”", row.package),
            None => format!("package.json has the script “{script}”"),
        };
        let why = format!("{what}{}.", if build.is_some() { ", which needs a build first" } else { "" });
        let score = offset
            + match self.framework {
                Some(row) if row.dev.is_empty() => SERVER_FRAMEWORK,
                Some(_) => FRAMEWORK,
                None => SCRIPT,
            };
        let mut candidate = self.candidate(score, build, Start::Command(start), evidence, why);
        candidate.plan.expects_http = self.framework.is_some() || self.script_serves(&line)?;
        candidate.plan.port = candidate.plan.port.filter(|_| candidate.plan.expects_http);
        Ok(candidate)
    }

    /// `node file.js` can be looked into; of anything else it is assumed.
    fn script_serves(&mut self, line: &str) -> Result<bool, Refusal> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["node", .., file] = *words else { return Ok(true) };
        let source = self.view.peek(file.trim_start_matches("./"), SOURCE_BYTES)?;
        Ok(source.is_none_or(|source| listens(&source) || !self.package.dependencies.is_empty()))
    }

    /// A project without dependencies needs no package manager to start: its script is run by Node itself, which saves
    /// the third of a second npm takes to load. Plain `node x.js` needs not even that.
    fn run_script(&self, script: &str, line: &str) -> Step {
        let plain =
            |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./=:,".contains(&byte));
        let hooked =
            ["pre", "post"].iter().any(|hook| self.package.scripts.contains_key(&format!("{hook}{script}")));
        if self.installs || self.manager.kind != Kind::Npm || hooked || line.contains("npm") {
            return self.manager.run(script);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "node" && words.iter().all(|word| plain(word)) {
            Step::argv(words)
        } else if self.major >= 22 {
            Step::argv(["node", "--run", script])
        } else {
            self.manager.run(script)
        }
    }

    fn build_for(&self, line: &str) -> Option<Step> {
        let needs = NEEDS_BUILD
            .iter()
            .any(|part| line.contains(part) || line.ends_with(part.trim_end_matches(['/', ' '])));
        (needs && self.package.scripts.contains_key("build")).then(|| self.manager.run("build"))
    }

    /// Other ways to run what has a development server: as built, by its own start script or as static files.
    fn alternatives(&mut self, chosen: &str) -> Result<Vec<Candidate>, Refusal> {
        let mut found = Vec::new();
        if !self.package.scripts.contains_key("build") {
            return Ok(found);
        }
        let production = ["start", "start:prod", "preview"].iter().find(|name| {
            **name != chosen
                && self.package.scripts.get(**name).is_some_and(|line| self.build_for(line).is_some())
        });
        if let Some(script) = production {
            let mut candidate = self.plan_script(script, ALTERNATIVE)?;
            candidate.plan.id.push_str("-built");
            candidate.plan.title.push_str(", built");
            found.push(candidate);
        }
        if self.framework.is_some_and(|row| !row.output.is_empty()) {
            let mut candidate = self.plan_build(ALTERNATIVE);
            candidate.plan.id.push_str("-static");
            candidate.plan.title.push_str(", built and served as files");
            found.push(candidate);
        }
        Ok(found)
    }

    fn plan_build(&mut self, offset: i32) -> Candidate {
        let line = self.package.scripts["build"].clone();
        let dir = self.output(&line);
        let evidence = vec![self.view.evidence("package.json", format!("script build: {line}"))];
        let shown = if dir.is_empty() { "the project folder".to_owned() } else { format!("{dir}/") };
        let why =
            format!("package.json has a build script and no server, so {shown} is served after building.");
        let build = self.manager.run("build");
        let spa = self
            .framework
            .is_none_or(|row| !matches!(row.id, "astro" | "eleventy" | "gatsby" | "hexo" | "docusaurus"));
        self.candidate(BUILT + offset, Some(build), Start::Static { dir, spa }, evidence, why)
    }

    /// The script's own output flag, else the framework's default, else where the page is.
    fn output(&self, line: &str) -> String {
        const FLAGS: &[&str] =
            &["--outDir", "--out-dir", "--outdir", "--dist-dir", "--output-path", "--dest", "-d"];
        let words: Vec<&str> = line.split_whitespace().collect();
        let flagged = words.iter().enumerate().find_map(|(at, word)| match word.split_once('=') {
            Some((flag, value)) => FLAGS.contains(&flag).then_some(value),
            None => FLAGS.contains(word).then(|| words.get(at + 1).copied()).flatten(),
        });
        let safe = |dir: &str| {
            let dir = dir.trim_start_matches("./").trim_end_matches('/');
            let plain = dir.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
            (plain && !dir.starts_with('/') && dir.split('/').all(|part| part != ".."))
                .then(|| dir.to_owned())
        };
        let page = [("index.html", ""), ("public/index.html", "public")]
            .iter()
            .find(|(file, _)| self.view.has(file));
        flagged
            .and_then(safe)
            .or_else(|| self.framework.filter(|row| !row.output.is_empty()).map(|row| row.output.to_owned()))
            .or_else(|| {
                page.filter(|_| line.contains("--outfile") || line.contains("tsc"))
                    .map(|(_, dir)| (*dir).to_owned())
            })
            .unwrap_or_else(|| "dist".into())
    }

    fn plan_entry(&mut self) -> Result<Option<Candidate>, Refusal> {
        let main = self.package.main.clone();
        let Some((entry, listens)) = entry(self.view, main.as_deref())? else { return Ok(None) };
        let serves = listens || self.framework.is_some_and(|row| row.dev.is_empty());
        if !serves && (self.view.has("index.html") || self.framework.is_some()) {
            return Ok(None);
        }
        let fact = if listens { "opens a server" } else { "is the program's entry" };
        let evidence = vec![self.view.evidence(&entry, fact)];
        let why = format!("package.json has no script to run, so Node runs {entry}.");
        let score = if serves { ENTRY_LISTENS } else { ENTRY_ONLY };
        let start = Start::Command(Step::argv(["node", &*entry]));
        let mut candidate = self.candidate(score, None, start, evidence, why);
        candidate.plan.expects_http = serves;
        candidate.plan.port = candidate.plan.port.filter(|_| serves);
        Ok(Some(candidate))
    }

    fn title(&self) -> String {
        let Some(row) = self.framework else { return "Node.js".into() };
        let face = FACES.iter().find(|(package, _)| self.package.dependencies.contains(*package));
        match face.filter(|_| BUNDLERS.contains(&row.id)) {
            Some((_, face)) => format!("{} · {face}", row.title),
            None => row.title.into(),
        }
    }

    fn candidate(
        &self,
        score: i32,
        build: Option<Step>,
        start: Start,
        mut evidence: Vec<Evidence>,
        why: String,
    ) -> Candidate {
        let (install, fallback_install) = if self.installs {
            let (install, fallback) = self.manager.install();
            evidence.extend(self.manager.evidence.clone());
            (Some(install), fallback)
        } else {
            (None, None)
        };
        evidence.extend(self.image_evidence.clone());
        let mut env: BTreeMap<String, String> =
            ENV.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        // Plain servers read PORT and often have no default; dev servers choose their own and may clash over it.
        let plain_server = self.framework.is_none_or(|row| row.dev.is_empty());
        let serves_files = matches!(start, Start::Static { .. });
        if plain_server && !serves_files {
            env.insert("PORT".into(), self.framework.map_or(3000, |row| row.port).to_string());
        }
        let port =
            self.framework.map(|row| row.port).or(plain_server.then_some(3000)).filter(|_| !serves_files);
        let plan = RunPlan {
            id: self.framework.map_or("node".into(), |row| format!("node-{}", row.id)),
            title: self.title(),
            name: None,
            language: Language::Node,
            image: self.image.clone(),
            workdir: String::new(),
            install,
            fallback_install,
            build,
            start,
            env,
            port,
            processes: Vec::new(),
            expects_http: true,
            health_path: None,
            network_allow: Vec::new(),
            evidence,
            why,
        };
        Candidate { score, plan }
    }
}
