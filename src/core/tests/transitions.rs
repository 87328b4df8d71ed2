//! The table of states and events: whatever can happen to a slot, in every state that it can be in. It is a file of the
//! project, `src/core/transitions.txt`, so that a change of behaviour is seen in a review; its short form is in
//! `docs/architecture.md`.

use std::fmt::Write as _;

use super::*;

const TABLE: &str = "src/core/transitions.txt";
const DOCUMENT: &str = "docs/architecture.md";
const BEGIN: &str = "<!-- The next block is written by the test of the table. -->\n```text\n";
const END: &str = "```\n";
const WRITE: &str = "ECEWO_WRITE_TRANSITIONS=1 cargo test --lib core::tests::transitions";

/// A state of slot 0 in a cluster of two, and how to get there.
struct State {
    short: &'static str,
    name: &'static str,
    reach: fn() -> (Driver, Option<ProcessKey>),
}

const STATES: [State; 14] = [
    State { short: "made", name: "its process has been made", reach: made },
    State { short: "runs", name: "its process runs the program", reach: runs },
    State { short: "ready", name: "its worker is ready", reach: ready },
    State { short: "broke", name: "its worker has broken its channel", reach: broke },
    State { short: "old", name: "its worker has a replacement that is not ready", reach: with_replacement },
    State { short: "new", name: "the same; what happens, happens to the replacement", reach: replacement },
    State { short: "drain", name: "replaced; what happens, happens to the old worker, which drains", reach: draining },
    State { short: "wait", name: "crashed, and the respawn delay runs", reach: waiting },
    State { short: "turn", name: "crashed, and a restart has yet to come to it", reach: awaiting_its_turn },
    State { short: "ended", name: "ended gracefully", reach: ended },
    State { short: "crash", name: "crashed, with respawn off", reach: crashed_for_good },
    State { short: "off", name: "disabled", reach: disabled },
    State { short: "stop", name: "its worker has been told to stop, with the whole cluster", reach: stopping },
    State {
        short: "stop!",
        name: "the same, in the middle of a restart; it happens to the replacement",
        reach: both_stop,
    },
];

/// What can happen: to the slot's process, where there is one, or to the cluster.
#[derive(Clone, Copy)]
enum Happening {
    Process(fn(ProcessKey) -> Event),
    Cluster(Event),
    Deadline,
}

const HAPPENINGS: [(&str, Happening); 19] = [
    ("it cannot be made: EAGAIN", Happening::Process(|key| Event::SpawnFailed(key, EAGAIN))),
    ("it cannot be made: ENOENT", Happening::Process(|key| Event::SpawnFailed(key, ENOENT))),
    ("it runs the program", Happening::Process(Event::Executed)),
    ("it joins", Happening::Process(Event::Joined)),
    ("it listens", Happening::Process(|key| Event::Listening(key, home()))),
    ("its bind fails: in use", Happening::Process(in_use)),
    ("it closes its listener", Happening::Process(closed)),
    ("it has drained", Happening::Process(Event::Drained)),
    ("it sends nonsense", Happening::Process(Event::ChannelBroken)),
    ("it exits with 0", Happening::Process(|key| Event::Ended(key, End::Exited(0)))),
    ("it exits with 1", Happening::Process(|key| Event::Ended(key, End::Exited(1)))),
    ("SIGTERM ends it", Happening::Process(|key| Event::Ended(key, End::Killed(15)))),
    ("SIGSEGV ends it", Happening::Process(|key| Event::Ended(key, SEGV))),
    ("its status is lost", Happening::Process(|key| Event::Ended(key, End::Lost))),
    ("its next deadline", Happening::Deadline),
    ("a restart is asked for", Happening::Cluster(Event::RestartRequested)),
    ("a stop: SIGTERM", Happening::Cluster(Event::StopRequested(StopSignal::Term))),
    ("a stop: SIGINT", Happening::Cluster(Event::StopRequested(StopSignal::Int))),
    ("a stop: SIGKILL", Happening::Cluster(Event::StopRequested(StopSignal::Kill))),
];

fn in_use(key: ProcessKey) -> Event {
    Event::BindFailed(key, BindError { address: home(), in_use: true })
}

fn closed(key: ProcessKey) -> Event {
    Event::Closed(key, Listener { address: home(), id: ListenerId(0) })
}

fn cluster() -> Settings {
    Settings { handoff: true, ..settings(2) }
}

fn first(it: Driver) -> (Driver, Option<ProcessKey>) {
    let key = it.view(0).process.map(|(key, _)| key);
    (it, key)
}

fn made() -> (Driver, Option<ProcessKey>) {
    let mut it = Driver::started(cluster());
    it.crash(0);
    it.pass(ms(100));
    first(it)
}

