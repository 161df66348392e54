//! A gateway and an account service apart, with a real Redis between them: a revoked token is
//! refused within a second, whatever becomes of Redis.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, http::StatusCode, routing::get};
use my_pay_gateway::{Config, Gateway, InProcess, RateLimits, Route};
use service::{
    BoxFuture,
    clock::Clock,
    contract::{
        account_feed::{AccountFeed, FeedAnswer, FeedUnavailable},
        identity::{Identity, Keys, Party, Signer, Verifier},
        internal::{AccountClient, routes},
        introspection::{Introspection, IntrospectionUnavailable, TokenDigest},
        revocations::{Publisher, Revocation, Revocations, Subscriber},
    },
    http::{
        health::{Check, Readiness},
        server::{Limits, ListenerMetrics, serve},
    },
    redis::RedisUrl,
    shutdown::{self, Trigger},
};
use testing::Redis;
use tokio::{net::TcpListener, sync::broadcast};
use tower::ServiceExt as _;

use crate::support::get_request;

/// Within which a revoked token must be refused.
const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an account service knows of tokens.
struct Tokens {
    valid: Mutex<HashMap<TokenDigest, Identity>>,
    asked: AtomicUsize,
    revocations: broadcast::Sender<Revocation>,
}

impl Introspection for Tokens {
    fn introspect(
        &self,
        token: TokenDigest,
    ) -> BoxFuture<'_, Result<Option<Identity>, IntrospectionUnavailable>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.valid.lock().unwrap().get(&token).copied();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn account_exists(
        &self,
        account_id: i64,
    ) -> BoxFuture<'_, Result<bool, IntrospectionUnavailable>> {
        Box::pin(async move { Ok(account_id < 10_000) })
    }

    fn revocations(&self) -> Revocations {
        Revocations::local(self.revocations.subscribe())
    }
}

impl AccountFeed for Tokens {
    fn changes_after(
        &self,
        _: i64,
        _: u32,
        _: Duration,
    ) -> BoxFuture<'_, Result<FeedAnswer, FeedUnavailable>> {
        Box::pin(std::future::ready(Ok(FeedAnswer::default())))
    }
}

struct Ready;

impl Readiness for Ready {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

/// One account service and two gateways.
struct World {
    tokens: Arc<Tokens>,
    gateways: [Gateway; 2],
    _publisher: Option<Publisher>,
    _stop: Trigger,
}

impl World {
    async fn start(redis: Option<&Redis>) -> Self {
        let url: Option<RedisUrl> = redis.map(|redis| redis.url().parse().unwrap());
        let keys: Keys = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".parse().unwrap();
        let clock = Clock::system();
        let tokens = Arc::new(Tokens {
            valid: Mutex::default(),
            asked: AtomicUsize::new(0),
            revocations: broadcast::channel(16).0,
        });
        let publisher = url.as_ref().map(|url| {
            let client = url.client().unwrap();
            Publisher::start(client, keys.clone(), tokens.revocations(), clock.clone())
        });
        let verifier = Verifier::new(keys.clone(), Party::Account, clock.clone());
        let router = routes(tokens.clone(), tokens.clone(), verifier);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, signal) = shutdown::channel();
        let limits = Limits {
            connections_max: 100,
            head_timeout: Duration::from_secs(30),
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(1),
            ..Limits::default()
        };
        tokio::spawn(serve(listener, router, limits, ListenerMetrics::default(), signal));
        let gateways = [(), ()].map(|()| {
            let subscriber = url.as_ref().map(|url| {
                Subscriber::start(
                    url.client().unwrap(),
                    keys.clone(),
                    Arc::new(1.into()),
                    clock.clone(),
                )
            });
            let signer = Signer::new(keys.clone(), Party::Gateway, clock.clone());
            let addresses = [address.clone()];
            let account = AccountClient::new(&addresses, signer, subscriber, clock.clone());
            start_gateway(account.unwrap(), clock.clone())
        });
        Self { tokens, gateways, _publisher: publisher, _stop: stop }
    }

    fn asked(&self) -> usize {
        self.tokens.asked.load(Ordering::SeqCst)
    }

    fn issue(&self, token: &str) {
        let expires_at = Clock::system().now().plus(Duration::from_hours(1));
        let identity = Identity::person(7, 8, expires_at);
        self.tokens.valid.lock().unwrap().insert(TokenDigest::of(token), identity);
    }

