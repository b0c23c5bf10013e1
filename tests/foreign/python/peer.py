"""A paho-mqtt client that waits for messages, and the addresses it goes to."""

import base64
import hashlib
import json
import os
import queue
import socket
import sys
import threading
import traceback
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

# Seconds that anything here may take.
PATIENCE = 20


def given(name):
    """A setting that the test gives in the environment."""
    value = os.environ.get(name)
    assert value, f"{name} is not set: run these programs with `cargo test --test foreign_clients`"
    return value


def properties(packet, **values):
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Peer:
    """Connects once. `inbox` has what arrives, from the first packet on."""

    def __init__(self, url, client_id, version=5, user=None, clean=True, expiry=0, receive_maximum=None, will=None, serve=None):
        self.id = client_id
        self.v5 = version == 5
        self.inbox = queue.Queue()
        self.serve = serve
        self._connected = threading.Event()
        self._gone = threading.Event()
        self._granted = {}
        self._answered = threading.Condition()
        address = urlsplit(url)
        websocket = address.scheme in ("ws", "wss")
        how = {"transport": "websockets" if websocket else "tcp", "manual_ack": serve is not None}
        if self.v5:
            how["protocol"] = mqtt.MQTTv5
        else:
            how |= {"protocol": mqtt.MQTTv311, "clean_session": clean}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, **how)
        if websocket:
            self.client.ws_set_options(path=address.path)
        if address.scheme in ("mqtts", "wss"):
            self.client.tls_set(ca_certs=os.environ["SKEP_CA"])
        if user:
            self.client.username_pw_set(*user)
        if will:
            self.client.will_set(*will, qos=1)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *_: self._gone.set()
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        options = {}
        if self.v5:
            wanted = {"SessionExpiryInterval": expiry}
            if receive_maximum:
                wanted["ReceiveMaximum"] = receive_maximum
            options = {"clean_start": clean, "properties": properties(PacketTypes.CONNECT, **wanted)}
        self.client.connect(address.hostname, address.port, **options)
        self.client.loop_start()
        assert self._connected.wait(PATIENCE), f"no CONNACK from {url}"
        assert not self.reason.is_failure, f"refused: {self.reason}"

    def _on_connect(self, _client, _data, flags, reason, _properties):
        self.session_present = flags.session_present
        self.reason = reason
        self._connected.set()

    def _on_subscribe(self, _client, _data, mid, reasons, _properties):
        with self._answered:
            self._granted[mid] = reasons
            self._answered.notify_all()

    def _on_message(self, _client, _data, message):
        if self.serve:
            self.serve(self, message)
            self.client.ack(message.mid, message.qos)
        else:
            self.inbox.put(message)

    def subscribe(self, topic_filter, qos=1):
        """Subscribes, and fails if the filter is refused."""
        _, mid = self.client.subscribe(topic_filter, qos=qos)
        with self._answered:
            assert self._answered.wait_for(lambda: mid in self._granted, PATIENCE), f"no SUBACK for {topic_filter}"
            reasons = self._granted[mid]
        assert reasons[0].value == qos, f"{topic_filter}: {reasons[0]}"

    def send(self, topic, payload, qos=1, retain=False, **values):
        """Publishes, and waits for nothing."""
        extra = properties(PacketTypes.PUBLISH, **values) if self.v5 else None
        return self.client.publish(topic, payload, qos=qos, retain=retain, properties=extra)

    def publish(self, *message, **options):
        """Publishes, and waits for the acknowledgement."""
        sent = self.send(*message, **options)
        sent.wait_for_publish(PATIENCE)
        assert sent.is_published(), f"no acknowledgement of {message}"

    def next(self):
        return self.inbox.get(timeout=PATIENCE)

    def end(self):
        """Ends the connection in order."""
        self.client.disconnect()
        self._stop()

    def kill(self):
        """Ends the connection without DISCONNECT."""
        # A method of the client's socket or of the WebSocket around it would
        # wait for the loop that reads from it; this wakes that loop up.
        with socket.socket(fileno=os.dup(self.client.socket().fileno())) as under:
            under.shutdown(socket.SHUT_RDWR)
        assert self._gone.wait(PATIENCE), "the killed connection did not end"
        self._stop()

    def _stop(self):
        assert self._gone.wait(PATIENCE), "the connection did not end"
        self.client.loop_stop()


def worker(client_id, **options):
    return Peer(given("SKEP_BACKEND"), client_id, user=("backend", "def456"), **options)


def user(client_id):
    """An end user, with its mailbox."""
    peer = Peer(given("SKEP_FRONTEND"), client_id, user=("frontend", "abc123"))
    peer.subscribe(f"priv/{client_id}")
    return peer


def request(peer, method, params, call_id):
    """Sends a request by way of the router."""
    service = "/".join(method.split(".")[:-1])
    call = {"jsonrpc": "2.0", "method": method, "params": params, "id": call_id}
    peer.publish(
        "req/backend-1",
        json.dumps(call),
        ResponseTopic=f"priv/{peer.id}",
        UserProperty=("fwd_to", f"req/backend/{service}"),
    )


def router_call(peer, method, params):
    """Calls the router's own service, from a worker that listens to its mailbox."""
    token = base64.b64encode(hashlib.md5(b"BKPR_ROUTER" + b"backend-1").digest()).decode().rstrip("=")
    call = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
    peer.publish(
        "req/backend/_bkpr/router",
        json.dumps(call),
        ResponseTopic=f"priv/{peer.id}",
        UserProperty=("auth", token),
    )
    answer = json.loads(peer.next().payload)
    assert "error" not in answer, answer
    return answer["result"]


def bind(peer, caller_id, address):
    params = {
        "caller_id": caller_id,
        "caller_addr": f"priv/{caller_id}@frontend-1",
        "address": address,
        "auth_data": "somebody",
    }
    assert router_call(peer, "_bkpr.router.bind", params) == 1


def notify(peer, payload, address):
    peer.publish("msg/frontend-1", payload, UserProperty=("fwd_to", f"msg/frontend/chat/message@{address}"))


def run(**claims):
    """Runs the claim that the command line names; the exit status tells."""
    # A failure in a thread of paho's would otherwise only be printed.
    threading.excepthook = lambda failure: (traceback.print_exception(failure.exc_value), os._exit(1))
    try:
        claims[sys.argv[1]]()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)