fn runs() -> (Driver, Option<ProcessKey>) {
    let (mut it, key) = made();
    it.happens(Event::Executed(key.unwrap()));
    (it, key)
}

fn ready() -> (Driver, Option<ProcessKey>) {
    first(Driver::started(cluster()))
}

fn broke() -> (Driver, Option<ProcessKey>) {
    let (mut it, key) = ready();
    it.happens(Event::ChannelBroken(key.unwrap()));
    (it, key)
}

fn with_replacement() -> (Driver, Option<ProcessKey>) {
    let mut it = Driver::started(cluster());
    it.restart();
    it.join(it.latest(0));
    first(it)
}

fn replacement() -> (Driver, Option<ProcessKey>) {
    let (it, _) = with_replacement();
    let key = it.latest(0);
    (it, Some(key))
}

fn draining() -> (Driver, Option<ProcessKey>) {
    let (mut it, key) = with_replacement();
    it.serve(it.latest(0));
    (it, key)
}

fn waiting() -> (Driver, Option<ProcessKey>) {
    let mut it = Driver::started(cluster());
    it.crash(0);
    (it, None)
}

fn awaiting_its_turn() -> (Driver, Option<ProcessKey>) {
    let (mut it, _) = with_replacement();
    it.crash(0);
    (it, None)
}

fn ended() -> (Driver, Option<ProcessKey>) {
    let (mut it, key) = ready();
    it.end(key.unwrap(), End::Exited(0));
    (it, None)
}

fn crashed_for_good() -> (Driver, Option<ProcessKey>) {
    let mut it = Driver::started(Settings { respawn: false, ..cluster() });
    it.crash(0);
    (it, None)
}

fn disabled() -> (Driver, Option<ProcessKey>) {
    let mut it = Driver::started(cluster());
    it.disable(0);
    (it, None)
}

fn stopping() -> (Driver, Option<ProcessKey>) {
    let (mut it, key) = ready();
    it.stop();
    (it, key)
}

fn both_stop() -> (Driver, Option<ProcessKey>) {
    let (mut it, key) = replacement();
    it.stop();
    (it, key)
}

/// What follows: the status before and after, and the effects. `None` if this cannot happen.
fn follow(state: &State, happening: Happening) -> Option<(Status, Status, Vec<String>)> {
    let (mut it, key) = (state.reach)();
    let before = it.status(0);
    let roles = roles(&it);
    let effects = match happening {
        Happening::Process(event) => it.handle(event(key?)),
        Happening::Cluster(event) => it.handle(event),
        Happening::Deadline => {
            let deadline = it.core.next_deadline()?;
            it.now = it.now.max(deadline);
            it.handle(Event::Tick)
        }
    };
    Some((before, it.status(0), effects.iter().map(|effect| told(effect, &roles)).collect()))
}

/// What the processes are to slot 0, before something happens.
fn roles(it: &Driver) -> Vec<(ProcessKey, &'static str)> {
    let slot = &it.core.slots[&0];
    let worker = slot.worker().map(|process| (process.key, "the worker"));
    let candidate = slot.candidate.as_ref().map(|process| (process.key, "the replacement"));
    let retiring = slot.retiring.as_ref().map(|process| (process.key, "the old worker"));
    [worker, candidate, retiring].into_iter().flatten().collect()
}

fn told(effect: &Effect, roles: &[(ProcessKey, &'static str)]) -> String {
    let role = |key: &ProcessKey| match roles.iter().find(|(known, _)| known == key) {
        Some((_, role)) => (*role).to_owned(),
        None if key.slot() == 0 => "it".to_owned(),
        None => "worker 1".to_owned(),
    };
    match effect {
        Effect::Spawn(key, Image::Held) => format!("make a worker for slot {}", key.slot()),
        Effect::Spawn(key, Image::Deployed) => format!("make a replacement for slot {}", key.slot()),
        Effect::Stop(key, StopSignal::Term) => format!("SIGTERM to {}", role(key)),
        Effect::Stop(key, StopSignal::Int) => format!("SIGINT to {}", role(key)),
        Effect::Stop(key, StopSignal::Kill) => format!("SIGKILL to {} as asked", role(key)),
        Effect::Drain(key) => format!("drain {}", role(key)),
        Effect::Kill(key) => format!("SIGKILL to {}", role(key)),
        Effect::Ready(key) => format!("{} is ready", role(key)),
        Effect::Promoted(key) => format!("{} becomes the worker", role(key)),
        Effect::Release(Released::Everything) => "let go of all sockets".to_owned(),
        Effect::Release(Released::Slot(slot)) => format!("let go of the sockets of slot {slot}"),
        Effect::Release(Released::One(..)) => "let go of that socket".to_owned(),
        Effect::Release(Released::NotAdoptedBy(key)) => format!("let go of what {} has not adopted", role(key)),
        Effect::Release(Released::BroughtBy(key)) => format!("let go of what {} brought", role(key)),
        Effect::CallOnStart(slot) => format!("on_start({slot})"),
        Effect::CallOnExit { worker, end, crash } => format!("on_exit({worker}, {}, {crash})", end.exit_status()),
        Effect::Report(notice) => format!("report {}", notice_name(notice)),
    }
}

fn notice_name(notice: &Notice) -> &'static str {
    match notice {
        Notice::Crashed { .. } => "the crash",
        Notice::StatusLost { .. } => "the lost status",
        Notice::CrashingTooFast { .. } => "that it crashes too fast",
        Notice::SpawnRetried { .. } => "that it is tried again later",
        Notice::RestartAbandoned { .. } => "that the restart is given up",
        Notice::AllDown { .. } => "that all are down",
    }
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Starting => "STARTING",
        Status::Active => "ACTIVE",
        Status::Stopping => "STOPPING",
        Status::Crashed => "CRASHED",
        Status::Respawning => "RESPAWNING",
        Status::Disabled => "DISABLED",
    }
}

