package affinity

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

const (
	// MessagePath is the path below the base path to which instances POST the messages of key homes.
	MessagePath = "/internal/keyhome"
	// maxMessageBytes bounds a message and its reply. A page of keyhome.PageSize claims has about 200
	// kB.
	maxMessageBytes = 1 << 20
	// claimTimeout bounds the time of a message about a single claim, because a client waits for it.
	claimTimeout = keyTimeout
	// pageTimeout bounds the time of a message with many claims.
	pageTimeout = answerTimeout
)

// MessengerConfig is what a Messenger needs. All fields are required.
type MessengerConfig struct {
	Ordinal   int          // of this instance
	Forwarder *Forwarder   // its connections, its directory, and what it knows about silent instances
	Identity  *Identity    // of this instance
	Keys      *MessageKeys // without a key, no message is sent or accepted
	BasePath  string       // of the REST API at all instances
}

// Messenger carries the messages of key homes over HTTP. It is the keyhome.Transport of an
// instance, and authenticates the messages that arrive. Both sides prove that they have the shared
// key, and what they prove covers the message and the reply. Safe for concurrent use.
type Messenger struct {
	cfg     MessengerConfig
	breaker breaker

	claimTimeout, pageTimeout time.Duration // only tests change them
}

// NewMessenger returns a Messenger. It opens no connection.
func NewMessenger(cfg MessengerConfig) *Messenger {
	return &Messenger{cfg: cfg, claimTimeout: claimTimeout, pageTimeout: pageTimeout}
}

var _ keyhome.Transport = (*Messenger)(nil)

// Send implements keyhome.Transport. It waits a second for the reply, or five if the message or the
// reply may have many claims. A peer that has let a message time out gets one message a second;
// others fail at once. Without a shared key every peer is treated as one that knows no key homes,
// because neither side could prove who it is.
func (m *Messenger) Send(ctx context.Context, to int, message keyhome.Message) (keyhome.Reply, error) {
	var none keyhome.Reply
	keys := m.cfg.Keys.valid()
	if len(keys) == 0 {
		return none, keyhome.ErrLegacy
	}
	d, _ := m.cfg.Forwarder.c.Source.Directory()
	peer, ok := d.find(to)
	if !ok || peer.Internal == "" {
		return none, fmt.Errorf("%w: the address of instance %d is not known", keyhome.ErrNoAnswer, to)
	}
	body, err := json.Marshal(message)
	if err != nil {
		return none, fmt.Errorf("encode message: %w", err)
	}
	if len(body) > maxMessageBytes {
		return none, fmt.Errorf("message has %d bytes, the limit is %d", len(body), maxMessageBytes)
	}
	if !m.breaker.enter(to) {
		return none, fmt.Errorf("%w: %s did not answer a moment ago", keyhome.ErrNoAnswer, peer.Name)
	}
	limit := m.claimTimeout
	if manyClaims(&message) {
		limit = m.pageTimeout
	}
	limited, cancel := context.WithTimeoutCause(ctx, limit, errTooSlow)
	defer cancel()
	text, err := m.exchange(limited, keys, &peer, body)
	var reply keyhome.Reply
	if err == nil {
		reply, err = decodeReply(text)
	}
	m.note(ctx, limited, to, err)
	if err == nil {
		m.cfg.Forwarder.proofs.folders.note(&peer, reply.Folder)
	}
	if err != nil && !errors.Is(err, keyhome.ErrLegacy) {
		err = fmt.Errorf("%w: %s: %w", keyhome.ErrNoAnswer, peer.Name, err)
	}
	return reply, err
}

var errTooSlow = errors.New("it did not answer in time")

// manyClaims reports whether a message or its reply may have many claims.
func manyClaims(m *keyhome.Message) bool {
	return m.Kind == keyhome.KindFetch || m.Kind == keyhome.KindHandOver || len(m.Claims) > 1
}

// note records whether a peer has answered. A caller that does not wait says nothing about the
// peer. limited is the context of the message, which ends before ctx.
func (m *Messenger) note(ctx, limited context.Context, to int, err error) {
	silences := &m.cfg.Forwarder.peers.silences
	switch {
	case err == nil || errors.Is(err, keyhome.ErrLegacy):
		silences.answered(to)
		m.breaker.leave(to, ended)
	case context.Cause(limited) == errTooSlow:
		silences.noAnswer(to)
		m.breaker.leave(to, timedOut)
	case ctx.Err() != nil:
		m.breaker.leave(to, abandoned)
	default:
		silences.noAnswer(to)
		m.breaker.leave(to, ended)
	}
}

// errRefused means that a peer does not accept the key. It has not obeyed.
var errRefused = errors.New("it does not accept the shared key")

// exchange sends a message and returns the text of the reply. A peer that does not know the newest
// key yet gets the message once more, signed with the previous key.
func (m *Messenger) exchange(
	ctx context.Context, keys [][]byte, to *Published, body []byte,
) (reply []byte, err error) {
	for _, key := range keys {
		if reply, err = m.post(ctx, key, to, body); !errors.Is(err, errRefused) {
			break
		}
	}
	return reply, err
}

// post sends a message that is signed with one key.
func (m *Messenger) post(ctx context.Context, key []byte, to *Published, body []byte) (reply []byte, err error) {
	token := newMessageToken(m.cfg.Ordinal, to, sha256.Sum256(body))
	authorization, err := token.header(key)
	if err != nil {
		return nil, err
	}
	f := m.cfg.Forwarder
	req, err := f.newRequest(ctx, http.MethodPost, to, m.cfg.BasePath+MessagePath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Content-Type", "application/json")
	// The entry is not sent. It lets the HTTP client repeat the request on another connection if the
	// peer has just closed the one that was idle. A message may arrive twice.
	req.Header["Idempotency-Key"] = nil
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return readReply(resp, to, &token, key)
}

// readReply reads an answer and checks that the peer has given it. The answer of anything else at
// its address counts as no answer.
func readReply(resp *http.Response, to *Published, token *messageToken, key []byte) (reply []byte, err error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxMessageBytes+1)) // to its end, so that the connection is kept
	if err != nil {
		return nil, fmt.Errorf("read reply: %w", err)
	}
	switch name := resp.Header.Get(InstanceHeader); {
	case name != to.Name:
		return nil, fmt.Errorf("%s was answered by %q with status %d instead", to.Internal, name, resp.StatusCode)
	case resp.StatusCode == http.StatusNotFound:
		return nil, keyhome.ErrLegacy
	case resp.StatusCode == http.StatusUnauthorized:
		return nil, errRefused
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answered with status %d", resp.StatusCode)
	case len(text) > maxMessageBytes:
		return nil, fmt.Errorf("its reply has more than %d bytes", maxMessageBytes)
	case !hmac.Equal([]byte(resp.Header.Get(ProofHeader)), []byte(token.proof(key, sha256.Sum256(text)))):
		return nil, errWrongProof
	}
	return text, nil
}

// decodeReply decodes a reply about claims.
func decodeReply(text []byte) (r keyhome.Reply, err error) {
	if err := json.Unmarshal(text, &r); err != nil {
		return keyhome.Reply{}, fmt.Errorf("decode reply: %w", err)
	}
	if len(r.Claims) > keyhome.PageSize {
		return keyhome.Reply{}, fmt.Errorf("its reply has %d claims, the limit is %d", len(r.Claims), keyhome.PageSize)
	}
	return r, nil
}
