package affinity

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// KindDirectory is the kind of a message that asks an instance for the numbers of its directory. It
// is no message of key homes, and only shares the way of those.
const KindDirectory keyhome.Kind = "directory"

// Directories asks all other instances for the numbers of their directories, at the same time, and
// returns the answers that came before ctx was done. They have no endpoints. A stopping instance
// needs them, because a kubelet does not update its peers file any more. Instances of releases that
// do not know the question count as silent.
func (m *Messenger) Directories(ctx context.Context) (known []Directory) {
	keys := m.cfg.Keys.valid()
	own, _ := m.cfg.Forwarder.c.Source.Directory()
	body, err := json.Marshal(keyhome.Message{Kind: KindDirectory, From: m.cfg.Ordinal})
	if len(keys) == 0 || err != nil {
		return nil
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range own.Endpoints {
		to := &own.Endpoints[i]
		if to.Ordinal == m.cfg.Ordinal || to.Internal == "" {
			continue
		}
		all.Go(func() {
			text, err := m.exchange(ctx, keys, to, body)
			if err != nil {
				return
			}
			d, err := DecodeDirectory(text)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			known = append(known, d)
		})
	}
	all.Wait()
	return known
}

// AnswerDirectory answers a message of KindDirectory. The error has KindBusy if this instance does
// not know its directory yet.
func (m *Messenger) AnswerDirectory(w http.ResponseWriter, r *ReceivedMessage) error {
	d, known := m.cfg.Forwarder.c.Source.Directory()
	if !known {
		return signing.Errorf(signing.KindBusy, "the list of the other instances could not be read yet").
			Retryable(minRetryAfter)
	}
	d.Endpoints = nil
	body, err := EncodeDirectory(d)
	if err != nil {
		return fmt.Errorf("answer with the directory: %w", err)
	}
	return r.answer(w, body)
}
