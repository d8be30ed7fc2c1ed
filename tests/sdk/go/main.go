// Drives Deepgram's Go SDK. The plan and the lines are those of ../python/plan.py.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	events "github.com/deepgram/deepgram-go-sdk/v3/pkg/api/listen/v1/websocket/interfaces"
	interfaces "github.com/deepgram/deepgram-go-sdk/v3/pkg/client/interfaces"
	listen "github.com/deepgram/deepgram-go-sdk/v3/pkg/client/listen"
	websocket "github.com/deepgram/deepgram-go-sdk/v3/pkg/client/listen/v1/websocket"
)

// 100 ms at 16 kHz.
const pieceBytes = 3200

type plan struct {
	Recording string                              `json:"recording"`
	Options   interfaces.LiveTranscriptionOptions `json:"options"`
	Keepalive bool                                `json:"keepalive"`
	Sessions  []session                           `json:"sessions"`
}

type session struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Steps   []step `json:"steps"`
}

type step struct {
	Do      string  `json:"do"`
	Seconds float64 `json:"seconds"`
}

type line struct {
	Session string `json:"session"`
	Seen    string `json:"seen"`
	Message any    `json:"message,omitempty"`
	Error   any    `json:"error,omitempty"`
}

// listener is what the SDK calls; flushed and ended are closed once.
type listener struct {
	session        string
	flushed, ended chan struct{}
	flush, end     sync.Once
}

func newListener(session string) *listener {
	return &listener{session: session, flushed: make(chan struct{}), ended: make(chan struct{})}
}

func (l *listener) tell(seen string, message, err any) error {
	text, failure := json.Marshal(line{l.session, seen, message, err})
	if failure != nil {
		return failure
	}
	_, failure = fmt.Println(string(text))
	return failure
}

func (l *listener) Message(message *events.MessageResponse) error {
	err := l.tell("message", message, nil)
	if message.FromFinalize {
		l.flush.Do(func() { close(l.flushed) })
	}
	return err
}

func (l *listener) Close(*events.CloseResponse) error {
	err := l.tell("close", nil, nil)
	l.end.Do(func() { close(l.ended) })
	return err
}

func (l *listener) Open(*events.OpenResponse) error           { return l.tell("open", nil, nil) }
func (l *listener) Metadata(m *events.MetadataResponse) error { return l.tell("message", m, nil) }
func (l *listener) SpeechStarted(m *events.SpeechStartedResponse) error {
	return l.tell("message", m, nil)
}
func (l *listener) UtteranceEnd(m *events.UtteranceEndResponse) error {
	return l.tell("message", m, nil)
}
func (l *listener) Error(e *events.ErrorResponse) error { return l.tell("error", nil, e) }
func (l *listener) UnhandledEvent(text []byte) error {
	return l.tell("unhandled", string(text), nil)
}

func (s session) hold(p plan, audio []byte) error {
	heard := newListener(s.Name)
	client, err := listen.NewWSUsingCallback(context.Background(), "a-key",
		&interfaces.ClientOptions{Host: s.Address, EnableKeepAlive: p.Keepalive}, &p.Options, heard)
	if err != nil {
		return err
	}
	if !client.Connect() {
		return heard.tell("Connect() is false", nil, nil)
	}
	for _, step := range s.Steps {
		if err := step.perform(client, heard, audio); err != nil {
			// A write to a connection that is gone: seen as any user would see it.
			if err := heard.tell("error", nil, err.Error()); err != nil {
				return err
			}
		}
	}
	return heard.tell("end", nil, nil)
}

func (s step) perform(client *websocket.WSCallback, heard *listener, audio []byte) error {
	switch s.Do {
	case "stream":
		for rest := audio; len(rest) > 0; {
			piece := rest[:min(pieceBytes, len(rest))]
			rest = rest[len(piece):]
			if err := client.WriteBinary(piece); err != nil {
				return err
			}
		}
	case "silence":
		time.Sleep(time.Duration(s.Seconds * float64(time.Second)))
	case "finalize":
		if err := client.Finalize(); err != nil {
			return err
		}
		select {
		case <-heard.flushed:
		case <-heard.ended:
		}
	case "close_stream":
		// Not `Stop()`, which cuts the connection 200 ms later.
		if err := client.WriteJSON(map[string]string{"type": "CloseStream"}); err != nil {
			return err
		}
		<-heard.ended
		client.Stop()
	case "await_end":
		<-heard.ended
		client.Stop()
	case "leave":
		client.Stop()
	default:
		return errors.New("no such step: " + s.Do)
	}
	return nil
}

func run() error {
	var p plan
	if err := json.Unmarshal([]byte(os.Args[1]), &p); err != nil {
		return err
	}
	audio, err := os.ReadFile(p.Recording)
	if err != nil {
		return err
	}
	for _, session := range p.Sessions {
		if err := session.hold(p, audio); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
