//! An audit whose consent records are strings.
