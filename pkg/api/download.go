package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// downloadWait is how long a download waits for a place. Other downloads end within milliseconds
	// if their clients read them.
	downloadWait = time.Second
	// answerWait is the same for the answer to a sync request. It is longer, because the result exists
	// and the client has waited for it.
	answerWait = 10 * time.Second
	// fewDocuments is how many documents, without content, make an answer so short that writing it
	// never waits for the client.
	fewDocuments = 10
)

// download takes a place for an answer with documents until done is called. It waits for a place
// for at most longest. From then on the client must read at the rate that the places require.
func (x *exchange) download(longest time.Duration) (done func(), err error) {
	leave, err := x.api.downloads.Wait(x.r.Context(), x.client.ID, longest)
	if err != nil {
		return nil, err
	}
	x.w.pace.Rate = func() int64 { return x.api.downloads.LeastRate(x.client.ID) }
	x.api.metrics.downloads.Inc()
	return func() {
		x.api.metrics.downloads.Dec()
		leave()
	}, nil
}

// downloadOf is download for a SignOperation. A short answer takes no place.
func (x *exchange) downloadOf(op signing.Operation, content bool) (done func(), err error) {
	if !content && op.DocumentCount <= fewDocuments {
		return func() {}, nil
	}
	if x.r.Method != http.MethodPost {
		return x.download(downloadWait)
	}
	if done, err = x.download(answerWait); err != nil {
		err = busy("too many answers are being sent; the result is kept, so fetch it by its externalReference")
	}
	return done, err
}

// downloadOfPeer is download for another instance's answer, if that answer contains documents.
func (x *exchange) downloadOfPeer() (done func(), err error) {
	if x.r.Method != http.MethodGet || !strings.Contains(x.route, "/operation/sign/detail/") {
		return func() {}, nil
	}
	return x.download(downloadWait)
}
