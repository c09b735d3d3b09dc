package api

import (
	"net/http"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxKeyBytes bounds an Idempotency-Key; a UUID has 36.
const maxKeyBytes = 255

// idempotencyKey returns the Idempotency-Key of a request; empty if it has none.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > maxKeyBytes {
		return "", signing.Errorf(signing.KindInvalid, "Idempotency-Key must be one value of 1 to %d characters", maxKeyBytes)
	}
	for _, c := range []byte(values[0]) {
		if c < ' ' || c > '~' {
			return "", signing.Errorf(signing.KindInvalid, "Idempotency-Key must be printable ASCII")
		}
	}
	return values[0], nil
}

// keys holds the Idempotency-Keys of requests that are being read and whose operations are not in
// the store yet. Instances ask each other for them. So, if two instances read two requests with the
// same key at the same time, at most one is signed. Safe for concurrent use.
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

// idByKey answers with the id of the operation that was made with an Idempotency-Key. While a
// request with the key is being read the answer is KindBusy, because the result is not known yet.
func idByKey(x *exchange) error {
	key, err := idempotencyKey(x.r)
	if err != nil {
		return err
	}
	if key == "" {
		return signing.Errorf(signing.KindMissing, "Idempotency-Key is missing: it is a header")
	}
	// Look here before the store. A request that is no longer being read is in the store.
	reading := x.api.keys.claimed(clientKey{x.client.ID, key})
	id, err := x.api.cfg.Service.FindByKey(x.r.Context(), x.client.ID, key)
	if err != nil && reading && signing.KindOf(err) == signing.KindNotFound {
		return busy("a request with that Idempotency-Key is being read")
	}
	if err != nil {
		return err
	}
	x.operation = id
	return writeID(x.w, id)
}
