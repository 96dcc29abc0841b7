//! Progress of long work, on stderr, and only where a person watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line that says what is being done. Cheap to clone; clones share the line.
#[derive(Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Shows itself when stderr is a terminal.
    pub fn on_stderr() -> Self {
        let bar = ProgressBar::no_length();
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    pub fn hidden() -> Self {
        Self(ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()))
    }

    /// Begins a stage of `bytes` to read; 0 when that is not known.
    pub fn start(&self, stage: &str, bytes: u64) {
        let template =
            if bytes > 0 { "{spinner} {msg} {wide_bar} {bytes}/{total_bytes}" } else { "{spinner} {msg} {elapsed}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_position(0);
        self.0.set_length(bytes);
        self.0.set_message(stage.to_owned());
    }

    pub fn read(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
