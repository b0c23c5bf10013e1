"""paho-mqtt on one bus, in either protocol version: what a full broker does."""

from peer import Peer, given, run

VERSION = int(given("SKEP_MQTT_VERSION"))


def open_peer(client_id, **options):
    return Peer(given("SKEP_BUS"), client_id, version=VERSION, **options)


def qos2():
    reader = open_peer("reader")
    reader.subscribe("exactly/once", 2)
    writer = open_peer("writer")
    texts = [f"message {n}" for n in range(50)]
    under_way = [writer.send("exactly/once", text, qos=2) for text in texts]
    for sent in under_way:
        sent.wait_for_publish(20)
        assert sent.is_published()
    # Whatever came twice would stand before this one.
    writer.publish("exactly/once", "the last", qos=2)
    for text in [*texts, "the last"]:
        message = reader.next()
        assert message.qos == 2
        assert message.payload.decode() == text, (message.payload, text)


def retained():
    writer = open_peer("writer")
    writer.publish("kept/one", "first", retain=True)
    writer.publish("kept/one", "second", retain=True)
    writer.publish("kept/two", "other", retain=True)
    reader = open_peer("reader")
    reader.subscribe("kept/one")
    message = reader.next()
    assert message.payload == b"second" and message.retain, message.payload
    # To those who listen already it is like any message.
    writer.publish("kept/one", "third", retain=True)
    live = reader.next()
    assert live.payload == b"third" and not live.retain
    writer.publish("kept/one", b"", retain=True)
    late = open_peer("late")
    late.subscribe("kept/#")
    assert late.next().payload == b"other", "an empty payload clears the topic"


def resumption():
    first = open_peer("sleeper", clean=False, expiry=300)
    assert not first.session_present
    first.subscribe("while/away")
    first.end()
    writer = open_peer("writer")
    for text in (b"one", b"two", b"three"):
        writer.publish("while/away", text)
    second = open_peer("sleeper", clean=False, expiry=300)
    assert second.session_present
    for text in (b"one", b"two", b"three"):
        assert second.next().payload == text
    second.end()
    fresh = open_peer("sleeper", clean=True)
    assert not fresh.session_present


def will():
    watcher = open_peer("watcher")
    watcher.subscribe("gone/#")
    polite = open_peer("polite", will=("gone/polite", "gone"))
    polite.end()
    killed = open_peer("killed", will=("gone/killed", "gone"))
    killed.kill()
    message = watcher.next()
    assert message.topic == "gone/killed", "only who goes without DISCONNECT leaves a will"
    assert message.payload == b"gone"


run(qos2=qos2, retained=retained, resumption=resumption, will=will)
