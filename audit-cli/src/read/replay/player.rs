//! Playing records in time. It looks at no clock: whoever steers it brings the time.

use std::io::Write;
use std::time::Duration;

use audit_core::{Body, Moment, Record, Winsize};

use super::keys::{Hands, Key};
use super::screen::{RESET, Screen};

/// Records of a session, from its beginning.
pub(super) type Records<'a> = Box<dyn Iterator<Item = anyhow::Result<Record>> + 'a>;

/// How often a session that is followed is looked at for more.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How a session is played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How many times as fast; infinite writes everything at once.
    pub(super) speed: f64,
    /// The longest wait between two events, in the session's time.
    pub(super) max_idle: Option<Duration>,
    /// Where playing begins.
    pub(super) from: Option<Duration>,
    /// Whether to wait for more at the end.
    pub(super) follow: bool,
}

/// What is played.
pub(super) struct Film<'a> {
    /// Opens the records from the beginning.
    pub(super) open: Box<dyn Fn() -> anyhow::Result<Records<'a>> + 'a>,
    /// How long the recording is; changes whenever more was recorded.
    pub(super) len: Box<dyn Fn() -> u64 + 'a>,
    /// Size of the window at the beginning.
    pub(super) winsize: Winsize,
    /// Whether line feeds need a carriage return before them.
    pub(super) bare: bool,
}

/// A replay.
pub(super) struct Player<'a, H, W> {
    film: Film<'a>,
    pace: Pace,
    hands: H,
    out: W,
    records: Records<'a>,
    screen: Screen,
    /// The next record to be shown.
    next: Option<Record>,
    /// Number of the last record taken from `records`.
    taken: u64,
    /// How long the recording was when it was opened last to follow it.
    len: u64,
    /// How far the session's time has come.
    now: Moment,
    /// Time of the last record that was taken in.
    last: Moment,
    paused: bool,
    ended: bool,
}

/// What a wait came to.
enum Turn {
    /// The time of the next record has come.
    Show,
    /// We are somewhere else now.
    Moved,
    /// Enough.
    Quit,
}

impl<'a, H: Hands, W: Write> Player<'a, H, W> {
    /// A replay of `film` to `out`, steered by `hands`.
    ///
    /// # Errors
    /// The records cannot be opened.
    pub(super) fn new(film: Film<'a>, pace: Pace, hands: H, out: W) -> anyhow::Result<Self> {
        Ok(Self {
            records: (film.open)()?,
            screen: Screen::new(film.winsize, film.bare),
            film,
            pace,
            hands,
            out,
            next: None,
            taken: 0,
            len: 0,
            now: Moment::START,
            last: Moment::START,
            paused: false,
            ended: false,
        })
    }

    /// Plays to the end, or until somebody quits.
    ///
    /// # Errors
    /// A record cannot be read, or `out` is gone.
    pub(super) fn play(&mut self) -> anyhow::Result<()> {
        if let Some(from) = self.pace.from {
            self.seek(Moment::from(from))?;
        }
        loop {
            if !self.fetch()? {
                if self.ended || !self.pace.follow {
                    return Ok(());
                }
                if self.wait_for_more()? {
                    return Ok(());
                }
                continue;
            }
            match self.wait()? {
                Turn::Show => self.show()?,
                Turn::Moved => {}
                Turn::Quit => return Ok(()),
            }
        }
    }

    /// Puts the terminal's screen in order; nothing is played afterwards.
    ///
    /// # Errors
    /// `out` is gone.
    pub(super) fn tidy_up(&mut self) -> std::io::Result<()> {
        self.out.write_all(RESET)?;
        self.out.write_all(b"\r\n")?;
        self.out.flush()
    }

    /// Whether there is a next record.
    fn fetch(&mut self) -> anyhow::Result<bool> {
        while self.next.is_none() {
            let Some(record) = self.records.next().transpose()? else { return Ok(false) };
            self.taken = record.seq;
            match &record.body {
                Body::Data { stream, .. } if stream.is_output() => self.next = Some(record),
                Body::Resize(_) => self.next = Some(record),
                Body::End(_) => self.ended = true,
                _ => {}
            }
        }
        Ok(true)
    }

