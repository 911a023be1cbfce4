//! The uid that means nobody in particular, and whether it is our own.

/// The uid that the kernel shows for users it cannot map, where it does not say another.
const DEFAULT_OVERFLOW_UID: u32 = 65534;

/// The uid that the kernel shows for users it cannot map (a user namespace hides them): nobody in particular.
pub(crate) fn overflow_uid() -> u32 {
    std::fs::read_to_string("/proc/sys/kernel/overflowuid")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(DEFAULT_OVERFLOW_UID)
}

/// The daemon's own uid where it is that one: then everybody whom the kernel cannot name would look like its owner.
pub(crate) fn own_hidden_uid() -> Option<u32> {
    let own = rustix::process::geteuid().as_raw();
    (own == overflow_uid()).then_some(own)
}