/// All of it: for each state what each event does.
fn table() -> String {
    let mut text = format!(
        "What can happen to slot 0 of a cluster of two, in every state, and what the core answers. The other worker serves.\n\
         Respawn is on where nothing else is said, three crashes in 5 s are too many, sockets are kept.\n\
         Written by a test; after a change that is meant:\n\n    {WRITE}\n"
    );
    for state in &STATES {
        let status = (state.reach)().0.status(0);
        let _ = writeln!(text, "\n{} ({}): {}\n", status_name(status), state.short, state.name);
        let mut without = Vec::new();
        for (name, happening) in HAPPENINGS {
            match follow(state, happening) {
                None => {}
                Some((before, after, effects)) if before == after && effects.is_empty() => without.push(name),
                Some((before, after, effects)) => {
                    let status = if before == after { "" } else { status_name(after) };
                    let _ = writeln!(text, "    {name:<26} {status:<10} {}", effects.join("; "));
                }
            }
        }
        if !without.is_empty() {
            let _ = writeln!(text, "    nothing follows from: {}", without.join("; "));
        }
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}

/// One line for each event, one column for each state: the status after it.
fn matrix() -> String {
    let cell = |state: &State, happening| match follow(state, happening) {
        None => String::new(),
        Some((before, after, _)) if before != after => status_name(after)[..5].to_owned(),
        Some((_, _, effects)) if effects.is_empty() => "·".to_owned(),
        Some(_) => "+".to_owned(),
    };
    let row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:<5}")).collect();
        format!("{name:<25}{cells}").trim_end().to_owned() + "\n"
    };
    let status = |state: &State| status_name((state.reach)().0.status(0))[..5].to_owned();
    let mut text = row("state", STATES.iter().map(|state| state.short.to_owned()).collect());
    text += &row("status", STATES.iter().map(status).collect());
    for (name, happening) in HAPPENINGS {
        text += &row(name, STATES.iter().map(|state| cell(state, happening)).collect());
    }
    text
}

fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_table_of_states_and_events_is_the_committed_one_contract_3_to_7() {
    let (table, matrix) = (table(), matrix());
    let document = std::fs::read_to_string(path(DOCUMENT)).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("the document has the table");
    let (written, after) = rest.split_once(END).expect("the table ends");
    if std::env::var_os("ECEWO_WRITE_TRANSITIONS").is_some() {
        std::fs::write(path(TABLE), table).unwrap();
        std::fs::write(path(DOCUMENT), format!("{before}{BEGIN}{matrix}{END}{after}")).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(path(TABLE)).unwrap();
    for (old, new, name) in [(committed.as_str(), table.as_str(), TABLE), (written, matrix.as_str(), DOCUMENT)] {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let differ = lines(old).into_iter().zip(lines(new)).find(|(old, new)| old != new);
        assert!(
            old == new,
            "The core does something else than {name} says: {differ:#?}\nIf that is meant, write it anew and commit it: {WRITE}"
        );
    }
}

/// Every status and every event is in it.
#[test]
fn the_table_is_complete_contract_3_4() {
    let statuses: Vec<Status> = STATES.iter().map(|state| (state.reach)().0.status(0)).collect();
    for status in
        [Status::Starting, Status::Active, Status::Stopping, Status::Crashed, Status::Respawning, Status::Disabled]
    {
        assert!(statuses.contains(&status), "no state is {status:?}");
    }
}
