package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// downloadWait is how long a download waits for a place: long enough for the end of others, which
	// take milliseconds where their clients read them.
	downloadWait = time.Second
	// answerWait is the same for the answer to a sync request. It is longer, because what was waited
	// for is there.
	answerWait = 10 * time.Second
	// fewDocuments are described in an answer so short that it never waits for its reader.
	fewDocuments = 10
)

// download takes a place for an answer with documents, until done is called. It waits for one for
// so long. From here on the client must read at the rate that the places ask for.
func (x *exchange) download(longest time.Duration) (done func(), err error) {
	leave, err := x.api.downloads.Wait(x.r.Context(), x.client.ID, longest)
	if err != nil {
		return nil, err
	}
	x.pace.Rate = func() int64 { return x.api.downloads.LeastRate(x.client.ID) }
	x.api.metrics.downloads.Inc()
	return func() {
		x.api.metrics.downloads.Dec()
		leave()
	}, nil
}

// downloadOf is download for a SignOperation. An answer that is short takes no place.
func (x *exchange) downloadOf(op signing.Operation, content bool) (done func(), err error) {
	if !content && op.DocumentCount <= fewDocuments {
		return func() {}, nil
	}
	if x.r.Method != http.MethodPost {
		return x.download(downloadWait)
	}
	if done, err = x.download(answerWait); err != nil {
		err = signing.Errorf(
			signing.KindBusy,
			"too many answers are being sent; the result is kept: fetch it by its externalReference",
		).Retryable(limits.RetryAfter)
	}
	return done, err
}

// passOn takes a place for an answer of another instance that holds documents.
func (x *exchange) passOn() (done func(), err error) {
	if x.r.Method != http.MethodGet || !strings.Contains(x.route, "/operation/sign/detail/") {
		return func() {}, nil
	}
	return x.download(downloadWait)
}