    fn wait(&mut self) -> anyhow::Result<Turn> {
        let Some(at) = self.next.as_ref().map(|r| r.at) else { return Ok(Turn::Moved) };
        if let Some(longest) = self.pace.max_idle {
            let gap = at.since(self.now);
            self.now += gap.saturating_sub(longest);
        }
        loop {
            let gap = at.since(self.now);
            let span = match self.paused {
                true => None,
                false if gap.is_zero() || self.pace.speed.is_infinite() => return Ok(Turn::Show),
                false => Some(gap.div_f64(self.pace.speed)),
            };
            let (waited, key) = self.hands.wait(span)?;
            if !self.paused {
                // It may run ahead by what a wait took too long; what follows catches up.
                self.now += waited.mul_f64(self.pace.speed);
            }
            match key {
                None if self.paused => {}
                None => return Ok(Turn::Show),
                Some(key) => {
                    if let Some(turn) = self.press(key)? {
                        return Ok(turn);
                    }
                }
            }
        }
    }

    /// Waits a moment at the end of what there is. Returns whether somebody quits.
    fn wait_for_more(&mut self) -> anyhow::Result<bool> {
        let (_, key) = self.hands.wait(Some(LOOK_AGAIN))?;
        if let Some(Turn::Quit) = key.map(|key| self.press(key)).transpose()?.flatten() {
            return Ok(true);
        }
        let len = (self.film.len)();
        if self.next.is_none() && std::mem::replace(&mut self.len, len) != len {
            let taken = self.taken;
            let again = (self.film.open)()?;
            self.records =
                Box::new(again.skip_while(move |record| {
                    record.as_ref().is_ok_and(|record| record.seq <= taken)
                }));
        }
        Ok(false)
    }

    fn press(&mut self, key: Key) -> anyhow::Result<Option<Turn>> {
        match key {
            Key::Quit => return Ok(Some(Turn::Quit)),
            Key::Pause => self.paused = !self.paused,
            Key::Step => {
                self.paused = true;
                return Ok(Some(Turn::Show));
            }
            Key::Speed(factor) => {
                self.pace.speed = (self.pace.speed * factor).clamp(0.01, 1000.0);
            }
            Key::Seek(seconds) => {
                let span = Duration::from_secs(seconds.unsigned_abs());
                let target = match seconds < 0 {
                    true => Moment::from(self.now.since(Moment::START).saturating_sub(span)),
                    false => self.now + span,
                };
                self.seek(target)?;
                return Ok(Some(Turn::Moved));
            }
        }
        Ok(None)
    }

    /// Goes to `target` and shows the screen as it was then.
    fn seek(&mut self, target: Moment) -> anyhow::Result<()> {
        if target < self.now {
            self.records = (self.film.open)()?;
            self.screen.clear();
            self.next = None;
            self.last = Moment::START;
            self.ended = false;
        }
        while self.fetch()? {
            let Some(record) = self.next.take_if(|r| r.at <= target) else { break };
            self.take_in(&record);
        }
        // Beyond the end there is no time to go to.
        self.now = if self.next.is_some() { target } else { self.last };
        self.out.write_all(&self.screen.drawing())?;
        self.out.flush()?;
        Ok(())
    }

    fn show(&mut self) -> anyhow::Result<()> {
        let Some(record) = self.next.take() else { return Ok(()) };
        self.now = self.now.max(record.at);
        let shown = self.take_in(&record);
        self.out.write_all(&shown)?;
        self.out.flush()?;
        Ok(())
    }

