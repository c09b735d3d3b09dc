package affinity

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxSmallAnswer bounds the answer to a question for an Idempotency-Key: a number.
const maxSmallAnswer = 64 << 10

// expected are the other instances that must have answered before something is unknown; those
// without an address have none. KindBusy where who they are is not known.
func (f *Forwarder) expected() (peers []Published, err error) {
	d, known := f.c.Source.Directory()
	if !known {
		return nil, f.nobodyKnown()
	}
	for ordinal := range d.Expected {
		if ordinal == f.c.Ordinal {
			continue
		}
		peer, ok := d.find(ordinal)
		if !ok {
			peer = Published{Name: f.nameOf(ordinal), Ordinal: ordinal}
		}
		peers = append(peers, peer)
	}
	// One that is being scaled down is not expected any more, and may still answer.
	for _, peer := range d.Endpoints {
		if peer.Ordinal >= d.Expected && peer.Ordinal != f.c.Ordinal {
			peers = append(peers, peer)
		}
	}
	return peers, nil
}

// reply is what one peer said: an answer to be passed on, no (both nil), or nothing (err).
type reply struct {
	peer *Published
	*answer
	err error
}

// Search asks all expected instances at once and passes the first answer on that is not 404;
// answered is then true. All said no: false and nil. KindBusy names one that was silent while no
// other knew. Where the client is to be sent there, r.Probe is asked in place of the request: a
// result that nobody gets must not count as fetched.
func (f *Forwarder) Search(w http.ResponseWriter, r Request, longest time.Duration) (answered bool, err error) {
	uri := r.URL.RequestURI()
	if f.c.Mode == Redirect {
		uri = r.Probe
	}
	found, err := f.askAll(r.Context(), outgoing(r, uri), longest+answerTimeout)
	if found == nil {
		return false, err
	}
	defer found.end()
	f.outcomes.WithLabelValues("answered").Inc()
	if f.c.Mode == Redirect {
		return f.redirect(w, r, found.peer)
	}
	return true, found.relay(w)
}

// Newest asks all expected instances at once for what more than one of them may know, and passes on
// the answer of the newest operation if that was created after the asking instance's own, by the
// clocks of both; answered is then true. False and nil: there is none. KindBusy names one that was
// silent, since it may know a newer one.
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
	f.outcomes.WithLabelValues("answered").Inc()
	if f.c.Mode == Redirect {
		return f.redirect(w, r, newest.peer)
	}
	return true, newest.relay(w)
}

// created is when the operation of an answer was; zero if the answer, of an older release, does not
// say.
func (r *reply) created() time.Time {
	t, err := time.Parse(CreatedFormat, r.Header.Get(CreatedHeader))
	if err != nil {
		return time.Time{}
	}
	return t
}

// KeyOwner returns the instance that knows an Idempotency-Key; nil if none does. uri is the
// question. KindBusy if one of the expected did not answer in time, or is reading a request with
// that key: nothing may be signed then.
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

// askAll puts a question to all expected instances and returns the first answer that is a success;
// nil and an error that names a silent instance if there is none and one was silent.
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

// askEach puts a question to all expected instances. Each of the asked gives one reply, which the
// caller must take and end.
func (f *Forwarder) askEach(
	ctx context.Context,
	q question,
	limit time.Duration,
) (replies <-chan reply, asked int, err error) {
	peers, err := f.expected()
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

// askOne turns a peer's answer into a reply. A peer that answers anything but a success or 404 has
// not said no.
func (f *Forwarder) askOne(ctx context.Context, cancel func(), q question, peer *Published, limit time.Duration) reply {
	a, err := f.ask(ctx, cancel, q, peer, limit)
	if err != nil {
		cancel()
		return reply{err: err}
	}
	if a.StatusCode < http.StatusBadRequest {
		return reply{peer: peer, answer: a}
	}
	defer a.end()
	a.skip(min(limit, answerTimeout))
	if a.StatusCode == http.StatusNotFound {
		f.outcomes.WithLabelValues("unknown").Inc()
		return reply{}
	}
	f.outcomes.WithLabelValues("silent").Inc()
	cause := fmt.Errorf("it answered with status %d", a.StatusCode)
	return reply{
		err: signing.Errorf(signing.KindBusy, "instance %s cannot say", peer.Name).Because(cause).Retryable(comeAgain),
	}
}

// discard ends the answers that nobody waits for.
func discard(replies <-chan reply, n int) {
	for range n {
		if late := <-replies; late.answer != nil {
			late.end()
		}
	}
}
