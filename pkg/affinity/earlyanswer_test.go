package affinity

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// unended is a body that has no more bytes, but does not end until it is closed. A read that waits
// fails then, like that of the API's body.
type unended struct {
	content bytes.Reader
	close   sync.Once
	closed  chan struct{}
	failed  chan struct{} // closed when a read has failed
}

func newUnended(content []byte) *unended {
	u := &unended{closed: make(chan struct{}), failed: make(chan struct{})}
	u.content.Reset(content)
	return u
}

func (u *unended) Read(p []byte) (int, error) {
	if n, _ := u.content.Read(p); n > 0 {
		return n, nil
	}
	<-u.closed
	close(u.failed)
	return 0, errors.New("closed")
}

func (u *unended) Close() error {
	u.close.Do(func() { close(u.closed) })
	return nil
}

// TestAnswerBeforeTheEndOfTheBody checks that the whole answer of a peer is passed on although the
// peer begins it before the HTTP transport has noticed that the request's body ended, or before the
// body has ended. The body is closed then.
func TestAnswerBeforeTheEndOfTheBody(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 1000)
	long := bytes.Repeat([]byte("answer "), 100_000)
	for name, length := range map[string]int64{"the peer has it all": int64(len(content)), "more could come": -1} {
		t.Run(name, func(t *testing.T) {
			body := newUnended(content)
			f := forwarderTo(t, func(w http.ResponseWriter, r *http.Request) {
				control := http.NewResponseController(w)
				_ = control.EnableFullDuplex()
				_, _ = io.ReadFull(r.Body, make([]byte, len(content)))
				_ = control.Flush()
				<-body.closed
				if length < 0 {
					<-body.failed
				}
				_, _ = w.Write(long)
			})
			owner, _ := f.Owner(1)
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.ContentLength = length
			answered, err := f.Send(w, asked(r), body, owner, 0)
			if !answered || err != nil || !bytes.Equal(w.Body.Bytes(), long) {
				t.Errorf("Send = %v, %v with %d bytes, want %d", answered, err, w.Body.Len(), len(long))
			}
		})
	}
}
