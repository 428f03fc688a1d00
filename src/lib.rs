//! mtmdc