    fn revoke(&self, token: &str) {
        let digest = TokenDigest::of(token);
        self.tokens.valid.lock().unwrap().remove(&digest);
        let _nobody_publishes = self.tokens.revocations.send(Revocation(digest));
    }

    async fn is_accepted(&self, gateway: usize, token: &str) -> bool {
        let request = get_request("/things/private", &[&format!("authorization: Bearer {token}")]);
        let Ok(response) = self.gateways[gateway].clone().oneshot(request).await;
        match response.status() {
            StatusCode::OK => true,
            StatusCode::UNAUTHORIZED => false,
            other => panic!("{other}"),
        }
    }

    /// Has both gateways remember a token.
    async fn use_everywhere(&self, token: &str) {
        self.issue(token);
        for gateway in [0, 1] {
            assert!(self.is_accepted(gateway, token).await);
        }
    }

    /// Revokes a token, and checks that a second later neither gateway accepts it.
    async fn revoke_and_check(&self, token: &str) {
        self.revoke(token);
        let revoked_at = Instant::now();
        for gateway in [0, 1] {
            while self.is_accepted(gateway, token).await {
                assert!(revoked_at.elapsed() < SECOND, "gateway {gateway}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn check_revocation(&self, token: &str) {
        self.use_everywhere(token).await;
        self.revoke_and_check(token).await;
    }

    /// How many times a token is asked for while it is used for a second at one gateway.
    async fn asked_in_a_second(&self, token: &str) -> usize {
        self.issue(token);
        let before = self.asked();
        let began = Instant::now();
        while began.elapsed() < SECOND {
            assert!(self.is_accepted(0, token).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.asked() - before
    }

    /// Waits until tokens are remembered for their full life, 5 seconds.
    async fn until_full_life(&self) {
        let began = Instant::now();
        while self.asked_in_a_second("patience").await > 0 {
            assert!(began.elapsed() < PATIENCE, "tokens are asked for again and again");
        }
    }
}

fn start_gateway(account: AccountClient, clock: Clock) -> Gateway {
    let things = Router::new().route("/things/private", get(|_: Identity| async { "yes" }));
    let upstream = Arc::new(InProcess::new(things, Arc::new(Ready)));
    let config = Config { rate_limits: RateLimits::OFF, ..Config::default() };
    let routes = vec![Route { prefix: "/things", upstream }];
    Gateway::start(config, routes, Arc::new(account), clock).unwrap()
}

#[tokio::test]
async fn with_redis_a_revocation_is_told_and_tokens_are_remembered() {
    let redis = Redis::start();
    let world = World::start(Some(&redis)).await;
    world.until_full_life().await;
    for token in ["a", "b", "c"] {
        world.check_revocation(token).await;
    }
    redis.flush_all();
    world.check_revocation("d").await;
    assert!(world.asked_in_a_second("e").await <= 1);
}

#[tokio::test]
async fn without_redis_tokens_are_remembered_for_half_a_second() {
    let world = World::start(None).await;
    for token in ["a", "b"] {
        world.check_revocation(token).await;
    }
    let asked = world.asked_in_a_second("c").await;
    assert!((2..=3).contains(&asked), "{asked}");
}

/// Before anybody has noticed, while everybody knows, and after it is back.
async fn check_outage(redis: &mut Redis, end: fn(&mut Redis), begin: fn(&mut Redis)) {
    let world = World::start(Some(redis)).await;
    world.until_full_life().await;
    for round in 0..2 {
        let [early, meanwhile, late, afterwards] =
            ["early", "meanwhile", "late", "afterwards"].map(|name| format!("{name}-{round}"));
        world.use_everywhere(&early).await;
        end(redis);
        world.revoke_and_check(&early).await;
        world.check_revocation(&meanwhile).await;
        world.use_everywhere(&late).await;
        begin(redis);
        world.revoke_and_check(&late).await;
        world.until_full_life().await;
        world.check_revocation(&afterwards).await;
    }
}

#[tokio::test]
async fn a_revocation_takes_effect_although_redis_is_killed() {
    check_outage(&mut Redis::start(), Redis::kill, Redis::restart).await;
}

#[tokio::test]
async fn a_revocation_takes_effect_although_redis_is_stopped() {
    check_outage(&mut Redis::start(), |redis| redis.stop(), |redis| redis.resume()).await;
}
