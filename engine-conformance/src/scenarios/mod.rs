//! The scenarios. Each is a function of a [`Stage`] and says in its name what must be true.

mod blocking;
mod bytes;
mod endings;
mod handles;
mod jobs;
mod judging;
mod load;
mod outcomes;
mod pipes;
mod recording;
mod secrets;
mod signals;
mod sizes;
mod typing;
mod watching;

use crate::scene::Stage;

/// One scenario.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    /// Its name, the function's.
    pub(crate) name: &'static str,
    /// Plays it.
    ///
    /// # Panics
    /// The engine did not behave.
    pub(crate) run: fn(&Stage),
}

/// The list of a module's scenarios, named as their functions are.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        pub(super) const SCENARIOS: &[$crate::scenarios::Scenario] = &[
            $($crate::scenarios::Scenario { name: stringify!($name), run: $name }),*
        ];
    };
}
use scenarios;

/// Every scenario, for every engine.
pub(crate) fn all() -> impl Iterator<Item = Scenario> {
    [
        outcomes::SCENARIOS,
        bytes::SCENARIOS,
        typing::SCENARIOS,
        pipes::SCENARIOS,
        secrets::SCENARIOS,
        blocking::SCENARIOS,
        judging::SCENARIOS,
        sizes::SCENARIOS,
        signals::SCENARIOS,
        jobs::SCENARIOS,
        recording::SCENARIOS,
        watching::SCENARIOS,
        endings::SCENARIOS,
        handles::SCENARIOS,
        load::SCENARIOS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
