//! Binding sessions: login, logout, kick, and calls in the caller's name.

use serde_json::Value;
use skep::client::{CallError, RpcError, Serving, Worker};

use crate::stage::{backend, code, connect, frontend, start, with_settings, with_skep};
use crate::support::Instance;

async fn service(skep: &Instance) -> Serving {
    let worker = Worker::new(backend(skep))
        .serve("auth", "login", |request, user: String| async move {
            Ok(request.bind(Some(&format!("frontend.{user}")), &format!("uid-{user}")).await?)
        })
        .serve("auth", "logout", |request, ()| async move { Ok(request.unbind().await?) })
        .serve("auth", "kick", |request, user: String| async move {
            Ok(request.unbind_address(&format!("frontend.{user}")).await?)
        })
        .serve("auth", "who", |request, ()| async move { Ok((request.caller_id, request.caller_addr, request.auth)) });
    start(worker).await
}

type Who = (Option<String>, Option<String>, Option<String>);

#[test]
fn a_bound_client_is_known_until_it_logs_out_or_is_kicked() {
    with_skep(async |skep| {
        let _serving = service(skep).await;
        let (phone, laptop) = (connect(frontend(skep)).await, connect(frontend(skep)).await);
        let who = async |client: &skep::client::Client| client.call::<_, Who>("auth.who", ()).await.unwrap();
        let (id, addr, auth) = who(&phone).await;
        assert_eq!(id.as_deref(), Some(phone.id()));
        assert_eq!(addr, Some(format!("priv/{}@frontend-1", phone.id())));
        assert_eq!(auth, None);
        for client in [&phone, &laptop] {
            client.call::<_, ()>("auth.login", "ann").await.unwrap();
            assert_eq!(who(client).await.2.as_deref(), Some("uid-ann"));
        }
        phone.call::<_, ()>("auth.logout", ()).await.unwrap();
        assert_eq!((who(&phone).await.2, who(&laptop).await.2.as_deref()), (None, Some("uid-ann")));
        phone.call::<_, ()>("auth.login", "ann").await.unwrap();
        connect(frontend(skep)).await.call::<_, ()>("auth.kick", "ann").await.unwrap();
        assert_eq!((who(&phone).await.2, who(&laptop).await.2), (None, None));
    });
}

#[test]
fn a_worker_calls_another_in_the_name_of_its_caller_even_one_at_a_time() {
    with_skep(async |skep| {
        let _auth = service(skep).await;
        // One request at a time: its answers have to come while it holds one.
        let front = Worker::new(backend(skep)).serve("front", "who", |request, ()| async move {
            Ok(request.client().call::<_, Who>("auth.who", ()).await?)
        });
        let _front = start(front).await;
        let user = connect(frontend(skep)).await;
        user.call::<_, ()>("auth.login", "ann").await.unwrap();
        let (id, addr, auth): Who = user.call("front.who", ()).await.unwrap();
        assert_eq!((id.as_deref(), auth.as_deref()), (Some(user.id()), Some("uid-ann")));
        assert_eq!(addr, None, "the answer goes to the worker");
    });
}

#[test]
fn an_error_of_another_service_passes_and_other_failures_tell_nothing() {
    with_skep(async |skep| {
        let worker = Worker::new(backend(skep))
            .serve("front", "pass", |request, ()| async move {
                Ok(request.client().call::<_, Value>("nobody.here", ()).await?)
            })
            .serve("front", "odd", |request, ()| async move {
                Ok(request.client().call::<_, Value>("not a method", ()).await?)
            });
        let _serving = start(worker).await;
        let user = connect(frontend(skep)).await;
        assert_eq!(code(&user, "front.pass", ()).await, RpcError::METHOD_NOT_AVAILABLE);
        match user.call::<_, Value>("front.odd", ()).await {
            Err(CallError::Rpc(error)) => assert_eq!(error, RpcError::of_code(RpcError::INTERNAL_ERROR)),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn only_the_right_salt_binds_and_only_callers_of_a_frontend() {
    let change = |config: &mut skep::config::Config| config.router.auth_salt = Some("pepper".into());
    with_settings(change, async |skep| {
        let user = connect(frontend(skep)).await;
        let wrong = service(skep).await;
        assert_eq!(code(&user, "auth.login", "ann").await, RpcError::NOT_AUTHORIZED);
        wrong.stop().await;

        let worker = connect(backend(skep).auth_salt("pepper")).await;
        let addr = format!("priv/{}@frontend-1", user.id());
        worker.bind_session(user.id(), &addr, Some("frontend.ann"), "uid").await.unwrap();
        let bad = worker.bind_session(user.id(), &addr, Some("nowhere.ann"), "uid").await;
        assert!(matches!(bad, Err(CallError::Rpc(error)) if error.code == RpcError::INVALID_PARAMS));
        worker.unbind_session(user.id()).await.unwrap();
        assert!(matches!(user.unbind_address("frontend.ann").await, Err(CallError::OnFrontend)));

        // A caller on the backend has no session.
        let caller = Worker::new(backend(skep)).serve("test", "bind", |request, ()| async move {
            Ok(matches!(request.bind(None, "x").await, Err(CallError::NoCaller)))
        });
        let _serving = start(caller).await;
        assert!(worker.call::<_, bool>("test.bind", ()).await.unwrap());
    });
}
