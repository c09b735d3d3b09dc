package affinity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// statusOf maps the kinds of Messenger.Receive to the statuses that pkg/api answers.
var statusOf = map[signing.Kind]int{
	signing.KindNotFound: 404, signing.KindUnauthenticated: 401, signing.KindTooLarge: 413,
	signing.KindMalformed: 400, signing.KindInvalid: 400, signing.KindHungUp: 400,
}

// sharing returns keys that hold one key.
func sharing(key string) *MessageKeys {
	k := new(MessageKeys)
	k.Set([]byte(key))
	return k
}

// receiver is the receiving side at instance 1.
type receiver struct {
	*Messenger
	obeyed atomic.Int32
	handle func(keyhome.Message) keyhome.Reply
	failed signing.Kind // of the last error of Receive
}

func newReceiver(key string, identity *Identity) *receiver {
	m := NewMessenger(MessengerConfig{Ordinal: 1, Identity: identity, Keys: sharing(key), BasePath: "/base"})
	return &receiver{Messenger: m, handle: func(keyhome.Message) keyhome.Reply {
		return keyhome.Reply{Answer: keyhome.Done, DeferTo: -1}
	}}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	received, err := r.Receive(req)
	if err != nil {
		r.failed = signing.KindOf(err)
		w.WriteHeader(statusOf[r.failed])
		return
	}
	r.obeyed.Add(1)
	_ = received.Answer(w, r.handle(received.Message))
}

// sender returns the sending side at instance 0. peers are the instances from 1 on.
func sender(t *testing.T, key string, peers ...http.HandlerFunc) *Messenger {
	t.Helper()
	return patient(MessengerConfig{Forwarder: forwarderTo(t, peers...), Keys: sharing(key), BasePath: "/base"})
}

// patient returns a Messenger that waits longer, because this machine may be busy.
func patient(cfg MessengerConfig) *Messenger {
	m := NewMessenger(cfg)
	m.claimTimeout, m.pageTimeout = time.Minute, time.Minute
	return m
}

var query = keyhome.Message{Kind: keyhome.KindQuery, Claim: keyhome.Claim{Key: keyhome.KeyOf("c", "k")}}

// wantNoAnswer sends a message to instance 1 and wants no believed answer.
func wantNoAnswer(t *testing.T, m *Messenger, message keyhome.Message) {
	t.Helper()
	reply, err := m.Send(t.Context(), 1, message)
	if !errors.Is(err, keyhome.ErrNoAnswer) || errors.Is(err, keyhome.ErrLegacy) || reply.Answer != "" {
		t.Errorf("Send = %+v, %v, want ErrNoAnswer", reply, err)
	}
}

// TestMessage carries all fields of a message and of its reply.
func TestMessage(t *testing.T) {
	claim := keyhome.Claim{
		Key: keyhome.KeyOf("c", "k"), Owner: 7, Attempt: 1<<63 + 1, Fingerprint: keyhome.Fingerprint{1}, Expires: 9,
		Version: 3,
	}
	message := keyhome.Message{
		Kind: keyhome.KindHandOver, Claim: claim, Claims: []keyhome.Claim{claim}, Standing: keyhome.Out, Epoch: 1, Clock: 2,
		Folder: "f", Last: true, ForGood: true, Heirs: []int{1},
		Held: map[int]uint64{0: 5}, After: 3, Commit: true, Removals: 4,
	}
	want := keyhome.Reply{
		Answer: keyhome.Known, Standing: keyhome.In, Owner: 2, Differs: true, Epoch: 3, Clock: 4, Folder: "g",
		Claims: []keyhome.Claim{claim}, Next: 5, More: true, Members: []keyhome.Member{{Ordinal: 1, Epoch: 2, Left: true}},
	}
	r := newReceiver("key", nil)
	r.handle = func(got keyhome.Message) keyhome.Reply {
		if !reflect.DeepEqual(got, message) {
			t.Errorf("message = %+v, want %+v", got, message)
		}
		return want
	}
	m := sender(t, "key", func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost || req.URL.Path != "/base"+MessagePath || !Forwarded(req) ||
			req.Header.Get(TargetHeader) != "uid" || len(req.Header.Values("Idempotency-Key")) != 0 {
			t.Errorf("request = %s %s with %v", req.Method, req.URL, req.Header)
		}
		r.ServeHTTP(w, req)
	})
	if got, err := m.Send(t.Context(), 1, message); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Send = %+v, %v, want %+v", got, err, want)
	}
}