    /// Makes the screen what it is after `record`, and returns what shows that.
    fn take_in(&mut self, record: &Record) -> Vec<u8> {
        self.last = record.at;
        match &record.body {
            Body::Data { bytes, .. } => return self.screen.feed(bytes),
            Body::Resize(size) => self.screen.resize(*size),
            _ => {}
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit_core::Stream;
    use bytes::Bytes;
    use std::collections::VecDeque;

    /// Presses keys at times counted from the start of the replay.
    struct Script {
        clock: Duration,
        keys: VecDeque<(Duration, Key)>,
    }

    impl Hands for &mut Script {
        fn wait(&mut self, span: Option<Duration>) -> std::io::Result<(Duration, Option<Key>)> {
            let start = self.clock;
            let until = span.map(|s| start + s);
            let key = self.keys.pop_front_if(|(at, _)| until.is_none_or(|until| *at < until));
            self.clock = match (&key, until) {
                (Some((at, _)), _) => start.max(*at),
                (None, Some(until)) => until,
                (None, None) => panic!("waits for ever"),
            };
            Ok((self.clock - start, key.map(|(_, key)| key)))
        }
    }

    /// What was written, with the time at which it was.
    fn record(seq: u64, seconds: u64, text: &'static str) -> Record {
        Record {
            seq,
            at: Moment::from(Duration::from_secs(seconds)),
            body: Body::Data { stream: Stream::Tty, bytes: Bytes::from_static(text.as_bytes()) },
        }
    }

    fn timeline() -> Vec<Record> {
        vec![record(1, 0, "zero "), record(2, 10, "ten "), record(3, 70, "seventy ")]
    }

    fn play(pace: Pace, keys: &[(u64, Key)]) -> (String, Duration) {
        let keys = keys.iter().map(|(at, key)| (Duration::from_secs(*at), *key)).collect();
        let mut script = Script { clock: Duration::ZERO, keys };
        let mut out = Vec::new();
        let film = Film {
            open: Box::new(|| Ok(Box::new(timeline().into_iter().map(Ok)) as Records<'_>)),
            len: Box::new(|| 0),
            winsize: Winsize::new(4, 40),
            bare: false,
        };
        Player::new(film, pace, &mut script, &mut out).unwrap().play().unwrap();
        (String::from_utf8(out).unwrap(), script.clock)
    }

    const PLAIN: Pace = Pace { speed: 1.0, max_idle: None, from: None, follow: false };

    #[test]
    fn speed_divides_the_time() {
        for (speed, seconds) in [(1.0, 70.0), (2.0, 35.0), (0.5, 140.0)] {
            let (out, took) = play(Pace { speed, ..PLAIN }, &[]);
            assert_eq!(out, "zero ten seventy ");
            assert!((took.as_secs_f64() - seconds).abs() < 0.001, "{took:?}");
        }
    }

    #[test]
    fn idle_time_is_cut() {
        let (_, took) = play(Pace { max_idle: Some(Duration::from_secs(3)), ..PLAIN }, &[]);
        assert_eq!(took, Duration::from_secs(6));
    }

    #[test]
    fn text_before_the_starting_point_is_there_as_screen() {
        let from = Some(Duration::from_secs(20));
        let (out, took) = play(Pace { from, ..PLAIN }, &[]);
        assert_eq!(took, Duration::from_secs(50));
        let (drawing, played) = out.split_at(out.len() - "seventy ".len());
        assert_eq!(played, "seventy ");
        assert!(drawing.contains("zero ten"), "{drawing:?}");
    }

    #[test]
    fn seeking_back_shows_the_screen_as_it_was() {
        // At 20 s back to 15 s, then to 10 s: "ten" is played at its time again.
        let (out, took) = play(PLAIN, &[(20, Key::Seek(-5)), (20, Key::Seek(-60))]);
        assert_eq!(took, Duration::from_secs(20 + 70));
        assert_eq!(out.matches("\x1b[H\x1b[2J").count(), 2);
        assert!(out.ends_with("ten seventy "));
    }

    #[test]
    fn a_pause_stops_the_time_and_steps_show_one_event_each() {
        let keys = [(2, Key::Pause), (100, Key::Step), (200, Key::Step), (300, Key::Quit)];
        let (out, took) = play(PLAIN, &keys);
        assert_eq!(out, "zero ten seventy ");
        assert_eq!(took, Duration::from_secs(200));
    }

    #[test]
    fn quitting_ends_at_once() {
        let (out, took) = play(PLAIN, &[(11, Key::Quit)]);
        assert_eq!(out, "zero ten ");
        assert_eq!(took, Duration::from_secs(11));
    }

    #[test]
    fn faster_takes_effect_in_the_middle_of_a_wait() {
        let (_, took) = play(PLAIN, &[(30, Key::Speed(2.0))]);
        assert_eq!(took, Duration::from_secs(50));
    }
}
