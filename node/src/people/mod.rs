//! Persons and their namespaces.
