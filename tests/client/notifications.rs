//! Notifications: between workers, to everybody, to one address.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use skep::client::{CallError, Client, Notifications, Worker};

use crate::stage::{backend, connect, frontend, start, with_settings, with_skep};
use crate::support::Instance;

/// The next notification, and then none until one that is sent afterwards.
async fn only(notifications: &mut Notifications, sender: &Client) -> (String, Value) {
    let notification = notifications.recv().await.unwrap();
    sender.broadcast("end.end", ()).await.unwrap();
    assert_eq!(notifications.recv().await.unwrap().method, "end.end", "it came once");
    (notification.method, notification.params)
}

/// A service that binds callers to the address that they ask for.
async fn login_service(skep: &Instance) -> skep::client::Serving {
    let worker = Worker::new(backend(skep))
        .serve("auth", "login", |request, user: String| async move {
            Ok(request.bind(Some(&format!("frontend.{user}")), &user).await?)
        })
        .serve("auth", "logout", |request, ()| async move { Ok(request.unbind().await?) });
    start(worker).await
}

#[test]
fn a_broadcast_reaches_every_client_that_listens_and_once() {
    with_skep(async |skep| {
        let sender = connect(backend(skep)).await;
        let (first, second) = (connect(frontend(skep)).await, connect(frontend(skep)).await);
        let mut all = first.listen("*").await.unwrap();
        // Overlaps the first, on one connection.
        let mut service = first.listen("chat.*").await.unwrap();
        let mut method = second.listen("chat.message").await.unwrap();
        let _other = second.listen("chat.other").await.unwrap();
        sender.broadcast("chat.message", json!({ "text": "hi" })).await.unwrap();
        assert_eq!(only(&mut all, &sender).await, ("chat.message".into(), json!({ "text": "hi" })));
        let notification = service.recv().await.unwrap();
        assert_eq!((&*notification.method, notification.private), ("chat.message", false));
        #[derive(serde::Deserialize)]
        struct Params {
            text: String,
        }
        assert_eq!(method.recv().await.unwrap().params::<Params>().unwrap().text, "hi");
        sender.broadcast("chat.message", 2).await.unwrap();
        assert_eq!(method.next().await.unwrap().params, 2);
        assert_eq!(service.recv().await.unwrap().params, 2);
    });
}

#[test]
fn workers_hear_each_other_with_the_caller_named() {
    with_skep(async |skep| {
        let listener = connect(backend(skep)).await;
        let mut heard = listener.listen("audit.*").await.unwrap();
        let worker = Worker::new(backend(skep)).serve("test", "do", |request, ()| async move {
            Ok(request.client().notify("audit.done", &request.method).await?)
        });
        let _serving = start(worker).await;
        let user = connect(frontend(skep)).await;
        user.call::<_, ()>("test.do", ()).await.unwrap();
        let notification = heard.recv().await.unwrap();
        assert_eq!((&*notification.method, &notification.params), ("audit.done", &json!("test.do")));
        assert_eq!(notification.caller_id.as_deref(), Some(user.id()));
        // Nobody listens: no error.
        listener.notify("nobody.listens", ()).await.unwrap();
    });
}

#[test]
fn a_push_reaches_all_devices_of_its_address_and_nobody_else() {
    with_skep(async |skep| {
        let serving = login_service(skep).await;
        let (phone, laptop, other) =
            (connect(frontend(skep)).await, connect(frontend(skep)).await, connect(frontend(skep)).await);
        for (client, name) in [(&phone, "ann"), (&laptop, "ann"), (&other, "bob")] {
            client.call::<_, ()>("auth.login", name).await.unwrap();
        }
        // One needs no subscription, the other listens to the method.
        let mut phone_hears = phone.private_notifications();
        let mut laptop_hears = laptop.listen("chat.*").await.unwrap();
        let mut other_hears = other.private_notifications();
        let sender = serving.client();
        sender.push("frontend.ann", "chat.private", "psst").await.unwrap();
        for hears in [&mut phone_hears, &mut laptop_hears] {
            let notification = hears.recv().await.unwrap();
            assert_eq!((&*notification.method, &notification.params), ("chat.private", &json!("psst")));
            assert!(notification.private);
        }
        phone.call::<_, ()>("auth.logout", ()).await.unwrap();
        sender.push("frontend.ann", "chat.private", "again").await.unwrap();
        assert_eq!(laptop_hears.recv().await.unwrap().params, "again");
        sender.push("frontend.bob", "chat.private", "for bob").await.unwrap();
        assert_eq!(other_hears.recv().await.unwrap().params, "for bob");
        sender.push("frontend.nobody", "chat.private", "lost").await.unwrap();
        let nothing = tokio::time::timeout(Duration::ZERO, phone_hears.recv()).await;
        assert!(nothing.is_err(), "{nothing:?}");
    });
}

