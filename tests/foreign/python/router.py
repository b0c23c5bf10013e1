"""paho-mqtt at both sides of the router: a call, and pushes."""

import json

from peer import bind, notify, request, router_call, run, user, worker


def call():
    def answer(peer, message):
        asked = dict(message.properties.UserProperty)
        assert asked["clid"] == "caller_with_paho", asked
        assert asked["addr"] == "priv/caller_with_paho@frontend-1", asked
        call = json.loads(message.payload)
        response = {"jsonrpc": "2.0", "result": call["params"]["string"].upper(), "id": call["id"]}
        # Sent before the PUBACK of the request, as the framework's workers do.
        peer.send(message.properties.ResponseTopic, json.dumps(response), UserProperty=("addr", asked["addr"]))

    for name in ("first-worker", "second-worker"):
        serving = worker(name, receive_maximum=1, serve=answer)
        serving.subscribe("$share/BKPR/req/backend/myapp/str")
    caller = user("caller_with_paho")
    for call_id in range(20):
        request(caller, "myapp.str.uc", {"string": f"hello {call_id}"}, call_id)
    answered = set()
    for _ in range(20):
        response = json.loads(caller.next().payload)
        assert response["result"] == f"HELLO {response['id']}", response
        answered.add(response["id"])
    assert answered == set(range(20)), answered


def push():
    backend = worker("binding-worker")
    backend.subscribe("priv/binding-worker")
    phone = user("phone_of_someone")
    laptop = user("laptop_of_someone")
    bind(backend, "phone_of_someone", "frontend.someone")
    bind(backend, "laptop_of_someone", "frontend.someone")
    notify(backend, "for someone", "someone")
    assert phone.next().payload == b"for someone"
    assert laptop.next().payload == b"for someone"
    # Logged out of one device, the other still hears.
    assert router_call(backend, "_bkpr.router.unbind", {"caller_id": "phone_of_someone"}) == 1
    notify(backend, "for the laptop", "someone")
    assert laptop.next().payload == b"for the laptop"
    bind(backend, "phone_of_someone", "frontend.somebody-else")
    notify(backend, "for somebody else", "somebody-else")
    assert phone.next().payload == b"for somebody else"


run(call=call, push=push)
