//! The secrets of whole sessions: scripted ones, captured ones and random ones.

mod correlation;
mod properties;
mod replay;
mod rig;
mod rules;
