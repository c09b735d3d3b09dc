package connlimit_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/pkg/connlimit"
)

// piped runs test on a fake clock with a server whose connections are pipes.
func piped(
	t *testing.T,
	cfg connlimit.Config,
	handler http.HandlerFunc,
	test func(t *testing.T, h *harness, dial func() net.Conn),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := pipenet.Listen()
		cfg.Listener = l
		h := serveOn(t, cfg, handler)
		test(t, h, func() net.Conn {
			c, err := l.Dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			synctest.Wait()
			return c
		})
	})
}

// isOpen reports whether the server still serves a connection on which nothing was sent.
func isOpen(c net.Conn) bool {
	_ = c.SetDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	_ = c.SetDeadline(time.Time{})
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// TestNewestIdleIsClosedFirst checks that a new connection takes the place of the newest idle one,
// and that older ones are kept.
func TestNewestIdleIsClosedFirst(t *testing.T) {
	piped(t, connlimit.Config{MaxConns: 4}, echo, func(t *testing.T, h *harness, dial func() net.Conn) {
		var conns []net.Conn
		for range 4 {
			conns = append(conns, dial())
			time.Sleep(2 * time.Second)
		}
		r := bufio.NewReader(conns[0])
		send(t, conns[0], get)
		answer(t, r)
		for _, want := range [][]bool{{true, true, true, false}, {true, true, false}, {true, false}} {
			last := dial()
			for i, open := range want {
				if isOpen(conns[i]) != open {
					t.Errorf("connection %d is open: %v, want %v", i, !open, open)
				}
			}
			send(t, last, get) // the new connection works
			answer(t, bufio.NewReader(last))
		}
		send(t, conns[0], get) // the oldest connection works too
		if status, _ := answer(t, r); status != http.StatusOK {
			t.Errorf("answer on the oldest = %d, want 200", status)
		}
		if n := h.count("signstash_connections_closed_total", "full"); n != 3 {
			t.Errorf("%v connections were closed, want 3", n)
		}
		if n := h.count("signstash_connections", ""); n != 4 {
			t.Errorf("%v connections are open, want 4", n)
		}
	})
}

// TestFloodLeavesTime floods the listener with connections. A new connection keeps its place until
// half of the places were taken after it. Connections that were open before the flood stay open.
func TestFloodLeavesTime(t *testing.T) {
	piped(t, connlimit.Config{MaxConns: 100}, echo, func(t *testing.T, _ *harness, dial func() net.Conn) {
		var kept []net.Conn
		for range 40 {
			kept = append(kept, dial())
		}
		time.Sleep(2 * time.Second)
		for range 150 {
			dial()
		}
		late := dial()
		for range 40 {
			dial()
		}
		send(t, late, get)
		if status, _ := answer(t, bufio.NewReader(late)); status != http.StatusOK {
			t.Errorf("answer = %d, want 200", status)
		}
		for i, c := range kept {
			if !isOpen(c) {
				t.Errorf("connection %d was closed", i)
			}
		}
	})
}

// TestHeldConnectionIsKept checks that a connection with an authenticated request is not closed. If
// all connections have one, a new connection is closed.
func TestHeldConnectionIsKept(t *testing.T) {
	var goOn chan struct{} // of the bubble
	handler := func(w http.ResponseWriter, r *http.Request) {
		release := connlimit.Hold(r.Context(), r.URL.Path)
		defer release()
		<-goOn
		release() // the second call changes nothing
	}
	piped(t, connlimit.Config{MaxConns: 4}, handler, func(t *testing.T, h *harness, dial func() net.Conn) {
		goOn = make(chan struct{})
		var held []net.Conn
		for _, owner := range []string{"a", "a", "b", "b"} {
			c := dial()
			send(t, c, "GET /"+owner+" HTTP/1.1\r\nHost: x\r\n\r\n")
			held = append(held, c)
		}
		synctest.Wait()
		if c := dial(); isOpen(c) {
			t.Error("a connection beyond the limit was kept")
		}
		if n := h.count("signstash_connections_closed_total", "refused"); n != 1 {
			t.Errorf("%v connections were refused, want 1", n)
		}
		close(goOn)
		for i, c := range held {
			if status, _ := answer(t, bufio.NewReader(c)); status != http.StatusOK {
				t.Errorf("answer %d = %d, want 200", i, status)
			}
		}
	})
}

// TestOneOwnerHoldsHalf checks that one owner can hold half of the connections at most. Its other
// connections can be closed.
func TestOneOwnerHoldsHalf(t *testing.T) {
	var goOn chan struct{} // of the bubble
	handler := func(_ http.ResponseWriter, r *http.Request) {
		defer connlimit.Hold(r.Context(), "a")()
		<-goOn
	}
	piped(t, connlimit.Config{MaxConns: 4}, handler, func(t *testing.T, _ *harness, dial func() net.Conn) {
		goOn = make(chan struct{})
		defer close(goOn)
		for range 4 {
			send(t, dial(), get)
			synctest.Wait()
		}
		if c := dial(); !isOpen(c) {
			t.Error("one owner holds all places")
		}
	})
}

// TestSlowHeadIsEnded checks that a connection is closed soon if a head does not come to its end,
// also if the connection was idle before.
func TestSlowHeadIsEnded(t *testing.T) {
	piped(t, connlimit.Config{}, echo, func(t *testing.T, _ *harness, dial func() net.Conn) {
		kept := dial()
		r := bufio.NewReader(kept)
		for range 3 {
			send(t, kept, get)
			answer(t, r)
			time.Sleep(80 * time.Second) // within the idle timeout
		}
		for _, next := range []func() net.Conn{func() net.Conn { return kept }, dial} {
			c := next()
			send(t, c, get[:20])
			began := time.Now()
			_ = c.SetReadDeadline(began.Add(time.Hour)) // otherwise a failure would end as a deadlock
			_, err := c.Read(make([]byte, 1))
			if took := time.Since(began); !errors.Is(err, io.EOF) || took > 11*time.Second {
				t.Errorf("after %v: %v, want the end after 10 s", took, err)
			}
		}
	})
}

// TestUnreadAnswersAreEnded checks that the connection of a client that does not read its answers
// is closed.
func TestUnreadAnswersAreEnded(t *testing.T) {
	piped(t, connlimit.Config{}, echo, func(t *testing.T, _ *harness, dial func() net.Conn) {
		c := dial()
		send(t, c, get)
		time.Sleep(61 * time.Second)
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
			t.Error("the answer was still there after 61 s")
		}
	})
}

