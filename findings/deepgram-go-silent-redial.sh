#!/bin/sh
# deepgram-go-sdk 3.5.0: after the server has closed the session, the next WriteBinary opens a second
# one, and returns nil.
#
# The SDK offers reconnecting as something to ask for (AttemptReconnect), and does nothing of the kind
# when the close arrives: it calls Close, for 1011 after Error, and leaves it at that. But every write
# first asks for the connection, and that dials when there is none, after 1000 too. So an application
# that notices an end by a failed write, as with other WebSocket libraries, never notices: its audio goes
# on in another session, with the same query. The one sign is that Open is called again. Only Stop ends
# a session for good; do it when Close was called, in a goroutine that waits for that.
#
# Needs go 1.26 and python3. Exits with 0 while this is so, and with 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check websockets==15.0.1
# Answers audio with a Metadata message that tells which session it came to, and closes the first of each
# model with the code that the model names.
cat > server.py <<'PYTHON'
import json
from collections import Counter
from urllib.parse import parse_qs, urlsplit
from websockets.sync.server import serve

sessions = Counter()


def session(connection):
    model = parse_qs(urlsplit(connection.request.path).query)["model"][0]
    sessions[model] += 1
    name = f"session {sessions[model]}"
    for message in connection:
        if isinstance(message, bytes):
            connection.send(json.dumps({"type": "Metadata", "request_id": name}))
            if name == "session 1":
                return connection.close(int(model), "the end")


with serve(session, "127.0.0.1", 0) as server:
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()
PYTHON
venv/bin/python server.py > port 2> log &
server=$!
while [ ! -s port ]; do sleep 0.1; done

mkdir client
cat > client/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	events "github.com/deepgram/deepgram-go-sdk/v3/pkg/api/listen/v1/websocket/interfaces"
	interfaces "github.com/deepgram/deepgram-go-sdk/v3/pkg/client/interfaces"
	"github.com/deepgram/deepgram-go-sdk/v3/pkg/client/listen"
)

type heard struct {
	events.LiveMessageCallback // for the methods that are not called here
	said                       chan string
}

func (h heard) Open(*events.OpenResponse) error           { return h.say("Open") }
func (h heard) Close(*events.CloseResponse) error         { return h.say("Close") }
func (h heard) Error(e *events.ErrorResponse) error       { return h.say("Error " + e.ErrMsg) }
func (h heard) Metadata(m *events.MetadataResponse) error { return h.say("audio in " + m.RequestID) }
func (h heard) say(what string) error                     { h.said <- what; return nil }

func (h heard) until(last string) {
	for what := ""; what != last; {
		select {
		case what = <-h.said:
			fmt.Print(" ", what, ",")
		case <-time.After(5 * time.Second):
			fmt.Print(" no ", last, ",")
			return
		}
	}
}

func main() {
	audio := make([]byte, 3200)
	for _, code := range []string{"1011", "1000"} {
		fmt.Print(code, ":")
		h := heard{said: make(chan string, 8)}
		client, err := listen.NewWSUsingCallback(context.Background(), "a-key",
			&interfaces.ClientOptions{Host: "ws://127.0.0.1:" + os.Args[1]},
			&interfaces.LiveTranscriptionOptions{Model: code}, h)
		if err != nil || !client.Connect() {
			panic("no session")
		}
		first := client.WriteBinary(audio)
		h.until("Close")
		second := client.WriteBinary(audio)
		h.until("audio in session 2")
		client.Stop()
		h.until("Close")
		fmt.Println("\n  writes:", first, second, client.WriteBinary(audio))
	}
}
GO
cd client
{ go mod init client && go get github.com/deepgram/deepgram-go-sdk/v3@v3.5.0; } 2> log || { cat log; exit 1; }
go run -mod=mod . "$(cat ../port)" > seen
cat > expected <<'TEXT'
1011: Open, audio in session 1, Error close 1011, Close, Open, audio in session 2, Close,
  writes: <nil> <nil> connection is not valid
1000: Open, audio in session 1, Close, Open, audio in session 2, Close,
  writes: <nil> <nil> connection is not valid
TEXT
cat seen
diff expected seen
