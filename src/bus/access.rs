//! Who may connect, and which topics a user may publish and subscribe to.

use std::sync::Arc;

use ahash::AHashMap;

use super::password::{Cost, Credential, HashError};
use super::settings::Settings;
use super::token::{Token, TokenRules, Tokens};

/// The users of a bus.
pub struct Accounts {
    pub(super) users: AHashMap<String, Arc<Account>>,
    /// Who clients are that give neither user nor password.
    pub anonymous: Option<Arc<Account>>,
    /// Who may come with a token.
    pub tokens: Option<Tokens>,
    /// What the dearest of the passwords' hashes costs; none if there is none.
    pub cost: Option<Cost>,
}

/// A user with its topic rules.
pub struct Account {
    pub name: Arc<str>,
    pub credential: Credential,
    publish: Arc<Rules>,
    subscribe: Arc<Rules>,
    pub kind: Kind,
}

/// How an account has come to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is in the settings or in a users file.
    User,
    /// A token has made it, and has its rules in it.
    Token,
    /// A token has made it, and its rules are those of a user.
    TokenWithRulesOf(Arc<str>),
}

/// Topic filters that allow, and those (written with a `!` before them) that
/// take some of it back.
pub struct Rules {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
}

/// A topic filter of a rule; `%c` and `%u` stand for one level each.
struct Pattern(Vec<Level>);

#[derive(PartialEq)]
enum Level {
    Literal(Box<str>),
    ClientId,
    User,
    /// `+`
    One,
    /// `#`
    Rest,
}

/// Whether this can be the name of a user: `%u` puts it into a topic filter, as
/// one level.
pub fn is_user_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= usize::from(u16::MAX)
        && !name.chars().any(|c| c.is_control() || "/+#".contains(c))
}

impl Accounts {
    /// # Errors
    /// The user, and what is wrong with the hash of its password.
    pub fn new(settings: &Settings, tokens: Option<Tokens>) -> Result<Accounts, (String, HashError)> {
        let mut users = AHashMap::new();
        for (name, user) in &settings.users {
            let account = Account {
                name: name.as_str().into(),
                credential: Credential::new(&user.password).map_err(|error| (name.clone(), error))?,
                publish: Arc::new(Rules::new(&user.publish)),
                subscribe: Arc::new(Rules::new(&user.subscribe)),
                kind: Kind::User,
            };
            users.insert(name.clone(), Arc::new(account));
        }
        let anonymous = settings.anonymous.as_ref().and_then(|name| users.get(name).cloned());
        let cost = users.values().filter_map(|account| account.credential.cost()).reduce(Cost::max);
        Ok(Accounts { users, anonymous, tokens, cost })
    }

    pub fn get(&self, user: &str) -> Option<&Arc<Account>> {
        self.users.get(user)
    }

    /// The account of who has shown this token; none if the user is gone whose
    /// rules it is to have.
    pub fn of_token(&self, token: Token) -> Option<Account> {
        let (publish, subscribe, kind) = match token.rules {
            TokenRules::Own { publish, subscribe } => (Arc::new(publish), Arc::new(subscribe), Kind::Token),
            TokenRules::OfUser(user) => return self.with_rules_of(user, token.user.into()),
        };
        Some(Account { name: token.user.into(), credential: Credential::Nothing, publish, subscribe, kind })
    }

    /// The account `name` of a token that has the rules of `user`; none if that
    /// user is gone.
    fn with_rules_of(&self, user: Arc<str>, name: Arc<str>) -> Option<Account> {
        let of = self.users.get(&*user)?;
        let (publish, subscribe) = (Arc::clone(&of.publish), Arc::clone(&of.subscribe));
        let kind = Kind::TokenWithRulesOf(user);
        Some(Account { name, credential: Credential::Nothing, publish, subscribe, kind })
    }

    /// What has become of an account that was let in before these were read;
    /// none: it is gone.
    pub fn renewed(&self, old: &Arc<Account>) -> Option<Arc<Account>> {
        match &old.kind {
            Kind::User => self.users.get(&*old.name).cloned(),
            // Nothing but the token says what it may do.
            Kind::Token => Some(Arc::clone(old)),
            Kind::TokenWithRulesOf(user) => self.with_rules_of(Arc::clone(user), Arc::clone(&old.name)).map(Arc::new),
        }
    }
}

impl Account {
    pub fn may_publish(&self, topic: &str, client: &str) -> bool {
        self.publish.permit(topic, client, &self.name)
    }

    /// `filter` is without the `$share/{group}/` of a shared subscription.
    pub fn may_subscribe(&self, filter: &str, client: &str) -> bool {
        self.subscribe.permit(filter, client, &self.name)
    }

    /// Whether both are the same user. One that a token names is never one of
    /// the settings, whatever the token calls it.
    pub fn is_same_user(&self, other: &Account) -> bool {
        self.name == other.name && (self.kind == Kind::User) == (other.kind == Kind::User)
    }
}

impl Rules {
    pub fn new(patterns: &[String]) -> Rules {
        let (deny, allow): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| pattern.starts_with('!'));
        Rules {
            allow: allow.into_iter().map(|pattern| Pattern::new(pattern)).collect(),
            deny: deny.into_iter().map(|pattern| Pattern::new(&pattern[1..])).collect(),
        }
    }

    pub fn permit(&self, filter: &str, client: &str, user: &str) -> bool {
        self.allow.iter().any(|rule| rule.covers(filter, client, user))
            && !self.deny.iter().any(|rule| rule.covers(filter, client, user))
    }
}

impl Pattern {
    fn new(pattern: &str) -> Pattern {
        let level = |level: &str| match level {
            "%c" => Level::ClientId,
            "%u" => Level::User,
            "+" => Level::One,
            "#" => Level::Rest,
            literal => Level::Literal(literal.into()),
        };
        Pattern(pattern.split('/').map(level).collect())
    }

    /// Whether all topics that `filter` (or one topic) matches are ours.
    fn covers(&self, filter: &str, client: &str, user: &str) -> bool {
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
                Level::User => level == user,
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
        Pattern::new(pattern).covers(filter, "c1", "alice")
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
        let rules = Rules::new(&["#".into(), "!secret/#".into()]);
        assert!(rules.permit("open", "c", "u") && rules.permit("open/#", "c", "u"));
        assert!(!rules.permit("secret", "c", "u") && !rules.permit("secret/a/#", "c", "u"));
    }

    #[test]
    fn a_client_id_that_looks_like_a_wildcard_opens_nothing() {
        assert!(!Pattern::new("priv/%c").covers("priv/+", "+", "u"));
        assert!(!Pattern::new("priv/%c").covers("priv/#", "#", "u"));
    }
}
