use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use crate::config::{Settings, StartupDelay};
use crate::core::{BindError, Effect, End, Event, Image, Listener, ProcessKey, SpawnError, StopSignal, Supervisor};
use crate::wire::ListenerId;

const PORT: u16 = 3000;

/// Any events in any order, also such as no shell would send, about any process, known or not. The core must not panic, not ask for processes
/// without end, and come to its end when it is told to stop and every process ends (contract 4.1, 7.1).
pub fn core(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let mut next = || bytes.next();
    let (Some(first), Some(second)) = (next(), next()) else { return };
    let mut world = World::new(first, second);
    world.happens(Event::Begin);
    while let (Some(kind), Some(choice)) = (next(), next()) {
        let event = world.event(kind, choice);
        world.happens(event);
    }
    world.happens(Event::StopRequested(StopSignal::Kill));
    for _ in 0..3 {
        for key in std::mem::take(&mut world.living) {
            world.happens(Event::Ended(key, End::Killed(9)));
        }
        world.now += Duration::from_secs(3600);
        world.happens(Event::Tick);
    }
    assert!(world.core.is_over(), "{:#?}", world.core);
    assert_eq!(world.core.next_deadline(), None);
}

struct World {
    core: Supervisor,
    now: Duration,
    living: Vec<ProcessKey>,
    known: Vec<ProcessKey>,
}

impl World {
    fn new(first: u8, second: u8) -> Self {
        let settings = Settings {
            workers: NonZeroU8::new(1 + first % 4).unwrap_or(NonZeroU8::MIN),
            port: NonZeroU16::new(PORT).unwrap_or(NonZeroU16::MIN),
            respawn: first & 16 == 0,
            shutdown_timeout: Duration::from_millis(u64::from(second) * 20),
            startup_delay: if first & 32 == 0 {
                StartupDelay::Default
            } else {
                StartupDelay::Explicit(Duration::from_millis(50))
            },
            respawn_delay: Duration::from_millis(u64::from(second % 16) * 30),
            respawn_window: Duration::from_secs(5),
            respawn_max_crashes: 1 + second % 4,
            handoff: first & 64 == 0,
        };
        Self { core: Supervisor::new(settings), now: Duration::from_secs(1000), living: Vec::new(), known: Vec::new() }
    }

    fn happens(&mut self, event: Event) {
        if let Event::Ended(key, _) | Event::SpawnFailed(key, _) = event {
            self.living.retain(|other| *other != key);
        }
        let effects = self.core.handle(self.now, event);
        assert!(effects.len() < 4096, "effects without end");
        for effect in effects {
            if let Effect::Spawn(key, Image::Held | Image::Deployed) = effect {
                assert!(!self.known.contains(&key), "a key is never used again: {key:?}");
                self.living.push(key);
                self.known.push(key);
            }
        }
        assert!(self.living.len() <= 8, "more than two processes for each slot");
    }

    fn event(&mut self, kind: u8, choice: u8) -> Event {
        let index = usize::from(choice);
        let any = if self.known.is_empty() { ProcessKey::new(0, 0) } else { self.known[index % self.known.len()] };
        let key = if kind & 128 != 0 || self.living.is_empty() { any } else { self.living[index % self.living.len()] };
        let address = SocketAddr::from(([127, 0, 0, 1], PORT + u16::from(choice >> 6)));
        let listener = Listener { address, id: ListenerId(u64::from(choice & 3)) };
        match kind % 16 {
            0 => self.elapse(choice),
            1 => Event::SpawnFailed(key, SpawnError { step: "clone", errno: 11, transient: choice & 1 == 0 }),
            2 | 3 => Event::Executed(key),
            4 => Event::Joined(key),
            5..=7 => Event::Listening(key, address),
            8 => Event::BindFailed(key, BindError { address, in_use: choice & 1 == 0 }),
            9 => Event::Closed(key, listener),
            10 => Event::Drained(key),
            11 => Event::ChannelBroken(key),
            12 => Event::Ended(key, End::Killed(11)),
            13 => Event::Ended(key, if choice & 1 == 0 { End::Exited(0) } else { End::Lost }),
            14 if choice == 77 => Event::StopRequested(StopSignal::Term),
            _ => Event::RestartRequested,
        }
    }

    /// The time goes on, to the next deadline or by some milliseconds.
    fn elapse(&mut self, choice: u8) -> Event {
        let later = self.now + Duration::from_millis(u64::from(choice));
        self.now = if choice & 1 == 0 { self.core.next_deadline().map_or(later, |at| at.max(self.now)) } else { later };
        Event::Tick
    }
}
