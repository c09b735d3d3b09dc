package api

import (
	"net/url"
	"strconv"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// LongestPoll bounds the wait of a status call. It is below the 60 s after which load balancers usually give a silent
	// connection up.
	LongestPoll = 50 * time.Second
	// maxPolls is how many status calls may wait at a time; each costs a goroutine and a connection, some 30 KB. Beyond it they are
	// answered at once, as if they had not asked to wait.
	maxPolls = 1000
)

// pollTime reads ?wait= of a status call: how long the answer may be held back while the operation has not ended. A longer wait
// than LongestPoll is cut to it.
func pollTime(query url.Values) (time.Duration, error) {
	text := query.Get("wait")
	if text == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		text = strconv.FormatUint(n, 10) + "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, signing.Errorf(signing.KindInvalid, "wait must be a time such as 30s, or a number of seconds")
	}
	return min(d, LongestPoll), nil
}

// poll returns the operation once it has ended, or as it is when the time that the request names is over.
func (x *exchange) poll(op signing.Operation) (signing.Operation, error) {
	d, err := pollTime(x.r.URL.Query())
	if err != nil || d == 0 {
		return op, err
	}
	select {
	case x.api.polls <- struct{}{}:
		defer func() { <-x.api.polls }()
	default:
		return op, nil
	}
	return x.wait(op, d)
}
