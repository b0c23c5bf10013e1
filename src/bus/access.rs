//! Who may connect, and which topics a user may publish and subscribe to.

use std::sync::Arc;

use ahash::AHashMap;
use subtle::ConstantTimeEq;

use crate::mqtt::Reason;

use super::settings::Settings;

/// The users of a bus.
pub struct Accounts {
    users: AHashMap<String, Arc<Account>>,
    anonymous: Option<Arc<Account>>,
}

/// A user with its topic rules.
pub struct Account {
    pub name: Arc<str>,
    password: String,
    publish: Rules,
    subscribe: Rules,
}

/// Topic filters that allow, and those (written with a `!` before them) that
/// take some of it back.
pub(crate) struct Rules {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
}

/// A topic filter of a rule; `%c` and `%u` stand for one level each.
struct Pattern(Vec<Level>);

#[derive(PartialEq)]
enum Level {
    Literal(Box<str>),
    ClientId,
    /// `+`
    One,
    /// `#`
    Rest,
}

impl Accounts {
    pub fn new(settings: &Settings) -> Accounts {
        let account = |name: &String, user: &super::User| {
            Arc::new(Account {
                name: name.as_str().into(),
                password: user.password.clone(),
                publish: Rules::new(&user.publish, name),
                subscribe: Rules::new(&user.subscribe, name),
            })
        };
        let users: AHashMap<_, _> = settings.users.iter().map(|(n, u)| (n.clone(), account(n, u))).collect();
        let anonymous = settings.anonymous.as_ref().and_then(|name| users.get(name).cloned());
        Accounts { users, anonymous }
    }

    /// The account that these credentials belong to.
    ///
    /// The password is compared in constant time, also when there is no such
    /// user, so that time tells nothing about either.
    pub fn login(&self, user: Option<&str>, password: Option<&[u8]>) -> Result<Arc<Account>, Reason> {
        let Some(user) = user else {
            return match (password, &self.anonymous) {
                (None, Some(account)) => Ok(Arc::clone(account)),
                (None, None) => Err(Reason::NotAuthorized),
                (Some(_), _) => Err(Reason::BadUserNameOrPassword),
            };
        };
        let given = password.unwrap_or_default();
        let known = self.users.get(user);
        let expected = known.map_or("", |account| &account.password).as_bytes();
        let same: bool = expected.ct_eq(given).into();
        match known {
            Some(account) if same && password.is_some() => Ok(Arc::clone(account)),
            _ => Err(Reason::BadUserNameOrPassword),
        }
    }
}

impl Account {
    pub fn may_publish(&self, topic: &str, client: &str) -> bool {
        self.publish.permit(topic, client)
    }

    /// `filter` is without the `$share/{group}/` of a shared subscription.
    pub fn may_subscribe(&self, filter: &str, client: &str) -> bool {
        self.subscribe.permit(filter, client)
    }
}

impl Rules {
    pub(crate) fn new(patterns: &[String], user: &str) -> Rules {
        let (deny, allow): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| pattern.starts_with('!'));
        Rules {
            allow: allow.into_iter().map(|pattern| Pattern::new(pattern, user)).collect(),
            deny: deny.into_iter().map(|pattern| Pattern::new(&pattern[1..], user)).collect(),
        }
    }

    pub(crate) fn permit(&self, filter: &str, client: &str) -> bool {
        self.allow.iter().any(|rule| rule.covers(filter, client))
            && !self.deny.iter().any(|rule| rule.covers(filter, client))
    }
}

impl Pattern {
    fn new(pattern: &str, user: &str) -> Pattern {
        let level = |level: &str| match level {
            "%c" => Level::ClientId,
            "%u" => Level::Literal(user.into()),
            "+" => Level::One,
            "#" => Level::Rest,
            literal => Level::Literal(literal.into()),
        };
        Pattern(pattern.split('/').map(level).collect())
    }

    /// Whether all topics that `filter` (or one topic) matches are ours.
    fn covers(&self, filter: &str, client: &str) -> bool {
        // Wildcards at the first level do not reach `$` topics [MQTT-4.7.2-1].
        if filter.starts_with('$') && matches!(self.0.first(), Some(Level::One | Level::Rest)) {
            return false;
        }
        let mut levels = filter.split('/');
        for rule in &self.0 {
            let level = match (rule, levels.next()) {
                (Level::Rest, _) => return true,
                (_, None) => return false,
                (_, Some(level)) => level,
            };
            let covered = match rule {
                Level::One => level != "#",
                Level::ClientId => level == client && !level.contains(['+', '#']),
                Level::Literal(literal) => **literal == *level,
                Level::Rest => true,
            };
            if !covered {
                return false;
            }
        }
        levels.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, filter: &str) -> bool {
        Pattern::new(pattern, "alice").covers(filter, "c1")
    }

    #[test]
    fn a_rule_covers_what_it_matches_and_no_more() {
        for (pattern, filter, expected) in [
            ("req/#", "req/backend-1", true),
            ("req/#", "req", true),
            ("req/#", "req/#", true),
            ("req/#", "#", false),
            ("req/#", "+/backend-1", false),
            ("req/+", "req/#", false),
            ("req/+", "req/+", true),
            ("req/+", "req/a/b", false),
            ("priv/%c", "priv/c1", true),
            ("priv/%c", "priv/c2", false),
            ("priv/%c", "priv/+", false),
            ("priv/%c", "priv/c1/x", false),
            ("priv/%c/#", "priv/c1", true),
            ("priv/%c/#", "priv/c1/#", true),
            ("%u/x", "alice/x", true),
            ("%u/x", "bob/x", false),
            ("#", "$SYS/#", false),
            ("$SYS/#", "$SYS/broker", true),
            ("+/x", "$SYS/x", false),
            ("a//b", "a//b", true),
        ] {
            assert_eq!(covers(pattern, filter), expected, "{pattern} covers {filter}");
        }
    }

    #[test]
    fn what_a_rule_takes_back_is_not_allowed() {
        let rules = Rules::new(&["#".into(), "!secret/#".into()], "u");
        assert!(rules.permit("open", "c") && rules.permit("open/#", "c"));
        assert!(!rules.permit("secret", "c") && !rules.permit("secret/a/#", "c"));
    }

    #[test]
    fn a_client_id_that_looks_like_a_wildcard_opens_nothing() {
        assert!(!Pattern::new("priv/%c", "u").covers("priv/+", "+"));
        assert!(!Pattern::new("priv/%c", "u").covers("priv/#", "#"));
    }
}
