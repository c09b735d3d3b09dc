package affinity

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxSmallAnswer bounds the bytes that are read of an answer whose content is not needed, such as
// the answer to a question for an Idempotency-Key.
const maxSmallAnswer = 64 << 10

// reply is the result of one question: an answer to pass on, no (answer and err are nil), or an
// error because the peer did not answer.
type reply struct {
	peer *Published
	*answer
	err error
}

// Search asks all expected instances at the same time and passes on the first successful answer;
// answered is then true. It returns false and nil if all said no (404). An error of KindBusy names
// an instance that did not answer while no other instance knew the operation. In mode Redirect it
// asks r.Probe in place of the request, because a result that the client has not got yet must not
// count as fetched.
func (f *Forwarder) Search(w http.ResponseWriter, r Request, longest time.Duration) (answered bool, err error) {
	found, err := f.askAll(r.Context(), f.searching(r), longest+answerTimeout)
	if found == nil {
		return false, err
	}
	return f.pass(w, r, found)
}

// SearchAt is Search at one instance. It returns false and nil if that instance says no.
func (f *Forwarder) SearchAt(w http.ResponseWriter, r Request, at *Published, longest time.Duration) (
	answered bool, err error,
) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	found := f.askOne(ctx, cancel, f.searching(r), at, longest+answerTimeout)
	if found.answer == nil {
		return false, found.err
	}
	return f.pass(w, r, &found)
}

// searching returns the question of a search.
func (f *Forwarder) searching(r Request) question {
	if f.c.Mode == Redirect {
		return outgoing(r, r.Probe)
	}
	return outgoing(r, r.URL.RequestURI())
}

// pass answers a request with what a search has found.
func (f *Forwarder) pass(w http.ResponseWriter, r Request, found *reply) (answered bool, err error) {
	defer found.end()
	f.outcomes.WithLabelValues("answered").Inc()
	if f.c.Mode == Redirect {
		return f.redirect(w, r, found.peer)
	}
	return true, found.relay(w)
}

// Newest asks all expected instances at the same time for an operation that more than one of them
// may know. It passes on the answer of the newest operation if that was created after own, the
// creation time of this instance's operation, by the clocks of both; answered is then true. It
// returns false and nil if there is none. An error of KindBusy names an instance that did not
// answer, because it may know a newer operation.
func (f *Forwarder) Newest(w http.ResponseWriter, r Request, own time.Time) (answered bool, err error) {
	replies, asked, err := f.askEach(r.Context(), outgoing(r, r.URL.RequestURI()), answerTimeout)
	if err != nil {
		return false, err
	}
	var newest *reply
	defer func() {
		if newest != nil {
			newest.end()
		}
	}()
	for range asked {
		got := <-replies
		switch {
		case got.err != nil:
			err = got.err
		case got.answer == nil:
		case newest == nil && own.IsZero() || got.created().After(own):
			if newest != nil {
				newest.end()
			}
			newest, own = &got, got.created()
		default:
			got.end()
		}
	}
	if err != nil || newest == nil {
		return false, err
	}
	passed := newest
	newest = nil // pass ends it
	return f.pass(w, r, passed)
}

// created returns the creation time of the operation in an answer. It is zero if the answer comes
// from an older release and does not say it.
func (r *reply) created() time.Time {
	t, err := time.Parse(CreatedFormat, r.Header.Get(CreatedHeader))
	if err != nil {
		return time.Time{}
	}
	return t
}

// KeyOwner returns the instance that knows an Idempotency-Key, or nil if none does. uri is the
// question. The error has KindBusy if an expected instance did not answer in time, or is reading a
// request with that key. Nothing may be signed then.
func (f *Forwarder) KeyOwner(r Request, uri string) (*Published, error) {
	q := outgoing(r, uri)
	q.method = http.MethodGet
	q.header.Del("Content-Type")
	found, err := f.askAll(r.Context(), q, keyTimeout)
	if found == nil {
		return nil, err
	}
	defer found.end()
	found.skip(keyTimeout)
	return found.peer, nil
}

// askAll sends a question to all expected instances and returns the first successful answer. If
// there is none, it returns nil, and an error if an instance did not answer.
func (f *Forwarder) askAll(ctx context.Context, q question, limit time.Duration) (*reply, error) {
	replies, asked, err := f.askEach(ctx, q, limit)
	if err != nil {
		return nil, err
	}
	var silent error
	for n := range asked {
		switch got := <-replies; {
		case got.answer != nil:
			go discard(replies, asked-n-1)
			return &got, nil
		case got.err != nil && (silent == nil || signing.KindOf(silent) == signing.KindBusy):
			silent = got.err
		}
	}
	return nil, silent
}

// askEach sends a question to all expected instances. The channel gives one reply for each of the
// asked instances. The caller must receive all replies and end their answers.
func (f *Forwarder) askEach(
	ctx context.Context, q question, limit time.Duration,
) (replies <-chan reply, asked int, err error) {
	peers, err := f.peers.expected()
	if err != nil {
		return nil, 0, err
	}
	all := make(chan reply, len(peers))
	for i := range peers {
		one := q
		one.header = q.header.Clone()
		oneCtx, cancel := context.WithCancel(ctx)
		go func() { all <- f.askOne(oneCtx, cancel, one, &peers[i], limit) }()
	}
	return all, len(peers), nil
}

// askOne turns a peer's answer into a reply. Only 404 means no. Any other failure status counts as
// no answer.
func (f *Forwarder) askOne(ctx context.Context, cancel func(), q question, peer *Published, limit time.Duration) reply {
	a, err := f.ask(ctx, cancel, q, peer, limit)
	if err != nil {
		cancel()
		return reply{err: err}
	}
	if a.StatusCode < http.StatusBadRequest {
		f.peers.silences.answered(peer.Ordinal)
		return reply{peer: peer, answer: a}
	}
	defer a.end()
	a.skip(min(limit, answerTimeout))
	if a.StatusCode == http.StatusNotFound {
		f.peers.silences.answered(peer.Ordinal)
		f.outcomes.WithLabelValues("unknown").Inc()
		return reply{}
	}
	f.outcomes.WithLabelValues("silent").Inc()
	cause := fmt.Errorf("it answered with status %d", a.StatusCode)
	busy := signing.Errorf(signing.KindBusy, "instance %s cannot say", peer.Name).Because(cause)
	return reply{err: busy.Retryable(f.peers.silences.noAnswer(peer.Ordinal))}
}

// discard receives n replies that are no longer needed and ends their answers.
func discard(replies <-chan reply, n int) {
	for range n {
		if late := <-replies; late.answer != nil {
			late.end()
		}
	}
}
