//! A page of 1,000 workspaces out of 10,000 that were, through the engine's own command. No Docker is needed.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use super::figures::Samples;
use anyhow::{Result, ensure};
use slipway_engine::{Config, DockerHints, Engine};
use slipway_tests::engine::config;
use slipway_wire::{Api as _, WorkspaceQuery, WorkspaceSort};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const HISTORY: i64 = 10_000;

pub(crate) async fn run() -> Result<()> {
    println!("listing, {HISTORY} rows of history, pages of 1,000 (bar: under 10 ms)");
    let data = tempfile::tempdir()?;
    // The first opening makes the tables.
    open(data.path()).await?.shutdown(Duration::from_secs(5), true).await;
    fill(data.path())?;
    let engine = open(data.path()).await?;
    for sort in [WorkspaceSort::Created, WorkspaceSort::Name, WorkspaceSort::State, WorkspaceSort::Expires] {
        let mut samples = Samples::new();
        let mut query = WorkspaceQuery {
            sort,
            limit: 1000,
            deleted: true,
            descending: true,
            ..WorkspaceQuery::default()
        };
        for _ in 0..HISTORY / 1000 {
            let began = Instant::now();
            let page = engine.workspace_query(query.clone()).await?;
            samples.add(began.elapsed());
            ensure!(page.rows.len() == 1000, "{} rows", page.rows.len());
            query.cursor = page.next;
        }
        samples.print(&format!("1,000 of 10,000 by {sort:?}"));
    }
    println!();
    engine.shutdown(Duration::from_secs(5), true).await;
    Ok(())
}

async fn open(data: &Path) -> Result<Engine> {
    let nowhere = format!("unix://{}", data.join("none.sock").display());
    let docker = DockerHints { docker_host: Some(nowhere), ..DockerHints::default() };
    Ok(Engine::open(Config { docker, ..config(data)? }).await?)
}

fn fill(data: &Path) -> Result<()> {
    let mut database = rusqlite::Connection::open(data.join("slipway.db"))?;
    let change = database.transaction()?;
    for n in 0..HISTORY {
        let (id, name) = (format!("w-{n:05}"), format!("Project {}", n * 7919 % HISTORY));
        change.execute("INSERT INTO workspace VALUES (?1, 1, ?2, '{}')", rusqlite::params![id, n])?;
        change.execute(
            "INSERT INTO listing VALUES (?1, ?2, 'deleted', 6, 'none', 'node:24-alpine', NULL, NULL, ?3, ?4, NULL, ?3)",
            rusqlite::params![id, name, n, i64::MAX],
        )?;
    }
    change.commit()?;
    Ok(())
}