// TestPipelinedHeadWaits checks that the beginning of the next request does not disturb the request
// that is served, however long that takes.
func TestPipelinedHeadWaits(t *testing.T) {
	var goOn chan struct{} // of the bubble
	handler := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-goOn:
		case <-r.Context().Done():
			t.Error("the request was given up")
		}
		echo(w, r)
	}
	piped(t, connlimit.Config{}, handler, func(t *testing.T, _ *harness, dial func() net.Conn) {
		goOn = make(chan struct{})
		c := dial()
		r := bufio.NewReader(c)
		send(t, c, get+get[:20])
		time.Sleep(30 * time.Second)
		close(goOn)
		answer(t, r)
		send(t, c, get[20:])
		if status, _ := answer(t, r); status != http.StatusOK {
			t.Errorf("second answer = %d, want 200", status)
		}
	})
}

// TestRequestsAreBounded checks that HTTP/2 serves no more requests at the same time than MaxConns.
func TestRequestsAreBounded(t *testing.T) {
	goOn, began := make(chan struct{}), make(chan struct{}, 10)
	h := serve(
		t,
		connlimit.Config{TLS: certificate(t), MaxConns: 3},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/last" {
				began <- struct{}{}
				<-goOn
			}
		}),
	)
	client := h.http2Client()
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			resp, err := client.Get(fmt.Sprintf("https://x/%d", i))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
		<-began
	}
	if resp, err := client.Post("https://x/last", "text/plain", strings.NewReader("x")); err == nil {
		t.Errorf("answer = %s, want none", resp.Status)
	}
	close(goOn)
	all.Wait()
}
