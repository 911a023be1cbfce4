//! Every SDK, cell by cell, through the daemon to providers that cut their bytes in more ways than CI has time for.

use bitrouter_proto::clock;
use bitrouter_tests::{dialects::Script, sdk::table};

/// Sizes of the pieces: inside characters and frames, a frame or so, several at once.
const SIZES: [usize; 4] = [5, 13, 64, 1024];

pub(crate) fn run() {
    let begun = clock::monotonic_now();
    for size in SIZES {
        for script in [Script::new().cut_every(size), Script::new().crlf().cut_every(size)] {
            for cells in table::ALL {
                cells.through_daemon(script.clone());
            }
        }
        println!("pieces of {size} bytes: {} SDKs, {:?} so far", table::ALL.len(), begun.elapsed());
    }
}
