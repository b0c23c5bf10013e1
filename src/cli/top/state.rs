//! What is shown, and what keys do to it.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::rates::Rates;
use super::snapshot::{Service, Snapshot};
use crate::cli::admin::Failure;

/// What services are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Slowest,
    Busiest,
    Waiting,
    Errors,
    Workers,
    Name,
}

/// Each order with its key and how the last line calls it.
pub const ORDERS: [(char, Order, &str); 6] = [
    ('l', Order::Slowest, "latency"),
    ('c', Order::Busiest, "calls"),
    ('w', Order::Waiting, "waiting"),
    ('e', Order::Errors, "errors"),
    ('k', Order::Workers, "workers"),
    ('n', Order::Name, "name"),
];

/// What follows from a key.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    Nothing,
    Draw,
    End,
}

/// What is shown.
pub struct State {
    pub url: String,
    pub snapshot: Snapshot,
    pub rates: Rates,
    pub order: Order,
    pub reversed: bool,
    pub paused: bool,
    /// Services above the first that is shown.
    pub scroll: usize,
    /// Since when nobody answers, and why.
    pub lost: Option<(Instant, String)>,
}

/// How far a page key goes.
const PAGE: usize = 10;

impl State {
    pub fn new(url: &str) -> State {
        State {
            url: url.to_owned(),
            snapshot: Snapshot::default(),
            rates: Rates::default(),
            order: Order::Slowest,
            reversed: false,
            paused: false,
            scroll: 0,
            lost: None,
        }
    }

    /// Takes an answer, or that there is none; true if it shows.
    pub fn take(&mut self, answer: Result<Snapshot, Failure>) -> bool {
        let now = Instant::now();
        match answer {
            Ok(snapshot) => {
                for service in &snapshot.services {
                    self.rates.note(rate_name(service), now, service.calls);
                }
                for bus in &snapshot.overview.buses {
                    self.rates.note(format!("in {}", bus.id), now, bus.messages_in);
                    self.rates.note(format!("out {}", bus.id), now, bus.messages_out);
                }
                self.rates.forget_before(now - Duration::from_secs(60).min(now.elapsed()));
                self.lost = None;
                if self.paused {
                    return false;
                }
                self.snapshot = snapshot;
            }
            Err(why) => {
                let since = self.lost.as_ref().map_or(now, |(since, _)| *since);
                self.lost = Some((since, why.text().to_owned()));
            }
        }
        true
    }

    /// The services in the order that is asked for.
    pub fn services(&self) -> Vec<&Service> {
        let mut services: Vec<&Service> = self.snapshot.services.iter().collect();
        services.sort_by(|a, b| (&a.name, &a.backend).cmp(&(&b.name, &b.backend)));
        let tenths = |service: &Service| (self.rate(service).unwrap_or(0.0) * 10.0) as u64;
        // Most first, and among equals by name.
        match self.order {
            Order::Slowest => services.sort_by_key(|s| Reverse((s.p99_us, s.p50_us))),
            Order::Busiest => services.sort_by_key(|s| Reverse((tenths(s), s.calls))),
            Order::Waiting => services.sort_by_key(|s| Reverse((s.waiting, s.wait_p99_us))),
            Order::Errors => services.sort_by_key(|s| Reverse(s.errors)),
            Order::Workers => services.sort_by_key(|s| Reverse(s.workers)),
            Order::Name => {}
        }
        if self.reversed {
            services.reverse();
        }
        services
    }

    /// Its calls a second; `None` before it was seen twice.
    pub fn rate(&self, service: &Service) -> Option<f64> {
        self.rates.rate(&rate_name(service))
    }

    pub fn key(&mut self, key: KeyEvent) -> After {
        if key.kind == KeyEventKind::Release {
            return After::Nothing;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if control => return After::End,
            KeyCode::Char('l') if control => return After::Draw,
            _ if control => return After::Nothing,
            KeyCode::Char('q') | KeyCode::Esc => return After::End,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('r') => self.reversed = !self.reversed,
            KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Down => self.scroll += 1,
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            KeyCode::PageDown => self.scroll += PAGE,
            KeyCode::Home => self.scroll = 0,
            KeyCode::End => self.scroll = self.snapshot.services.len(),
            KeyCode::Char(pressed) => match ORDERS.iter().find(|(key, ..)| *key == pressed) {
                Some((_, order, _)) => {
                    self.order = *order;
                    self.reversed = false;
                    self.scroll = 0;
                }
                None => return After::Nothing,
            },
            _ => return After::Nothing,
        }
        After::Draw
    }
}

fn rate_name(service: &Service) -> String {
    format!("service {} {}", service.backend, service.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, p99_us: u64, waiting: u64) -> Service {
        Service { name: name.into(), p99_us, waiting, ..Service::default() }
    }

    fn state() -> State {
        let mut state = State::new("http://there");
        let services = vec![service("b", 10, 7), service("a", 10, 0), service("c", 900, 1)];
        state.take(Ok(Snapshot { services, ..Snapshot::default() }));
        state
    }

    fn press(state: &mut State, code: KeyCode) -> After {
        state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn names(state: &State) -> Vec<&str> {
        state.services().into_iter().map(|service| service.name.as_str()).collect()
    }

    #[test]
    fn the_slowest_service_comes_first_until_a_key_asks_for_another_order() {
        let mut state = state();
        assert_eq!(names(&state), ["c", "a", "b"]);
        assert_eq!(press(&mut state, KeyCode::Char('w')), After::Draw);
        assert_eq!(names(&state), ["b", "c", "a"]);
        press(&mut state, KeyCode::Char('n'));
        assert_eq!(names(&state), ["a", "b", "c"]);
        press(&mut state, KeyCode::Char('r'));
        assert_eq!(names(&state), ["c", "b", "a"]);
    }

    #[test]
    fn a_picture_stands_still_while_paused() {
        let mut state = state();
        press(&mut state, KeyCode::Char('p'));
        assert!(!state.take(Ok(Snapshot::default())));
        assert_eq!(state.snapshot.services.len(), 3);
        press(&mut state, KeyCode::Char('p'));
        assert!(state.take(Ok(Snapshot::default())));
        assert_eq!(state.snapshot.services.len(), 0);
    }

    #[test]
    fn q_escape_and_control_c_end_it() {
        assert_eq!(press(&mut state(), KeyCode::Char('q')), After::End);
        assert_eq!(press(&mut state(), KeyCode::Esc), After::End);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(state().key(control_c), After::End);
        assert_eq!(press(&mut state(), KeyCode::Char('z')), After::Nothing);
    }
}
