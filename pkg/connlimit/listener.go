package connlimit

import (
	"cmp"
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Config holds the limits of a Listener. Listener, MaxConns, Port and Metrics are required.
type Config struct {
	Listener net.Listener
	// Port names the listener in metrics.
	Port    string
	Metrics *Metrics
	// TLS of the connections. Nil = plain TCP. New sets NextProtos in a copy of it.
	TLS *tls.Config
	// AllowPlaintext accepts connections without TLS too, on the same port. Without TLS it has no
	// effect.
	AllowPlaintext bool
	// MaxConns bounds the connections, and also the requests that are served at the same time.
	MaxConns int
	// MaxHeadBytes bounds the request line and the fields of a request. 0 = 16 KiB.
	MaxHeadBytes int
	// MaxFields bounds the fields of a request. 0 = 100.
	MaxFields int
	// HeadTimeout bounds the time from the first byte of a head to its end. 0 = 10 s.
	HeadTimeout time.Duration
	// WriteTimeout bounds a write that has no deadline of its own. 0 = 60 s.
	WriteTimeout time.Duration
}

// youngTime is how long a connection counts as young. It gives a new client time to send its first
// request.
const youngTime = time.Second

// Listener accepts connections and bounds their number. New makes one, and Prepare configures an
// http.Server for it. Safe for concurrent use.
//
// When all places are taken, a new connection takes the place of another one that serves no
// authenticated request (see Hold). The newest of them is closed first, because connections that
// are older usually belong to clients that work with the proxy. Connections of the last second are
// an exception. They may have up to half of the places, and beyond that the oldest of them is
// closed first. So a client that has just connected has the time to send its request, however fast
// others connect.
type Listener struct {
	cfg     Config
	limits  headLimits
	metrics *Metrics

	requests atomic.Int64 // requests that are being served

	mu         sync.Mutex
	young, old list.List // *conn, in the order of their arrival
	owners     map[string]int
}

// New returns a Listener, or an error that says what is wrong with cfg.
func New(cfg Config) (*Listener, error) {
	if cfg.Listener == nil || cfg.Metrics == nil || cfg.Port == "" || cfg.MaxConns < 1 {
		return nil, errors.New("limit connections: Listener, Metrics, Port and a positive MaxConns are needed")
	}
	cfg.MaxHeadBytes = cmp.Or(cfg.MaxHeadBytes, 16<<10)
	cfg.MaxFields = cmp.Or(cfg.MaxFields, 100)
	cfg.HeadTimeout = cmp.Or(cfg.HeadTimeout, 10*time.Second)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, time.Minute)
	if cfg.TLS != nil {
		cfg.TLS = cfg.TLS.Clone()
		cfg.TLS.NextProtos = []string{"h2", "http/1.1"}
	}
	l := &Listener{
		cfg:     cfg,
		limits:  headLimits{bytes: cfg.MaxHeadBytes, fields: cfg.MaxFields},
		metrics: cfg.Metrics,
		owners:  make(map[string]int),
	}
	l.metrics.createSeries(cfg.Port, cfg.AllowPlaintext)
	return l, nil
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.cfg.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := newConn(l, raw)
		victim, ok := l.admit(c)
		if victim != nil {
			l.metrics.countClosed(l.cfg.Port, reasonFull)
			_ = victim.raw.Close() // its reader gets an error and ends the connection
		}
		if ok {
			return c, nil
		}
		l.metrics.countClosed(l.cfg.Port, reasonRefused)
		_ = raw.Close()
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error { return l.cfg.Listener.Close() }

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.cfg.Listener.Addr() }

// admit gives c a place. If all places are taken it also returns the connection that loses its
// place, and the caller closes that one. It returns false if every other connection is held.
func (l *Listener) admit(c *conn) (victim *conn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.age(c.since)
	if l.young.Len()+l.old.Len() >= l.cfg.MaxConns {
		if victim = l.victim(); victim == nil {
			return nil, false
		}
		l.leave(victim)
	}
	c.young, c.place = true, l.young.PushBack(c)
	l.metrics.addOpen(l.cfg.Port)
	return victim, true
}

// age moves connections that are no longer young to old.
func (l *Listener) age(now time.Time) {
	for e := l.young.Front(); e != nil; e = l.young.Front() {
		c := e.Value.(*conn)
		if now.Sub(c.since) < youngTime {
			return
		}
		l.young.Remove(e)
		c.young, c.place = false, l.old.PushBack(c)
	}
}

// victim returns the connection to close next; nil if all are held.
func (l *Listener) victim() *conn {
	oldestYoung := func() *conn { return unheld(l.young.Front(), (*list.Element).Next) }
	if l.young.Len() > l.cfg.MaxConns/2 {
		if c := oldestYoung(); c != nil {
			return c
		}
	}
	if c := unheld(l.old.Back(), (*list.Element).Prev); c != nil {
		return c
	}
	return oldestYoung()
}

// unheld returns the first connection from e on that is not held.
func unheld(e *list.Element, next func(*list.Element) *list.Element) *conn {
	for ; e != nil; e = next(e) {
		if c := e.Value.(*conn); c.holds == 0 {
			return c
		}
	}
	return nil
}

// leave releases the place of c. mu must be held.
func (l *Listener) leave(c *conn) {
	if c.place == nil {
		return
	}
	if c.young {
		l.young.Remove(c.place)
	} else {
		l.old.Remove(c.place)
	}
	c.place = nil
	l.metrics.removeOpen(l.cfg.Port)
}

func (l *Listener) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leave(c)
}

type connKey struct{}

// Hold protects the connection of an authenticated request until release is called: the connection
// is not closed to make room for another. The requests of one owner hold at most half of the
// connections. ctx is the context of the request. Without a Listener, Hold does nothing. release
// may be called more than once.
func Hold(ctx context.Context, owner string) (release func()) {
	c, ok := ctx.Value(connKey{}).(*conn)
	if !ok {
		return func() {}
	}
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owners[owner] >= max(l.cfg.MaxConns/2, 1) {
		return func() {}
	}
	l.owners[owner]++
	c.holds++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		c.holds--
		if l.owners[owner]--; l.owners[owner] == 0 {
			delete(l.owners, owner)
		}
	})
}
