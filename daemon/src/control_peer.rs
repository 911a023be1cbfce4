//! Who is at the other end of a control connection.

/// A process that speaks on the control socket, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPeer {
    /// Effective uid when it connected.
    pub uid: u32,
    /// Its process then; `None` where the kernel cannot say.
    pub pid: Option<u32>,
}
