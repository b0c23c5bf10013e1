//! Who is it? A password, a token or a certificate, checked off the async
//! threads, and no oftener than an address may fail.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::mqtt::Reason;

use super::Bus;
use super::access::Account;
use super::clock;
use super::failures::Failures;
use super::password::{Credential, tag};
use super::settings::{Login, SAMPLE_PASSWORDS};
use super::token::{TokenError, is_token};
use super::trust::{Current, Trust};
use super::verified::Verified;

/// What a client says of itself in CONNECT, and what is known of it besides.
pub struct Claims<'a> {
    pub user: Option<&'a str>,
    pub password: Option<&'a [u8]>,
    /// The user whose certificate it has shown.
    pub certificate: Option<&'a str>,
    pub address: IpAddr,
    /// It came by a listener that other machines can reach.
    pub exposed: bool,
}

/// Somebody who is who it says.
pub struct Known {
    pub account: Arc<Account>,
    /// Of the trust that says so.
    pub generation: u32,
    /// When it has to go, [`clock::now_ms`]; 0: never.
    pub ends_at: u64,
}

/// Why somebody is not let in: what it is told.
pub struct Denied {
    pub reason: Reason,
    pub text: String,
}

fn denied(reason: Reason, text: impl Into<String>) -> Denied {
    Denied { reason, text: text.into() }
}

fn wrong() -> Denied {
    denied(Reason::BadUserNameOrPassword, "unknown user or wrong password")
}

/// What logins of a bus share.
pub struct Desk {
    failures: Failures,
    verified: Verified,
    hashing: Arc<Semaphore>,
    tokens: Arc<Semaphore>,
}

impl Desk {
    pub fn new(login: &Login) -> Desk {
        let checks = login.max_checks.clamp(1, Semaphore::MAX_PERMITS);
        Desk {
            failures: Failures::new(login),
            verified: Verified::new(login),
            hashing: Arc::new(Semaphore::new(checks)),
            tokens: Arc::new(Semaphore::new(checks)),
        }
    }

    /// Forgets what is over.
    pub fn sweep(&self, now: u64) {
        self.verified.expire(now);
    }
}

impl Bus {
    /// Finds out who a client is.
    ///
    /// # Errors
    /// It is nobody who may come in, or there are too many to be looked at.
    pub(super) async fn login(&self, claims: &Claims<'_>) -> Result<Known, Denied> {
        let time = Duration::from_millis(self.limits().connections.connection_timeout_ms);
        let known = match timeout(time, self.find_out(claims)).await {
            Ok(known) => known,
            Err(_) => Err(denied(Reason::ServerBusy, "too many logins wait to be checked")),
        };
        if let Err(Denied { reason, .. }) = &known {
            match reason {
                Reason::ConnectionRateExceeded => self.stats().logins_limited.add(1),
                _ => self.stats().logins_failed.add(1),
            }
        }
        known
    }

    async fn find_out(&self, claims: &Claims<'_>) -> Result<Known, Denied> {
        let Current { trust, generation } = self.current_trust();
        let known = |account: &Arc<Account>| Known { account: Arc::clone(account), generation, ends_at: 0 };
        // Who leaves the name out is who the certificate says.
        if let Some(name) = claims.certificate
            && claims.user.is_none_or(|user| user.is_empty() || user == name)
        {
            let text = format!("the certificate's common name {name:?} is no user of this bus");
            return trust.accounts.get(name).map(known).ok_or_else(|| denied(Reason::NotAuthorized, text));
        }
        let Some(password) = claims.password else {
            return match (claims.user, &trust.accounts.anonymous) {
                (None, Some(account)) => Ok(known(account)),
                (None, None) => Err(denied(Reason::NotAuthorized, "unknown user or wrong password")),
                (Some(_), _) => Err(wrong()),
            };
        };
        self.check_failures(claims.address)?;
        if is_token(password) && trust.accounts.tokens.is_some() {
            return self.check_token(password, &trust, generation, claims.address).await;
        }
        let user = claims.user.ok_or_else(wrong)?;
        let account = self.check_password(user, password, &trust, claims.address).await?;
        if claims.exposed && SAMPLE_PASSWORDS.iter().any(|sample| sample.as_bytes() == password) {
            tracing::error!(
                bus = self.id(),
                user,
                "not let in: the user has a sample password, which is not taken on a listener that other machines can \
                 reach; give it another"
            );
            return Err(denied(Reason::NotAuthorized, "sample passwords are not taken here"));
        }
        Ok(known(&account))
    }