#[test]
fn a_client_of_a_frontend_notifies_nobody_and_bad_names_go_nowhere() {
    with_skep(async |skep| {
        let user = connect(frontend(skep)).await;
        assert!(matches!(user.notify("a.b", ()).await, Err(CallError::OnFrontend)));
        assert!(matches!(user.broadcast("a.b", ()).await, Err(CallError::OnFrontend)));
        assert!(matches!(user.push("frontend.ann", "a.b", ()).await, Err(CallError::OnFrontend)));
        let worker = connect(backend(skep)).await;
        assert!(matches!(worker.notify("a/b.c", ()).await, Err(CallError::Method(_))));
        for address in ["ann", "frontend.", "frontend.a.b", "frontend.a/b", "frontend.a@b"] {
            assert!(matches!(worker.push(address, "a.b", ()).await, Err(CallError::Address(_))), "{address}");
        }
        assert!(matches!(worker.listen("a.#").await, Err(CallError::Pattern(_))));
    });
}

#[test]
fn listening_that_the_bus_does_not_allow_is_an_error() {
    let change = |config: &mut skep::config::Config| {
        let users = &mut config.frontend.get_mut("frontend-1").unwrap().users;
        users.get_mut("frontend").unwrap().subscribe = vec!["priv/%c".into(), "msg/frontend/open/#".into()];
    };
    with_settings(change, async |skep| {
        let client = connect(frontend(skep)).await;
        assert!(matches!(client.listen("secret.*").await, Err(CallError::Refused(_))));
        let mut open = client.listen("open.*").await.unwrap();
        connect(backend(skep)).await.broadcast("open.news", 1).await.unwrap();
        assert_eq!(open.recv().await.unwrap().params, 1);
    });
}

#[test]
fn what_nobody_reads_is_counted_and_holds_up_nothing() {
    with_skep(async |skep| {
        let client = connect(frontend(skep).max_unread(3)).await;
        let mut slow = client.listen("news.*").await.unwrap();
        let mut last = client.listen("last.*").await.unwrap();
        let sender = connect(backend(skep)).await.clone();
        for n in 0..10 {
            sender.broadcast("news.item", n).await.unwrap();
        }
        // Two lanes may overtake each other; each has been taken by now.
        sender.broadcast("last.item", ()).await.unwrap();
        last.recv().await.unwrap();
        assert_eq!(slow.missed(), 7);
        for n in 0..3 {
            assert_eq!(slow.recv().await.unwrap().params, n);
        }
    });
}

#[test]
fn who_listens_no_more_is_unsubscribed() {
    with_skep(async |skep| {
        let client = connect(frontend(skep)).await;
        let sender = connect(backend(skep)).await;
        let (kept, mut last) = (client.listen("a.*").await.unwrap(), client.listen("z.*").await.unwrap());
        drop(kept);
        // The bus has seen the UNSUBSCRIBE when it grants this.
        let _later = client.listen("y.*").await.unwrap();
        let out = || skep.skep().frontends()[0].stats().messages_out.get();
        let before = out();
        sender.broadcast("a.b", ()).await.unwrap();
        sender.broadcast("z.z", ()).await.unwrap();
        last.recv().await.unwrap();
        assert_eq!(out() - before, 1);
    });
}