// TestMessagesShareAConnection sends message after message over one connection, so that a claim
// costs one round trip, and does not notice that the peer has closed it meanwhile.
func TestMessagesShareAConnection(t *testing.T) {
	var opened atomic.Int32
	r := newReceiver("key", nil)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set(InstanceHeader, "p-1")
		r.ServeHTTP(w, req)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	m := sender(t, "key", func(http.ResponseWriter, *http.Request) {})
	m.cfg.Forwarder.c.Source.(source).directory.Endpoints[0].Internal = strings.TrimPrefix(server.URL, "http://")
	send := func() {
		t.Helper()
		if _, err := m.Send(t.Context(), 1, query); err != nil {
			t.Error(err)
		}
	}
	for range 20 {
		send()
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("20 messages took %d connections, want 1", got)
	}
	server.CloseClientConnections()
	send()
}

// TestMessageToAnEarlierRelease tells a release that knows no key homes from a stranger.
func TestMessageToAnEarlierRelease(t *testing.T) {
	notFound := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	m := sender(t, "key", notFound)
	if _, err := m.Send(t.Context(), 1, query); !errors.Is(err, keyhome.ErrLegacy) {
		t.Errorf("Send = %v, want ErrLegacy", err)
	}
	wantNoAnswer(t, sender(t, "key", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(InstanceHeader, "another")
		notFound(w, r)
	}), query)
}

// TestMessageWithoutKey neither sends nor accepts a message if no key is shared.
func TestMessageWithoutKey(t *testing.T) {
	m := sender(t, "", func(http.ResponseWriter, *http.Request) { t.Error("the peer was asked") })
	if _, err := m.Send(t.Context(), 1, query); !errors.Is(err, keyhome.ErrLegacy) {
		t.Errorf("Send without a key = %v, want ErrLegacy", err)
	}
	r := newReceiver("", nil)
	if _, err := sender(t, "key", r.ServeHTTP).Send(t.Context(), 1, query); !errors.Is(err, keyhome.ErrLegacy) {
		t.Errorf("Send to a peer without a key = %v, want ErrLegacy", err)
	}
}

// TestMessageToNobody fails at once if the address of the instance is not known.
func TestMessageToNobody(t *testing.T) {
	m := sender(t, "key", func(http.ResponseWriter, *http.Request) { t.Error("the peer was asked") })
	if _, err := m.Send(t.Context(), 9, query); !errors.Is(err, keyhome.ErrNoAnswer) {
		t.Errorf("Send = %v, want ErrNoAnswer", err)
	}
	m.cfg.Forwarder.c.Source.(source).directory.Endpoints[0].Internal = ""
	wantNoAnswer(t, m, query)
	f, err := NewForwarder(ForwarderConfig{Source: unreadSource{}})
	if err != nil {
		t.Fatal(err)
	}
	wantNoAnswer(t, NewMessenger(MessengerConfig{Forwarder: f, Keys: sharing("key")}), query)
}

// TestMessageRefused obeys no message whose sender or target is wrong.
func TestMessageRefused(t *testing.T) {
	altered := func(r *receiver) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			req.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte("query"), []byte("claim"), 1)))
			r.ServeHTTP(w, req)
		}
	}
	another := newReceiver("key", nil)
	another.cfg.Ordinal = 2
	of3, self, few := query, query, query
	of3.From, self.From, few.Claims = 3, 1, make([]keyhome.Claim, keyhome.PageSize+1)
	for name, test := range map[string]struct {
		at      *receiver
		through func(*receiver) http.HandlerFunc // nil = directly
		as      int                              // ordinal of the sender
		message keyhome.Message
		want    signing.Kind
	}{
		"another key": {at: newReceiver("other", nil), message: query, want: signing.KindUnauthenticated},
		"an altered body": {
			at: newReceiver("key", nil), through: altered, message: query, want: signing.KindUnauthenticated,
		},
		"another sender":   {at: newReceiver("key", nil), message: of3, want: signing.KindUnauthenticated},
		"another instance": {at: another, message: query, want: signing.KindUnauthenticated},
		"another run": {
			at: newReceiver("key", NewIdentity("uid-2")), message: query, want: signing.KindUnauthenticated,
		},
		"the receiver itself":     {at: newReceiver("key", nil), as: 1, message: self, want: signing.KindInvalid},
		"more claims than a page": {at: newReceiver("key", nil), message: few, want: signing.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			handler := test.at.ServeHTTP
			if test.through != nil {
				handler = test.through(test.at)
			}
			m := sender(t, "key", handler)
			m.cfg.Ordinal = test.as
			wantNoAnswer(t, m, test.message)
			if test.at.obeyed.Load() != 0 || test.at.failed != test.want {
				t.Errorf("Receive = %q, obeyed %d times, want %q", test.at.failed, test.at.obeyed.Load(), test.want)
			}
		})
	}
}