    fn check_failures(&self, address: IpAddr) -> Result<(), Denied> {
        match self.0.desk.failures.refused_for(address, clock::now_ms()) {
            None => Ok(()),
            Some(seconds) => {
                let text = format!("too many failed logins from this address: try again in {seconds} s");
                Err(denied(Reason::ConnectionRateExceeded, text))
            }
        }
    }

    async fn check_token(
        &self,
        token: &[u8],
        trust: &Arc<Trust>,
        generation: u32,
        address: IpAddr,
    ) -> Result<Known, Denied> {
        let (token, trust) = (token.to_vec(), Arc::clone(trust));
        let checked = blocking(&self.0.desk.tokens, move || {
            let tokens = trust.accounts.tokens.as_ref()?;
            Some(tokens.verify(&token).map(|token| (token.ends_s, trust.accounts.of_token(token))))
        });
        match checked.await {
            Some(Some(Ok((ends_s, Some(account))))) => {
                Ok(Known { account: Arc::new(account), generation, ends_at: monotonic(ends_s) })
            }
            Some(Some(Ok((_, None)))) => Err(denied(Reason::NotAuthorized, "there are no topic rules for this token")),
            Some(Some(Err(error))) => {
                // One that was good is nobody's attempt to guess.
                if !matches!(error, TokenError::Expired | TokenError::NotYet) {
                    self.0.desk.failures.add(address, clock::now_ms());
                }
                Err(denied(Reason::BadUserNameOrPassword, error.to_string()))
            }
            Some(None) | None => Err(denied(Reason::ServerUnavailable, "the token can't be checked")),
        }
    }

    /// Takes the same time for a user that there is and one that there isn't.
    async fn check_password(
        &self,
        user: &str,
        password: &[u8],
        trust: &Arc<Trust>,
        address: IpAddr,
    ) -> Result<Arc<Account>, Denied> {
        let desk = &self.0.desk;
        let account = trust.accounts.get(user).cloned();
        let failed = || {
            desk.failures.add(address, clock::now_ms());
            Err(wrong())
        };
        if trust.accounts.cost.is_none() {
            // No hash on this bus: nothing that takes any time.
            let expected = account.as_ref().map_or(&Credential::Nothing, |account| &account.credential);
            return match (expected.verify(password), account) {
                (true, Some(account)) => Ok(account),
                _ => failed(),
            };
        }
        let mark = account.as_ref().map_or_else(Vec::new, |account| account.credential.mark());
        let tag = tag(&[user.as_bytes(), password, &mark]);
        let verified = || account.clone().filter(|_| desk.verified.has(&tag, clock::now_ms()));
        if let Some(account) = verified() {
            return Ok(account);
        }
        let _turn = desk.failures.turn(address).await;
        // While this waited, others of this address have been in, or have failed.
        self.check_failures(address)?;
        if let Some(account) = verified() {
            return Ok(account);
        }
        let (trust, user, password) = (Arc::clone(trust), user.to_owned(), password.to_vec());
        let checked = blocking(&desk.hashing, move || {
            let expected = trust.accounts.get(&user).map_or(&Credential::Nothing, |account| &account.credential);
            if expected.cost().is_none()
                && let Some(cost) = &trust.accounts.cost
            {
                cost.spend(&password);
            }
            expected.verify(&password)
        });
        match (checked.await, account) {
            (Some(true), Some(account)) => {
                desk.verified.add(tag, clock::now_ms());
                Ok(account)
            }
            (None, _) => Err(denied(Reason::ServerUnavailable, "the password can't be checked")),
            _ => failed(),
        }
    }
}

/// Runs `check` on a thread that may block, of which no more than there are
/// permits are at it; none if it panicked.
async fn blocking<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    check: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    let checked = spawn_blocking(move || {
        // Until it is done, also if nobody waits for it any more.
        let _permit = permit;
        check()
    });
    checked.await.ok()
}

/// The same time on the clock that does not jump.
fn monotonic(seconds: u64) -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let left = seconds.saturating_mul(1000).saturating_sub(wall);
    clock::now_ms().saturating_add(left).max(1)
}
