//! Runs the fault matrix; see `--help`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow, bail, ensure};
use ecewo_cluster_load::faults::run::run;
use ecewo_cluster_load::faults::verdict::{Ran, faults_of};
use ecewo_cluster_load::faults::{Form, Passed, Trouble, cases};

const HELP: &str = "\
fault-matrix --program PATH [--full] [--seed N] [--point NAME] [--parallel N]

Runs PATH (c-tests/faults/subject.c) once for each case: a system call of the master fails with an error at a place. The
short form tries each call and each error at one place, chosen by the seed; --full every place. With --point only one
call's cases. One line for each failure, with the plan that repeats it; then a table.
";

fn main() -> ExitCode {
    match work() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fault-matrix: {error:#}");
            ExitCode::from(2)
        }
    }
}

struct Options {
    program: PathBuf,
    form: Form,
    seed: u64,
    point: Option<String>,
    parallel: usize,
}

fn options() -> Result<Option<Options>> {
    let mut options = Options {
        program: PathBuf::new(),
        form: Form::Short,
        seed: fastrand::u64(0..1_000_000),
        point: None,
        parallel: 8,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--program" => options.program = value()?.into(),
            "--full" => options.form = Form::Full,
            "--seed" => options.seed = value()?.parse()?,
            "--point" => options.point = Some(value()?),
            "--parallel" => options.parallel = value()?.parse()?,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(None);
            }
            _ => bail!("unknown argument {argument}\n{HELP}"),
        }
    }
    Ok(Some(options))
}

/// What became of one call's cases.
#[derive(Default)]
struct Row {
    runs: usize,
    reached: usize,
    injected: u64,
    refused: usize,
    failed: usize,
}

fn work() -> Result<bool> {
    let Some(options) = options()? else { return Ok(true) };
    let folder = std::env::temp_dir().join(format!("fault-matrix-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let done = in_folder(&options, &folder);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn in_folder(options: &Options, folder: &Path) -> Result<bool> {
    let (first, passed) = run(&options.program, folder, &Trouble::None, &Passed::new())?;
    let faults = faults_of(&Trouble::None, &first);
    ensure!(faults.is_empty(), "without any fault: {}\n{}{}", faults.join("; "), first.out, first.err);
    let (all, unknown) = cases(options.form, &passed, &mut fastrand::Rng::with_seed(options.seed));
    println!("Seed {}: {} cases, {} calls", options.seed, all.len(), passed.len());
    for name in &unknown {
        println!("FAIL the master calls {name}, and the table in load/src/faults/points.rs does not know it");
    }
    let wanted = |trouble: &&Trouble| options.point.as_deref().is_none_or(|point| trouble.name() == point);
    let rows = run_all(options, folder, &passed, &all.iter().filter(wanted).collect::<Vec<_>>())?;
    let (mut good, mut bad) = (0, unknown.len());
    println!("{:22} {:>6} {:>8} {:>9} {:>13} {:>7}", "call", "runs", "reached", "failures", "start refused", "failed");
    for (name, row) in &rows {
        println!("{name:22} {:6} {:8} {:9} {:13} {:7}", row.runs, row.reached, row.injected, row.refused, row.failed);
        good += row.runs - row.failed;
        bad += row.failed;
    }
    println!("{good} passed, {bad} failed");
    Ok(bad == 0)
}

/// Several at a time: most of a run is waiting.
fn run_all(
    options: &Options,
    folder: &Path,
    passed: &Passed,
    cases: &[&Trouble],
) -> Result<BTreeMap<&'static str, Row>> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(BTreeMap::<&'static str, Row>::new());
    let work = || -> Result<()> {
        while let Some(trouble) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (ran, _) = run(&options.program, folder, trouble, passed)?;
            let faults = faults_of(trouble, &ran);
            let mut rows = rows.lock().map_err(|_| anyhow!("another thread has failed"))?;
            let row = rows.entry(trouble.name()).or_default();
            row.runs += 1;
            row.reached += usize::from(ran.injected > 0);
            row.injected += ran.injected;
            row.refused += usize::from(ran.code == Some(3));
            row.failed += usize::from(!faults.is_empty());
            if !faults.is_empty() {
                tell(trouble, &ran, &faults);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.parallel).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread has panicked"))?)
    })?;
    rows.into_inner().map_err(|_| anyhow!("a thread has failed"))
}

fn tell(trouble: &Trouble, ran: &Ran, faults: &[String]) {
    println!("FAIL {trouble}: {}", faults.join("; "));
    for line in ran.out.lines().chain(ran.err.lines().take(12)) {
        println!("    {line}");
    }
}