// TestMessageToALaterRun accepts a message for an earlier run with the same state folder.
func TestMessageToALaterRun(t *testing.T) {
	identity := NewIdentity("uid-2")
	identity.Opened("state", []string{"uid"})
	if _, err := sender(t, "key", newReceiver("key", identity).ServeHTTP).Send(t.Context(), 1, query); err != nil {
		t.Error(err)
	}
}

// TestMessageDuringKeyChange exchanges messages while only one of the two sides knows the new key.
func TestMessageDuringKeyChange(t *testing.T) {
	r := newReceiver("old", nil)
	m := sender(t, "old", r.ServeHTTP)
	for _, side := range []*Messenger{m, r.Messenger} {
		side.cfg.Keys.Set([]byte("new"))
		if _, err := m.Send(t.Context(), 1, query); err != nil {
			t.Error(err)
		}
	}
	if got := r.obeyed.Load(); got != 2 {
		t.Errorf("obeyed %d messages, want 2", got)
	}
}

// TestLongMessage bounds the body, and reads none from a sender that is not known.
func TestLongMessage(t *testing.T) {
	r := newReceiver("key", nil)
	long := bytes.Repeat([]byte(" "), 2<<20)
	request := func(body io.Reader, length int64, authorization string) *http.Request {
		req := httptest.NewRequest(http.MethodPost, "/base"+MessagePath, body)
		req.ContentLength = length
		req.Header.Set("Authorization", authorization)
		return req
	}
	token := messageToken{To: 1, Issued: time.Now().Unix()}
	authorization, err := token.header([]byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int64{int64(len(long)), -1} {
		_, err := r.Receive(request(bytes.NewReader(long), length, authorization))
		if signing.KindOf(err) != signing.KindTooLarge {
			t.Errorf("Receive of 2 MiB with length %d = %v, want KindTooLarge", length, err)
		}
	}
	unread := readFailure{t}
	_, err = r.Receive(request(unread, -1, strings.Repeat(authorization, 100)))
	if signing.KindOf(err) != signing.KindUnauthenticated {
		t.Errorf("Receive = %v, want KindUnauthenticated", err)
	}
}

// readFailure is a body that must not be read.
type readFailure struct{ t *testing.T }

func (r readFailure) Read([]byte) (int, error) {
	r.t.Error("the body was read")
	return 0, io.EOF
}

// TestWrongReply believes no answer that instance 1 has not given to exactly this message.
func TestWrongReply(t *testing.T) {
	r := newReceiver("key", nil)
	signed := func(reply keyhome.Reply) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			received, err := r.Receive(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = received.Answer(w, reply)
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a page":     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no proof":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"answer":"granted"}`) },
		"a fault":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"a redirect": func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, "/elsewhere", 307) },
		"another's address": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusMisdirectedRequest)
		},
		"an altered reply": func(w http.ResponseWriter, req *http.Request) {
			recorder := httptest.NewRecorder()
			signed(keyhome.Reply{Answer: keyhome.Unknown})(recorder, req)
			w.Header().Set(ProofHeader, recorder.Header().Get(ProofHeader))
			_, _ = io.WriteString(w, strings.Replace(recorder.Body.String(), "unknown", "granted", 1))
		},
		"another message's reply": func(w http.ResponseWriter, req *http.Request) {
			other := newMessageToken(0, &Published{Ordinal: 1}, [32]byte{})
			w.Header().Set(ProofHeader, other.proof([]byte("key"), [32]byte{}))
			_, _ = io.WriteString(w, `{"answer":"granted"}`)
		},
		"too many claims": signed(keyhome.Reply{Answer: keyhome.Done, Claims: make([]keyhome.Claim, keyhome.PageSize+1)}),
		"2 MiB": func(w http.ResponseWriter, req *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte(" "), 2<<20))
		},
		"half of it": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"answer":"gra`)
		},
		"another name": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set(InstanceHeader, "p-2")
			signed(keyhome.Reply{Answer: keyhome.Done})(w, req)
		},
	} {
		t.Run(name, func(t *testing.T) { wantNoAnswer(t, sender(t, "key", answer), query) })
	}
}

