//! The bound and the estimate of calls.
