package api

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// elsewhere lets other instances answer what this one does not know. notFound is the answer if they
// do not know it either.
func (x *exchange) elsewhere(notFound error) error {
	f := x.api.cfg.Forwarder
	if !f.Elsewhere(x.r) || x.askedAll {
		return notFound
	}
	wait, err := pollTime(x.r.URL.Query())
	if err != nil {
		return err
	}
	done, err := x.passOn()
	if err != nil {
		return err
	}
	defer done()
	var answered bool
	if x.path.id != "" {
		owner, oerr := f.Owner(x.operation)
		if owner == nil {
			if oerr == nil {
				oerr = notFound
			}
			return oerr
		}
		if answered, err = f.Send(x, x.peerRequest(), nil, owner, wait); answered {
			x.forwarded = owner.Name
		}
	} else if answered, err = f.Search(x, x.peerRequest(), wait); answered {
		x.forwarded = x.Header().Get(affinity.InstanceHeader)
	}
	if !answered && err == nil {
		err = notFound
	}
	return err
}

// newerElsewhere lets the instance answer that knows the newest operation of those that may know
// one; own is when this one's was created, zero if it knows none.
func (x *exchange) newerElsewhere(own time.Time) (answered bool, err error) {
	f := x.api.cfg.Forwarder
	if !f.Elsewhere(x.r) {
		return false, nil
	}
	x.askedAll = true
	if answered, err = f.Newest(x, x.peerRequest(), own); answered {
		x.forwarded = x.Header().Get(affinity.InstanceHeader)
	}
	return answered, err
}

// probe is a question that finds out who can answer the request, and does nothing else: the details
// of an operation hold its result.
func (x *exchange) probe() string {
	if strings.Contains(x.route, "/operation/sign/detail/withExternalReference/") {
		if ref, err := x.path.reference(x.r.URL.Query()); err == nil {
			return x.api.cfg.BasePath + apiPath + "operation/status/withExternalReference?externalReference=" + url.QueryEscape(
				ref,
			)
		}
	}
	if x.r.Method == http.MethodDelete {
		return x.api.cfg.BasePath + apiPath + "operation/status/" + x.operation.String()
	}
	return x.r.URL.RequestURI()
}

// keys are the Idempotency-Keys of requests that are being read: their operations are not in the
// store yet. Instances tell each other of them, so that of two requests with one key that two
// instances read at the same moment at most one is signed.
type keys struct {
	mu    sync.Mutex
	count map[clientKey]int
}

type clientKey struct{ client, key string }

func newKeys() *keys { return &keys{count: make(map[clientKey]int)} }

func (k *keys) claim(c clientKey) (done func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.count[c]++
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.count[c]--; k.count[c] == 0 {
			delete(k.count, c)
		}
	}
}

func (k *keys) claimed(c clientKey) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.count[c] > 0
}

// claimKey reads the Idempotency-Key of the request and tells who asks that it is being read, until
// done is called.
func (x *exchange) claimKey() (done func(), err error) {
	if x.key, err = x.idempotencyKey(); err != nil || x.key == "" {
		return func() {}, err
	}
	return x.api.keys.claim(clientKey{x.client.ID, x.key}), nil
}

// keyElsewhere lets the instance answer that knows the request's Idempotency-Key. Where another
// expected instance cannot be asked, nothing is signed: KindBusy.
func (x *exchange) keyElsewhere() (answered bool, err error) {
	f := x.api.cfg.Forwarder
	if x.key == "" || !f.Elsewhere(x.r) {
		return false, nil
	}
	if _, err := x.api.cfg.Service.FindByKey(
		x.r.Context(),
		x.client.ID,
		x.key,
	); signing.KindOf(err) != signing.KindNotFound ||
		err == nil {
		return false, err
	}
	if err := x.body.admit(); err != nil {
		return false, err
	}
	owner, err := f.KeyOwner(x.peerRequest(), x.api.cfg.BasePath+apiPath+"operation/id/withIdempotencyKey")
	if owner == nil {
		return false, err
	}
	if answered, err = f.Send(x, x.peerRequest(), newLent(x), owner, max(x.api.cfg.SyncWait, 0)); answered {
		x.forwarded = owner.Name
	}
	return answered, err
}

// idByKey answers with the id of the operation that an Idempotency-Key made. While a request with
// it is being read nobody can say.
func idByKey(x *exchange) error {
	key, err := x.idempotencyKey()
	if err != nil {
		return err
	}
	if key == "" {
		return signing.Errorf(signing.KindMissing, "Idempotency-Key is missing: it is a header")
	}
	// Before the look into the store: what is not being read any more is there.
	reading := x.api.keys.claimed(clientKey{x.client.ID, key})
	id, err := x.api.cfg.Service.FindByKey(x.r.Context(), x.client.ID, key)
	if err != nil && reading && signing.KindOf(err) == signing.KindNotFound {
		return signing.Errorf(
			signing.KindBusy,
			"a request with that Idempotency-Key is being read",
		).Retryable(limits.RetryAfter)
	}
	if err != nil {
		return err
	}
	x.operation = id
	return x.writeJSON(http.StatusOK, func(w *jsonstream.Writer) error {
		w.Int(int64(id))
		return nil
	})
}

// countRequest takes the request from the client service's bucket. What another instance has proved
// to ask was counted there: one request with an Idempotency-Key would else cost one at every
// instance.
func (x *exchange) countRequest() error {
	if x.counted {
		return nil
	}
	return x.api.quotas.Request(x.client.ID, x.began)
}