// hang is a peer that reads a message and does not answer while the sender waits.
func hang(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // the server notices only then that the sender has gone
	stuck(0)(w, r)
}

// TestMessageToAPeerThatHangs gives up, counts the peer as silent, and opens the breaker. A peer
// that refuses the connection is silent too, but costs no time.
func TestMessageToAPeerThatHangs(t *testing.T) {
	m := sender(t, "key", hang, func(http.ResponseWriter, *http.Request) {})
	m.claimTimeout = 50 * time.Millisecond
	wantNoAnswer(t, m, query)
	silent := &m.cfg.Forwarder.peers.silences
	if m.breaker.open[1] == nil || len(silent.of) != 1 {
		t.Errorf("breaker = %v, silences = %v, want both to know instance 1", m.breaker.open, silent.of)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	m.claimTimeout = time.Minute
	m.cfg.Forwarder.c.Source.(source).directory.Endpoints[1].Internal = l.Addr().String()
	if _, err := m.Send(t.Context(), 2, query); !errors.Is(err, keyhome.ErrNoAnswer) {
		t.Errorf("Send = %v, want ErrNoAnswer", err)
	}
	if m.breaker.open[2] != nil || len(silent.of) != 2 {
		t.Errorf("breaker = %v, silences = %v, want only the silence", m.breaker.open, silent.of)
	}
}

// TestImpatientSender says nothing about a peer when the caller does not wait for it.
func TestImpatientSender(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := sender(t, "key", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		hang(w, r)
	})
	if _, err := m.Send(ctx, 1, query); !errors.Is(err, keyhome.ErrNoAnswer) {
		t.Errorf("Send = %v, want ErrNoAnswer", err)
	}
	if m.breaker.open[1] != nil || len(m.cfg.Forwarder.peers.silences.of) != 0 {
		t.Errorf("breaker = %v, silences = %v, want nothing", m.breaker.open, m.cfg.Forwarder.peers.silences.of)
	}
}

// TestKeyHomesOverHTTP lets three key homes become members, claim a key and find its owner.
func TestKeyHomesOverHTTP(t *testing.T) {
	const instances = 3
	homes := make([]*keyhome.Home, instances)
	messengers := make([]*Messenger, instances)
	d := Directory{Expected: instances, Ever: instances}
	for o := range instances {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(InstanceHeader, fmt.Sprint("p-", o))
			received, err := messengers[o].Receive(r)
			if err != nil {
				w.WriteHeader(statusOf[signing.KindOf(err)])
				return
			}
			reply, err := homes[o].Handle(r.Context(), received.Message)
			if err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_ = received.Answer(w, reply)
		}))
		t.Cleanup(server.Close)
		d.Endpoints = append(d.Endpoints, Published{
			Name: fmt.Sprint("p-", o), Ordinal: o, Host: "h", Port: 1, Internal: strings.TrimPrefix(server.URL, "http://"),
		})
	}
	for o := range instances {
		s := source{directory: d}
		f, err := NewForwarder(ForwarderConfig{Name: fmt.Sprint("p-", o), Ordinal: o, Source: s})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.client.CloseIdleConnections)
		messengers[o] = patient(MessengerConfig{Ordinal: o, Forwarder: f, Keys: sharing("key")})
		homes[o] = keyhome.New(keyhome.Config{
			Ordinal: o, Table: keyhometest.NewMemory(fmt.Sprint("folder ", o)), Transport: messengers[o],
			View: ViewOf(s, o), Clock: wallClock{}, Lifetime: time.Hour,
		})
		if err := homes[o].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		for _, h := range homes {
			_ = h.Tick(t.Context())
		}
	}
	for i := range 20 {
		key := keyhome.KeyOf("c", fmt.Sprint(i))
		first, err := homes[0].Acquire(t.Context(), key, keyhome.Fingerprint{})
		if err != nil || first.Outcome != keyhome.Create || first.AskAll {
			t.Fatalf("Acquire = %+v, %v, want that a home grants it", first, err)
		}
		first.Done(t.Context(), true)
		second, err := homes[1].Acquire(t.Context(), key, keyhome.Fingerprint{})
		if err != nil || second.Outcome != keyhome.Forward || second.Owner != 0 {
			t.Fatalf("Acquire of a repetition = %+v, %v, want it forwarded to 0", second, err)
		}
		second.Done(t.Context(), false)
	}
}

// wallClock is the real time.
type wallClock struct{}

// Now implements keyhome.Clock.
func (wallClock) Now() time.Time { return time.Now() }

// Sleep implements keyhome.Clock.
func (wallClock) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
