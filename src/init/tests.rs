//! What is proposed for tables of many shapes.
