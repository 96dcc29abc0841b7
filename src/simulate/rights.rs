//! What the shop may do with a subject's data, context by context and pair by pair.

/// What the shop may do at a time with one context, or with two together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    Yes,
    /// Never given, refused or expired.
    No,
    /// Withdrawn at this time (seconds since 1970).
    Withdrawn(i64),
    /// The subject is in no consent record at all, where a yes is needed.
    Unknown,
}

/// Where data was collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    App,
    Store,
    Web,
}

impl Context {
    pub fn id(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Store => "store",
            Self::Web => "web",
        }
    }
}

/// All rights of the shop over one subject's data while nothing changes.
#[derive(Debug, Clone, Copy)]
pub struct Rights {
    pub app: Right,
    pub store: Right,
    pub web: Right,
    pub app_store: Right,
    pub app_web: Right,
    pub store_web: Right,
    /// The right over the web covers browsing and search history and nothing else.
    pub narrow_web: bool,
}

impl Rights {
    pub const fn all(right: Right) -> Self {
        Self {
            app: right,
            store: right,
            web: right,
            app_store: right,
            app_web: right,
            store_web: right,
            narrow_web: false,
        }
    }
    pub const NONE: Self = Self::all(Right::No);
    pub const EVERYTHING: Self = Self::all(Right::Yes);
    pub const WEB: Self = Self { web: Right::Yes, ..Self::NONE };
    pub const WEB_AND_STORE: Self = Self { store: Right::Yes, ..Self::WEB };
    pub const WEB_WITH_STORE: Self = Self { store_web: Right::Yes, ..Self::WEB_AND_STORE };
    pub const WEB_WITH_APP: Self = Self { app: Right::Yes, app_web: Right::Yes, ..Self::WEB };

    pub fn of(&self, context: Context) -> Right {
        match context {
            Context::App => self.app,
            Context::Store => self.store,
            Context::Web => self.web,
        }
    }

    pub fn of_pair(&self, pair: (Context, Context)) -> Right {
        match pair {
            (Context::App, Context::Store) | (Context::Store, Context::App) => self.app_store,
            (Context::App, Context::Web) | (Context::Web, Context::App) => self.app_web,
            (Context::Store, Context::Web) | (Context::Web, Context::Store) => self.store_web,
            (one, _) => self.of(one),
        }
    }
}
