//! What the layers of settings add up to, and what is said of wrong ones.

mod documented;
mod given;
mod layers;
mod replacing;
mod together;
mod variables;
mod wrong;
