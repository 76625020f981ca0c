//! Figures of merit: [`rank`] says where the right candidate stands, [`bootstrap`] how far a mean
//! can be trusted.

pub(crate) mod bootstrap;
pub(crate) mod rank;
