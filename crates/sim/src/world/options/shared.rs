//! Worlds in which several backoffices command one charger: roles and grants of all kinds, card policies,
//! owners of what a charger has one of.

use crate::backoffice::{BackofficeSettings, CommandRange};
use crate::charger::ChargerSettings;

use super::pick;

/// Seeds from this on stand for such worlds; the odd ones are wild, too. Those below stay what they were, so
/// that what they found stays found.
pub const FIRST_SHARED_SEED: u64 = 2_000_000;

/// What is before the number of a card where a backoffice knows it by another.
pub(in crate::world) const ALIAS: &str = "ALIAS-";

/// Makes the backoffices command more, and the charger hold more.
pub(super) fn draw(seed: u64, charger: &mut ChargerSettings, backoffices: &mut [BackofficeSettings]) -> bool {
    if seed < FIRST_SHARED_SEED {
        return false;
    }
    let mut random = fastrand::Rng::with_seed(seed ^ 0x7368_6172_6564);
    charger.max_stack_level = pick(&mut random, &[0, 2, 5, 10]);
    charger.list_length = pick(&mut random, &[2, 5, 20]);
    for settings in backoffices {
        settings.command_range = CommandRange::Everything;
        if settings.commands_every.is_none() && random.bool() {
            settings.commands_every = Some(std::time::Duration::from_secs(random.u64(2..60)));
        }
    }
    true
}
